"""Running triggers as the triggerer does: each in a task of its own, made again from its serialized form."""

import asyncio
import json
import time

from airflow_neptune_ml.triggers import NeptuneMLJobTrigger
from airflow_neptune_ml.waiting import WaitResult
from tests.task_run import made_again

TRAINING = "modeltraining"
GET = "GetMLModelTrainingJob"
CANCEL = "CancelMLModelTrainingJob"
POLL = 0.1


def trigger(job_id="j", *, seconds=20.0, **arguments):
    """Return a trigger as the triggerer makes it; its deadline is so many seconds away."""
    arguments = {
        "kind": TRAINING,
        "until": "finished",
        "poll_interval": POLL,
        "deadline": time.time() + seconds,
        **arguments,
    }
    return made_again(*NeptuneMLJobTrigger(job_id=job_id, **arguments).serialize())


async def event_of(waiting):
    """Return the payload of a trigger's only event, as JSON carries it."""
    events = [event.payload async for event in waiting.run()]
    assert len(events) == 1
    return json.loads(json.dumps(events[0]))


async def result_of(waiting):
    """Return how a trigger's wait ended, as the worker reads it."""
    return WaitResult.from_event(await event_of(waiting))


def run(waiting):
    """Run one trigger to its end in an event loop of its own."""
    return asyncio.run(result_of(waiting))


async def until(condition, seconds=10.0):
    """Wait for a condition; a test's own patience."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the test waited in vain"
        await asyncio.sleep(0.01)


def gets(neptune, job_id=None):
    """Return the polls that reached the service."""
    return [
        request
        for request in neptune.requests
        if request.operation and request.operation.startswith("Get") and job_id in (None, request.job_id)
    ]


def failing_once(function, error):
    """Return a function that raises the error when it is first called, and then does what *function* does."""
    errors = [error]

    def called(*arguments):
        if errors:
            raise errors.pop()
        return function(*arguments)

    return called

"""Five hundred waits through a throttling storm and an outage, a minute and three minutes scaled to seconds.

The service runs in a process of its own, since it would else share one core's interpreter with the waits.
"""

import asyncio
import multiprocessing
import random
import time

from airflow_neptune_ml.local import Fault, Life, LocalNeptuneML
from tests.triggers.running import TRAINING, result_of, run, trigger

WAITS = 500
POLL = 1.5
STORM = 6.0
OUTAGE = 12.0
FIRST_END = 2.0
LAST_END = 22.0
# The machine may be busy: what is late by this much is not late.
SLACK = 5.0


class Weather:
    """In place of the queue of faults: half of all answers 429, then no answer at all, then good again."""

    def __init__(self):
        self.began = time.time()

    def take(self, operation, job_id):
        passed = time.time() - self.began
        if passed < STORM:
            return Fault(status=429) if random.random() < 0.5 else None
        return Fault(drop="before") if passed < STORM + OUTAGE else None


def life_of(number):
    """Every tenth job outlives its wait, the others end before, in and after the storm and the outage."""
    return None if number % 10 == 0 else FIRST_END + (LAST_END - FIRST_END) * number / WAITS


def deadline_of(number):
    """Those that time out do so from the storm until after the outage, the others have time enough."""
    return 4.0 + 20.0 * number / WAITS if number % 10 == 0 else LAST_END + 5 * POLL * 1.2 + 3 * SLACK


def serve(pipe):
    """Serve the jobs until asked to stop; then tell what was requested."""
    with LocalNeptuneML() as neptune:
        neptune.add_job(TRAINING, "first", life=Life(seconds=0))
        pipe.send(neptune.url)
        pipe.recv()
        neptune.reset()
        # All times are told from here, so that no job can end before its time.
        neptune.faults = weather = Weather()
        for number in range(WAITS):
            neptune.add_job(TRAINING, f"j{number}", life=Life(seconds=life_of(number)))
        pipe.send(weather.began)
        pipe.recv()
        pipe.send([(request.job_id, request.time) for request in neptune.requests])


async def wait_for_all(began):
    """Wait for all jobs; return each one's result and when it came, in seconds since the weather began."""

    async def one(number):
        left = began + deadline_of(number) - time.time()
        result = await result_of(trigger(f"j{number}", poll_interval=POLL, seconds=left))
        return result, time.time() - began

    return await asyncio.gather(*(one(number) for number in range(WAITS)))


def test_a_storm_and_an_outage_end_no_wait_wrongly(set_connection):
    """All waits end right, none early, none late, and the service never gets more than the poll rate."""
    here, there = multiprocessing.get_context("spawn").Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(there,), daemon=True)
    server.start()
    try:
        set_connection(service_config={"neptunedata": {"endpoint_url": here.recv()}})
        # Once before, so that the weather does not begin during imports.
        run(trigger("first"))
        here.send("begin")
        began = here.recv()
        ended = asyncio.run(wait_for_all(began))
        here.send("end")
        requests = here.recv()
    finally:
        server.terminate()
        server.join()

    for number, (result, at) in enumerate(ended):
        if life_of(number) is None:
            assert result.timed_out, number
            assert deadline_of(number) - 0.05 <= at <= deadline_of(number) + POLL + SLACK, number
        else:
            assert result.error is None, (number, result.error)
            assert result.status.status == "Completed", number
            assert at >= life_of(number), number
    assert len({at // POLL for _, at in ended}) > 3

    polls = {}
    for job_id, at in requests:
        polls.setdefault(job_id, []).append(at)
    assert len(polls) == WAITS
    for number in range(WAITS):
        times = polls[f"j{number}"]
        # The first poll, one per interval, and that at the deadline.
        at_most = (times[-1] - times[0]) / POLL + 1.05 + (life_of(number) is None)
        # aiohttp sends a GET again at once if its connection was dropped; the pause after it makes up for that, but not
        # before the deadline, whose own poll may be sent twice as well.
        in_outage = STORM < times[-1] - began < STORM + OUTAGE + SLACK
        at_most += in_outage * (1 + (life_of(number) is None))
        assert len(times) <= at_most, (number, [round(at - began, 2) for at in times])

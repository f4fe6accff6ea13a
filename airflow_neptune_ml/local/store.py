"""The jobs of one local Neptune ML, by kind and id."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from uuid import uuid4

from airflow_neptune_ml.local import errors
from airflow_neptune_ml.local.artifacts import Artifacts
from airflow_neptune_ml.local.endpoints import Endpoint
from airflow_neptune_ml.local.jobs import Job
from airflow_neptune_ml.local.kinds import KINDS, Kind, find_kind
from airflow_neptune_ml.local.lifecycles import life_at
from airflow_neptune_ml.local.lives import Life
from airflow_neptune_ml.local.names import Names
from airflow_neptune_ml.local.refusals import check_id, check_start, check_values

LIST_DEFAULT = 10
"""How many ids a List answers without ``maxItems``, as documented."""


class Store:
    """Starts, finds, lists and cancels jobs. Not safe for threads by itself: the service holds a lock.

    :param life: How jobs go that have no life of their own.
    :param artifacts: What jobs leave in S3; None where there is no S3.
    :param clean_removes_job: A job cancelled with ``clean`` is gone once it has stopped.
    """

    def __init__(
        self,
        life: Life,
        artifacts: Artifacts | None,
        clean_removes_job: bool,
        region: str,
        clock: Callable[[], float],
    ) -> None:
        self.artifacts = artifacts
        self._life = life
        self._clean_removes_job = clean_removes_job
        self._region = region
        self._clock = clock
        self._jobs: dict[str, dict[str, Job]] = {name: {} for name in KINDS}
        self.gone: set[tuple[str, str]] = set()
        """Kind and id of jobs that are not found any more: their ids are not free."""
        self._leaving: list[Job] = []
        self._writing: list[Job] = []
        self._expected: dict[str, list[tuple[Mapping[str, Any], Life]]] = defaultdict(list)

    def clear(self) -> None:
        """Forget everything."""
        for jobs in self._jobs.values():
            jobs.clear()
        self.gone.clear()
        self._leaving.clear()
        self._writing.clear()
        self._expected.clear()
        if self.artifacts is not None:
            self.artifacts.forget()

    def restore(self, saved: Iterable[Mapping[str, Any]], gone: Iterable[tuple[str, str]]) -> None:
        """Put the jobs of an earlier process there."""
        for one in saved:
            names = Names(**one["names"])
            job = self._put(find_kind(one["kind"]), names.id, one["state"]["_request"], one["life"])
            job.restore(names, one["state"])
            if job.cancelled:
                self._let_go(job)
        self.gone.update(gone)

    def expect(self, kind: str, life: Life, matching: Mapping[str, Any]) -> None:
        """Give the next started job of a kind whose request matches this life."""
        found = find_kind(kind)
        found.check_stage(life.failed_stage)
        _check_rollback(found, life)
        self._expected[found.name].append((matching, life))

    def add(
        self, kind: str, job_id: str, status: str | None, life: Life | None, request: Mapping[str, Any]
    ) -> Job:
        """Put a job there, by no rule but that its kind exists."""
        found = find_kind(kind)
        if life is not None:
            _check_rollback(found, life)
        status = status or found.active
        job = self._put(found, job_id, request, life_at(found, status, life or self._life))
        if status in ("Stopping", "Stopped", "Deleting"):
            job.cancel()
            self._let_go(job)
        elif status == "Updating" and isinstance(job, Endpoint):
            job.update({}, job.life)
        return job

    def all(self) -> list[Job]:
        """Return all jobs, of each kind oldest first."""
        return [job for jobs in self._jobs.values() for job in jobs.values()]

    def get(self, kind: str, job_id: str) -> Job:
        """Return a job; KeyError when there is none."""
        return self._jobs[find_kind(kind).name][job_id]

    def start(self, kind: Kind, params: Mapping[str, Any]) -> dict[str, Any]:
        """Start a job, or create or update an endpoint, and return what the operation answers."""
        job_id = params["id"] if "id" in params else str(uuid4())
        check_id(job_id)
        check_values(params)
        if params.get("update"):
            job = self.find(kind, job_id)
            check_start(kind, params, self._jobs)
            self._update(job, params)
        else:
            if job_id in self._jobs[kind.name] or (kind.name, job_id) in self.gone:
                raise errors.invalid(errors.ID_IN_USE)
            check_start(kind, params, self._jobs)
            if self.artifacts is not None and kind.output:
                self.artifacts.check(params[kind.output])
            job = self._put(kind, job_id, params, self._next_life(kind, params))
        return {"id": job_id, "arn": job.arn, "creationTimeInMillis": int(time.time() * 1000)}

    def find(self, kind: Kind, job_id: str) -> Job:
        """Return a job, or refuse as Neptune does."""
        job = self._jobs[kind.name].get(job_id)
        if job is None:
            raise errors.not_found()
        return job

    def newest_ids(self, kind: Kind, most: int) -> list[str]:
        """Return the ids of a kind, newest first, those of finished jobs too."""
        return list(reversed(self._jobs[kind.name]))[:most]

    def cancel(self, kind: Kind, job_id: str, clean: bool) -> Job:
        """Begin to stop a job. One that is stopping already is not refused, as the API calls this
        idempotent."""
        job = self.find(kind, job_id)
        if job.finished:
            raise errors.invalid(errors.ALREADY_FINISHED)
        job.cancel(clean)
        self._let_go(job)
        if job.clean and self.artifacts is not None:
            self.artifacts.delete(job)
        return job

    def settle(self) -> None:
        """Do what time has brought: let go of what is gone, write what has completed.

        Only jobs that have something left to do are looked at: there can be ten thousand, polled every few
        seconds.
        """
        for job in [job for job in self._leaving if job.stopped]:
            self._leaving.remove(job)
            # A test may have put another one there under its id.
            if self._jobs[job.kind.name].get(job.id) is job:
                del self._jobs[job.kind.name][job.id]
                # An id is never free again.
                self.gone.add((job.kind.name, job.id))
        if self.artifacts is not None:
            for job in self._writing:
                self.artifacts.write(job)
            self._writing = [job for job in self._writing if not (job.finished or job.clean)]

    def _put(self, kind: Kind, job_id: str, request: Mapping[str, Any], life: Life) -> Job:
        make = Endpoint if kind.name == "endpoint" else Job
        job = make(kind, job_id, request, life, self._clock, self._region)
        self._jobs[kind.name][job_id] = job
        if self.artifacts is not None and kind.output in request:
            self._writing.append(job)
        return job

    def _update(self, job: Job, params: Mapping[str, Any]) -> None:
        assert isinstance(job, Endpoint)
        if job.busy:
            raise errors.bad_request(errors.ENDPOINT_BUSY)
        job.update(params, self._next_life(job.kind, params))

    def _let_go(self, job: Job) -> None:
        """Note that a cancelled job will not be found once it has stopped, if that is so."""
        vanishes = job.kind.name == "endpoint" or (job.clean and self._clean_removes_job)
        if vanishes and not job.life.stop_statuses and job not in self._leaving:
            self._leaving.append(job)

    def _next_life(self, kind: Kind, request: Mapping[str, Any]) -> Life:
        expected = self._expected[kind.name]
        for place, (matching, life) in enumerate(expected):
            if _matches(matching, request):
                del expected[place]
                return life
        return self._life


def _matches(wanted: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
    """Tell whether a request has all wanted members."""
    return all(
        isinstance(given.get(name), Mapping) and _matches(value, given[name])
        if isinstance(value, Mapping)
        else name in given and given[name] == value
        for name, value in wanted.items()
    )


def _check_rollback(kind: Kind, life: Life) -> None:
    """Refuse a life that nothing of this kind can have."""
    if life.rolls_back and kind.name != "endpoint":
        raise ValueError(
            f"rolls_back is for updates, and there are none of {kind.name}; only an endpoint has them"
        )

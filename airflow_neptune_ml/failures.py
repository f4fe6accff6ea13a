"""Why jobs fail: SageMaker's texts, what each means, and what to do. Standard library only; no I/O.

Neptune passes the texts on, in the answer to a start or as the failure reason of a part of a job. Under
which error code it does so is documented nowhere, the wording has changed over the years, and a text may be
cut. So a text is known by the few words of it that stayed the same. One that is not known keeps its words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Cure(StrEnum):
    """What it takes until the same job may succeed."""

    WAITING = "waiting"
    RETRY = "perhaps a retry"
    CHANGE = "a change, which no retry makes"


@dataclass(frozen=True)
class Failure:
    """One kind of failure.

    :param name: what logs call it
    :param signs: words of its texts, in any case; one of them is enough
    :param advice: the reason, and what to do, in the 100 characters that Airflow's UI shows
    :param cure: what it takes until the same job may succeed
    """

    name: str
    signs: tuple[str, ...]
    advice: str
    cure: Cure = Cure.RETRY


@dataclass(frozen=True)
class Quota:
    """A quota of SageMaker as a text tells of it. What the text does not tell is None.

    :param name: as Service Quotas calls it, such as ``ml.p3.2xlarge for training job usage``
    :param limit: what the account may use
    :param delta: what the request adds
    """

    name: str | None = None
    limit: int | None = None
    delta: int | None = None

    @property
    def is_zero(self) -> bool:
        """Whether nothing was ever granted."""
        return self.limit == 0

    @property
    def is_too_small(self) -> bool:
        """Whether the request is larger than all of it."""
        return self.limit is not None and self.delta is not None and self.delta > self.limit

    def failure(self) -> Failure:
        """Return the kind of failure, with this quota in its advice."""
        name = f"SageMaker quota {f'{self.name!r} ' if self.name else ''}"
        if self.is_zero:
            return Failure(QUOTA_ZERO, (), f"{name}is 0: raise it in Service Quotas.", Cure.CHANGE)
        if self.is_too_small:
            advice = f"{name}is {self.limit}, not {self.delta}: raise it or ask for less."
            return Failure(QUOTA_TOO_SMALL, (), advice, Cure.CHANGE)
        limit = "" if self.limit is None else f" ({self.limit})"
        return Failure(QUOTA_USED_UP, (), f"{name}is used up{limit}: try later, or raise it.", Cure.WAITING)


QUOTA_ZERO = "quota of 0"
QUOTA_TOO_SMALL = "quota smaller than the request"
QUOTA_USED_UP = "quota used up"
QUOTAS = frozenset({QUOTA_ZERO, QUOTA_TOO_SMALL, QUOTA_USED_UP})
RAISE_IT = (
    "Quotas are raised in AWS's console: Service Quotas, Amazon SageMaker, in the region of the cluster."
)

CAPACITY = Failure(
    "no capacity",
    ("CapacityError", "InsufficientInstanceCapacity", "Unable to provision requested"),
    "AWS has no capacity for this instance type now: try again later, or use another type.",
    Cure.WAITING,
)
THROTTLED = Failure(
    "throttled",
    ("Rate exceeded", "ThrottlingException"),
    "AWS had too many requests: another try may get through.",
    Cure.WAITING,
)
ROLE = Failure(
    "role",
    ("unable to assume the role", "ensure that the role exists", "iam:PassRole"),
    "SageMaker cannot use the role: check sagemaker_iam_role_arn, its trust, and iam:PassRole.",
    Cure.CHANGE,
)
INTERNAL = Failure(
    "internal error",
    ("InternalServerError", "encountered an internal error"),
    "SageMaker failed: try again. If you gave subnets, check their network and the role.",
)
FAILURES: tuple[Failure, ...] = (
    CAPACITY,
    THROTTLED,
    ROLE,
    Failure(
        "S3",
        ("Failed to download data",),
        "SageMaker cannot read its input in S3: check the location and the role's policy.",
    ),
    Failure(
        "network",
        ("Artifact upload failed", "S3 VPC endpoint"),
        "SageMaker cannot reach S3 from the subnets: check their route to an S3 VPC endpoint.",
    ),
    Failure(
        "memory",
        ("Exit Code: 137",),
        "The job ran out of memory (exit code 137): use an instance type with more memory.",
    ),
    Failure(
        "health check",
        ("ping health check",),
        "The model did not start on the endpoint: see its CloudWatch log, or use a larger instance.",
    ),
    Failure(
        "trials",
        ("No training job succeeded",),
        "Every trial of the tuning failed: see a trial's CloudWatch log, above or in the links.",
    ),
    INTERNAL,
    Failure(
        "algorithm",
        ("AlgorithmError",),
        "The job's code or its data failed: see its CloudWatch log, above or in the links.",
    ),
)
"""The kinds of failures that their words tell, the surest first; quotas are told by their numbers."""

_QUOTA_SIGNS = ("service limit '", "service limit for ", "service-limit of ", "ResourceLimitExceeded")
_NAMED = re.compile(r"service[ -]limit '([^']*)'?", re.IGNORECASE)
_NAMED_OLD = re.compile(r"service[ -]limit for (\S+)", re.IGNORECASE)
_NAMED_LAST = re.compile(r" for '([^']*)' is greater than", re.IGNORECASE)
_LIMIT = re.compile(
    r"service[ -]limit (?:'[^']*'|for \S+) is ([\d,]+)|service[ -]limit of ([\d,]+)", re.IGNORECASE
)
_DELTA = re.compile(r"request delta of ([\d,]+)", re.IGNORECASE)


def quota_of(text: str) -> Quota | None:
    """Read what a text tells of a quota; None if it is about none."""
    if not _has(text, _QUOTA_SIGNS):
        return None
    named = _NAMED.search(text) or _NAMED_OLD.search(text) or _NAMED_LAST.search(text)
    return Quota(
        name=named[1] if named and named[1] else None,
        limit=_number(_LIMIT, text),
        delta=_number(_DELTA, text),
    )


def failure_of(text: str | None) -> Failure | None:
    """Tell which kind of failure a text is about; None for one that is not known."""
    if not text:
        return None
    quota = quota_of(text)
    if quota is not None:
        return quota.failure()
    return next((failure for failure in FAILURES if _has(text, failure.signs)), None)


def line_of_zero_quota(lines: Iterable[str]) -> str | None:
    """Return the line of a log that tells of a quota of 0: the trainer's shows nowhere else."""
    return next((line.strip() for line in lines if (quota := quota_of(line)) and quota.is_zero), None)


def is_same(one: str, other: str) -> bool:
    """Tell whether two reasons are the same: of one known kind, or in the same words but for numbers."""
    first, second = failure_of(one), failure_of(other)
    if first or second:
        return bool(first and second and first.name == second.name)
    return bool(one) and _without_ids(one) == _without_ids(other)


def _without_ids(text: str) -> str:
    return re.sub(r"\S*\d\S*", "#", text)


def _has(text: str, signs: Iterable[str]) -> bool:
    lower = text.lower()
    return any(sign.lower() in lower for sign in signs)


def _number(pattern: re.Pattern[str], text: str) -> int | None:
    match = pattern.search(text)
    digits = next((group for group in match.groups() if group), "") if match else ""
    digits = digits.replace(",", "")
    return int(digits) if digits and len(digits) < 20 else None

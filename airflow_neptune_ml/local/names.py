"""What SageMaker calls the resources that Neptune ML makes for a job."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime
from string import ascii_lowercase

from airflow_neptune_ml.local.kinds import Stage

ACCOUNT = "123456789012"


_numbers = itertools.count(random.randrange(10**6))  # noqa: S311 - no secret


@dataclass(frozen=True)
class Names:
    """Makes the names for one job: of the form that saved answers of real clusters show.

    :param id: Neptune's id for the job. A name begins with up to eight characters of it.
    :param started: Seconds since the epoch; names hold the time.
    :param region: Goes into ARNs.
    :param number: Makes the names unlike those of any other job: three letters in place of the id's sixth to
        eighth in a training's names, and the digits behind the time in all others.
    """

    id: str
    started: float
    region: str
    number: int = field(default_factory=_numbers.__next__)

    def of(self, stage: Stage) -> str:
        """Return the name of a stage's resource."""
        began = datetime.fromtimestamp(self.started, UTC)
        return stage.name.format(
            id=self.id[:8],
            stem=self.id[:5] + "".join(ascii_lowercase[self.number // 26**place % 26] for place in range(3)),
            time=f"{began:%Y-%m-%d-%H-%M}-{self.number % 10**7:07d}",
            short_time=f"{began:%y%m%d-%H%M}",
        )

    def new_config(self, stage: Stage) -> str:
        """Return a name for another configuration of an endpoint."""
        return f"{Names(self.id, self.started, self.region).of(stage)}config"

    def arn(self, resource: str, name: str) -> str:
        """Return the ARN of a resource."""
        return f"arn:aws:sagemaker:{self.region}:{ACCOUNT}:{resource}/{name}"

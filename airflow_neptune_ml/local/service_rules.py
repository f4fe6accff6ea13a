"""What AWS leaves undocumented, as choices in one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class ServiceRules:
    """Choose how the local service behaves where AWS's documents are silent or disagree.

    :param error_status: HTTP status of ML errors: ``"model"`` as the API model has it (404 for a job that is
        not found, 408, 429, else 400), or ``"400"`` for all of them, as the user guide has it.
    :param cancel_body: What a cancel answers: ``"status"`` a JSON object with the status word, or
        ``"empty"``.
    :param delete_body: The same for DeleteMLEndpoint. The one saved output of a real endpoint deletion was
        empty.
    :param clean_removes_job: A job cancelled with ``clean`` is not found any more once it has stopped.
    :param empty_members: What an empty string in a body means: ``"absent"``, as AWS's notebooks send it for
        what is not given, or ``"refuse"``.
    :param unknown_members: Members of a body that neither the API's model nor the guide has: ``"refuse"``
        them, or ``"ignore"`` them. Those that AWS's notebooks send are ignored always.
    :param old_failed_processing: The answer describes a failed processing under the key
        ``processingJobDefinition``, as a cluster of 2021 did it, and not under ``processingJob``.
    """

    error_status: Literal["model", "400"] = "model"
    cancel_body: Literal["status", "empty"] = "status"
    delete_body: Literal["status", "empty"] = "empty"
    clean_removes_job: bool = False
    empty_members: Literal["absent", "refuse"] = "absent"
    unknown_members: Literal["refuse", "ignore"] = "refuse"
    old_failed_processing: bool = False

"""What AWS leaves undocumented, as choices in one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class ServiceRules:
    """Choose how the local service behaves where AWS's documents are silent or disagree.

    :param error_status: HTTP status of ML errors: ``"model"`` as the API model has it (404 for a job that is not
        found, 408, 429, else 400), or ``"400"`` for all of them, as the user guide has it.
    :param cancel_body: What a cancel answers: ``"status"`` a JSON object with the status word, or ``"empty"``.
    :param delete_body: The same for DeleteMLEndpoint. The one saved output of a real endpoint deletion was empty.
    :param clean_removes_job: A job cancelled with ``clean`` is not found any more once it has stopped.
    """

    error_status: Literal["model", "400"] = "model"
    cancel_body: Literal["status", "empty"] = "status"
    delete_body: Literal["status", "empty"] = "empty"
    clean_removes_job: bool = False

"""Checking a start request before it is sent: what AWS refuses only after it was asked, and what templates
leave.

A member is checked by what its name says, since AWS names alike what is alike. Messages use the operator's
argument names. Source of the rules: the API reference of the operations, and the Neptune ML guide.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from airflow_neptune_ml.arguments import boolean, extra_members
from airflow_neptune_ml.exceptions import InvalidJobIdError, NeptuneMLConfigurationError
from airflow_neptune_ml.hooks.http_only import EXTRA
from airflow_neptune_ml.job_ids import as_text, is_missing, problem_with
from airflow_neptune_ml.jobs import ENDPOINT, MODEL_TRAINING, MODEL_TRANSFORM, JobKind
from airflow_neptune_ml.progress import Log

AWS_TIME_OUT = 86_400
"""Seconds after which SageMaker stops a job by itself, unless the request says otherwise: AWS's default."""


def checked_request(
    kind: JobKind, request: Mapping[str, Any], required: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the request without what is not given, each member of the type that AWS wants.

    None and "" mean not given; so do "None", as which a template renders None, and white space, but for a job
    id: what should have given it did not run.

    :param required: the operator's arguments that must be given
    :raises NeptuneMLConfigurationError: a member is wrong, or members contradict each other; names the
        arguments
    """
    given = {
        member: value
        for member, value in request.items()
        if not is_missing(value) or (value not in (None, "") and member.endswith("JobId"))
    }
    for argument in required:
        if argument not in map(argument_of, given):
            raise NeptuneMLConfigurationError(f"{argument} is needed, and was empty.")
    done = {member: _check(member, value) for member, value in given.items()}
    if kind.name in _CONTRADICTIONS:
        _CONTRADICTIONS[kind.name](done)
    return done


def warn_of_defaults(kind: JobKind, request: Mapping[str, Any], log: Log) -> None:
    """Say in the log what AWS chooses for a checked request, where that is dear and about to be withdrawn."""
    if kind is MODEL_TRAINING and "trainingInstanceType" not in request:
        log.warning(
            "training_instance_type is not given: AWS's default, ml.p3.2xlarge, costs about 3.8 USD an hour and is being "
            "withdrawn. Choose one, such as ml.g4dn.xlarge."
        )


def extra_request(value: Any, members: Mapping[str, str]) -> dict[str, Any]:
    """Return what a hook's start takes beside the members that it knows, as one item; nothing if nothing was
    given.

    :param value: the operator's rendered ``extra_request``
    :param members: the operator's arguments, each with the API's name of it
    :raises NeptuneMLConfigurationError: it is no dict, or has a member that has an argument, or cannot be
        sent
    """
    if is_missing(value) or value == {}:
        return {}
    if not isinstance(value, Mapping):
        raise _must_be("extra_request", value, "a dict with AWS's names")
    try:
        return {EXTRA: json.loads(json.dumps(dict(extra_members(value, members)), allow_nan=False))}
    except (TypeError, ValueError) as error:
        raise NeptuneMLConfigurationError(f"extra_request cannot be sent as JSON: {error}.") from None


def argument_of(member: str) -> str:
    """Return the operator's argument for a member of the API, such as ``training_instance_type``."""
    from botocore import xform_name

    return str(xform_name(member))


def _check(member: str, value: Any) -> Any:
    check: Callable[[str, Any], Any] = next(
        check for pattern, check in _BY_NAME if re.search(pattern, member)
    )
    return check(argument_of(member), value)


def _s3_location(argument: str, value: Any) -> str:
    # A bucket "None" is what a template has made of one that did not come.
    if not isinstance(value, str) or not re.fullmatch(r"s3://(?!None(/|$))[^/\s]+(/\S*)?", value):
        raise _must_be(argument, value, "an S3 URI without white space, s3://<bucket>/<prefix>")
    return value


def _instance_type(argument: str, value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"ml\.[\w.-]+", value):
        raise _must_be(argument, value, "an instance type of SageMaker, such as ml.m5.xlarge")
    return value


def _job_id(argument: str, value: Any) -> str:
    problem = problem_with(value)
    if problem:
        raise InvalidJobIdError(f"{argument}: {problem}")
    return str(as_text(value))


def _arn(argument: str, value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"arn:\S+", value):
        raise _must_be(argument, value, "an ARN, arn:aws:iam::<account>:role/<name>")
    return value


def _number(argument: str, value: Any, least: int = 1) -> int:
    if isinstance(value, str) and re.fullmatch(r"\s*\d{1,18}\s*", value, re.ASCII):
        value = int(value)  # a template renders a number as its digits
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise _must_be(argument, value, f"a whole number of at least {least}")
    return value


def _words(argument: str, value: Any) -> list[str]:
    several = isinstance(value, Sequence) and not isinstance(value, str)
    if not several or not all(
        isinstance(word, str) and re.fullmatch(r"(?!None$)\S+", word) for word in value
    ):
        raise _must_be(argument, value, "a list of ids, none of them empty or with white space")
    return list(value)


def _custom_model(argument: str, value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise _must_be(argument, value, "a dict with AWS's own keys, such as sourceS3DirectoryPath")
    location = value.get("sourceS3DirectoryPath")
    if not location:
        raise _must_be(f"{argument}['sourceS3DirectoryPath']", location, "an S3 URI, s3://<bucket>/<prefix>")
    _s3_location(f"{argument}['sourceS3DirectoryPath']", location)
    return {key: _text(f"{argument}[{key!r}]", text) for key, text in value.items() if not is_missing(text)}


def _text(argument: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _must_be(argument, value, "a string")
    if value != value.strip() or re.search(r"[\t\r\n]", value):
        raise _must_be(argument, value, "without white space around it and without line breaks")
    return value


_BY_NAME: tuple[tuple[str, Callable[[str, Any], Any]], ...] = (
    (r"S3Location$", _s3_location),
    (r"[iI]nstanceType$", _instance_type),
    (r"JobId$", _job_id),
    (r"Arn$", _arn),
    (r"InGB$", partial(_number, least=0)),  # 0 lets Neptune ML choose
    (r"InSeconds$|WaitTime$|^maxHPO|Count$", _number),
    (r"^enable|^update$", boolean),
    (r"^subnets$|^securityGroupIds$", _words),
    (r"^customModel", _custom_model),
    (r"", _text),
)


def _check_training(request: Mapping[str, Any]) -> None:
    wait = request.get("maxWaitTime")
    time_out = request.get("trainingTimeOutInSeconds", AWS_TIME_OUT)
    if wait is not None and wait < time_out:
        raise NeptuneMLConfigurationError(
            f"max_wait_time ({wait} s) must not be shorter than training_time_out_in_seconds ({time_out} s): it is the "
            "time for waiting for a spot instance and for the training on it together."
        )


def _check_transform(request: Mapping[str, Any]) -> None:
    ids, name = ["dataProcessingJobId", "mlModelTrainingJobId"], ["trainingJobName"]
    given = [member for member in (*ids, *name) if member in request]
    if given not in (ids, name):
        raise NeptuneMLConfigurationError(
            "Give either data_processing_job_id and ml_model_training_job_id, or training_job_name (a SageMaker "
            f"name), not {', '.join(map(argument_of, given)) or 'none of them'}."
        )


def _check_endpoint(request: Mapping[str, Any]) -> None:
    ids = [member for member in ("mlModelTrainingJobId", "mlModelTransformJobId") if member in request]
    if len(ids) != 1:
        raise NeptuneMLConfigurationError(
            "Give exactly one of ml_model_training_job_id and ml_model_transform_job_id, not "
            f"{'both' if ids else 'none'}."
        )


_CONTRADICTIONS: Mapping[str, Callable[[Mapping[str, Any]], None]] = {
    MODEL_TRAINING.name: _check_training,
    MODEL_TRANSFORM.name: _check_transform,
    ENDPOINT.name: _check_endpoint,
}


def _must_be(argument: str, value: Any, wanted: str) -> NeptuneMLConfigurationError:
    return NeptuneMLConfigurationError(f"{argument} must be {wanted}, not {value!r}.")

"""What the reference documents, page by page."""

from __future__ import annotations

PACKAGE = "airflow_neptune_ml"

START = f"{PACKAGE}.operators.start.NeptuneMLStartJobOperator"
CANCEL = f"{PACKAGE}.operators.cancel.NeptuneMLCancelJobOperator"
ENTRIES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "operators": (
        "Operators",
        "Tasks that start and stop jobs. Import them from `airflow_neptune_ml.operators`.",
        (
            f"{PACKAGE}.operators.NeptuneMLStartDataProcessingOperator",
            f"{PACKAGE}.operators.NeptuneMLStartTrainingOperator",
            f"{PACKAGE}.operators.NeptuneMLStartTransformOperator",
            f"{PACKAGE}.operators.NeptuneMLCreateEndpointOperator",
            START,
            f"{PACKAGE}.operators.NeptuneMLCancelDataProcessingOperator",
            f"{PACKAGE}.operators.NeptuneMLCancelTrainingOperator",
            f"{PACKAGE}.operators.NeptuneMLCancelTransformOperator",
            f"{PACKAGE}.operators.NeptuneMLDeleteEndpointOperator",
            CANCEL,
            f"{PACKAGE}.operators.base.NeptuneMLBaseOperator",
        ),
    ),
    "sensor": (
        "Sensor",
        "It waits for a job that something else has started. Import it from `airflow_neptune_ml.sensors`.",
        (f"{PACKAGE}.sensors.NeptuneMLJobSensor",),
    ),
    "trigger": (
        "Trigger",
        "It waits for a job in the triggerer, for operators of your own. Import it from `airflow_neptune_ml.triggers`.",
        (f"{PACKAGE}.triggers.NeptuneMLJobTrigger", f"{PACKAGE}.triggers.read_event"),
    ),
    "notifier": (
        "Notifier",
        "It stops jobs from a callback. Import it from `airflow_neptune_ml.notifications`.",
        (f"{PACKAGE}.notifications.NeptuneMLCancelJobNotifier",),
    ),
    "hook": (
        "Hook",
        "With it a task of your own asks Neptune ML. Import it from `airflow_neptune_ml.hooks`, inside a task: it loads boto3.",
        (
            f"{PACKAGE}.hooks.NeptuneMLHook",
            f"{PACKAGE}.hooks.cluster.NeptuneClusterHook",
            f"{PACKAGE}.jobs.JobStatus",
            f"{PACKAGE}.jobs.SubJob",
            f"{PACKAGE}.jobs.Phase",
        ),
    ),
    "links": (
        "Links",
        "Operators and the sensor show these links on a task's page. [Results](../results.md#links) has a picture.",
        tuple(f"{PACKAGE}.links.NeptuneML{page}Link" for page in ("Log", "SageMaker", "Output", "Cluster")),
    ),
    "exceptions": (
        "Exceptions",
        "All errors, and the tree that they form. Import them from `airflow_neptune_ml.exceptions`. "
        "[Errors](../error-classes.md) says what to do about each.",
        (),
    ),
    "retries": (
        "Retry policy",
        "Import it from `airflow_neptune_ml.retries`; it needs Airflow 3.3. [Why a job failed](../errors.md) says when to use it.",
        (f"{PACKAGE}.retries.NeptuneMLRetryPolicy",),
    ),
    "local": (
        "Local Neptune ML",
        "A Neptune ML that runs on your machine. Import it from `airflow_neptune_ml.local`; it needs the extra `local`. [The local Neptune ML](../local.md) says how to use it.",
        (
            f"{PACKAGE}.local.LocalNeptuneML",
            f"{PACKAGE}.local.NeptuneML",
            f"{PACKAGE}.local.mock_neptune_ml",
            f"{PACKAGE}.local.Life",
            f"{PACKAGE}.local.Fault",
            f"{PACKAGE}.local.Request",
            f"{PACKAGE}.local.ServiceRules",
        ),
    ),
}
"""Each page: its title, what stands first, and the names that it documents."""
MORE_CONTENTS: dict[str, tuple[str, str]] = {
    "configuration": ("Configuration", "The options of the section `[neptune_ml]` in `airflow.cfg`."),
    "connection-form": ("Connection form", "The fields of a connection of type `neptune_ml`."),
    "commands": ("Commands", "`neptune-ml` and `neptune-ml-local`, with all options."),
    "../xcom": ("XCom", "The keys that the tasks push to XCom."),
}
"""The other pages that the list of all pages has: their titles, and what they hold."""

"""What Airflow reads to know this provider. Imports nothing of Airflow, which is half loaded at that time."""

from typing import Any

from airflow_neptune_ml import __version__, connection_form


def get_provider_info() -> dict[str, Any]:
    """Return the provider's description in the form of Airflow's ``provider_info.schema.json``."""
    neptune_ml = "Amazon Neptune ML"
    return {
        "package-name": "airflow-provider-neptune-ml",
        "name": neptune_ml,
        "description": "Run, watch and stop jobs of `Amazon Neptune ML <https://aws.amazon.com/neptune/>`__.",
        "versions": [__version__],
        "integrations": [
            {
                "integration-name": neptune_ml,
                "external-doc-url": "https://docs.aws.amazon.com/neptune/latest/userguide/machine-learning.html",
                "tags": ["aws"],
            }
        ],
        "hooks": [
            {"integration-name": neptune_ml, "python-modules": ["airflow_neptune_ml.hooks.neptune_ml"]},
        ],
        "connection-types": [connection_form.metadata()],
        "extra-links": [
            f"airflow_neptune_ml.links.neptune_ml.NeptuneML{page}Link"
            for page in ("Log", "SageMaker", "Output", "Cluster")
        ],
        "sensors": [
            {"integration-name": neptune_ml, "python-modules": ["airflow_neptune_ml.sensors.neptune_ml"]},
        ],
        "triggers": [
            {"integration-name": neptune_ml, "python-modules": ["airflow_neptune_ml.triggers.neptune_ml"]},
        ],
        "notifications": [
            "airflow_neptune_ml.notifications.neptune_ml.NeptuneMLCancelJobNotifier",
        ],
        "operators": [
            {
                "integration-name": neptune_ml,
                "python-modules": [
                    "airflow_neptune_ml.operators.cancel",
                    "airflow_neptune_ml.operators.data_processing",
                    "airflow_neptune_ml.operators.training",
                    "airflow_neptune_ml.operators.transform",
                    "airflow_neptune_ml.operators.endpoint",
                ],
            },
        ],
        # Airflow 3.2 and later: `airflow neptune-ml`. A list: a string breaks every command of Airflow.
        "cli": ["airflow_neptune_ml.cli.definition.get_commands"],
        "config": {
            "neptune_ml": {
                "description": "Amazon Neptune ML jobs.",
                "options": {
                    "namespace": {
                        "description": "The name of this Airflow deployment, if several deployments share a Neptune cluster. It "
                        "is a part of the ids of the jobs that its tasks start. It must be the same on all machines of the "
                        "deployment. Empty: the address of the web server, ``[api] base_url`` (Airflow 2: "
                        "``[webserver] base_url``).",
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "production",
                        "default": "",
                    },
                    "access_error_timeout": {
                        "description": "Seconds for which a wait for a job goes on while the cluster cannot be asked: a "
                        "permission, credentials or the Airflow connection is missing, or the cluster does not serve. After "
                        "that a worker asks with its own connection, and the task fails if the worker gets no answer either.",
                        "version_added": "0.1.0",
                        "type": "float",
                        "example": "3600",
                        "default": "1800",
                    },
                    "cancel_orphaned_jobs": {
                        "description": "When a DAG run has ended, cancel the jobs that its start operators have started and "
                        "that nobody waits for any more. This runs in the DAG processor. The option must be the same on all DAG "
                        "processors.",
                        "version_added": "0.1.0",
                        "type": "boolean",
                        "example": None,
                        "default": "True",
                    },
                },
            },
        },
    }

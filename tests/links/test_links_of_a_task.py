"""The links of operators and sensor while and after they run, in both modes, against the local Neptune ML."""

import botocore.session
import pytest

from airflow_neptune_ml import operators, sensors
from airflow_neptune_ml.airflow_versions import DAG, AirflowSensorTimeout, TaskDeferred
from airflow_neptune_ml.exceptions import JobFailed, JobTimedOut, NeptuneMLWaitTimeout, WatchedJobFailed
from airflow_neptune_ml.hooks import NeptuneMLHook
from airflow_neptune_ml.hooks.cluster_place import cluster_place
from airflow_neptune_ml.links.neptune_ml import LINKS
from airflow_neptune_ml.local import Life, LocalNeptuneML
from airflow_neptune_ml.sagemaker_parts import ClusterPlace, partition_of
from airflow_neptune_ml.waiting import WaitResult
from tests.task_run import MODES, TaskRun, run_task

TRAINING = {"data_processing_job_id": "data", "train_model_s3_location": "s3://bucket/models"}
LOG, PAGE, OUTPUT = (f"_link_NeptuneML{page}Link" for page in ("Log", "SageMaker", "Output"))


class Watched(TaskRun):
    """A task run that remembers what was pushed to XCom, in order."""

    def __init__(self):
        super().__init__()
        self.pushes = []

    def xcom_push(self, key, value):
        self.pushes.append((key, value))
        super().xcom_push(key, value)

    def pushed(self, key):
        return [value for pushed, value in self.pushes if pushed == key]


@pytest.fixture(autouse=True)
def data(cluster):
    """Have data that a training may start from."""
    cluster.add_job("dataprocessing", "data", status="Completed")


def train(mode, cluster, life, **arguments):
    """Run a training task to its end."""
    cluster.expect("modeltraining", life)
    run = Watched()
    arguments = {"poll_interval": 0.02, **TRAINING, **arguments}
    return run_task(operators.NeptuneMLStartTrainingOperator, mode, run, **arguments)


def names(cluster):
    """Return the name of each part of the only training."""
    (job,) = cluster.jobs("modeltraining")
    return [part["name"] for part in job.describe().values() if isinstance(part, dict) and "name" in part]


def links_of(trigger):
    """Return what a trigger is told of its task's links."""
    return trigger.serialize()[1]["links"]


EXPORTED = [getattr(operators, name) for name in operators.__all__] + [sensors.NeptuneMLJobSensor]


@pytest.mark.parametrize("task_class", EXPORTED, ids=lambda task_class: task_class.__name__)
def test_every_operator_and_the_sensor_have_the_links_as_a_class(task_class):
    """Airflow does not see the links of an instance when the task is mapped."""
    assert task_class.operator_extra_links == LINKS


def test_a_plugin_can_register_a_link_of_ours(monkeypatch):
    """Airflow looks at each plugin's links when it reads a DAG back, and asks them for their operators."""
    from airflow import plugins_manager
    from airflow.serialization import serialized_objects

    with DAG("links", schedule=None) as dag:
        operators.NeptuneMLStartTrainingOperator(task_id="train", **TRAINING)
    for name, links in (("operator_extra_links", [LINKS[0]]), ("global_operator_extra_links", [])):
        # A list on Airflow 2 and 3.0, a function on 3.3.
        monkeypatch.setattr(plugins_manager, name, links, raising=False)
        monkeypatch.setattr(plugins_manager, f"get_{name}", lambda links=links: links, raising=False)
    monkeypatch.setattr(plugins_manager, "registered_operator_link_classes", {}, raising=False)
    of_3_3 = getattr(serialized_objects, "DagSerialization", None)
    serialization = of_3_3 or serialized_objects.SerializedDAG
    assert serialization.from_dict(serialization.to_dict(dag)).task_ids == ["train"]


def test_a_task_that_waits_here_links_to_one_part_after_the_other(cluster):
    """While it runs, since Airflow 3 itself would make links only at the task's end."""
    run = train("sync", cluster, Life(reads=9))
    assert run.error is None
    pages = run.pushed(PAGE)
    assert [page.rpartition("/")[2] for page in pages] == names(cluster)
    assert all(name in log for name, log in zip(names(cluster), run.pushed(LOG), strict=True))
    assert run.xcom[OUTPUT].startswith(
        "https://console.aws.amazon.com/s3/buckets/bucket?region=us-east-1&prefix=models/"
    )


def test_a_task_that_defers_has_its_links_before(cluster):
    """The triggerer may take over late, or never; it is told what it need not push again."""
    cluster.expect("modeltraining", Life(seconds=None))
    run = Watched()
    task = operators.NeptuneMLStartTrainingOperator(task_id="task", deferrable=True, **TRAINING)
    with pytest.raises(TaskDeferred) as raised:
        task.execute({"ti": run})
    first = names(cluster)[0]
    assert run.xcom[PAGE].endswith(f"/{first}")
    assert first in run.xcom[LOG]
    keys = [key for key, _ in run.pushes]
    assert keys.index("job_id") < keys.index(PAGE)
    assert links_of(raised.value.trigger) == {
        key: value for key, value in run.xcom.items() if key.startswith("_link_")
    }


def test_a_task_that_does_not_wait_has_its_links(cluster):
    """It ends before any part does."""
    run = train("sync", cluster, Life(seconds=None), wait_for_completion=False)
    assert run.xcom[PAGE].endswith(f"/{names(cluster)[0]}")


@pytest.mark.parametrize("mode", MODES)
def test_a_failed_task_links_to_the_part_that_failed(cluster, mode):
    """And its error names the log group and the stream's beginning, also where no log line could be read."""
    run = train(mode, cluster, Life(reads=2, end="Failed", failed_stage="hpoJob"), log_lines=0)
    assert type(run.error) is JobFailed
    tuning = names(cluster)[1]
    assert run.xcom[PAGE].endswith(f"#/hyper-tuning-jobs/{tuning}")
    assert run.xcom[LOG].endswith(f"TrainingJobs$3FlogStreamNameFilter$3D{tuning}-")
    assert (
        f"Its log: CloudWatch log group /aws/sagemaker/TrainingJobs, streams that begin with {tuning}-."
        in str(run.error)
    )


@pytest.mark.parametrize("mode", MODES)
def test_links_that_cannot_be_pushed_change_nothing(cluster, mode):
    """Neither the result nor the other XComs."""

    class Broken(Watched):
        def xcom_push(self, key, value):
            if key.startswith("_link_"):
                raise RuntimeError("no more space")
            super().xcom_push(key, value)

    cluster.expect("modeltraining", Life(reads=2))
    run = run_task(operators.NeptuneMLStartTrainingOperator, mode, Broken(), poll_interval=0.02, **TRAINING)
    assert run.error is None
    assert run.returned["status"] == "Completed"
    assert "job_id" in run.xcom


@pytest.mark.parametrize("mode", MODES)
def test_a_place_that_cannot_be_told_costs_its_link_alone(cluster, mode, monkeypatch, written):
    """Nothing that is only shown may fail a task."""

    def fail(_):
        raise RuntimeError("nobody knows")

    monkeypatch.setattr("airflow_neptune_ml.hooks.cluster_place.cluster_place", fail)
    run = train(mode, cluster, Life(reads=2))
    assert run.error is None
    assert run.pushed(LOG)
    assert not run.pushed("_link_NeptuneMLClusterLink")
    assert "Where the cluster is, is not known: nobody knows" in written()


@pytest.mark.parametrize("mode", MODES)
def test_a_task_without_xcoms_has_no_links(cluster, mode):
    """And makes no request for them."""
    run = train(mode, cluster, Life(reads=2), do_xcom_push=False)
    assert run.error is None
    assert run.pushes == []


@pytest.mark.parametrize(
    ("task_class", "arguments"),
    [(operators.NeptuneMLStartTrainingOperator, TRAINING), (sensors.NeptuneMLJobSensor, {"job_id": "j"})],
)
def test_a_trigger_is_told_that_a_task_has_no_links(cluster, task_class, arguments):
    """It pushes none either."""
    cluster.add_job("modeltraining", "j", status="InProgress", life=Life(seconds=None))
    cluster.expect("modeltraining", Life(seconds=None))
    task = task_class(task_id="task", deferrable=True, do_xcom_push=False, **arguments)
    with pytest.raises(TaskDeferred) as raised:
        task.execute({"ti": Watched()})
    assert links_of(raised.value.trigger) is None


@pytest.mark.parametrize(("on_timeout", "error"), [("cancel", JobTimedOut), ("leave", NeptuneMLWaitTimeout)])
def test_a_task_whose_time_is_over_links_to_what_ran_last(cluster, on_timeout, error):
    """The triggerer's pushes may have failed; this one has made none."""
    cluster.expect("modeltraining", Life(seconds=None))
    run = Watched()
    arguments = {"task_id": "task", "deferrable": True, "on_timeout": on_timeout, **TRAINING}
    with pytest.raises(TaskDeferred) as raised:
        operators.NeptuneMLStartTrainingOperator(**arguments).execute({"ti": run})
    (job,) = cluster.jobs("modeltraining")
    job.life = Life(statuses=("InProgress",))  # the tuning runs
    status = NeptuneMLHook().get("modeltraining", job.id)
    event = WaitResult("modeltraining", job.id, status, timed_out=True).to_event()
    with pytest.raises(error):
        operators.NeptuneMLStartTrainingOperator(**arguments).execute_complete(
            {"ti": run}, {**event, "carried": raised.value.trigger.carried}
        )
    first, last = names(cluster)
    assert [page.rpartition("/")[2] for page in run.pushed(PAGE)] == [first, last]


@pytest.mark.parametrize("mode", MODES)
def test_a_cancel_links_to_what_it_stops(cluster, mode):
    """The part that ran."""
    cluster.add_job("modeltraining", "j", status="InProgress", life=Life(seconds=None, stop_seconds=0))
    run = run_task(operators.NeptuneMLCancelTrainingOperator, mode, Watched(), job_id="j", poll_interval=0.02)
    assert run.error is None
    assert run.xcom[PAGE].endswith(f"/{names(cluster)[0]}")


@pytest.mark.parametrize("mode", MODES)
def test_a_cancel_that_comes_too_late_links_to_what_failed(cluster, mode):
    """The job may go on and end while it is to be stopped."""
    life = Life(reads=3, end="Failed", failed_stage="hpoJob", stop_statuses=("Stopping", "Failed"))
    cluster.add_job("modeltraining", "j", status="InProgress", life=life)
    run = run_task(operators.NeptuneMLCancelTrainingOperator, mode, Watched(), job_id="j", poll_interval=0.02)
    assert run.pushed(PAGE)[0].endswith(f"/{names(cluster)[0]}")
    assert run.xcom[PAGE].endswith(f"/{names(cluster)[-1]}")


@pytest.mark.parametrize("mode", MODES)
def test_a_sensor_links_to_what_it_watches(cluster, mode):
    """And to the part that failed when it did."""
    cluster.add_job(
        "modeltraining", "j", status="InProgress", life=Life(reads=2, end="Failed", failed_stage="hpoJob")
    )
    run = run_task(sensors.NeptuneMLJobSensor, mode, Watched(), job_id="j", poke_interval=0.02, log_lines=0)
    assert type(run.error) is WatchedJobFailed
    assert run.xcom[PAGE].endswith(f"/{names(cluster)[1]}")
    assert len(run.pushed(PAGE)) > 1
    assert "Its log: CloudWatch log group /aws/sagemaker/TrainingJobs" in str(run.error)


def test_a_sensor_pushes_only_what_is_new(cluster):
    """Each look would be three requests to Airflow more."""
    cluster.add_job("modeltraining", "j", status="InProgress", life=Life(reads=6))
    run = run_task(sensors.NeptuneMLJobSensor, "sync", Watched(), job_id="j", poke_interval=0.02)
    assert run.error is None
    assert [page.rpartition("/")[2] for page in run.pushed(PAGE)] == names(cluster)


def test_a_sensor_that_defers_has_its_links_before(cluster):
    """As a start operator has."""
    cluster.add_job("modeltraining", "j", status="InProgress", life=Life(seconds=None))
    run = Watched()
    task = sensors.NeptuneMLJobSensor(task_id="task", deferrable=True, job_id="j")
    with pytest.raises(TaskDeferred) as raised:
        task.execute({"ti": run})
    assert run.xcom[PAGE].endswith(f"/{names(cluster)[0]}")
    assert links_of(raised.value.trigger) == run.xcom


def test_a_sensor_whose_time_is_over_links_to_what_ran_last(cluster):
    """As a start operator does."""
    cluster.add_job("modeltraining", "j", status="InProgress", life=Life(statuses=("InProgress",)))
    NeptuneMLHook().get("modeltraining", "j")  # from now on the tuning runs
    status = NeptuneMLHook().get("modeltraining", "j")
    event = WaitResult("modeltraining", "j", status, timed_out=True).to_event()
    run = Watched()
    with pytest.raises(AirflowSensorTimeout):
        sensors.NeptuneMLJobSensor(task_id="task", job_id="j").execute_complete({"ti": run}, event)
    assert run.xcom[PAGE].endswith(f"/{names(cluster)[1]}")


@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        (
            {"endpoint_url": "graph.cluster-abc123.eu-west-1.neptune.amazonaws.com"},
            ClusterPlace("aws", "eu-west-1", "graph"),
        ),
        (
            {"endpoint_url": "g-1.cluster-abc123.cn-north-1.neptune.amazonaws.com.cn"},
            ClusterPlace("aws-cn", "cn-north-1", "g-1"),
        ),
        (
            {"endpoint_url": "g.cluster-a.us-gov-west-1.neptune.amazonaws.com"},
            ClusterPlace("aws-us-gov", "us-gov-west-1", "g"),
        ),
        (
            {"endpoint_url": "tunnel.example.org:8182", "region_name": "us-east-1"},
            ClusterPlace("aws", "us-east-1", None),
        ),
        ({"endpoint_url": "tunnel.example.org:8182"}, ClusterPlace()),
    ],
)
def test_the_place_of_a_cluster_is_in_its_endpoints_name(arguments, place):
    """Or in the hook's arguments; else it is not known."""
    assert cluster_place(NeptuneMLHook(aws_conn_id=None, **arguments)) == place


@pytest.mark.parametrize("place", ["argument", "connection"])
def test_a_cluster_that_was_looked_up_has_its_link(set_connection, place):
    """The address that was found tells no identifier; the one that was given does."""
    with LocalNeptuneML(with_aws=True) as neptune:
        neptune.reset()
        services = {"neptune": {"endpoint_url": neptune.url}}
        set_connection(service_config=services)
        NeptuneMLHook()._client_of("neptune").create_db_cluster(DBClusterIdentifier="graph", Engine="neptune")
        neptune.add_job("modeltraining", "j", status="Completed")
        given = {"db_cluster_id": "graph"}
        if place == "connection":
            set_connection(service_config={**services, "neptunedata": given})
        more = given if place == "argument" else {}
        run = run_task(sensors.NeptuneMLJobSensor, "sync", Watched(), job_id="j", **more)
    assert run.error is None
    assert run.xcom["_link_NeptuneMLClusterLink"] == (
        "https://console.aws.amazon.com/neptune/home?region=us-east-1#database:id=graph;is-cluster=true"
    )


def test_the_partition_of_every_region_is_botocores():
    """For the three partitions whose consoles are public."""
    session = botocore.session.get_session()
    partitions = session.get_available_partitions()
    regions = {
        region: partition
        for partition in partitions
        for region in session.get_available_regions("sagemaker", partition)
        + session.get_available_regions("s3", partition)
    }
    assert {"us-east-1", "cn-north-1", "us-gov-west-1"} <= regions.keys()
    public = ("aws", "aws-cn", "aws-us-gov")
    told = {region: partition_of(region) for region in regions}
    assert told == {region: name if name in public else None for region, name in regions.items()}

"""What people see of trainings and of a connection in Airflow's UI, in a real browser."""

from airflow_neptune_ml.connection_form import FIELDS, LABELS
from airflow_neptune_ml.local import Life
from tests.ui.conftest import CLUSTER, LAST_LINES

CONSOLE = "https://console.aws.amazon.com/"


def part(clusters, conn_id, dag, key):
    """Return a part of the training that a DAG has started."""
    (job,) = [job for job in clusters[conn_id].jobs("modeltraining") if job.id.startswith(dag[:6])]
    return job.describe()[key]


def test_a_failed_training_says_first_what_to_do(screen, runs, clusters):
    """In what is visible of the error without scrolling; and the log's link leads to the whole address."""
    screen.task("failed", runs["failed"])
    shown = screen.log(until="JobFailed: ")
    error = next(line for line in shown.splitlines() if line.startswith("JobFailed: "))
    assert error.startswith(
        "JobFailed: The job's code or its data failed: see its CloudWatch log, above or in the links. "
    )
    tuning = part(clusters, "failing", "failed_training", "hpoJob")
    addresses = [link.get_attribute("href") for link in screen.page.locator("a[href*='cloudwatch']").all()]
    assert set(addresses) == {tuning["cloudwatchLogUrl"]}
    assert "CloudWatch log group /aws/sagemaker/TrainingJobs, " in shown
    # What SageMaker's reason only points to.
    for line in LAST_LINES:
        assert line in shown
    # Without the traceback, which shows where this machine has its files.
    screen.page.get_by_text("JobFailed: ").first.click()
    screen.picture("failed-training-log")


def test_a_failed_training_links_to_the_part_that_failed(screen, runs, clusters):
    """Its log and its page, and what there is of its output."""
    name = part(clusters, "failing", "failed_training", "hpoJob")["name"]
    screen.task("failed", runs["failed"], "details")
    links = screen.links()
    assert links["CloudWatch log"] == (
        f"{CONSOLE}cloudwatch/home?region=us-east-1#logsV2:log-groups/log-group/"
        f"$252Faws$252Fsagemaker$252FTrainingJobs$3FlogStreamNameFilter$3D{name}-"
    )
    assert links["SageMaker"] == f"{CONSOLE}sagemaker/home?region=us-east-1#/hyper-tuning-jobs/{name}"
    assert links["S3 output"].startswith(f"{CONSOLE}s3/buckets/bucket?region=us-east-1&prefix=models/failed_")
    assert links["Neptune cluster"] == (
        f"{CONSOLE}neptune/home?region=us-east-1#database:id={CLUSTER};is-cluster=true"
    )
    # Above what the page says of the machine.
    screen.picture("failed-training-links", at_most=520)
    # What is known of it goes to XCom too.
    screen.task("failed", runs["failed"], "xcom")
    screen.wait_for_xcoms(job_id="failed-", status="Failed", started_job_id="failed-")
    screen.task("failed", runs["failed"], "rendered_templates")
    screen.page.get_by_text("train_model_s3_location").wait_for()
    assert "//bucket/models/failed_training" in screen.page.inner_text("body")


def test_a_running_and_a_deferred_training_have_links(screen, runs, clusters):
    """While they run: later is too late to look. They follow the job to its next part, in the triggerer too."""
    for stage, page in (("processingJob", "processing-jobs"), ("hpoJob", "hyper-tuning-jobs")):
        for name in ("running", "deferred"):
            address = f"#/{page}/{part(clusters, 'running', f'{name}_training', stage)['name']}"
            screen.task(name, runs[name], "details")
            screen.wait_for_link(address)
        for job in clusters["running"].jobs("modeltraining"):
            job.life = Life(statuses=("InProgress",))  # the tuning runs


def test_a_finished_training_shows_its_result_and_its_request(screen, runs):
    """In the log, in XCom, in the rendered templates and in the links."""
    screen.task("finished", runs["finished"])
    assert "Started the training job finished-" in screen.log(until="is Completed, after ")
    screen.task("finished", runs["finished"], "xcom")
    screen.wait_for_xcoms(
        job_id="finished-", status="Completed", output_location="s3://bucket/models/finished_training/"
    )
    screen.picture("finished-training-xcom")
    screen.task("finished", runs["finished"], "details")
    assert screen.links()["S3 output"].startswith(
        f"{CONSOLE}s3/buckets/bucket?region=us-east-1&prefix=models/finished_training/"
    )
    screen.task("finished", runs["finished"], "rendered_templates")
    screen.page.get_by_text("train_model_s3_location").wait_for()
    assert "//bucket/models/finished_training" in screen.page.inner_text("body")


def test_a_cancelled_training_says_what_became_of_it(screen, runs, clusters):
    """In the log and the XComs of the task that cancelled it, which links to what it stopped."""
    screen.task("cancelled", runs["cancelled"], task_id="cancel")
    assert "it was InProgress and is now Stopped." in screen.log(until="Cancelled ")
    screen.picture("cancelled-training-log")
    screen.task("cancelled", runs["cancelled"], "xcom", task_id="cancel")
    screen.wait_for_xcoms(outcome="cancelled", status="Stopped", previous_status="InProgress")
    screen.task("cancelled", runs["cancelled"], "details", task_id="cancel")
    name = part(clusters, "running", "cancelled_training", "processingJob")["name"]
    assert screen.links()["SageMaker"].endswith(f"/{name}")
    screen.task("cancelled", runs["cancelled"], "rendered_templates", task_id="cancel")
    screen.page.get_by_text("job_id").first.wait_for()
    # It is shown as code, word by word.
    assert "cancelled-train-" in "".join(screen.page.inner_text("body").split())


def test_the_form_of_a_connection_has_every_field(screen):
    """With its label and what it means, and without a field that would mean nothing."""
    screen.new_connection("form", "Neptune ML")
    form = screen.page.get_by_role("dialog")
    for label in LABELS.values():
        assert form.get_by_text(label, exact=True).is_visible()
    assert form.locator("input[name=schema]").count() == 0
    screen.open_section("Extra Fields")
    for field in FIELDS:
        form.get_by_text(field.label).first.wait_for()
        assert form.get_by_text(field.description, exact=True).is_visible()
        assert form.locator(f"input[name=element_{field.name}]").count() == 1
    screen.picture("connection-form-fields")


def test_a_connection_made_in_the_form_is_tested_at_the_cluster(screen, clusters):
    """The Test button asks the cluster, with the form's key and region."""
    host, _, port = clusters["running"].url.rpartition(":")
    screen.new_connection("graph", "Neptune ML")
    screen.fill(host=host, port=port, login="AKIAFORM", password="form-secret")
    screen.open_section("Extra Fields")
    screen.fill(element_region_name="eu-west-1")
    screen.save()
    told = screen.test_connection("graph")
    assert told["status"], told
    assert told["message"].startswith(f"{clusters['running'].url} is healthy, engine ")
    request = clusters["running"].requests[-1]
    assert (request.path, request.access_key_id) == ("/status", "AKIAFORM")
    assert "/eu-west-1/" in request.headers["authorization"]


def test_a_connection_that_fails_its_test_says_from_where_it_was_asked(screen):
    """Somebody reads this who does not know which machine asks."""
    screen.new_connection("closed", "Neptune ML")
    screen.fill(host="http://127.0.0.1", port="1", login="AKIAFORM", password="form-secret")
    screen.open_section("Extra Fields")
    screen.fill(element_region_name="eu-west-1")
    screen.save()
    screen.page.reload()  # without the notice that it was saved
    told = screen.test_connection("closed")
    assert not told["status"]
    screen.page.get_by_text("got no answer from http://127.0.0.1:1").first.wait_for()
    assert "for the Test button that is Airflow's API server" in screen.page.inner_text("body")
    screen.picture("connection-test")

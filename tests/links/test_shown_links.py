"""How the links' addresses reach XCom, and what Airflow reads of them."""

import json

import pytest

from airflow_neptune_ml import links
from airflow_neptune_ml.jobs import KINDS, JobStatus
from airflow_neptune_ml.links.console import pages_of
from airflow_neptune_ml.links.neptune_ml import LINKS
from airflow_neptune_ml.links.shown import ShownLinks
from airflow_neptune_ml.provider_info import get_provider_info
from airflow_neptune_ml.sagemaker_parts import ClusterPlace

CLUSTER = ClusterPlace("aws", "us-east-1", "graph")


class TaskInstance:
    """Takes XComs as Airflow does."""

    def __init__(self):
        self.pushed = []

    def xcom_push(self, key, value):
        self.pushed.append((key, json.loads(json.dumps(value))))


def processing(name="p", **more):
    arn = f"arn:aws:sagemaker:us-east-1:123456789012:processing-job/{name}"
    answer = {"status": "InProgress", "processingJob": {"name": name, "arn": arn, **more}}
    return JobStatus.from_answer(KINDS["dataprocessing"], "job-1", answer)


def test_every_link_has_a_page_and_every_page_a_link():
    """A page without a link, or a link without a page, would never be seen."""
    assert {link.page for link in LINKS} == pages_of(processing(), CLUSTER).keys()
    assert {type(link).__name__ for link in LINKS} == set(links.__all__)


def test_the_provider_declares_every_link():
    """Airflow 2 takes all links of an operator away if one of them is not declared."""
    declared = get_provider_info()["extra-links"]
    assert declared == [f"{type(link).__module__}.{type(link).__qualname__}" for link in LINKS]


def test_the_addresses_are_pushed_under_the_keys_that_the_ui_reads():
    """One XCom for each link that has an address."""
    ti = TaskInstance()
    ShownLinks(ti).show(processing(outputLocation="s3://bucket/out"), CLUSTER)
    pages = pages_of(processing(outputLocation="s3://bucket/out"), CLUSTER)
    assert dict(ti.pushed) == {link.xcom_key: pages[link.page] for link in LINKS}
    assert {key for key, _ in ti.pushed} == {f"_link_{name}" for name in links.__all__}


def test_only_what_has_changed_is_pushed_again():
    """Each push is a request to Airflow."""
    ti = TaskInstance()
    shown = ShownLinks(ti)
    shown.show(processing(), CLUSTER)
    before = len(ti.pushed)
    shown.show(processing(), CLUSTER)
    assert len(ti.pushed) == before == 3
    shown.show(processing("q"), CLUSTER)
    assert [key for key, _ in ti.pushed[before:]] == [
        "_link_NeptuneMLLogLink",
        "_link_NeptuneMLSageMakerLink",
    ]


def test_a_push_that_fails_is_no_error():
    """A task must not fail, and a job not stop, for a link; the next push tries again."""
    ti = TaskInstance()
    push, ti.xcom_push = ti.xcom_push, None
    shown = ShownLinks(ti)
    shown.show(processing(), CLUSTER)
    ti.xcom_push = push
    shown.show(processing(), CLUSTER)
    assert len(ti.pushed) == 3


@pytest.mark.parametrize("link", LINKS, ids=lambda link: type(link).__name__)
def test_a_link_that_cannot_be_read_is_no_error(link):
    """In Airflow 3.0 an error of a link cost the task its end, in Airflow 2 its page all links."""
    assert link.get_link(None, ti_key=None) == ""

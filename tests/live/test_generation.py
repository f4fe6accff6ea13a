"""
What tells a retry from a run that a user asked for: `ti.max_tries`, which only a clear raises.

The claims are about `ti.max_tries - task.retries`, which is easier to foretell: the number of tries that a task had
used up when it was last cleared, 0 before the first clear.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from demo.airflow_process import AIRFLOW_3, AirflowProcess

DAG_ID = "generation"
FIRST_RUN = {
    "retried": [0, 0],
    "without_retries": [0],
    "group.mapped[0]": [0],
    "group.mapped[1]": [0, 0],
}


@dataclass(frozen=True)
class Note:
    """What one call of a task's method saw."""

    task: str
    method: str
    run_id: str
    try_number: int
    max_tries: int
    retries: int

    @property
    def generation(self) -> int:
        return self.max_tries - self.retries


class Story:
    """One run of the DAG, what a user did to it, and what its tasks saw after each clear."""

    def __init__(self, airflow: AirflowProcess) -> None:
        self.airflow = airflow
        self.run_id = airflow.api.trigger(DAG_ID)
        self.chapters: list[list[Note]] = []

    def notes(self) -> list[Note]:
        """Return all notes of this run, oldest first."""
        file = self.airflow.home / "generation.jsonl"
        lines = file.read_text().splitlines() if file.exists() else []
        return [note for line in lines if (note := Note(**json.loads(line))).run_id == self.run_id]

    def wait_for_note(self, task: str, timeout: float = 90) -> None:
        """Wait until a task runs for the first time."""
        deadline = time.monotonic() + timeout
        while not any(note.task == task for note in self.notes()):
            assert time.monotonic() < deadline, f"{task} did not start in {timeout:g} s"
            time.sleep(0.3)

    def end_chapter(self) -> None:
        """Wait for the run's end, and keep what is new."""
        self.airflow.api.wait_for_run(DAG_ID, self.run_id)
        self.chapters.append(self.notes()[sum(map(len, self.chapters)) :])

    def executions(self, task: str, chapter: int | None = None) -> list[Note]:
        """Return what `execute` saw, in one chapter or in all."""
        notes = self.notes() if chapter is None else self.chapters[chapter]
        return [note for note in notes if (note.task, note.method) == (task, "execute")]

    def generations(self, task: str, chapter: int) -> list[int]:
        """Return the generation of each of a task's tries in a chapter."""
        return [note.generation for note in self.executions(task, chapter)]


@pytest.fixture(scope="module")
def story(live_airflow: AirflowProcess) -> Story:
    """Chapter 0 is the first run, 1 what came after it was cleared, 2 after one of its tasks was."""
    api = live_airflow.api
    story = Story(live_airflow)
    story.wait_for_note("running")
    clear_running_task(live_airflow, story.run_id, "running")
    api.wait_for_task(DAG_ID, story.run_id, "deferred", "deferred")
    api.clear_task(DAG_ID, story.run_id, "deferred")
    story.end_chapter()
    api.clear_run(DAG_ID, story.run_id)
    story.end_chapter()
    api.clear_task(DAG_ID, story.run_id, "retried")
    story.end_chapter()
    return story


def clear_running_task(airflow: AirflowProcess, run_id: str, task_id: str) -> None:
    """Clear a task that runs: the REST API of Airflow 2 passes over it, its command line does not."""
    if AIRFLOW_3:
        airflow.api.clear_task(DAG_ID, run_id, task_id)
    else:
        command = [sys.executable, str(Path(sys.executable).with_name("airflow")), "tasks", "clear", "--yes"]
        subprocess.run([*command, "--task-regex", f"^{task_id}$", DAG_ID], env=airflow.env, check=True)


def test_a_first_run_is_generation_0_in_its_first_try_and_in_each_retry(story: Story) -> None:
    """Before anyone clears a task, the generation is 0, with and without retries, mapped and not."""
    assert {task: story.generations(task, 0) for task in FIRST_RUN} == FIRST_RUN


def test_each_clear_makes_a_higher_generation(story: Story) -> None:
    """After a clear of the whole run, and again after a clear of the finished task, the generation has grown."""
    for task in FIRST_RUN:
        chapters = [
            generations for chapter in range(3) if (generations := set(story.generations(task, chapter)))
        ]
        assert len(chapters) == (3 if task == "retried" else 2), task
        for before, after in pairwise(chapters):
            assert max(before) < min(after), (task, chapters)


def test_the_generation_is_the_number_of_tries_used_before_the_clear(story: Story) -> None:
    """A task that was retried once, or not at all, or until it failed, counts from the try it had reached.

    Those that were retried before the clear are retried after it too, and stay in their generation.
    """
    assert {task: story.generations(task, 1) for task in FIRST_RUN} == {
        task: [len(tries)] * len(tries) for task, tries in FIRST_RUN.items()
    }


def test_each_map_index_counts_by_itself(story: Story) -> None:
    """One clear puts an index that had been retried into generation 2, and its neighbour into generation 1."""
    assert story.generations("group.mapped[0]", 1) == [1]
    assert story.generations("group.mapped[1]", 1) == [2, 2]


def test_a_task_cleared_while_it_is_deferred_starts_a_new_generation(story: Story) -> None:
    """The try that was deferred is generation 0, the one after the clear generation 1."""
    assert story.generations("deferred", 0)[:2] == [0, 1]


def test_a_deferred_task_comes_back_with_the_numbers_it_left_with(story: Story) -> None:
    """`execute_complete` sees the try number, max_tries and retries that `execute` saw."""
    left = {note.try_number: note for note in story.executions("deferred")}
    back = [note for note in story.notes() if note.method == "execute_complete"]
    assert back
    for note in back:
        before = left[note.try_number]
        assert (note.max_tries, note.retries) == (before.max_tries, before.retries)


def test_a_task_cleared_while_it_runs_starts_a_new_generation_on_airflow_3_only(story: Story) -> None:
    """Airflow 2 restarts it as one more try of the same generation: only the try number grows."""
    tries = [(note.try_number, note.generation) for note in story.executions("running", 0)]
    assert tries == ([(1, 0), (2, 1)] if AIRFLOW_3 else [(1, 0), (2, 0)])


def test_only_the_first_try_of_a_generation_is_one_more_than_the_generation(story: Story) -> None:
    """`try_number == generation + 1` in the first try of each generation, and in no later one."""
    seen = set()
    for note in story.notes():
        if note.method == "execute":
            first = (note.task, note.generation) not in seen
            seen.add((note.task, note.generation))
            assert (note.try_number == note.generation + 1) is first, note


def test_the_last_allowed_try_is_the_one_beyond_max_tries(story: Story) -> None:
    """`try_number > max_tries` in the try that no retry follows, and in none before."""
    assert [note.try_number > note.max_tries for note in story.executions("group.mapped[1]", 0)] == [
        False,
        True,
    ]
    assert [note.try_number > note.max_tries for note in story.executions("without_retries")] == [True, True]
    assert not any(note.try_number > note.max_tries for note in story.executions("retried"))

"""The page about what is kept and what is stopped is made of the place that decides, and is linked."""

from airflow_neptune_ml.stopping import TryEnd
from docs.kept_or_stopped import DATA, PAGE, anchor, read, render


def test_the_page_is_up_to_date():
    """Text and table."""
    assert PAGE.read_text() == render(read()), "run: python -m docs.kept_or_stopped"


def test_each_end_has_its_words():
    """A new way for a try to end is explained."""
    assert set(read()["ends"]) == {end.name for end in TryEnd}
    page = PAGE.read_text()
    for end in TryEnd:
        assert f'<a id="{anchor(end)}"></a>' in page


def test_the_page_is_found():
    """From the README, and from the page about what ends a task."""
    docs = DATA.parent
    assert "(docs/kept-or-stopped.md)" in (docs.parent / "README.md").read_text()
    assert "(kept-or-stopped.md)" in (docs / "what-ends-a-task.md").read_text()
    assert "(kept-or-stopped.md)" in (docs / "exactly-once.md").read_text()

"""Each answer of the place that decides is held by a test: turned round, it is noticed."""

from tests.decision_mutants import survivors_of_the_page, survivors_of_the_table


def test_no_answer_of_the_table_can_be_turned_round(record_property):
    """Nor can an error be read otherwise."""
    mutants, survived = survivors_of_the_table()
    record_property("decisions", f"{mutants} mutants of the decisions, {len(survived)} survive")
    assert mutants > 800
    assert survived == []


def test_the_page_shows_each_answer():
    """Of the cells with one option at a time."""
    mutants, survived = survivors_of_the_page()
    assert mutants > 100
    assert survived == []

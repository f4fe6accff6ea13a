"""What `make audit` makes of pip-audit's report: what was not looked up is not well."""

from scripts.audit import verdict

WELL = {"name": "six", "version": "1.17.0", "vulns": []}
WEAK = {"name": "old", "version": "1.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1"]}]}
UNKNOWN = {"name": "mine", "skip_reason": "Dependency not found on PyPI"}


def test_what_was_looked_up_and_is_well_is_well():
    assert verdict({"dependencies": [WELL]}) == (["1 of 1 packages looked up, 0 with known weaknesses"], True)


def test_a_weakness_is_told_with_its_cure():
    lines, well = verdict({"dependencies": [WELL, WEAK]})
    assert lines[0] == "old 1.0: PYSEC-1, mended in 1.1"
    assert not well


def test_what_was_not_looked_up_is_not_well():
    """pip-audit itself would say that it has found nothing."""
    lines, well = verdict({"dependencies": [WELL, UNKNOWN]})
    assert "1 of 2 packages looked up" in lines[0]
    assert "NOT AUDITED: 1" in lines[1]
    assert not well

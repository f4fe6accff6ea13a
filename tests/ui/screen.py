"""What a person does in Airflow's UI, and what they see. The names are those of Airflow 3.3's pages."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

LAST_TEXT = """() => Math.max(...[...document.querySelectorAll("body *")]
    .filter(element => !element.children.length && element.textContent.trim())
    .map(element => element.getBoundingClientRect())
    .filter(place => place.width && place.left > 80)
    .map(place => place.bottom))"""
"""Where the lowest text of a page ends, beside the menu."""


class Screen:
    """A browser's page with Airflow's UI.

    :param page: Playwright's
    :param url: Airflow's
    :param pictures: the folder into which pictures go; None takes none
    """

    def __init__(self, page: Any, url: str, pictures: Path | None) -> None:
        self.page = page
        self.url = url
        self.pictures = pictures

    def picture(self, name: str, at_most: int = 1000) -> None:
        """Take a picture for the docs, at most so many pixels high."""
        if self.pictures:
            self.pictures.mkdir(parents=True, exist_ok=True)
            self.page.wait_for_timeout(500)  # what moves has come to rest
            # Without the empty page below the last text; the menu at the left goes down to the bottom.
            self.page.evaluate("document.querySelectorAll('*').forEach(element => element.scrollLeft = 0)")
            size = self.page.viewport_size
            height = min(at_most, size["height"], max(400, self.page.evaluate(LAST_TEXT) + 24))
            clip = {"x": 0, "y": 0, "width": size["width"], "height": height}
            self.page.screenshot(path=self.pictures / f"{name}.png", clip=clip)

    def task(self, name: str, run_id: str, tab: str = "", task_id: str = "train") -> None:
        """Open a tab of a task of the DAG `<name>_training`: "" for the log, details, xcom, rendered_templates."""
        path = f"/dags/{name}_training/runs/{quote(run_id, safe='')}/tasks/{task_id}"
        self.page.goto(f"{self.url}{path}{f'/{tab}' if tab else ''}")
        self.page.get_by_role("heading", name=task_id).wait_for()

    def links(self) -> dict[str, str]:
        """Return the links that the tab "details" shows, by their text."""
        self.page.get_by_text("Extra Links").wait_for()
        # One that is not known has no address, and is not shown.
        found = self.page.locator("a[href^='https://']").all()
        return {link.inner_text(): link.get_attribute("href") for link in found}

    def wait_for_link(self, address: str) -> None:
        """Wait until the tab "details" shows a link to this address; the page itself does not ask again."""
        end = time.monotonic() + 60
        while address not in " ".join((shown := self.links()).values()):
            assert time.monotonic() < end, f"No link to {address}: {shown}"
            self.page.reload()

    def wait_for_xcoms(self, **values: str) -> None:
        """Wait until the tab "xcom" shows, beside each of these keys, a value that holds this text."""
        for key, value in values.items():
            row = self.page.get_by_role("row").filter(has=self.page.get_by_text(key, exact=True))
            row.filter(has_text=value).first.wait_for()

    def log(self, *, until: str) -> str:
        """Return what the tab with the log shows, once it shows a text."""
        self.page.get_by_text(until).first.wait_for()
        return str(self.page.inner_text("body"))

    def new_connection(self, conn_id: str, connection_type: str) -> None:
        """Open the form of a new connection."""
        self.page.goto(f"{self.url}/connections")
        self.page.get_by_role("button", name="Add Connection").click()
        self.page.locator("input[name=connection_id]").fill(conn_id)
        self.page.get_by_role("combobox").click()
        self.page.keyboard.type(connection_type)
        self.page.keyboard.press("Enter")
        self.page.locator("input[name=host]").wait_for()

    def fill(self, **fields: str) -> None:
        """Fill fields of a connection's form by their names."""
        for name, value in fields.items():
            self.page.locator(f"input[name={name}]").fill(value)

    def open_section(self, name: str) -> None:
        """Open a section of a connection's form."""
        self.page.get_by_role("button", name=name, exact=True).click()

    def save(self) -> None:
        """Save a connection's form."""
        self.page.get_by_role("button", name="Save").click()
        self.page.get_by_text("Connection has been successfully created.").wait_for()

    def test_connection(self, conn_id: str) -> dict[str, Any]:
        """Click on Test beside a connection, and return what Airflow answered."""
        row = self.page.get_by_role("row").filter(has=self.page.get_by_text(conn_id, exact=True))
        with self.page.expect_response("**/connections/test") as answer:
            row.get_by_role("button", name="Test Connection").click()
        told: dict[str, Any] = answer.value.json()
        return told

"""Write `llms.txt` and `AGENTS.md` from the pages: python docs/agents.py."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
MADE = "<!-- Made from the docs by `python docs/agents.py`. -->"

RULES = """
## Write a DAG with this package

- Import operators from `airflow_neptune_ml.operators`, the sensor from `airflow_neptune_ml.sensors`, the notifier from
  `airflow_neptune_ml.notifications`, errors from `airflow_neptune_ml.exceptions`. Import the hook inside a task only.
- Arguments are AWS's names in snake case: `trainingInstanceType` is `training_instance_type`.
- Always give `training_instance_type`, and give start tasks `retries`.
- Write no `job_id` for a start task, no polling loop and no cleanup: the package makes the id, waits, and stops what nobody
  waits for.
- Pass `train.output["job_id"]` to the next operator. This also makes the edge between the two tasks.
- Do not give a teardown `setups=` if the task starts a job and waits for it.
- An endpoint in service bills until `NeptuneMLDeleteEndpointOperator` deletes it.
- Test with the fixture `neptune_ml`, and never with a real cluster.
"""


def pages() -> Iterator[tuple[str, list[str]]]:
    """Yield each caption of the index with its pages, in their order."""
    index = (HERE / "index.md").read_text()
    for tree in re.findall(r"```{toctree}\n(.*?)```", index, re.DOTALL):
        lines = tree.split()
        caption = re.search(r":caption: (.*)", tree)
        yield caption[1] if caption else "", [line for line in lines if (HERE / f"{line}.md").exists()]


def listed_pages() -> set[str]:
    """Return every page that the index lists."""
    return {page for _, listed in pages() for page in listed}


def title_and_sentence(page: str) -> tuple[str, str]:
    """Return a page's heading, and its first sentence."""
    text = (HERE / f"{page}.md").read_text()
    if included := re.match(r"```{include} (\S+)", text):
        text = (HERE / included[1]).read_text()
    heading = re.search(r"^# (.*)$", text, re.MULTILINE)
    paragraphs = [part for part in text.split("\n\n") if re.match(r"[A-Z`*]", part)]
    flat = " ".join(paragraphs[0].split()) if paragraphs else ""
    sentence = re.match(r".*?[.:](?=\s|$)", flat)
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", sentence[0] if sentence else flat)
    return heading[1] if heading else page, plain.rstrip(":.") + "." if plain else ""


def files() -> dict[Path, str]:
    """Return both files with their texts."""
    title, sentence = title_and_sentence("index")
    return {
        ROOT / "llms.txt": "\n".join([f"# {title}", "", f"> {sentence}", *_list("", ".html")]) + "\n",
        ROOT / "AGENTS.md": "\n".join(
            [
                MADE,
                "",
                f"# {title}: for coding agents",
                "",
                sentence,
                RULES.rstrip(),
                *_commands(),
                *_list("docs/", ".md"),
            ]
        )
        + "\n",
    }


def _list(before: str, ending: str) -> Iterator[str]:
    for caption, listed in pages():
        yield from ("", f"## {caption}", "")
        for page in listed:
            title, sentence = title_and_sentence(page)
            yield f"- [{title}]({before}{page}{ending}){': ' + sentence if sentence else ''}"


def _commands() -> Iterator[str]:
    """Yield how to work on the package, as CONTRIBUTING says it."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    yield from ("", "## Work on this package", "")
    yield from re.findall(r"^\|.*\|$", text.split("\n## ")[0], re.MULTILINE)
    yield from ("", "[CONTRIBUTING](CONTRIBUTING.md) says where things are, and what a change needs.")


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text)

"""How Sphinx builds the site: `make docs`. The pages are plain Markdown, which can be read without it too."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from airflow_neptune_ml import __version__  # noqa: E402  # it imports nothing

project = "airflow-provider-neptune-ml"
author = "The airflow-provider-neptune-ml authors"
project_copyright = author
release = version = __version__

extensions = ["myst_parser", "sphinx_copybutton"]
exclude_patterns = ["_build"]
root_doc = "index"
myst_heading_anchors = 4
myst_enable_extensions = ["fieldlist"]
suppress_warnings = ["config.cache"]
highlight_language = "none"

html_theme = "furo"
html_title = "Neptune ML for Airflow"
html_copy_source = False
html_show_sphinx = False
html_extra_path = ["../llms.txt"]
copybutton_prompt_text = r"\$ "
copybutton_prompt_is_regexp = True

OUTSIDE = {
    "../CONTRIBUTING.md": "contributing.md",
    "../CHANGELOG.md": "changelog.md",
    "../README.md": "index.md",
    "../SECURITY.md": "security.md",
}
"""Files of the repository that pages link to, and the pages of the site that show them."""


def for_the_site(text: str, name: str) -> str:
    """Return a page's Markdown as the site needs it; the page itself is written for a repository's browser."""
    for path, page in OUTSIDE.items():
        text = re.sub(rf"\]\({re.escape(path)}(?=[)#])", f"]({page}", text)
    # MyST knows its own targets and not HTML's, and one name stands for one target of the whole site.
    text = re.sub(r"\]\((?:([\w-]+)\.md)?#([\w-]+)\)", lambda link: _to_target(link, name), text)
    return re.sub(r'^<a id="([\w-]+)"></a>', rf"({name}--\1)=\n", text, flags=re.MULTILINE)


def _to_target(link: re.Match[str], name: str) -> str:
    page = link[1] or name
    path = Path(__file__).with_name(f"{page}.md")
    has_target = path.exists() and f'<a id="{link[2]}">' in path.read_text()
    return f"](#{page}--{link[2]})" if has_target else link[0]


def setup(app: Any) -> None:
    """Let Sphinx change each page as it reads it."""

    def change(_app: Any, name: str, source: list[str]) -> None:
        source[0] = for_the_site(source[0], name)

    app.connect("source-read", change)

"""Write the pages in `docs/reference/` from the code: python docs/reference.py."""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import inspect
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from docs.docstrings import Docstring, markdown, table  # noqa: E402
from docs.reference_entries import ENTRIES, MORE_CONTENTS, PACKAGE  # noqa: E402

PAGES = HERE / "reference"
MADE = "<!-- Made from the code by `python docs/reference.py`. -->"


OTHERS = ("exceptions.md", "configuration.md", "connection-form.md", "commands.md", "index.md")
"""The pages that are not lists of names."""


def pages() -> dict[str, str]:
    """Return every page of the reference by its file name, but for one whose names this Airflow is too old for."""
    made = {}
    for name, (title, first, names) in ENTRIES.items():
        with suppress(ImportError):
            made[f"{name}.md"] = _page(title, [first, *map(_entry, names)])
    contents = map(list, (_exceptions(), _configuration(), _connection_form(), _commands()))
    for name, content in zip(OTHERS[:-1], contents, strict=True):
        made[name] = _page(name.removesuffix(".md").replace("-", " ").capitalize(), content)
    made["index.md"] = _page("API reference", _contents())
    return made


def linked(name: str) -> str | None:
    """Return the address of a name's entry, from another page of the reference."""
    for page, (_, _, names) in ENTRIES.items():
        if any(dotted.rpartition(".")[2] == name for dotted in names):
            return f"{page}.md#{name.lower()}"
    if name in _module("exceptions").__all__:
        return f"exceptions.md#{name.lower()}"
    return None


def arguments_of(documented: Any) -> dict[str, inspect.Parameter]:
    """Return what a class's constructor, or a function, takes by name and says itself."""
    function = documented
    if inspect.isclass(documented):
        if not any(
            "__init__" in vars(cls) for cls in documented.__mro__ if cls.__module__.startswith(PACKAGE)
        ):
            return {}
        function = documented.__init__
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = inspect.signature(function).parameters
    return {
        name: value
        for name, value in parameters.items()
        if value.kind in kinds and name not in ("self", "cls")
    }


def found(dotted: str) -> Any:
    """Return what a dotted name stands for."""
    module, _, name = dotted.rpartition(".")
    return getattr(importlib.import_module(module), name)


def _page(title: str, parts: Sequence[str]) -> str:
    return "\n\n".join([MADE, f"# {title}", *filter(None, (part.strip() for part in parts))]) + "\n"


def _entry(dotted: str) -> str:
    documented = found(dotted)
    said = Docstring.of(documented, linked)
    parts = [f"## {dotted.rpartition('.')[2]}", said.text, _arguments(documented, said)]
    inherited = [base for base in _documented_bases(documented) if arguments_of(base)]
    if inherited:
        names = ", ".join(f"[`{base.__name__}`]({linked(base.__name__)})" for base in inherited)
        parts.append(f"It takes the arguments of {names} too.")
    parts += [f"**Returns** {said.returns}" if said.returns else "", _raises(said)]
    if inspect.isclass(documented):
        parts += _methods(documented)
    return "\n\n".join(filter(None, parts))


def _documented_bases(documented: Any) -> list[Any]:
    if not inspect.isclass(documented) or issubclass(documented, BaseException):
        return []
    bases = [cls for cls in documented.__mro__[1:] if linked(cls.__name__)]
    return [cls for cls in bases if cls.__module__.startswith(PACKAGE)]


def _arguments(documented: Any, said: Docstring) -> str:
    taken = arguments_of(documented)
    own = taken if inspect.isclass(documented) else {}
    rows = {name: (_default(taken[name]), text) for name, text in said.arguments.items() if name in taken}
    inherited = {name for base in _documented_bases(documented) for name in arguments_of(base)}
    shared = Docstring.of(found(f"{PACKAGE}.operators.base.NeptuneMLBaseOperator"), linked).arguments
    # What reaches a cluster means the same everywhere, and stands in the docstrings once.
    missing = [name for name in own if name in shared and name not in rows and name not in inherited]
    rows |= {name: (_default(own[name]), shared[name].replace(" (templated)", "")) for name in missing}
    left = [name for name in own if name not in rows and name not in inherited]
    if dataclasses.is_dataclass(documented):
        # The name of a value's field can say all that there is to say.
        rows |= {name: (_default(own[name]), "") for name in left}
    elif left:
        raise LookupError(
            f"{documented.__qualname__} says nothing of {', '.join(sorted(left))}: write a `:param`."
        )
    return table(("argument", "default", ""), rows) if rows else ""


def _default(parameter: inspect.Parameter) -> str:
    value = parameter.default
    if value is inspect.Parameter.empty:
        return "required"
    if isinstance(value, timedelta):
        return str(value).removesuffix(", 0:00:00") if value.days else f"{value.total_seconds():g} s"
    if inspect.isbuiltin(value) or inspect.isfunction(value):
        return f"`{value.__module__}.{value.__name__}`"
    # A sentinel, or a dataclass's factory of a new value.
    return "" if type(value) is object or repr(value) == "<factory>" else f"`{value!r}`"


def _raises(said: Docstring) -> str:
    rows = [
        f"- [`{name}`]({linked(name)}): {text}" if linked(name) else f"- `{name}`: {text}"
        for name, text in said.raises.items()
    ]
    return "**Raises**\n\n" + "\n".join(rows) if rows else ""


_NOT_FOR_USERS = {
    *("serialize", "get_connection_form_widgets", "get_ui_field_behaviour"),
    *("answer", "receive", "share", "stopped", "matches", "apply"),
}
"""Methods that Airflow calls, or the local Neptune ML itself."""


def _methods(documented: Any) -> Iterator[str]:
    if any(word in documented.__name__ for word in ("Operator", "Sensor", "Trigger", "Notifier", "Link")):
        return
    for name, value in vars(documented).items():
        function = inspect.unwrap(getattr(value, "__func__", value))
        if (
            name.startswith("_")
            or name in _NOT_FOR_USERS
            or not inspect.isfunction(function)
            or not function.__doc__
        ):
            continue
        said = Docstring.of(function, linked)
        shown = ", ".join(arguments_of(function))
        answer = f"**Returns** {said.returns}" if said.returns else ""
        rows = {key: (text,) for key, text in said.arguments.items()}
        arguments = table(("argument", ""), rows) if rows else ""
        yield "\n\n".join(
            filter(None, [f"### `{name}({shown})`", said.text, arguments, answer, _raises(said)])
        )


def _exceptions() -> Iterator[str]:
    module = _module("exceptions")
    yield ENTRIES["exceptions"][1]
    yield "## The tree"
    yield markdown(inspect.cleandoc(module.__doc__ or ""))
    for name in module.__all__:
        documented = getattr(module, name)
        said = Docstring.of(documented, linked)
        final = any(base.__name__ == "AirflowFailException" for base in documented.__mro__)
        yield f"## {name}\n\n{said.text}\n\n{'Airflow does not retry the task.' if final else 'Airflow retries the task.'}"


def _contents() -> Iterator[str]:
    yield "These pages have all public names, with their arguments, defaults and errors."
    for page, (title, first, dotted) in ENTRIES.items():
        names = [name.rpartition(".")[2] for name in dotted]
        yield f"**[{title}]({page}.md)**: {first}"
        yield "\n".join(f"- [`{name}`]({page}.md#{name.lower()})" for name in names)
    yield from (f"**[{title}]({page}.md)**: {first}" for page, (title, first) in MORE_CONTENTS.items())


def _configuration() -> Iterator[str]:
    (section,) = _module("provider_info").get_provider_info()["config"].items()
    name, said = section
    yield f"The section `[{name}]` of `airflow.cfg`; each option can be set in the environment as well."
    for option, value in said["options"].items():
        default = value["default"] or "empty"
        variable = f"AIRFLOW__{name}__{option}".upper()
        yield f"## {option}\n\n{markdown(value['description'])}\n\nType `{value['type']}`, default `{default}`, in the environment `{variable}`."


def _connection_form() -> Iterator[str]:
    form = _module("connection_form")
    yield (
        f"A connection of type `{form.CONNECTION_TYPE}` (in Airflow's form: {form.HOOK_NAME}). "
        "[The connection](../connection.md) says how to use it."
    )
    rows = {name: (label,) for name, label in form.LABELS.items()}
    rows["port"] = ("Port; empty: 8182",)
    yield table(("Airflow's field", "what it is here"), rows)
    yield "These are kept in the connection's extra, under the same names:"
    yield table(
        ("field", "label", ""), {field.name: (field.label, field.description) for field in form.FIELDS}
    )


def _commands() -> Iterator[str]:
    (group,) = _module("cli.definition").get_commands()
    yield "[The command neptune-ml](../command.md) says when to use which. [The local Neptune ML](../local.md) has the server."
    for command in group.subcommands:
        parser = argparse.ArgumentParser(add_help=False)
        for arg in command.args:
            arg.add_to_parser(parser)
        yield f"## neptune-ml {command.name}\n\n{' '.join(command.description.split())}"
        yield _options(parser)
    local = _module("local.cli").parser()
    yield f"## neptune-ml-local\n\n{local.description}"
    yield _options(local)


def _options(parser: argparse.ArgumentParser) -> str:
    rows = {}
    for action in parser._actions:
        if isinstance(action, argparse._HelpAction):
            continue
        metavar = action.metavar or ("" if action.nargs == 0 else action.dest.upper())
        shown = " ".join(metavar) if isinstance(metavar, tuple) else metavar
        flags = ", ".join(action.option_strings)
        said = (action.help or "") % {**vars(action), "prog": "neptune-ml"}
        rows[f"{flags} {shown}".strip()] = (said,)
    return table(("option", ""), rows)


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"{PACKAGE}.{name}")


if __name__ == "__main__":
    PAGES.mkdir(exist_ok=True)
    for file_name, text in pages().items():
        (PAGES / file_name).write_text(text)

"""`tandemrec list`: the names that the other commands take."""

from __future__ import annotations

import inspect
from importlib import import_module
from json import dumps
from typing import Annotated, Any

import typer

from tandemrec.cli.display import as_json, rows
from tandemrec.errors import UnknownName

KINDS = {
    "backbones": "tandemrec.backbones:BACKBONES",
    "llms": "tandemrec.llm:LLMS",
    "data": "tandemrec.data.sources:SOURCES",
    "presets": "tandemrec.recipes.settings:PRESETS",
}
NAMES = (*KINDS, "settings")


def show(
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(NAMES)}.")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List backbones, llms, data, presets or settings."""
    if kind not in NAMES:
        raise UnknownName("list", kind, NAMES)
    table = _settings() if kind == "settings" else _entries(*KINDS[kind].split(":"))
    as_json(table) if json else rows(row.values() for row in table)


def _entries(module: str, name: str) -> list[dict[str, str]]:
    entries = getattr(import_module(module), name)
    return [{"name": entry, "about": _about(value)} for entry, value in entries.items()]


def _settings() -> list[dict[str, str]]:
    """What --set and a run file's [settings] take, with the default preset's values."""
    from tandemrec.config import every
    from tandemrec.recipes.settings import PLUS

    return [
        {"name": each.name, "plus": _toml(each.value), "about": " ".join(each.about.split())}
        for each in every(PLUS)
        if each.name != "about"
    ]


def _toml(value: Any) -> str:
    """A value as --set takes it."""
    if value is None:
        return "none"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name} = {_toml(each)}' for name, each in value.items())}}}"
    return dumps(list(value) if isinstance(value, tuple) else value)


def _about(value: Any) -> str:
    """The value's own `about`, or the first line of a class's or function's docstring."""
    documented = inspect.isclass(value) or inspect.isroutine(value)
    text = getattr(value, "about", None) or (documented and inspect.getdoc(value)) or ""
    return str(text).partition("\n")[0]

"""`tandemrec list`: the names that the other commands take."""

from __future__ import annotations

import inspect
from importlib import import_module
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


def show(
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(KINDS)}.")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List backbones, llms, data or presets."""
    if kind not in KINDS:
        raise UnknownName("list", kind, KINDS)
    module, _, name = KINDS[kind].partition(":")
    entries = getattr(import_module(module), name)
    table = [(entry, _about(value)) for entry, value in entries.items()]
    as_json([{"name": n, "about": about} for n, about in table]) if json else rows(table)


def _about(value: Any) -> str:
    """The value's own `about`, or the first line of a class's or function's docstring."""
    documented = inspect.isclass(value) or inspect.isroutine(value)
    text = getattr(value, "about", None) or (documented and inspect.getdoc(value)) or ""
    return str(text).partition("\n")[0]

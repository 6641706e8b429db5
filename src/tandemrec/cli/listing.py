"""`tandemrec list`: the names that the other commands take."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
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
    "embedders": "tandemrec.llm:EMBEDDERS",
}
Table = Callable[[], list[dict[str, str]]]
NAMES = (*KINDS, "presets", "settings")


def show(
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(NAMES)}.")],
    recipe: Annotated[str, typer.Option(help="Whose settings: llama4rec, dallrec.")] = "llama4rec",
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List backbones, llms, embedders, data, presets or settings."""
    if kind not in NAMES:
        raise UnknownName("list", kind, NAMES)
    own: dict[str, Table] = {"presets": _presets, "settings": partial(_settings, recipe)}
    table = own[kind]() if kind in own else _entries(*KINDS[kind].split(":"))
    as_json(table) if json else rows(row.values() for row in table)


def _entries(module: str, name: str) -> list[dict[str, str]]:
    entries = getattr(import_module(module), name)
    return [{"name": entry, "about": _about(value)} for entry, value in entries.items()]


def _presets() -> list[dict[str, str]]:
    from tandemrec.recipes.spec import RECIPES

    return [
        {"recipe": recipe, "name": name, "about": preset.about}
        for recipe, presets in RECIPES.items()
        for name, preset in presets.items()
    ]


def _settings(recipe: str) -> list[dict[str, str]]:
    """What --set and a run file's [settings] take, with the default preset's values."""
    from tandemrec.config import every
    from tandemrec.recipes.spec import RECIPES

    if recipe not in RECIPES:
        raise UnknownName("recipe", recipe, RECIPES)
    return [
        {"name": each.name, "plus": _toml(each.value), "about": " ".join(each.about.split())}
        for each in every(RECIPES[recipe]["plus"])
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

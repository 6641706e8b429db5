"""`tandemrec list`: the names that the other commands take."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from json import dumps
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tandemrec.cli.display import as_json, rows
from tandemrec.errors import ConfigError, UnknownName

if TYPE_CHECKING:
    from tandemrec.config import Setting

KINDS = {
    "backbones": "tandemrec.backbones:BACKBONES",
    "llms": "tandemrec.llm:LLMS",
    "data": "tandemrec.data.sources:SOURCES",
    "embedders": "tandemrec.llm:EMBEDDERS",
}
Table = Callable[[], list[dict[str, str]]]
NAMES = (*KINDS, "presets", "settings")
ROOMS, SEED = ("backbone", "training"), "training.seed"
"The settings that hold a backbone's own; and the one among these that a run gives by --seed."


def show(
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(NAMES)}.")],
    recipe: Annotated[str, typer.Option(help="Whose settings: llama4rec, dallrec.")] = "llama4rec",
    backbone: Annotated[
        str | None,
        typer.Option(help="settings: with the hyperparameters and training of this one."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List backbones, llms, embedders, data, presets or settings."""
    if kind not in NAMES:
        raise UnknownName("list", kind, NAMES)
    if backbone is not None and kind != "settings":
        raise ConfigError(f"--backbone is for settings, not for {kind}. Leave it out.")
    own: dict[str, Table] = {"presets": _presets, "settings": partial(_settings, recipe, backbone)}
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


def _settings(recipe: str, backbone: str | None) -> list[dict[str, str]]:
    """What --set and a run file's [settings] take, with the default preset's values; of a backbone
    those of its own too."""
    from tandemrec.config import every
    from tandemrec.recipes.spec import RECIPES

    if recipe not in RECIPES:
        raise UnknownName("recipe", recipe, RECIPES)
    preset = RECIPES[recipe]["plus"]
    found = {each.name: each for each in every(preset) if each.name != "about"}
    if backbone is not None:
        own = {each.name: each for each in _of_backbone(backbone, preset)}
        found = own | {name: each for name, each in found.items() if name not in ROOMS}
    return [
        {"name": each.name, "plus": _toml(each.value), "about": " ".join(each.about.split())}
        for each in found.values()
    ]


def _of_backbone(name: str, preset: Any) -> Iterator[Setting]:
    """What a backbone is built with and how it learns, under a preset."""
    from tandemrec.backbones import get, hyper_of, training_of
    from tandemrec.config import every
    from tandemrec.training import TrainConfig

    backbone = get(name)
    learns = training_of(backbone, quick=preset.quick) | preset.training
    yield from every(backbone.Config(**hyper_of(backbone, quick=preset.quick)), "backbone.")
    yield from (each for each in every(TrainConfig(**learns), "training.") if each.name != SEED)


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

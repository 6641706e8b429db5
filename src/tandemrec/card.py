"""A card: the README.md beside exported weights, which says what they are and how to load them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tandemrec.errors import RunError
from tandemrec.oneline import short

NAME = "README.md"


@dataclass(frozen=True)
class Card:
    """What is known of a model from its run."""

    title: str
    about: str
    "A sentence or two."
    data: Mapping[str, Any]
    "Facts of the data set."
    settings: Mapping[str, Any]
    "Nested settings, as they were."
    metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    "By method, then by metric, on the test part."
    hub: Mapping[str, Any] = field(default_factory=dict)
    "What the Hugging Face hub reads at the head of the page."


def refuse_other(folder: Path, beside: str) -> None:
    """Raises RunError where the card would take the place of a README.md that is no card: no export
    wrote the file that stands beside one."""
    if (folder / NAME).exists() and not (folder / beside).exists():
        raise RunError(
            f"{folder} holds a {NAME} that no export has written. Name a folder for this alone."
        )


def text(card: Card, files: Mapping[str, str], loading: str) -> str:
    """The page: what the files are, and Python that loads them."""
    parts = [_head(card.hub), f"# {short(card.title)}\n", f"{card.about}\n"]
    parts += ["## Load it\n", f"```python\n{loading.strip()}\n```\n"]
    parts += ["## Files\n", _table(("file", "what"), ((f"`{a}`", b) for a, b in files.items()))]
    parts += ["## Data\n", _table(("fact", "value"), card.data.items())]
    if card.metrics:
        parts += ["## Results on test\n", _results(card.metrics)]
    parts += ["## Settings\n", _table(("setting", "value"), _flat(card.settings))]
    return "\n".join(part for part in parts if part)


def _head(hub: Mapping[str, Any]) -> str:
    """JSON values are YAML too."""
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in hub.items()]
    return "\n".join(["---", *lines, "---", ""]) if lines else ""


def _results(metrics: Mapping[str, Mapping[str, float]]) -> str:
    names = list(dict.fromkeys(name for values in metrics.values() for name in values))
    rows = [
        (method, *(f"{values[name]:.4f}" if name in values else "" for name in names))
        for method, values in metrics.items()
    ]
    return _table(("method", *names), rows)


def _table(head: tuple[str, ...], rows: Any) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(map(_cell, line)) + " |\n" for line in lines)


def _cell(value: Any) -> str:
    return short(value, 200).replace("|", "\\|")


def _flat(settings: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Nested settings by their dotted names; what is not set is left out."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")
        elif value not in (None, "", [], ()):
            yield f"{above}{name}", json.dumps(value, ensure_ascii=False, default=str)

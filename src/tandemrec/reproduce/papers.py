"""What the papers' tables say, as figures to stand beside."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

Figures = Mapping[str, Mapping[str, Mapping[str, Mapping[str, float]]]]
"Data set, backbone, method, metric: the figure."


@dataclass(frozen=True)
class PaperTable:
    """A table of a paper, by its place in `published/`."""

    paper: str
    key: str
    about: str
    teacher: str
    "The backbone whose candidates the shared instruction set shows."
    llm: str
    "The language model that the paper takes."

    @cached_property
    def figures(self) -> Figures:
        """What the paper prints."""
        file = Path(__file__).parent / "published" / f"{self.paper}.json"
        found: Figures = json.loads(file.read_text(encoding="utf-8"))[self.key]
        return found

    @property
    def methods(self) -> list[str]:
        """Its rows, in the paper's order."""
        return list(next(iter(next(iter(self.figures.values())).values())))

    @property
    def metrics(self) -> list[str]:
        """Its columns, in the paper's order."""
        cell = next(iter(next(iter(self.figures.values())).values()))
        return list(next(iter(cell.values())))


LLAMA = "LLaMA-2 7B"
TABLES: dict[str, PaperTable] = {
    "llama4rec/table2": PaperTable(
        "llama4rec", "table2", "Direct recommendation, four backbones.", "lightgcn", LLAMA
    ),
    "llama4rec/table4": PaperTable(
        "llama4rec", "table4", "Sequential recommendation, three backbones.", "sasrec", LLAMA
    ),
    "llama4rec/table6": PaperTable(
        "llama4rec", "table6", "LightGCN without one part at a time.", "lightgcn", LLAMA
    ),
}

"""The runs that fill a paper's table, each resumable, on a shared language model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

from tandemrec.errors import UnknownName
from tandemrec.progress import Progress, silent
from tandemrec.recipes.execute import execute
from tandemrec.recipes.spec import RunSpec, merged
from tandemrec.report.contents import Contents
from tandemrec.reproduce.page import write
from tandemrec.reproduce.papers import PaperTable


class Cell(NamedTuple):
    """One run of a table."""

    data: str
    backbone: str

    @property
    def name(self) -> str:
        """As --only takes it: ml-100k/mf."""
        return f"{self.data}/{self.backbone}"


def cells(table: PaperTable) -> list[Cell]:
    """All runs of a table, one data set after the other."""
    return [Cell(data, backbone) for data, row in table.figures.items() for backbone in row]


def chosen(table: PaperTable, only: Sequence[str]) -> list[Cell]:
    """The cells that a pattern names, such as ml-100k/*; all where there is none.

    Raises UnknownName for a pattern that names nothing.
    """
    every = cells(table)
    for pattern in only:
        if not any(fnmatch(cell.name, pattern) for cell in every):
            raise UnknownName("cell", pattern, [cell.name for cell in every])
    return [cell for cell in every if not only or any(fnmatch(cell.name, p) for p in only)]


def made_again(
    table: PaperTable,
    wanted: Sequence[Cell],
    spec: RunSpec,
    *,
    command: str = "",
    progress: Progress = silent,
) -> Iterator[tuple[Cell, Path]]:
    """Make one cell after the other, and after each the page of all that is there; `spec` is what
    the runs have in common, its `out` the table's folder."""
    for cell in wanted:
        execute(spec_of(table, cell, spec), command=command, progress=progress)
        yield cell, write(table, found(table, spec.out), spec.out, command)


def spec_of(table: PaperTable, cell: Cell, spec: RunSpec) -> RunSpec:
    """The run of a cell: in a folder of its own, on the data set's shared model and answers."""
    taught: dict[str, Any] = {"examples": {"backbone": table.teacher}}
    changes = {
        "data": cell.data,
        "backbone": cell.backbone,
        "out": spec.out / cell.data / cell.backbone,
        "shared": spec.out / cell.data / "shared",
        "settings": merged(taught, spec.settings),
    }
    return spec.model_copy(update=changes)


def found(table: PaperTable, out: Path) -> dict[tuple[str, str], Contents]:
    """What every finished cell's report holds."""
    places = {cell: out / cell.data / cell.backbone for cell in cells(table)}
    return {
        (cell.data, cell.backbone): Contents.load(folder)
        for cell, folder in places.items()
        if (folder / "run.json").exists()
    }

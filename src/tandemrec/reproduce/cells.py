"""The runs of a table or figure, each resumable, on a shared language model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from tandemrec.errors import UnknownName
from tandemrec.progress import Progress, silent
from tandemrec.recipes.execute import ask_ahead, execute
from tandemrec.recipes.spec import RunSpec, merged
from tandemrec.report.contents import Contents
from tandemrec.reproduce.page import write
from tandemrec.reproduce.piece import Cell, Made, Piece


def chosen(piece: Piece, only: Sequence[str]) -> list[Cell]:
    """The cells that a pattern names, such as ml-100k/*; all where there is none.

    Raises UnknownName for a pattern that names nothing.
    """
    every = piece.cells
    for pattern in only:
        if not any(fnmatch(cell.name, pattern) for cell in every):
            raise UnknownName("cell", pattern, [cell.name for cell in every])
    return [cell for cell in every if not only or any(fnmatch(cell.name, p) for p in only)]


def made_again(
    piece: Piece,
    wanted: Sequence[Cell],
    spec: RunSpec,
    *,
    command: str = "",
    progress: Progress = silent,
) -> Iterator[tuple[Cell, Path]]:
    """Make one cell after the other, and after each the page of all that is there; `spec` is what
    the runs have in common, its `out` the folder of them all. What they ask alike is asked first,
    together."""
    for alike in _on_one_model(piece, wanted, spec):
        if len(alike) > 1:
            ask_ahead(alike, progress=progress)
    for cell in wanted:
        mine = spec_of(piece, cell, spec)
        piece.finish(execute(mine, command=command, progress=progress), mine.out, progress)
        yield cell, write(piece, found(piece, spec.out), spec.out, command)


def _on_one_model(piece: Piece, wanted: Sequence[Cell], spec: RunSpec) -> Iterator[list[RunSpec]]:
    """The runs that are still to be made, by the folder that they share."""
    specs = [spec_of(piece, cell, spec) for cell in wanted]
    left = [each for each in specs if not (each.out / "run.json").exists()]
    for shared in dict.fromkeys(each.shared for each in left):
        yield [each for each in left if each.shared == shared]


def spec_of(piece: Piece, cell: Cell, spec: RunSpec) -> RunSpec:
    """The run of a cell: in a folder of its own, on a model and answers that are shared by all of
    its data set and variant."""
    taught: dict[str, Any] = {"examples": {"backbone": piece.teacher}}
    changes = {
        "data": cell.data,
        "backbone": cell.backbone,
        "out": folder_of(spec.out, cell),
        "shared": folder_of(spec.out, cell._replace(backbone="shared")),
        "settings": merged(taught, spec.settings),
    }
    return piece.varied(cell, spec.model_copy(update=changes))


def folder_of(out: Path, cell: Cell) -> Path:
    """Where a cell's run lives."""
    return out.joinpath(*(_plain(part) for part in cell if part))


def _plain(name: str) -> str:
    """A name that any file system takes: smollm2-135m:20 is smollm2-135m-20."""
    return "".join(letter if letter.isalnum() or letter in "-._" else "-" for letter in name)


def found(piece: Piece, out: Path) -> dict[Cell, Made]:
    """Every finished cell."""
    places = {cell: folder_of(out, cell) for cell in piece.cells}
    return {
        cell: Made(folder, Contents.load(folder))
        for cell, folder in places.items()
        if (folder / "run.json").exists()
    }

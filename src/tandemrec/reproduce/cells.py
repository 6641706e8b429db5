"""The runs of a table or figure, each resumable, on a shared language model."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from tandemrec.config import differing
from tandemrec.errors import ConfigError, DataError, RunError, UnknownName
from tandemrec.oneline import listed, short
from tandemrec.progress import Progress, silent
from tandemrec.recipes.dry_run import Outlook, dry_runs
from tandemrec.recipes.execute import ask_ahead, check, execute
from tandemrec.recipes.ray import parallel
from tandemrec.recipes.record import RECORD, Record, counting, is_joined
from tandemrec.recipes.spec import RunSpec, merged
from tandemrec.report.contents import FILE as REPORT
from tandemrec.report.contents import Contents
from tandemrec.reproduce.claim import Claim, check_claim, claim
from tandemrec.reproduce.found import Cell, Made
from tandemrec.reproduce.page import write
from tandemrec.reproduce.piece import Piece

LONGEST = 80
"Letters of a folder's name."


def chosen(piece: Piece, only: Sequence[str]) -> list[Cell]:
    """The cells that a pattern names, such as ml-100k/*; all that can be run where there is none.

    Raises UnknownName for a pattern that names nothing.
    """
    every = piece.cells
    for pattern in only:
        if not any(fnmatch(cell.name, pattern) for cell in every):
            raise UnknownName("cell", pattern, [cell.name for cell in every])
    if not only:
        return [cell for cell in every if piece.possible(cell)]
    return [cell for cell in every if any(fnmatch(cell.name, pattern) for pattern in only)]


def made_again(
    piece: Piece,
    wanted: Sequence[Cell],
    spec: RunSpec,
    *,
    ray: str | None = None,
    command: str = "",
    progress: Progress = silent,
) -> Iterator[tuple[Cell, Path]]:
    """Make one cell after the other, and after each the page of all that is there; `spec` is what
    the runs have in common, its `out` the folder of them all.

    Everything that can be known to fail is looked at before anything is computed. What cells ask
    alike is asked first, together; on a Ray cluster of that address, cells and seeds of a data set
    go in parallel. A data set that cannot be had does not stop the others: its DataError is raised
    after them.
    """
    specs, asked = _looked_at(piece, wanted, spec, progress)
    check([each for each in specs.values() if not _is_joined(piece, each)], progress=progress)
    claim(spec.out, asked)
    missing: dict[str, DataError] = {}
    for group in _groups(specs):
        try:
            for cell in _together(piece, group, missing, ray, command, progress):
                yield cell, write(piece, found(piece, spec.out), spec.out, command)
        except DataError as error:
            missing[next(iter(group)).data] = error
    if missing:
        raise DataError(" ".join(f"{data}: {error}" for data, error in missing.items()))


def foretold(
    piece: Piece, wanted: Sequence[Cell], spec: RunSpec, *, progress: Progress = silent
) -> list[Outlook]:
    """What making these cells would ask each language model; what is finished asks nothing, and
    what `piece.finish` asks besides is not in it. Nothing is asked, and the folder stays as it is.
    """
    specs, _ = _looked_at(piece, wanted, spec, progress)
    there = (each for each in specs.values() if not _is_joined(piece, each))
    left = [each for each in there if not _run_is_there(each)]
    return dry_runs(left, progress)


def _looked_at(
    piece: Piece, wanted: Sequence[Cell], spec: RunSpec, progress: Progress
) -> tuple[dict[Cell, RunSpec], Claim]:
    """The runs of the cells, and what is asked of the folder that is to hold them; nothing is
    written. Raises TandemrecError for a folder of other runs, and for what the piece lacks."""
    specs = {cell: spec_of(piece, cell, spec) for cell in wanted}
    asked = check_claim(piece, spec)
    found(piece, spec.out)
    piece.check(progress)
    return specs, asked


def _groups(specs: Mapping[Cell, RunSpec]) -> list[dict[Cell, RunSpec]]:
    """Cells by data set and variant: what asks alike."""
    groups: dict[tuple[str, str], dict[Cell, RunSpec]] = {}
    for cell, mine in specs.items():
        groups.setdefault((cell.data, cell.variant), {})[cell] = mine
    return list(groups.values())


def _together(
    piece: Piece,
    group: Mapping[Cell, RunSpec],
    missing: Mapping[str, Exception],
    ray: str | None,
    command: str,
    progress: Progress,
) -> Iterator[Cell]:
    """Make the cells of a group, each given when it is finished; none where the data are
    missing."""
    group = {cell: mine for cell, mine in group.items() if cell.data not in missing}
    left = [mine for mine in group.values() if not _run_is_there(mine)]
    if left and ray is not None:
        parallel(left, address=ray, progress=progress)
    elif len(left) > 1:
        ask_ahead(left, progress=progress)
    for cell, mine in group.items():
        if _is_joined(piece, mine):
            yield cell
            continue
        if piece.beside and not _run_is_there(mine):  # what stands there is another run's
            (mine.out / piece.beside).unlink(missing_ok=True)
        piece.finish(execute(mine, command=command, progress=progress), mine.out, progress)
        yield cell


def _run_is_there(spec: RunSpec) -> bool:
    """Whether the folder holds a finished run of these seeds, made by this version."""
    if not all((spec.out / name).exists() for name in (RECORD, REPORT)):
        return False
    with suppress(RunError):
        Record.load(spec.out)
        return Contents.load(spec.out).seeds == spec.made_seeds
    return False


def _is_joined(piece: Piece, spec: RunSpec) -> bool:
    """Whether the folder holds a report of these seeds that was joined, and no stages to load.
    Raises RunError where it is of other seeds or of another run, and where it lacks what the piece
    reads beside."""
    if not is_joined(spec.out):
        return False
    there, asked = (_facts(each) for each in (Record.load(spec.out), Record.of(spec)))
    if found := [
        f"{name} is {short(a, 60)}, not {short(b, 60)}" for name, a, b in differing(there, asked)
    ]:
        raise RunError(
            f"{spec.out} holds a report that was joined of other runs: {'; '.join(found)}. Take "
            "its folder away."
        )
    if not _run_is_there(spec):
        raise RunError(
            f"{spec.out} holds a report that was joined, of seeds "
            f"{listed([*map(str, Contents.load(spec.out).seeds)])}, not of "
            f"{listed([*map(str, spec.made_seeds)])}. Join all of them there, or take its folder "
            "away."
        )
    if piece.beside and not (spec.out / piece.beside).exists():
        raise RunError(
            f"{spec.out} holds a report that was joined, without {piece.beside}, which "
            f"{piece.name} writes beside a run. Copy it there from the folder of seed {spec.seed}."
        )
    return True


def _facts(record: Record) -> dict[str, Any]:
    """What a cell's run is, but for its seeds and for where files lie."""
    spec = record.spec
    models = {name: getattr(spec, name) for name in ("llm", "adapter", "embedder")}
    return {
        **{name: getattr(spec, name) for name in ("recipe", "data", "backbone", "split", "core")},
        **{name: each and Path(each).name for name, each in models.items()},
        "settings": counting(record.config.model_dump(mode="json")),
    }


def spec_of(piece: Piece, cell: Cell, spec: RunSpec) -> RunSpec:
    """The run of a cell: in a folder of its own, beside one that all of its data set share, with
    tuned models and answers."""
    changes = {
        "recipe": piece.paper,
        "data": cell.data,
        "backbone": cell.backbone,
        "out": folder_of(spec.out, cell),
        "shared": folder_of(spec.out, Cell(cell.data, "shared")),
        "settings": merged(piece.settings, spec.settings),
    }
    return piece.varied(cell, spec.model_copy(update=changes))


def folder_of(out: Path, cell: Cell) -> Path:
    """Where a cell's run lives. Raises ConfigError for a name that no folder can have."""
    return out.joinpath(*(_plain(part) for part in cell if part))


def _plain(name: str) -> str:
    """A name that any file system takes, as it is where it can be: else smollm2-135m:20 is
    smollm2-135m-20 with a short hash behind it, so that no two names have one folder."""
    if name in (".", ".."):
        raise ConfigError(f"A run's folder cannot be called {name!r}. Give the model's whole path.")
    plain = "".join(letter if letter.isalnum() or letter in "-._" else "-" for letter in name)
    if plain == name and len(name) <= LONGEST:
        return name
    return f"{plain[-LONGEST:]}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def found(piece: Piece, out: Path) -> dict[Cell, Made]:
    """Every finished cell: its run is whole, and so is what the piece writes beside it.

    Raises RunError for a damaged file.
    """
    needed = [RECORD, REPORT, *([piece.beside] if piece.beside else [])]
    places = {cell: folder_of(out, cell) for cell in piece.cells}
    return {
        cell: _made(piece, cell, folder)
        for cell, folder in places.items()
        if all((folder / name).exists() for name in needed)
    }


def _run_in(folder: Path) -> tuple[str, str] | None:
    """The data and the backbone of the run that is there; none of another version."""
    with suppress(RunError):
        spec = Record.load(folder).spec
        return spec.data, spec.backbone
    return None


def _made(piece: Piece, cell: Cell, folder: Path) -> Made:
    try:
        contents = Contents.load(folder)
    except RunError as error:
        raise RunError(f"{error} Delete it first.") from None
    if (there := _run_in(folder)) not in (None, cell[:2]):
        raise RunError(f"{folder} holds a run of {'/'.join(there)}. Take it away.")
    return Made(folder, contents, piece.read(folder) if piece.beside else None)

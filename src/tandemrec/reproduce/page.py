"""The page of a table or figure, and the same tables as files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from tandemrec.report.page import environment, files_of, put
from tandemrec.report.tables import Table
from tandemrec.reproduce.found import Found, run_folders
from tandemrec.reproduce.piece import Piece


def write(piece: Piece, found: Found, out: Path, command: str = "") -> Path:
    """Write index.html, tables.md, tables.tex, tables.csv and tables.json; gives the page."""
    tables, notes = piece.tables(found), [*piece.notes(found), *_beside(found, out)]
    files = files_of(tables, notes, "What differs")
    files["index.html"] = html(piece, found, tables, notes, out, command)
    return put(files, out)


def _beside(found: Found, out: Path) -> Iterator[str]:
    """Finished runs in the folder that this command does not ask for: of other language models,
    where a figure compares several."""
    shown = {made.folder for made in found.values()}
    others = sorted(each.relative_to(out).as_posix() for each in run_folders(out) - shown)
    if others:
        yield f"Finished in this folder too, and not shown here: {', '.join(others)}."


def html(
    piece: Piece,
    found: Found,
    tables: Sequence[Table],
    notes: Sequence[str],
    out: Path,
    command: str,
) -> str:
    """The page: no scripts, nothing fetched."""
    template = environment().get_template("reproduced.html.j2")
    return template.render(
        title=f"{piece.paper}, {piece.key}",
        about=piece.about,
        tables=tables,
        figures=piece.figures(found),
        notes=notes,
        command=command,
        links={cell.name: run.folder.relative_to(out).as_posix() for cell, run in found.items()},
    )

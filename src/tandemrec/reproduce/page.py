"""The page of a table or figure, and the same tables as files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tandemrec.report.page import environment, files_of, put
from tandemrec.report.tables import Table
from tandemrec.reproduce.found import Found
from tandemrec.reproduce.piece import Piece


def write(piece: Piece, found: Found, out: Path, command: str = "") -> Path:
    """Write index.html, tables.md, tables.tex, tables.csv and tables.json; gives the page."""
    tables, notes = piece.tables(found), list(piece.notes(found))
    files = files_of(tables, notes, "What differs")
    files["index.html"] = html(piece, found, tables, notes, out, command)
    return put(files, out)


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

"""The page of a table or figure, and the same tables as files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from tandemrec.report.page import environment, files_of, put
from tandemrec.report.tables import Table
from tandemrec.reproduce.found import Found
from tandemrec.reproduce.piece import Piece


def write(piece: Piece, found: Found, out: Path, command: str = "") -> Path:
    """Write index.html, tables.md, tables.tex, tables.csv and tables.json; gives the page."""
    tables, notes = piece.tables(found), list(piece.notes(found))
    files = files_of(tables)
    files["tables.md"] += _as_list(notes)
    files["tables.tex"] += _as_comment(notes)
    files["index.html"] = html(piece, found, tables, notes, out, command)
    return put(files, out)


def _as_list(notes: Sequence[str]) -> str:
    """For Markdown, with its signs escaped."""
    lines = (re.sub(r"[\\`*_|<>\[\]]", r"\\\g<0>", " ".join(note.split())) for note in notes)
    return "\n### What differs\n\n" + "".join(f"- {line}\n" for line in lines)


def _as_comment(notes: Sequence[str]) -> str:
    """For LaTeX."""
    return "\n% What differs:\n" + "".join(f"% - {' '.join(note.split())}\n" for note in notes)


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

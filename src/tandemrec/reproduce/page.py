"""The page of a table or figure, and the same tables as files."""

from __future__ import annotations

from pathlib import Path

from tandemrec.report import formats
from tandemrec.report.page import environment
from tandemrec.report.tables import Table
from tandemrec.reproduce.piece import Found, Piece
from tandemrec.writing import explained, whole


def write(piece: Piece, found: Found, out: Path, command: str = "") -> Path:
    """Write index.html, tables.md, tables.tex, tables.csv and tables.json; gives the page."""
    made = piece.tables(found)
    files = {
        "tables.md": formats.markdown(made),
        "tables.tex": formats.latex(made),
        "tables.csv": formats.as_csv(made),
        "tables.json": formats.as_json(formats.tidy(made)),
        "index.html": html(piece, found, made, out, command),
    }
    with explained(out):
        out.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            with whole(out / name) as fresh:
                fresh.write_text(text, encoding="utf-8", newline="\n")
    return out / "index.html"


def html(piece: Piece, found: Found, made: list[Table], out: Path, command: str) -> str:
    """The page: no scripts, nothing fetched."""
    template = environment().get_template("reproduced.html.j2")
    return template.render(
        title=f"{piece.paper}, {piece.key}",
        about=piece.about,
        tables=made,
        figures=piece.figures(found),
        notes=list(piece.notes(found)),
        command=command,
        links={cell.name: run.folder.relative_to(out).as_posix() for cell, run in found.items()},
    )

"""`tandemrec report`: the page and the tables of a finished run again, or of several joined."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tandemrec.report.contents import Contents


def report(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="FOLDER...", help="A finished run's; or seeds of one run, apart."),
    ],
    out: Annotated[
        Path | None, typer.Option(help="Where the seeds of several are joined to one report.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the rows as JSON.")] = False,
) -> None:
    """Write the page and the tables again, and show the main table; of several folders, which hold
    seeds of one run that were made apart, one report."""
    from tandemrec.report import console_table
    from tandemrec.report.contents import scores

    if (len(folders) > 1) != (out is not None):
        raise typer.BadParameter(
            "Name the folder of the joined report with --out."
            if out is None
            else "--out is for several folders; the report of one is written into it."
        )
    contents = _again(folders[0]) if out is None else _joined(folders, out)
    if as_json:
        print(json.dumps(scores(contents)))
        return
    from rich.console import Console

    Console().print(console_table(contents))
    print(f"Report: {(out or folders[0]) / 'index.html'}")


def _again(folder: Path) -> Contents:
    from tandemrec.report import write
    from tandemrec.report.contents import Contents

    contents = Contents.load(folder)
    write(contents, folder)
    return contents


def _joined(folders: list[Path], out: Path) -> Contents:
    from tandemrec.recipes.joining import join

    return join(folders, out, command=shlex.join(["tandemrec", *sys.argv[1:]]))

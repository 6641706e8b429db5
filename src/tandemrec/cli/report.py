"""`tandemrec report`: the page and the tables of a finished run, made again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def report(
    folder: Annotated[Path, typer.Argument(help="A finished run's folder.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the rows as JSON.")] = False,
) -> None:
    """Write the page and the tables again, and show the main table."""
    from tandemrec.report import console_table, write
    from tandemrec.report.contents import Contents, scores

    contents = Contents.load(folder)
    write(contents, folder)
    if as_json:
        print(json.dumps(scores(contents)))
        return
    from rich.console import Console

    Console().print(console_table(contents))
    print(f"Report: {folder / 'index.html'}")

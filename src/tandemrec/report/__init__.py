"""A run's contents as one page, and as Markdown, LaTeX, CSV and JSON. No model is needed for it.

`contents` is light; `page` brings matplotlib and jinja2, and is loaded when a report is written.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tandemrec.report.contents import Contents, scores

if TYPE_CHECKING:
    from rich.table import Table


def write(contents: Contents, folder: str | Path) -> Path:
    """Write all files of the report into the folder; gives back the path of index.html."""
    from tandemrec.report import page

    return page.write(contents, folder)


def console_table(contents: Contents) -> Table:
    """The main table for a terminal, to be printed with rich."""
    from tandemrec.report import console

    return console.console_table(contents)


__all__ = ["Contents", "console_table", "scores", "write"]

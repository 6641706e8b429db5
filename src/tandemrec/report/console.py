"""The main table for a terminal."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.table import Table as RichTable
from rich.text import Text

from tandemrec.report import scoreboard
from tandemrec.report.contents import Contents
from tandemrec.report.tables import Cell


def console_table(contents: Contents) -> RichTable:
    """Base, IFT and the whole method as a table that rich prints."""
    table = scoreboard.main(contents)
    shown = RichTable(
        title=table.caption, caption=table.note, title_justify="left", box=SIMPLE_HEAD
    )
    for number, column in enumerate(table.columns):
        shown.add_column(Text(column), justify="left" if number < table.labels else "right")
    for row in table.rows:
        shown.add_row(*map(_text, row))
    return shown


def _text(cell: Cell) -> Text:
    text = Text(f"{cell.text}{cell.mark}", style="bold" if cell.best else "")
    return text.append(f"\n{cell.spread}", style="dim") if cell.spread else text

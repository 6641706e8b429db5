"""The main table for a terminal."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.table import Table as RichTable
from rich.text import Text

from tandemrec.oneline import short
from tandemrec.report import scoreboard
from tandemrec.report.contents import Contents
from tandemrec.report.tables import Cell


def console_table(contents: Contents) -> RichTable:
    """Base, IFT and the whole method as a table that rich prints, for eighty columns.

    It has the first four metrics (as in the paper: HR and NDCG at 3 and 5) and the tests; the page
    has them all. Below it stands what is in the place of time, in data that have none.
    """
    table = scoreboard.main(contents)
    order = short(contents.what.get("order") or "", 200).rstrip(".")
    caption = f"{table.note} Order: {order}." if order else table.note
    left_out = contents.metrics[4:]
    kept = [number for number, column in enumerate(table.columns) if column not in left_out]
    shown = RichTable(title=table.caption, caption=caption, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    shown.title_justify = shown.caption_justify = "left"
    for number in kept:
        head = _broken(table.columns[number])
        shown.add_column(head, justify="left" if number < table.labels else "right")
    for row in table.rows:
        shown.add_row(*(_text(row[number]) for number in kept))
    return shown


def _broken(column: str) -> Text:
    """A head on two lines where it has two words: eighty columns are soon full."""
    return Text(column.replace(" ", "\n", 1))


def _text(cell: Cell) -> Text:
    text = Text(f"{cell.text}{cell.mark}", style="bold" if cell.best else "")
    return text.append(f"\n± {cell.sd:.4f}", style="dim") if cell.sd is not None else text

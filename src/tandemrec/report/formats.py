"""Tables as Markdown, LaTeX, CSV and JSON; the page is in `page`, the terminal's in `console`."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from typing import Any

from tandemrec.report.tables import Cell, Table

TEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    **{sign: f"\\{sign}" for sign in "%&#_$"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
    "−": "$-$",
    "±": r"$\pm$",
    "≤": r"$\leq$",
    "–": "--",
    "…": r"\dots{}",
    "α": r"$\alpha$",
    "₁": "$_1$",
    "₂": "$_2$",
    "†": r"$^{\dagger}$",
}
COLUMNS = ("table", "row", "column", "value", "sd", "best", "mark")


def markdown(tables: Sequence[Table]) -> str:
    """Each table under its caption, as GitHub reads it."""
    return "\n".join(map(_markdown, tables))


def _markdown(table: Table) -> str:
    rule = ["---"] * table.labels + ["---:"] * (len(table.columns) - table.labels)
    lines = [[_md(column) for column in table.columns], rule]
    lines += [[f"**{_md(c.full)}**" if c.best else _md(c.full) for c in row] for row in table.rows]
    body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    note = f"\n{_md(table.note)}\n" if table.note else ""
    return f"### {_md(table.caption)}\n\n{body}\n{note}"


def _md(text: str) -> str:
    for sign in "\\`*_|<[]":
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.split())


def latex(tables: Sequence[Table]) -> str:
    r"""Each table as a LaTeX `table` with booktabs rules; it needs \usepackage{booktabs}."""
    return "\n".join(map(_latex, tables))


def _latex(table: Table) -> str:
    align = "l" * table.labels + "r" * (len(table.columns) - table.labels)
    head = " & ".join(map(tex, table.columns)) + r" \\"
    body = [" & ".join(map(_tex_cell, row)) + r" \\" for row in table.rows]
    lines = [
        r"\begin{table}[t]",
        r"\centering",
        rf"\caption{{{tex(table.caption)}.{' ' + tex(table.note) if table.note else ''}}}",
        rf"\label{{tab:{table.name}}}",
        r"\footnotesize\setlength{\tabcolsep}{3pt}",
        rf"\begin{{tabular}}{{{align}}}",
        *(r"\toprule", head, r"\midrule", *body, r"\bottomrule"),
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def tex(text: str) -> str:
    """Text with LaTeX's special signs escaped."""
    return "".join(TEX.get(sign, sign) for sign in " ".join(text.split()))


def _tex_cell(cell: Cell) -> str:
    text = rf"\textbf{{{tex(cell.text)}}}" if cell.best else tex(cell.text)
    mark = "$^{*}$" if cell.mark == "*" else tex(cell.mark)
    return f"{text}{mark} {tex(cell.spread)}".strip()


def tidy(tables: Sequence[Table]) -> list[dict[str, Any]]:
    """One record for each value, unrounded: table, row, column, value, sd, best, mark."""
    return [
        dict(zip(COLUMNS, (table.name, row, column, *_values(cell)), strict=True))
        for table in tables
        for row, cells in ((" / ".join(c.text for c in r[: table.labels]), r) for r in table.rows)
        for column, cell in zip(table.columns[table.labels :], cells[table.labels :], strict=True)
    ]


def _values(cell: Cell) -> tuple[float | str | None, float | None, bool, str]:
    return cell.value, cell.sd, cell.best, cell.mark


def as_csv(tables: Sequence[Table]) -> str:
    """The records of `tidy` as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(tidy(tables))
    return text.getvalue()


def as_json(value: Any) -> str:
    """JSON as all our files have it."""
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def as_list(notes: Sequence[str], heading: str) -> str:
    """Notes for Markdown, with its signs escaped; nothing where there are none."""
    lines = (re.sub(r"[\\`*_|<>\[\]]", r"\\\g<0>", " ".join(note.split())) for note in notes)
    text = "".join(f"- {line}\n" for line in lines)
    return text and f"\n### {heading}\n\n{text}"


def as_comment(notes: Sequence[str], heading: str) -> str:
    """Notes for LaTeX; nothing where there are none."""
    text = "".join(f"% - {' '.join(note.split())}\n" for note in notes)
    return text and f"\n% {heading}:\n{text}"

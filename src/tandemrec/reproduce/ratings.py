"""The paper's table of ratings, with all rows of ours below it (Llama4Rec, table V)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from tandemrec.evaluation.metrics import winner
from tandemrec.report import tables
from tandemrec.report.contents import BASE, Contents
from tandemrec.report.scoreboard import change, mark, p_users, result
from tandemrec.report.tables import MISSING, Table, words
from tandemrec.report.tables import Cell as Value
from tandemrec.reproduce.found import Cell, Found
from tandemrec.reproduce.tables import NOTE, PaperTable

LESS = " Less is better; an improvement is an error that is smaller by so much."
ROWS = (
    f"* better, † worse than {BASE}, p ≤ 0.05 (paired t-test over users: of squared errors "
    f"for RMSE, of absolute ones for MAE). The change and p are those of RMSE; +1 % is an "
    "error that is 1 % smaller. Bold: the best of a backbone's rows."
)


@dataclass(frozen=True)
class RatingTable(PaperTable):
    """A table of ratings. The paper has neither ablations nor controls of them; we show ours."""

    note: ClassVar[str] = NOTE + LESS

    def tables(self, found: Found) -> list[Table]:
        there = [data for data in self.published if any(cell.data == data for cell in found)]
        return [*super().tables(found), *(self._all_rows(data, found) for data in there)]

    def further(self, found: Found) -> Iterator[str]:
        yield from super().further(found)
        yield (
            "IFT stands once for each data set in the paper, above its backbones; ours is measured "
            "in each run. The paper's own improvement is over Base alone; above it is over the "
            "better of Base and IFT. The paper has no ablation of ratings."
        )

    def _all_rows(self, data: str, found: Found) -> Table:
        rows: list[tuple[Value, ...]] = []
        for backbone in self.published[data]:
            if (made := found.get(Cell(data, backbone))) is not None:
                rows += _rows(backbone, made.contents, self.metrics)
        return Table(
            f"{self.key}_rows_{data.replace('-', '_')}",
            f"{data}: all rows of ours",
            ("Backbone", "Method", *self.metrics, f"vs {BASE}", "p"),
            tuple(rows),
            labels=2,
            note=ROWS,
        )


def _rows(backbone: str, contents: Contents, metrics: list[str]) -> Iterator[tuple[Value, ...]]:
    methods = list(dict.fromkeys(row.method for row in contents.rows))
    columns = [_column(contents, methods, metric) for metric in metrics]
    for method, *values in zip(methods, *columns, strict=True):
        own = method == BASE
        yield (
            *words(backbone, method),
            *values,
            tables.percent(None if own else change(contents, method, BASE)),
            tables.p_value(None if own else p_users(contents, method, BASE, contents.primary)),
        )


def _column(contents: Contents, methods: list[str], metric: str) -> list[Value]:
    found = [result(contents, method, metric) for method in methods]
    top = winner(metric, (None if one is None else one.mean for one in found))
    return [
        Value(MISSING)
        if one is None
        else Value(
            f"{one.mean:.4f}",
            one.mean,
            one.sd,
            best=one.mean == top,
            mark=mark(contents, method, BASE, metric) if method != BASE else "",
        )
        for method, one in zip(methods, found, strict=True)
    ]

"""A paper's table: our figures beside its own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path
from string import ascii_lowercase
from typing import Any, ClassVar

from tandemrec.evaluation.compare import improvement
from tandemrec.evaluation.metrics import LOWER, best, better, winner
from tandemrec.report.contents import (
    BASE,
    DALLREC_PRIMARY,
    FULL,
    PRIMARY,
    RATING_PRIMARY,
    Contents,
)
from tandemrec.report.scoreboard import mark, result
from tandemrec.report.tables import MISSING, Table, percent, words
from tandemrec.report.tables import Cell as Value
from tandemrec.reproduce.found import Cell, Found
from tandemrec.reproduce.piece import Piece

Figures = Mapping[str, Mapping[str, Mapping[str, Mapping[str, float]]]]
"Data set, backbone, method, metric: the figure."
Means = Mapping[str, float]
"Of one metric, by method."
BASELINES = (BASE, "IFT")
GAIN = "improvement"
"The row of it, in the names of remarks."
NOTE = (
    "Bold: our best. * better, † worse than the better of Base and IFT, p ≤ 0.05 (ours: paired "
    "t-test over users). The paper's figures and stars are as it prints them, its changes in "
    "percent computed from its figures."
)


@dataclass(frozen=True)
class PaperTable(Piece):
    """A table of a paper, whose figures are in `published/`."""

    changes: bool = False
    "Whether it has the change of each figure against Base."
    beyond: Mapping[str, Sequence[str]] = field(default_factory=dict)
    "Backbones that the paper does not print, by data set."

    note: ClassVar[str] = NOTE
    "Below each table."
    whole: ClassVar[str] = FULL
    "The row of the whole method."
    over: ClassVar[str] = "the better baseline"
    "What its improvement is over."

    @cached_property
    def published(self) -> Figures:
        """What the paper prints."""
        figures: Figures = _printed(self.paper)[self.key]
        return figures

    @cached_property
    def marks(self) -> Mapping[str, Any]:
        """Which of Llama4Rec's figures have no star, and what is odd about some figures."""
        marks: Mapping[str, Any] = _printed(f"{self.paper}-marks")[self.key]
        return marks

    @property
    def grid(self) -> Mapping[str, Sequence[str]]:
        """The backbones of each data set."""
        return {**self.beyond, **{data: list(row) for data, row in self.published.items()}}

    @property
    def cells(self) -> list[Cell]:
        """One data set after the other."""
        return [Cell(data, backbone) for data, row in self.grid.items() for backbone in row]

    @property
    def methods(self) -> list[str]:
        """Its rows, in the paper's order."""
        return list(next(iter(next(iter(self.published.values())).values())))

    @property
    def metrics(self) -> list[str]:
        """Its columns, in the paper's order."""
        return list(next(iter(next(iter(next(iter(self.published.values())).values())).values())))

    def tables(self, found: Found) -> list[Table]:
        """One for each data set of which at least one cell is there."""
        there = {cell.data for cell in found}
        return [self._beside(data, found) for data in self.grid if data in there]

    @property
    def primary(self) -> str:
        """The metric that tests are about, or the last one."""
        wanted = (PRIMARY, RATING_PRIMARY, DALLREC_PRIMARY)
        known = (metric for metric in wanted if metric in self.metrics)
        return next(known, self.metrics[-1])

    def further(self, found: Found) -> Iterator[str]:
        metric = self.primary
        ours = [(cell, result(made.contents, BASE, metric)) for cell, made in found.items()]
        won = [
            better(metric, mine.mean, self._printed(cell, metric)[BASE])
            for cell, mine in ours
            if mine is not None and self._printed(cell, metric)
        ]
        if won:
            side = "below" if metric in LOWER else "above"
            yield f"Our Base is {side} the paper's in {sum(won)} of {len(won)} runs ({metric})."

    def _beside(self, data: str, found: Found) -> Table:
        rows: list[tuple[Value, ...]] = []
        for backbone in self.grid[data]:
            made = found.get(Cell(data, backbone))
            rows += self._block(Cell(data, backbone), made and made.contents)
        remarks = (f"({sign}) {text}" for sign, text in self._remarks(data).values())
        return Table(
            f"{self.key}_{data.replace('-', '_')}",
            data,
            ("Backbone", "Method", *self._columns()),
            tuple(rows),
            labels=2,
            note=" ".join((self.note, *remarks)),
        )

    def _columns(self) -> Iterator[str]:
        for metric in self.metrics:
            for name in (metric, f"{metric} vs {BASE}") if self.changes else (metric,):
                yield from (name, f"{name}, paper")

    def _block(self, cell: Cell, contents: Contents | None) -> Iterator[tuple[Value, ...]]:
        """One backbone's rows: each method, and the improvement of the whole."""
        columns = [self._column(cell, contents, metric) for metric in self.metrics]
        names = (*self.methods, f"{self.whole} over {self.over}")
        for name, *parts in zip(names, *columns, strict=True):
            yield (*words(cell.backbone, name), *(value for part in parts for value in part))

    def _printed(self, cell: Cell, metric: str) -> Means:
        """What the paper prints, if it does."""
        rows = self.published.get(cell.data, {}).get(cell.backbone, {})
        return {name: each[metric] for name, each in rows.items()}

    def _column(
        self, cell: Cell, contents: Contents | None, metric: str
    ) -> Iterator[Sequence[Value]]:
        """What stands below one metric in each row: ours and the paper's, and maybe their changes
        against Base."""
        printed = self._printed(cell, metric)
        ours = _means(contents, self.methods, metric)
        for method in self.methods:
            pair = (
                self._ours(contents, ours, method, metric),
                self._theirs(cell, method, metric, printed.get(method)),
            )
            changes = (_change(metric, each, method) for each in (ours, printed) if self.changes)
            yield (*pair, *changes)
        gain = percent(_over(metric, printed, self.whole, BASELINES))
        remarked = self._remarked(f"{cell.name}/{GAIN}/{metric}", gain)
        none = [Value(MISSING)] * 2 if self.changes else []
        yield (percent(_over(metric, ours, self.whole, BASELINES)), remarked, *none)

    def _ours(self, contents: Contents | None, means: Means, method: str, metric: str) -> Value:
        mine = None if contents is None else result(contents, method, metric)
        if contents is None or mine is None:
            return Value(MISSING)
        whole = method == self.whole
        sign = mark(contents, method, _better(metric, means), metric) if whole else ""
        top = winner(metric, means.values())
        return Value(f"{mine.mean:.4f}", mine.mean, mine.sd, best=mine.mean == top, mark=sign)

    def _theirs(self, cell: Cell, method: str, metric: str, figure: float | None) -> Value:
        if figure is None:
            return Value(MISSING)
        plain = any(fnmatch(f"{cell.name}/{metric}", each) for each in self.marks["unstarred"])
        star = "*" if method == self.whole and not plain else ""
        value = Value(f"{figure:.4f}", figure, mark=star)
        return self._remarked(f"{cell.name}/{method}/{metric}", value)

    def _remarked(self, name: str, value: Value) -> Value:
        sign, _ = self._remarks(name.partition("/")[0]).get(name, ("", ""))
        return Value(f"{value.text} ({sign})", value.value, mark=value.mark) if sign else value

    def _remarks(self, data: str) -> dict[str, tuple[str, str]]:
        """The sign and the text of each remark on a data set's figures."""
        mine = {
            name: text
            for name, text in self.marks["remarks"].items()
            if name.startswith(f"{data}/")
        }
        return {name: (ascii_lowercase[n], text) for n, (name, text) in enumerate(mine.items())}


def _printed(name: str) -> Any:
    file = Path(__file__).parent / "published" / f"{name}.json"
    return json.loads(file.read_text(encoding="utf-8"))


def _means(contents: Contents | None, methods: Sequence[str], metric: str) -> Means:
    if contents is None:
        return {}
    pairs = ((name, result(contents, name, metric)) for name in methods)
    return {name: each.mean for name, each in pairs if each is not None}


def _better(metric: str, means: Means) -> str:
    """The better baseline."""
    there = {means[name]: name for name in reversed(BASELINES) if name in means}
    return there[best(metric, there)]


def _change(metric: str, means: Means, method: str) -> Value:
    return Value(MISSING) if method == BASE else percent(_over(metric, means, method, (BASE,)))


def _over(metric: str, means: Means, method: str, others: Sequence[str]) -> float | None:
    """By how many percent a method is better than the best of others."""
    there = [means[name] for name in others if name in means]
    if method not in means or not there:
        return None
    return improvement(means[method], best(metric, there), metric)

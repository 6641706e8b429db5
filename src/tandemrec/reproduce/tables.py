"""A paper's table: our figures beside its own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tandemrec.evaluation.compare import improvement
from tandemrec.report.contents import BASE, FULL, Contents
from tandemrec.report.scoreboard import LEVEL, find_test, result
from tandemrec.report.tables import MISSING, Table, number, percent, words
from tandemrec.report.tables import Cell as Value
from tandemrec.reproduce.piece import Cell, Found, Piece

Figures = Mapping[str, Mapping[str, Mapping[str, Mapping[str, float]]]]
"Data set, backbone, method, metric: the figure."
BASELINES = (BASE, "IFT")
NOTE = (
    "Bold: our best. * p ≤ 0.05 against the better of Base and IFT (paired t-test over users). The "
    "paper's columns are as it prints them; its figures come from another language model."
)


@dataclass(frozen=True)
class PaperTable(Piece):
    """A table of a paper, whose figures are in `published/`."""

    @cached_property
    def published(self) -> Figures:
        """What the paper prints."""
        file = Path(__file__).parent / "published" / f"{self.paper}.json"
        found: Figures = json.loads(file.read_text(encoding="utf-8"))[self.key]
        return found

    @property
    def cells(self) -> list[Cell]:
        """One data set after the other."""
        return [Cell(data, backbone) for data, row in self.published.items() for backbone in row]

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
        return [self._beside(data, found) for data in self.published if data in there]

    def _beside(self, data: str, found: Found) -> Table:
        columns = ["Backbone", "Method"]
        for metric in self.metrics:
            columns += [metric, f"{metric}, paper"]
        rows = []
        for backbone in self.published[data]:
            made = found.get(Cell(data, backbone))
            rows += list(self._block(data, backbone, made and made.contents))
        name = f"{self.key}_{data.replace('-', '_')}"
        return Table(name, data, tuple(columns), tuple(map(tuple, rows)), labels=2, note=NOTE)

    def _block(self, data: str, backbone: str, ours: Contents | None) -> Iterator[list[Value]]:
        """One backbone's rows: each method, and the improvement over the better baseline."""
        theirs = self.published[data][backbone]
        for method in self.methods:
            row = words(backbone, method)
            for metric in self.metrics:
                row += [self._ours(ours, method, metric), number(theirs[method][metric])]
            yield row
        gains = words(backbone, f"{FULL} over the better baseline")
        for metric in self.metrics:
            values = {name: theirs[name][metric] for name in (*BASELINES, FULL) if name in theirs}
            gains += [percent(_gain(_means(ours, metric))), percent(_gain(values))]
        yield gains

    def _ours(self, contents: Contents | None, method: str, metric: str) -> Value:
        mine = None if contents is None else result(contents, method, metric)
        if contents is None or mine is None:
            return Value(MISSING)
        every = [each.mean for name in self.methods if (each := result(contents, name, metric))]
        star = method == FULL and _significant(contents, metric)
        return Value(
            f"{mine.mean:.4f}", mine.mean, mine.sd, best=mine.mean == max(every), mark="*" * star
        )


def _means(contents: Contents | None, metric: str) -> dict[str, float]:
    if contents is None:
        return {}
    pairs = ((name, result(contents, name, metric)) for name in (*BASELINES, FULL))
    return {name: each.mean for name, each in pairs if each is not None}


def _gain(values: Mapping[str, float]) -> float | None:
    if FULL not in values or not values.keys() & set(BASELINES):
        return None
    return improvement(values[FULL], max(values[n] for n in BASELINES if n in values))


def _significant(contents: Contents, metric: str) -> bool:
    """Whether Llama4Rec is above the better baseline, and not by luck."""
    means = _means(contents, metric)
    best = max((name for name in BASELINES if name in means), key=lambda name: means[name])
    test = find_test(contents, FULL, best, metric, "users")
    return test is not None and test.difference > 0 and test.p_value <= LEVEL

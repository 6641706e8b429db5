"""What the two weights of adaptive aggregation do, one at a time (Llama4Rec, figure 4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, cast

import numpy as np
from pydantic import TypeAdapter

from tandemrec.aggregate import Grid
from tandemrec.config import Settings
from tandemrec.data.split import Split
from tandemrec.evaluation.metrics import per_user
from tandemrec.oneline import listed
from tandemrec.progress import Progress
from tandemrec.recipes.arms import Weighing, final
from tandemrec.recipes.finished import Finished
from tandemrec.recipes.llama4rec import SeedResult
from tandemrec.report.contents import FULL, Curve
from tandemrec.report.figures import Figure, lines
from tandemrec.report.tables import Table, number, words
from tandemrec.reproduce.found import METRICS, Cell, Found, damaged, loaded
from tandemrec.reproduce.piece import Piece
from tandemrec.writing import explained, whole

FILE = "sweep.json"
LABELS = {"alpha1": "α₁", "alpha2": "α₂"}


class Swept(Settings):
    """What stands in the file."""

    seeds: tuple[int, ...]
    curves: tuple[Curve, ...]
    """Means over these seeds."""


SWEPT = TypeAdapter(Swept)


@dataclass(frozen=True)
class Sweep(Piece):
    """One weight takes every value, the other is what validation chose; the lists are those of
    test, and nothing is chosen by them."""

    runs: tuple[Cell, ...] = ()

    beside: ClassVar[str | None] = FILE

    @property
    def cells(self) -> list[Cell]:
        return list(self.runs)

    def finish(self, run: Finished, folder: Path, progress: Progress) -> None:
        weighing = Weighing.of(run.setup.split.train, run.setup.config.blend)
        curves = tuple(
            curve for name in LABELS for curve in swept(name, run.seeds, run.setup.split, weighing)
        )
        found = Swept(seeds=tuple(each.seed for each in run.seeds), curves=curves)
        with explained(folder / FILE), whole(folder / FILE) as fresh:
            fresh.write_text(found.model_dump_json(indent=2), encoding="utf-8")

    def read(self, folder: Path) -> Swept:
        found = loaded(folder / FILE, SWEPT)
        if {curve.x_label for curve in found.curves} != set(LABELS.values()):
            raise damaged(folder / FILE, "curves are missing")
        return found

    def tables(self, found: Found) -> list[Table]:
        return [
            self._table(cell, name, made.beside.curves)
            for cell, made in found.items()
            for name in LABELS
        ]

    def _table(self, cell: Cell, name: str, curves: Sequence[Curve]) -> Table:
        mine = [curve for curve in curves if curve.x_label == LABELS[name]]
        rows = [
            (*words(f"{value:g}"), *(number(curve.y[n]) for curve in mine))
            for n, value in enumerate(mine[0].x)
        ]
        return Table(
            f"{self.key}_{name}_{'_'.join(cell).replace('-', '_').rstrip('_')}",
            f"{cell.name}: {LABELS[name]}, the other as chosen on validation",
            (LABELS[name], *(curve.name for curve in mine)),
            tuple(rows),
        )

    def figures(self, found: Found) -> list[Figure]:
        return [
            lines([curve for curve in made.beside.curves if curve.x_label == label], cell.name)
            for cell, made in found.items()
            for label in LABELS.values()
        ]

    def further(self, found: Found) -> Iterator[str]:
        yield "Every point is of the test part; the weights of all tables are chosen on validation."
        for cell, made in found.items():
            if list(made.beside.seeds) != made.contents.seeds:
                some = listed([*map(str, made.beside.seeds)])
                yield f"{cell.name}: the curves are of seed {some} alone; its folder was joined."


def swept(
    name: str, seeds: Sequence[SeedResult], split: Split, weighing: Weighing
) -> Iterator[Curve]:
    """Each metric's mean over the seeds at every value of one weight."""
    values = getattr(weighing.config, name)
    table = [
        np.mean([_measured(each, name, value, split, weighing) for each in seeds], axis=0)
        for value in values
    ]
    for n, metric in enumerate(METRICS):
        y = [float(row[n]) for row in table]
        yield Curve(name=metric, x=list(values), y=y, x_label=LABELS[name], y_label="on test")


def _measured(
    seed: SeedResult, name: str, value: float, split: Split, weighing: Weighing
) -> list[float]:
    choice = seed.choices[FULL]
    grid = cast(Grid, choice.grid)  # its weights are adaptive
    pair = (value, grid.best[1]) if name == "alpha1" else (grid.best[0], value)
    changed = replace(choice, grid=Grid.of_one(*pair))
    means = per_user(final(seed.view, changed, weighing), split.test).means()
    return [means[metric] for metric in METRICS]

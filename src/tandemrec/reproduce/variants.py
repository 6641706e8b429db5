"""Runs of the same backbone side by side: another language model (Llama4Rec, figure 5), more or
fewer instructions (figure 6)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from tandemrec.evaluation.compare import over_users
from tandemrec.recipes.settings import Llama4RecConfig
from tandemrec.recipes.spec import RunSpec, merged
from tandemrec.recipes.users import FILE as USERS
from tandemrec.recipes.users import UserTable
from tandemrec.report.contents import BASE, FULL, PRIMARY
from tandemrec.report.figures import Figure, bars, read
from tandemrec.report.scoreboard import find_test, result
from tandemrec.report.tables import MISSING, Table, number, p_value, words
from tandemrec.report.tables import Cell as Value
from tandemrec.reproduce.found import METRICS, Cell, Found, Made
from tandemrec.reproduce.piece import Piece


@dataclass(frozen=True)
class Compared(Piece):
    """The same backbones once for each variant."""

    backbones: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    "Of each data set."

    metrics: ClassVar[tuple[str, ...]] = METRICS
    methods: ClassVar[tuple[str, ...]] = (BASE, "IFT", FULL)
    primary: ClassVar[str] = PRIMARY
    rivals: ClassVar[tuple[str, ...]] = ()
    "Rows besides Base that Llama4Rec is tested against."

    @property
    @abstractmethod
    def variants(self) -> tuple[str, ...]:
        """Their names."""

    @property
    def cells(self) -> list[Cell]:
        return [
            Cell(data, backbone, variant)
            for data, names in self.backbones.items()
            for backbone in names
            for variant in self.variants
        ]

    def tables(self, found: Found) -> list[Table]:
        there = [data for data in self.backbones if any(cell.data == data for cell in found)]
        return [self._table(data, found) for data in there]

    def _table(self, data: str, found: Found) -> Table:
        mine = [cell for cell in self.cells if cell.data == data and cell in found]
        rows = [row for cell in mine for row in self._rows(cell, found[cell])]
        more = [f"p, {self.primary}, against {rival}" for rival in self.rivals]
        against = " and against ".join((BASE, *self.rivals))
        return Table(
            f"{self.key}_{data.replace('-', '_')}",
            data,
            ("Backbone", "Variant", "Method", *self.metrics, f"p, {self.primary}", *more),
            tuple(rows),
            labels=3,
            note=f"p: paired t-test over users against {against}.",
        )

    def figures(self, found: Found) -> list[Figure]:
        """Llama4Rec of every variant, beside Base."""
        return [self._figure(data, names) for data, names in self._bars(found).items()]

    def _bars(self, found: Found) -> dict[str, dict[str, dict[str, float]]]:
        """Data set, backbone, what: the primary metric."""
        drawn: dict[str, dict[str, dict[str, float]]] = {}
        for cell, made in found.items():
            mine = drawn.setdefault(cell.data, {}).setdefault(cell.backbone, {})
            for name, method in ((BASE, BASE), (cell.variant, FULL)):
                if (measured := result(made.contents, method, self.primary)) is not None:
                    mine[name] = measured.mean
        return drawn

    def _figure(self, data: str, values: Mapping[str, Mapping[str, float]]) -> Figure:
        title = f"{self.primary} of {FULL} on {data}"
        labels = ("backbone", read(self.primary))
        return bars(title, values, labels, f"{self.key}-{data}")

    def _rows(self, cell: Cell, made: Made) -> Iterator[tuple[Value, ...]]:
        for method in self.methods:
            values = [result(made.contents, method, metric) for metric in self.metrics]
            test = find_test(made.contents, method, BASE, self.primary, "users")
            yield (
                *words(cell.backbone, cell.variant, method),
                *(Value(MISSING) if each is None else number(each.mean) for each in values),
                p_value(None if test is None else test.p_value),
                *(p_value(self._p_against(rival, method, made)) for rival in self.rivals),
            )

    def _p_against(self, rival: str, method: str, made: Made) -> float | None:
        """Of Llama4Rec against another row, from every user's metrics; none of other rows, and of
        a run without these."""
        if method != FULL or not (made.folder / USERS).exists():
            return None
        measured = UserTable.load(made.folder).measured
        return over_users(measured[FULL], measured[rival], self.primary).p_value


@dataclass(frozen=True)
class Sizes(Compared):
    """Language models of different sizes."""

    llms: tuple[str, ...] = ()

    one_llm: ClassVar[bool] = False

    @property
    def variants(self) -> tuple[str, ...]:
        return self.llms

    def varied(self, cell: Cell, spec: RunSpec) -> RunSpec:
        return spec.model_copy(update={"llm": cell.variant})


SHARES = {"a tenth": 0.1, "half": 0.5, "all": 1.0}


@dataclass(frozen=True)
class Instructions(Compared):
    """A model tuned on a part of the instructions."""

    @property
    def variants(self) -> tuple[str, ...]:
        return tuple(SHARES)

    def varied(self, cell: Cell, spec: RunSpec) -> RunSpec:
        config = spec.config
        assert isinstance(config, Llama4RecConfig)
        kept = max(1, round(SHARES[cell.variant] * config.examples.instructions))
        less: dict[str, Any] = {"examples": {"instructions": kept}}
        return spec.model_copy(update={"settings": merged(spec.settings, less)})

    def further(self, found: Found) -> Iterator[str]:
        yield "The paper's variants have 2,500, 12,500 and about 25,000 instructions."

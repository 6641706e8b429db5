"""How many attributes are right: against a table of what is true, and in a second model's eyes.

Llama4Rec, figure 8: the share of right values among those that the language model gave.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy import stats

from tandemrec.data.attributes import CLOSE, REJECTED, Attributes, Found, Kind, Value, same
from tandemrec.data.catalogue import Dataset
from tandemrec.data.columns import Table, identities, texts
from tandemrec.data.several import known, several
from tandemrec.data.tables import ITEMS, as_table
from tandemrec.errors import DataError
from tandemrec.llm.base import LLM
from tandemrec.prompts import attributes as prompts

RIGHT, WRONG, MISSING, REFUSED = "right", "wrong", "unknown", "rejected"


@dataclass(frozen=True)
class Accuracy:
    """How many of a set of values are right."""

    right: int
    wrong: int
    unknown: int
    "Items of which nothing was said."
    rejected: int
    "Items of which what was said was of no use."
    n: int
    "Items that were looked at: those of which the truth is known, or that were judged."
    share: float
    "Right ones among those that are right or wrong; 0 where there are none."
    low: float
    "The lower end of its 95 % interval (Wilson 1927)."
    high: float

    @classmethod
    def of(cls, outcomes: Counter[str]) -> Accuracy:
        """From how often each outcome came."""
        right, wrong = outcomes[RIGHT], outcomes[WRONG]
        counts = right, wrong, outcomes[MISSING], outcomes[REFUSED]
        if not right + wrong:
            return cls(*counts, sum(counts), 0.0, 0.0, 1.0)
        test = stats.binomtest(right, right + wrong)
        interval = test.proportion_ci(0.95, method="wilson")
        return cls(*counts, sum(counts), test.statistic, float(interval.low), float(interval.high))


@dataclass(frozen=True, eq=False)
class Truth:
    """What is true of every item, by the kind's name: texts any of which is right, or the least
    and the most of a number; nothing where it is not known."""

    accepted: Mapping[str, Sequence[Value]]  # name -> [I]


def read_truth(table: Any, data: Dataset, kinds: Sequence[Kind]) -> Truth:
    """What a table says is true of a data set's items.

    `table` is a file or a frame with item ids and a column for some of the kinds, or its plural,
    with texts between bars or semicolons; of a number also its least and its most (pages_min,
    pages_max). With a column `dataset`, only rows of that data set count. Raises DataError where no
    kind has a column, or no row is of these items.
    """
    read, name = truth_table(table)
    frame = read.frame
    ids = identities(read, name).cast(pl.String).to_list()
    sets = (
        texts(read, "dataset").to_list() if "dataset" in frame.columns else [data.name] * len(ids)
    )
    rows = {text: row for row, text in enumerate(ids) if sets[row] == data.name}
    found = [rows.get(str(identity)) for identity in data.catalogue.item_ids]
    if all(row is None for row in found):
        raise read.error(
            f"no row is of an item of {data.name}.",
            column=name,
            remedy="The ids must be those of the data set.",
        )
    columns = {kind.name: column for kind in kinds if (column := _column(read, kind)) is not None}
    if not columns:
        raise read.error(_nothing(read, kinds), remedy="Name the columns as the kinds are named.")
    values = {
        kind: [column[row] if row is not None else () for row in found]
        for kind, column in columns.items()
    }
    return Truth(values)


def truth_table(table: Any) -> tuple[Table, str]:
    """A table of what is true, and the column of its items' ids. Raises DataError where there is
    none."""
    read = as_table(table, "table of what is true", ITEMS)
    return read, read.needed("item", also=("isbn",))


def _nothing(table: Table, kinds: Sequence[Kind]) -> str:
    names = ", ".join(kind.name for kind in kinds)
    return f"there is no column of {names}. Found: {', '.join(table.frame.columns)}."


def _column(table: Table, kind: Kind) -> list[Value] | None:
    if kind.form == "number":
        words = (kind.name, *kind.also)
        names = [
            table.any_of((*(f"{word} {end}" for word in words), *words)) for end in ("min", "max")
        ]
        if names[0] is None or names[1] is None:
            return None
        low, high = (_numbers(table, name) for name in names if name is not None)
        return [_range(*pair) for pair in zip(low, high, strict=True)]
    found = table.any_of((kind.name, *kind.also))
    if found is None:
        return None
    return [tuple(known(cell)) for cell in several(table, found, commas=kind.form == "list")]


def _numbers(table: Table, name: str) -> list[float | None]:
    return table.frame[name].cast(pl.Float64, strict=False).fill_nan(None).to_list()


def _range(low: float | None, high: float | None) -> Value:
    return () if low is None or high is None else (f"{low:g}", f"{high:g}")


def accuracy(
    attributes: Attributes, truth: Truth, kind: str | None = None, source: str | None = None
) -> Accuracy:
    """How many values are right, of the items whose truth is known.

    A value is right that is one of the true ones, such as either of two directors; of several
    values (stars), one must be. Names are compared without case, accents and order, given names may
    be initials; genres as words; a number must be within a tenth of the true range, since editions
    differ. Of one `kind` or of all, and with a `source` ("model") only what came from there, or did
    not come.
    """

    def outcome(each: Kind, item: int, found: Found) -> str | None:
        true = truth.accepted[each.name][item] if each.name in truth.accepted else ()
        if not true:
            return None
        return RIGHT if _is_right(each, found.value, true) else WRONG

    return _counted(attributes, kind, source, outcome)


def _is_right(kind: Kind, value: Value, true: Value) -> bool:
    if kind.form == "number":
        low, high = float(true[0]), float(true[1])
        return any(low * (1 - CLOSE) <= float(said) <= high * (1 + CLOSE) for said in value)
    return any(same(kind, said, right) for said in value for right in true)


def judged(
    attributes: Attributes,
    judge: LLM,
    data: Dataset,
    kind: str | None = None,
    source: str | None = None,
) -> Accuracy:
    """How many values a second language model finds right, asked Yes or No about each.

    Llama4Rec, figure 8. A value of which both are equally likely, or neither is a number, was not
    judged, and its item is left out.
    """
    items = prompts.items(data.catalogue)
    asked = [
        (each.name, item, prompts.judgement(data.noun, each, items[item], found.value))
        for each, item, found in _rows(attributes, kind, source)
        if found.value
    ]
    choices = judge.choose([prompt for *_, prompt in asked], [prompts.ANSWERS] * len(asked))
    margins = {
        (name, item): float(np.subtract(*choice.logprobs))
        for (name, item, _), choice in zip(asked, choices, strict=True)
    }

    def outcome(each: Kind, item: int, found: Found) -> str | None:
        margin = margins.get((each.name, item), 1.0)
        return RIGHT if margin > 0 else WRONG if margin < 0 else None

    return _counted(attributes, kind, source, outcome)


def _counted(
    attributes: Attributes,
    kind: str | None,
    source: str | None,
    outcome: Callable[[Kind, int, Found], str | None],
) -> Accuracy:
    """Outcomes of the values; None leaves an item out, whether it has a value or not."""
    counts: Counter[str] = Counter()
    for each, item, found in _rows(attributes, kind, source):
        what = outcome(each, item, found)
        if what is not None and not found.value:
            what = REFUSED if found.source in REJECTED else MISSING
        counts.update([what] if what else [])
    return Accuracy.of(counts)


def _rows(
    attributes: Attributes, kind: str | None, source: str | None
) -> Iterator[tuple[Kind, int, Found]]:
    names = [each.name for each in attributes.kinds]
    if kind is not None and kind not in names:
        raise DataError(f"There is no attribute {kind!r}. Known: {', '.join(names) or 'none'}.")
    for each in attributes.kinds:
        if kind in (None, each.name):
            for item, found in enumerate(attributes.values[each.name]):
                if source is None or not found.value or found.source == source:
                    yield each, item, found

"""A run's attributes, held against what is true and put before a second language model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tandemrec.data.attributes import Attributes
from tandemrec.data.catalogue import Catalogue, Dataset
from tandemrec.evaluation.attributes import Accuracy as Counted
from tandemrec.evaluation.attributes import accuracy, judged, read_truth
from tandemrec.llm.base import LLM
from tandemrec.report.contents import Accuracy

TRUTH = "truth"
SAMPLE = 50
"Items that are judged; the paper's number."


def by_truth(
    known: Attributes, data: Dataset, file: Path, sources: Sequence[str]
) -> list[Accuracy]:
    """Each kind from each source against a table of what is true, over all items in it."""
    truth = read_truth(str(file), data, known.kinds)

    def count(kind: str, source: str) -> Counted:
        return accuracy(known, truth, kind, source)

    return _rows(known, TRUTH, sources, count)


def by_judge(
    known: Attributes, data: Dataset, judge: LLM, sources: Sequence[str], seed: int = 0
) -> list[Accuracy]:
    """The same in a second language model's eyes, of fifty items that a seed draws."""
    some = drawn(len(data.catalogue.titles), seed)
    known, data = _of(known, some), replace(data, catalogue=_part(data, some))

    def count(kind: str, source: str) -> Counted:
        return judged(known, judge, data, kind, source)

    return _rows(known, judge.name, sources, count)


def drawn(n_items: int, seed: int) -> NDArray[np.int64]:
    """Fifty items, or as many as there are, in their order."""
    return np.sort(np.random.default_rng(seed).permutation(n_items)[:SAMPLE])


def _of(known: Attributes, items: NDArray[np.int64]) -> Attributes:
    values = {name: [row[item] for item in items] for name, row in known.values.items()}
    return replace(known, values=values)


def _part(data: Dataset, items: NDArray[np.int64]) -> Catalogue:
    catalogue, table = data.catalogue, data.catalogue.items
    return replace(
        catalogue,
        item_ids=[catalogue.item_ids[item] for item in items],
        titles=[catalogue.titles[item] for item in items],
        items=table[items] if table.width else table,
    )


def _rows(
    known: Attributes, against: str, sources: Sequence[str], count: Callable[[str, str], Counted]
) -> list[Accuracy]:
    """A row for each kind and each source."""
    return [
        Accuracy(kind=kind.name, source=source, against=against, **asdict(count(kind.name, source)))
        for source in sources
        for kind in known.kinds
    ]

"""A data set's diagnosis: what a run would work on, and what is odd about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tandemrec.data.catalogue import Dataset
from tandemrec.data.fields import Fields
from tandemrec.data.frame import BY_ROWS, Findings
from tandemrec.data.interactions import Interactions
from tandemrec.data.odd_ratings import odd_ratings
from tandemrec.data.sources import SOURCES, find_file, named, read_own, refuse_own
from tandemrec.data.text import SEPARATORS, Layout
from tandemrec.progress import Progress


@dataclass(frozen=True)
class Diagnosis:
    """The facts of one data set; `warnings` are sentences, one for each odd thing."""

    name: str
    source: str
    rows: int
    users: int
    items: int
    density: float
    ratings: tuple[float, float]
    times: tuple[str, str] | None
    "The first and the last; None where the data have no times."
    ties: float | None
    "The share of interactions whose time is not their user's alone; None without times."
    order: str
    "What a user's interactions are ordered by."
    duplicates: int
    users_under_three: int
    items_without_title: int
    columns: dict[str, str]
    "The columns of one's own interactions, by what they are read as."
    fields: dict[str, dict[str, Any]]
    "What rating backbones would read of it, each field's kind and how many values it has."
    left_out: dict[str, str]
    "Columns that are no field, and why each is none."
    format: dict[str, str]
    "Encoding, separator and header as found out; empty for tables that are no text."
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return asdict(self)

    @property
    def facts(self) -> Iterator[tuple[str, str]]:
        """Each fact as a label and a text, to be shown."""
        yield "source", self.source
        yield from self.format.items()
        if self.columns:
            yield "columns", ", ".join(f"{name} as {role}" for role, name in self.columns.items())
        yield "interactions", f"{self.rows:,}"
        yield "users", f"{self.users:,}"
        yield "items", f"{self.items:,}"
        yield "density", f"{self.density:.3%}"
        low, high = self.ratings
        yield "ratings", f"{low:g} to {high:g}" if low < high else f"all {low:g}"
        yield "times", " to ".join(self.times) if self.times else "none"
        yield "order", self.order
        if self.ties is not None:
            yield "ties in time", f"{self.ties:.1%} of interactions"
        yield "repeated pairs", f"{self.duplicates:,}"
        yield "users with under three", f"{self.users_under_three:,}"
        yield "items without title", f"{self.items_without_title:,}"
        for name, field in self.fields.items():
            size = "" if field["kind"] == "number" else f" {field['size']:,}"
            yield "field", f"{name}: {field['kind']}{size}"
        for name, reason in self.left_out.items():
            yield "no field", f"{name}: {reason}"


def check(
    path_or_name: str | Path,
    *,
    items: Any = None,
    users: Any = None,
    context: Sequence[str] = (),
    progress: Progress | None = None,
) -> Diagnosis:
    """Read a data set as `load` does, and say what is there. Raises the same errors as `load`."""
    if str(path_or_name) in SOURCES:
        refuse_own(str(path_or_name), users, context)
        dataset, findings, route = named(str(path_or_name), items, progress=progress)
        return diagnose(dataset, findings, source=route)
    path = find_file(path_or_name)
    dataset, findings = read_own(path, items, users=users, context=context)
    return diagnose(dataset, findings, source=str(path))


def diagnose(data: Dataset, findings: Findings | None = None, *, source: str = "") -> Diagnosis:
    """The diagnosis of a Dataset; `findings` are those of reading it, if it was read."""
    rows, findings = data.interactions, findings or Findings()
    fields, left_out = _fields(data)
    order = data.order or findings.order or ("" if rows.times.any() else BY_ROWS)
    return Diagnosis(
        name=data.name,
        source=source,
        rows=len(rows),
        users=rows.n_users,
        items=rows.n_items,
        density=len(rows) / (rows.n_users * rows.n_items),
        ratings=(float(rows.ratings.min()), float(rows.ratings.max())),
        times=None if order else _span(rows.times),
        ties=None if order else _ties(rows),
        order=order or "by time; ties in the order of the rows",
        duplicates=findings.duplicates,
        users_under_three=int((rows.counts < 3).sum()),
        items_without_title=findings.untitled,
        columns=findings.columns,
        fields=fields,
        left_out=left_out,
        format=_written(findings.layout),
        warnings=(*findings.messages(), *odd_ratings(rows, data.catalogue)),
    )


def _fields(data: Dataset) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """The fields that are columns, were all rows training, and the columns that are none."""
    known = data.catalogue
    if not (known.items.width or known.users.width or data.interactions.context):
        return {}, {}
    fields = Fields.of(data.interactions, known)
    named = (field for field in fields.fields if field.name not in ("user", "item"))
    found = {field.name: {"kind": field.kind, "size": field.size - 1} for field in named}
    return found, dict(fields.left_out)


def _written(layout: Layout | None) -> dict[str, str]:
    if layout is None:
        return {}
    kind = "RecBole atomic file" if layout.typed else "text table"
    return {
        "file": kind,
        "encoding": layout.encoding,
        "separator": SEPARATORS[layout.separator],
        "header": "yes" if layout.header else "no",
    }


def _ties(rows: Interactions) -> float:
    same = (np.diff(rows.users) == 0) & (np.diff(rows.times) == 0)
    tied = np.append(same, False) | np.append(False, same)
    return float(tied.mean())


def _span(times: NDArray[np.int64]) -> tuple[str, str]:
    """The first and the last time: dates where the numbers look like seconds, milli-, micro- or
    nanoseconds since 1970, else as they are."""
    first, last = int(times.min()), int(times.max())
    largest = max(abs(first), abs(last))
    if largest < 10**8:
        return str(first), str(last)
    unit = 10 ** (3 * sum(largest > limit for limit in (10**11, 10**14, 10**17)))
    try:
        return _date(first / unit), _date(last / unit)
    except (ValueError, OverflowError, OSError):  # no year from 1 to 9999
        return str(first), str(last)


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")

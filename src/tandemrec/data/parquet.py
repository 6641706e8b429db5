"""A large Parquet file of interactions, read in blocks and kept as memory-mapped columns.

No step holds the table: ids become numbers block by block (`data.known`), and rows are put in order
range by range of users (`data.ordering`). What comes of it lies in the cache, under the file's
identity, and is mapped from there.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from tandemrec.data.blocks import parts
from tandemrec.data.columns import Table, identities, ratings, times
from tandemrec.data.interactions import Interactions
from tandemrec.data.known import Known
from tandemrec.data.ordering import BLOCK, Column, Columns, ordered
from tandemrec.data.tables import as_data_error
from tandemrec.writing import explained

LARGE = 2**23
"Rows from which on a Parquet file is read so."
_FORMAT = 2
"To be raised when the folder's content changes."
_KINDS = {"users": np.int64, "items": np.int64, "ratings": np.float32, "times": np.int64}
"The columns' files, and what is in them."


class Numbering(NamedTuple):
    """The ids of one role in order of their numbers, [X], and each one's row in the table of such
    things (null: none)."""

    ids: pl.Series
    places: pl.Series


@dataclass(frozen=True, eq=False)
class Mapped:
    """Interactions whose columns are mapped from files, and what was found on the way."""

    rows: Interactions
    users: Numbering
    items: Numbering
    duplicates: int
    first_duplicate: int
    timed: bool
    "Whether there is a column of times."


def rows_of(path: Path) -> int:
    """How many rows a Parquet file has, from its footer. Raises DataError if it is damaged."""
    with as_data_error(path):
        return int(pl.scan_parquet(path).select(pl.len()).collect().item())


def mapped(path: Path, known: Mapping[str, pl.DataFrame], cache: Path) -> Mapped:
    """A Parquet file's interactions, from the cache if they were put there.

    `known` gives each role (user, item) the `key` (id as text) and `place` (row) of what its table
    describes, in that order; such come first, and then those that are not there, by appearance.
    Raises DataError as `from_frames` does.
    """
    folder = cache / "tables" / _identity(path, known)
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with explained(folder.parent), _fresh(folder) as unfinished:
            _Reading(path, unfinished).run(known)
    return _opened(folder)


def _identity(path: Path, known: Mapping[str, pl.DataFrame]) -> str:
    """The file by its path, size and time of change, and the order of ids in the other tables."""
    facts, digest = path.stat(), hashlib.sha256()
    digest.update(f"{_FORMAT},{path.resolve()},{facts.st_size},{facts.st_mtime_ns}".encode())
    for role, table in sorted(known.items()):
        digest.update(role.encode() + "\0".join(table["key"].to_list()).encode())
    return digest.hexdigest()[:32]


@contextmanager
def _fresh(folder: Path) -> Iterator[Path]:
    """A folder that gets its name when all is written; what stops before leaves nothing behind."""
    unfinished = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".part-"))
    try:
        yield unfinished
        if not folder.exists():  # another process may have been faster
            unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _opened(folder: Path) -> Mapped:
    note = json.loads((folder / "note.json").read_text())
    columns = (np.memmap(folder / name, kind, "r") for name, kind in _KINDS.items())
    u, i, ratings, times = map(np.asarray, columns)
    tables = [pl.read_parquet(folder / f"{role}.parquet") for role in ("user", "item")]
    users, items = (Numbering(table["id"], table["place"]) for table in tables)
    rows = Interactions(u, i, ratings, times, len(users.ids), len(items.ids))
    return Mapped(rows, users, items, note["duplicates"], note["first"], note["timed"])


@dataclass(eq=False)
class _Reading:
    """One file on its way to a folder."""

    path: Path
    folder: Path

    def __post_init__(self) -> None:
        self.scan = pl.scan_parquet(self.path)
        self.n = rows_of(self.path)
        empty = self.scan.head(0).collect()
        self.table = Table(empty, str(self.path))
        self.roles = {role: self.table.needed(role) for role in ("user", "item")}
        self.rating, self.time = self.table.column("rating"), self.table.column("time")

    def run(self, known: Mapping[str, pl.DataFrame]) -> None:
        """Numbers, then order, then the four columns and the ids in files."""
        raw = self.numbered()
        for role, column in zip(self.roles, raw, strict=False):
            self.named(role, column, known.get(role))
        into = [Column(self.folder / name, kind) for name, kind in _KINDS.items()]
        n_users = len(self.known["user"].ids)
        duplicates, first = ordered(raw, into, self.folder, n_users)
        for file in (*self.folder.glob("raw-*"), *self.folder.glob("dealt-*")):
            file.unlink()
        note = {"duplicates": duplicates, "first": first, "timed": self.time is not None}
        (self.folder / "note.json").write_text(json.dumps(note))

    def blocks(self) -> Iterator[tuple[slice, Table]]:
        """The columns that are read in blocks, each as a table."""
        columns = [*self.roles.values()]
        columns += [self.rating] if self.rating else []
        columns += [self.time] if self.time and self.whole_times else []
        for part in parts(self.n, BLOCK):
            with as_data_error(self.path):
                size = part.stop - part.start
                frame = self.scan.select(columns).slice(part.start, size).collect()
            yield part, Table(frame, str(self.path), first=part.start)

    @property
    def whole_times(self) -> bool:
        """Whether times are whole numbers; how others are read hangs on all of them together."""
        return self.time is not None and self.table.frame[self.time].dtype.is_integer()

    def numbered(self) -> Columns:
        """Users and items by appearance, ratings, times: each [N], as the file has them."""
        kinds = (np.int32, np.int32, np.float32, np.int64)
        raw = [Column(self.folder / f"raw-{n}", kind) for n, kind in enumerate(kinds)]
        self.known = {role: Known() for role in self.roles}
        for part, block in self.blocks():
            for column, role in zip(raw, self.roles, strict=False):
                ids = _ids(block, self.roles[role])
                column.write(part.start, self.known[role].numbers(ids))
            n = len(block.frame)
            stars = ratings(block, self.rating) if self.rating else np.ones(n)
            raw[2].write(part.start, stars)
            clock = times(block, str(self.time)) if self.whole_times else np.zeros(n)
            raw[3].write(part.start, clock)
        if self.time and not self.whole_times:
            with as_data_error(self.path):
                whole = self.scan.select(self.time).collect()
            raw[3].write(0, times(Table(whole, str(self.path)), self.time))
        return raw

    def named(self, role: str, column: Column, table: pl.DataFrame | None) -> None:
        """Write the ids of a role in their order, and give the column [N] their final numbers."""
        met = Table(pl.DataFrame({"id": self.known[role].ids}), str(self.path))
        found = identities(met, "id")
        ids = pl.DataFrame({"id": found, "key": found.cast(pl.String)}).with_row_index("old")
        places = pl.DataFrame(schema={"key": pl.String, "place": pl.UInt32})
        ids = ids.join(places if table is None else table, on="key", how="left")
        ids = ids.sort("place", "old", nulls_last=True)
        ids.select("id", "place").write_parquet(self.folder / f"{role}.parquet")
        if ids["old"].is_sorted():
            return
        number = np.empty(len(ids), np.int32)
        number[ids["old"].to_numpy()] = np.arange(len(ids))
        for part in parts(self.n, BLOCK):
            column.write(part.start, number[column.read(part)])


def _ids(block: Table, column: str) -> pl.Series:
    """Checked ids of a block. Whether numbers with a point are whole hangs on all blocks."""
    values = block.frame[column]
    checked = identities(block, column)
    return values if values.dtype.is_float() else checked

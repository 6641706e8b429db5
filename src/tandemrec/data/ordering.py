"""A table in files, put in the order of users and times without ever being in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tandemrec.data.blocks import LONG, parts, ranges

BLOCK = 2**21
"Rows that are read at a time."


@dataclass(frozen=True)
class Column:
    """Numbers of one kind in a file, one after the other. It is read and written by copies, so that
    its pages are not the process's own."""

    file: Path
    kind: type[Any]

    def __post_init__(self) -> None:
        self.file.touch()

    def __len__(self) -> int:
        return self.file.stat().st_size // np.dtype(self.kind).itemsize

    def read(self, rows: slice) -> NDArray[Any]:
        """These rows."""
        start = rows.start * np.dtype(self.kind).itemsize
        return np.fromfile(self.file, self.kind, rows.stop - rows.start, offset=start)

    def write(self, start: int, values: NDArray[Any]) -> None:
        """Values [B] from row `start` on."""
        with self.file.open("rb+") as opened:
            opened.seek(start * np.dtype(self.kind).itemsize)
            opened.write(np.ascontiguousarray(values, self.kind).view(np.uint8).data)


Columns = Sequence[Column]
"Users, items, ratings and times."


@dataclass(frozen=True, eq=False)
class Dealt:
    """Rows that were dealt to ranges of users, each range's in the order they had."""

    columns: Columns
    starts: NDArray[np.int64]  # [R + 1]
    source: Columns
    of_user: NDArray[np.unsignedinteger[Any]]  # [U], the range of each
    fills: NDArray[np.int64]  # [blocks + 1, R], rows of each range before each block

    @classmethod
    def of(cls, source: Columns, folder: Path, n_users: int) -> Dealt:
        """Deal rows, by columns in files, to further files of the folder; a short table, and one of
        a single range, stays where it is."""
        counts = np.zeros(n_users, np.int64)
        for part in parts(len(source[0]), BLOCK):
            counts += np.bincount(source[0].read(part), minlength=n_users)
        of_user = ranges(counts)
        if len(source[0]) <= LONG:
            of_user[:] = 0
        sizes = np.bincount(of_user, counts).astype(np.int64)
        starts = np.append(0, np.cumsum(sizes))
        if len(sizes) == 1:
            return cls(source, starts, source, of_user, np.zeros((1, 1), np.int64))
        columns = [Column(folder / f"dealt-{n}", each.kind) for n, each in enumerate(source)]
        fills = np.array([*_dealing(source, columns, starts, of_user)])
        return cls(columns, starts, source, of_user, fills)

    def each(self) -> Iterator[tuple[int, list[NDArray[Any]]]]:
        """The first row of each range, and its columns."""
        for start, stop in zip(self.starts[:-1].tolist(), self.starts[1:].tolist(), strict=True):
            yield start, [column.read(slice(start, stop)) for column in self.columns]

    def row(self, place: int) -> int:
        """Which row of the source came to this place."""
        if self.columns is self.source:
            return place
        number = int(np.searchsorted(self.starts, place, "right")) - 1
        within = place - int(self.starts[number])
        block = int(np.searchsorted(self.fills[:, number], within, "right")) - 1
        first = block * BLOCK
        users = self.source[0].read(slice(first, first + BLOCK))
        same = np.flatnonzero(self.of_user[users] == number)
        return first + int(same[within - self.fills[block, number]])


def _dealing(
    source: Columns, into: Columns, starts: NDArray[np.int64], of_user: NDArray[Any]
) -> Iterator[NDArray[np.int64]]:
    """Deal; how many rows each range has before each block."""
    filled = np.zeros(len(starts) - 1, np.int64)
    for part in parts(len(source[0]), BLOCK):
        yield filled.copy()
        numbers = of_user[source[0].read(part)]
        order, sizes = numbers.argsort(kind="stable"), np.bincount(numbers, minlength=len(filled))
        ends = np.cumsum(sizes)
        for old, new in zip(source, into, strict=True):
            rows = old.read(part)[order]
            for at in np.flatnonzero(sizes):
                new.write(int(starts[at] + filled[at]), rows[ends[at] - sizes[at] : ends[at]])
        filled += sizes


def ordered(source: Columns, into: Columns, folder: Path, n_users: int) -> tuple[int, int]:
    """Write rows by user and time, of each pair the last alone; how many rows were left out, and
    the first of them in the source (its length, where there is none).

    Rows are first dealt to ranges of users that the processor's cache holds, and then each range is
    sorted: a row costs as much in a long table as in a short one.
    """
    dealt = Dealt.of(source, folder, n_users)
    written, dropped, first = 0, 0, len(source[0])
    for start, (users, items, *further) in dealt.each():
        kept, again = _latest(users, items, further[-1])
        for column, values in zip(into, (users, items, *further), strict=True):
            column.write(written, values[kept])
        written, dropped = written + len(kept), dropped + len(again)
        if len(again):
            first = min(first, dealt.row(start + int(again.min())))
    return dropped, first


def _latest(
    users: NDArray[Any], items: NDArray[Any], clock: NDArray[Any]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows that stay, by user and time: of each pair the last; and those that do not."""
    order = np.lexsort((clock, users))
    backwards = order[::-1]
    pairs = users[backwards].astype(np.int64) << 32 | items[backwards]
    latest = np.argsort(pairs, kind="stable")  # of each pair the last comes first
    same = pairs[latest][1:] == pairs[latest][:-1]
    again = np.zeros(len(order), dtype=bool)
    again[len(order) - 1 - latest[1:][same]] = True
    return order[~again], order[again]

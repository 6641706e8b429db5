"""Columns in files are ordered as a plain sort would, range by range of users."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandemrec.data import blocks, ordering
from tandemrec.data.ordering import Column, ordered

ROWS = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=90
)
KINDS = (np.int32, np.int32, np.float32, np.int64)


@pytest.mark.parametrize("long", [10, 1000])
@settings(max_examples=60, deadline=None)
@given(ROWS)
def test_rows_are_ordered_and_of_each_pair_the_last_stays(
    tmp_path_factory: pytest.TempPathFactory, long: int, rows: list[tuple[int, int, int]]
) -> None:
    """By hand: the last of a pair is the one of the latest time, and of those the latest row."""
    places = sorted(range(len(rows)), key=lambda row: (rows[row][0], rows[row][2], row))
    last = {rows[row][:2]: row for row in places}
    kept = [row for row in places if last[rows[row][:2]] == row]
    dropped = set(range(len(rows))) - set(kept)

    folder = tmp_path_factory.mktemp("columns")
    users, items, clock = np.array(rows).T
    source = columns(folder, "old", (users, items, np.arange(len(rows)), clock))
    into = columns(folder, "new", ())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ordering, "BLOCK", 16)
        patch.setattr(ordering, "LONG", long)
        patch.setattr(blocks, "PART", 8)
        found = ordered(source, into, folder, 11)
    assert found == (len(dropped), min(dropped, default=len(rows)))
    wanted = (users[kept], items[kept], kept, clock[kept])
    for column, values in zip(into, wanted, strict=True):
        assert column.read(slice(0, len(column))).tolist() == list(values)


def columns(folder: Path, name: str, values: tuple[np.ndarray, ...]) -> list[Column]:
    made = [Column(folder / f"{name}-{n}", kind) for n, kind in enumerate(KINDS)]
    for column, given_values in zip(made, values, strict=False):
        column.write(0, given_values)
    return made


def test_a_column_is_written_anywhere_and_read_in_parts(tmp_path: Path) -> None:
    column = Column(tmp_path / "c", np.int32)
    column.write(2, np.arange(3))
    column.write(0, np.array([7.0, 8.0]))
    assert len(column) == 5 and column.read(slice(1, 4)).tolist() == [8, 0, 1]

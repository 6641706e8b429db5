"""A large Parquet file in blocks: the same data as at once, mapped from the cache."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tandemrec.data import blocks, known, ordering, parquet
from tandemrec.data.catalogue import Dataset
from tandemrec.data.frame import Findings
from tandemrec.data.sources import load, read_own
from tandemrec.data.split import leave_last_out
from tandemrec.errors import DataError, DataWarning, RunError

N = 900
RNG = np.random.default_rng(0)
USERS, ITEMS = RNG.integers(0, 60, N), RNG.integers(0, 40, N)
CLOCK = RNG.integers(0, 90, N)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 100 rows, which are not those of the file."""
    monkeypatch.setattr(parquet, "BLOCK", 100)
    monkeypatch.setattr(ordering, "BLOCK", 100)
    monkeypatch.setattr(ordering, "LONG", 200)
    monkeypatch.setattr(blocks, "LONG", 200)
    monkeypatch.setattr(blocks, "PART", 64)


def log(**columns: Any) -> pl.DataFrame:
    return pl.DataFrame({"user": USERS, "item": ITEMS, "time": CLOCK} | columns)


def written(folder: Path, frame: pl.DataFrame) -> Path:
    frame.write_parquet(folder / "log.parquet", row_group_size=70)
    return folder / "log.parquet"


def in_blocks(path: Path, items: Any = None, users: Any = None) -> tuple[Dataset, Findings]:
    return read_own(path, items, users=users, cache=path.parent / "cache", large=10)


FILMS = pl.DataFrame({"id": RNG.permutation(70), "title": [f"film {n}" for n in range(70)]})
PEOPLE = pl.DataFrame({"user_id": RNG.permutation(80), "age": range(80)})
GIVEN = {
    "whole numbers": (log(), None, None),
    "numbers below zero": (log(user=USERS - 50, item=ITEMS * 10**15), None, None),
    "numbers without a sign": (log(user=USERS.astype(np.uint64) + 2**63), None, None),
    "texts": (log(user=[f"u{n}" for n in USERS]), None, None),
    "categories": (log(item=pl.Series([f"i{n}" for n in ITEMS], dtype=pl.Categorical)), None, None),
    "numbers with a point, all whole": (log(item=ITEMS.astype(float)), None, None),
    "numbers with a point, the last not whole": (log(item=[*ITEMS[:-1] * 1.0, 0.5]), None, None),
    "ratings": (log(rating=RNG.random(N)), None, None),
    "no times": (log().drop("time"), None, None),
    "times with fractions at the end": (log(time=[*CLOCK[:-1] * 1.0, 7.25]), None, None),
    "dates": (log(time=pl.Series(CLOCK).cast(pl.Datetime("ms"))), None, None),
    "a table of items": (log(), FILMS.with_columns(pl.lit(1).alias("kind")), None),
    "tables of both": (log(), FILMS, PEOPLE),
    "titles beside": (log(title=[f"film {n}" for n in ITEMS]), None, None),
    "no pair twice": (log().unique(["user", "item"], keep="first"), None, None),
}


@pytest.mark.parametrize("name", GIVEN)
def test_blocks_give_what_the_whole_gives(name: str, tmp_path: Path) -> None:
    frame, items, users = GIVEN[name]
    path = written(tmp_path, frame)
    whole, told = read_own(path, items, users=users)
    for _ in range(2):  # read, and then from the cache
        mapped, found = in_blocks(path, items, users)
        assert mapped.fingerprint == whole.fingerprint
        assert list(found.messages()) == list(told.messages())
        assert leave_last_out(mapped).fingerprint == leave_last_out(whole).fingerprint


def test_columns_are_mapped_and_cannot_be_written_to(tmp_path: Path) -> None:
    rows = in_blocks(written(tmp_path, log()))[0].interactions
    for column in (rows.users, rows.items, rows.ratings, rows.times):
        assert isinstance(column.base, np.memmap) and not column.flags.writeable


def test_a_file_is_read_once_until_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, readings, numbered = written(tmp_path, log()), [], parquet._Reading.numbered

    def noted(reading: Any) -> Any:
        readings.append(reading.path)
        return numbered(reading)

    monkeypatch.setattr(parquet._Reading, "numbered", noted)
    for _ in range(3):
        in_blocks(path)
    assert len(readings) == 1
    in_blocks(path, FILMS)  # its order of items is another
    assert len(readings) == 2
    written(tmp_path, log().head(500))
    os.utime(path, (1, 1))
    assert len(in_blocks(path)[0].interactions) <= 500 and len(readings) == 3


def test_only_files_beyond_the_limit_are_mapped(tmp_path: Path) -> None:
    path = written(tmp_path, log())
    for limit, is_mapped in ((N, False), (N - 1, True)):
        with pytest.warns(DataWarning, match="repeated a pair"):
            rows = load(path, cache=tmp_path / "cache", large=limit).interactions
        assert isinstance(rows.users.base, np.memmap) is is_mapped


def test_context_is_read_at_once(tmp_path: Path) -> None:
    path = written(tmp_path, log(device=["tv", "pad"] * (N // 2)))
    with pytest.warns(DataWarning):
        data = load(path, context=["device"], cache=tmp_path / "cache", large=10)
    assert set(data.interactions.context["device"]) == {"tv", "pad"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"user": [*USERS[:-1], None]}, r"row 899 \(from 0\).*expected an id, found nothing"),
        ({"item": [*map(str, ITEMS[:-1]), ""]}, r"row 899 \(from 0\).*an id, found nothing"),
        ({"rating": [1.0] * 450 + [np.nan] * 450}, r"row 450 \(from 0\).*a number, found nan"),
        ({"time": [*CLOCK[:-1], None]}, r"row 899 \(from 0\).*a time, such as"),
        ({"user": [[1]] * N}, "expected ids, found a column of type List"),
    ],
)
def test_an_error_names_the_row_of_the_file_and_leaves_nothing(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = written(tmp_path, log(**change))
    with pytest.raises(DataError, match=message):
        in_blocks(path)
    assert list((tmp_path / "cache" / "tables").iterdir()) == []


def test_a_missing_column_and_a_damaged_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no column of items"):
        in_blocks(written(tmp_path, log().drop("item")))
    path = written(tmp_path, log())
    content = path.read_bytes()
    path.write_bytes(content[:900] + bytes(900) + content[1800:])
    with pytest.raises(DataError, match="the Parquet file cannot be read"):
        in_blocks(path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full disk to write to here")
def test_a_full_disk_is_told_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(column: ordering.Column) -> None:
        if column.file.name == "raw-1":
            column.file.symlink_to("/dev/full")
        else:
            column.file.touch()

    monkeypatch.setattr(ordering.Column, "__post_init__", full)
    with pytest.raises(RunError, match="No space left on device"):
        in_blocks(written(tmp_path, log()))
    assert list((tmp_path / "cache" / "tables").iterdir()) == []


def test_ids_too_far_apart_for_a_table_are_joined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where that shows after some blocks only."""
    late = [*USERS[:500], *(USERS[500:] * 1000)]
    path = written(tmp_path, log(user=late))
    whole, _ = read_own(path)
    monkeypatch.setattr(known, "SPAN", 1000)
    assert in_blocks(path)[0].fingerprint == whole.fingerprint

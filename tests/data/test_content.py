"""Content of items: what is refused and how it is said, files, saving."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tandemrec.data.catalogue import Catalogue
from tandemrec.data.content import Content
from tandemrec.errors import DataError

KNOWN = Catalogue([1, 2], [30, 10, 20], ["c", "a", "b"])
ROWS = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])


def test_modalities_keep_their_names_order_and_numbers() -> None:
    content = Content.of({"title": ROWS, "a/picture. ä": np.arange(3)[:, None], "b": ROWS > 2})
    assert content.n_items == 3
    assert content.widths == {"title": 2, "a/picture. ä": 1, "b": 2}
    assert all(array.dtype == np.float32 for array in content.arrays.values())
    np.testing.assert_array_equal(content.arrays["title"], ROWS)


def test_arguments_stay_as_they_were_and_so_does_the_content() -> None:
    mine = ROWS.astype(np.float32)
    content = Content.of({"title": mine})
    mine[:] = 0
    np.testing.assert_array_equal(content.arrays["title"], ROWS)


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({}, "at least one modality"),
        ({"title": np.ones(3)}, r"'title' must be an array of numbers .* float64, \[3\]"),
        ({"title": np.ones((3, 0))}, r"'title' must be .* \[3, 0\]"),
        ({"title": [["a"], ["b"]]}, "'title' must be an array of numbers"),
        ({"a": ROWS, "b": ROWS[:2]}, "3 rows for 'a', 2 for 'b'.*every item of the catalogue"),
        (
            {"a": ROWS, "b": np.where(ROWS == 3, np.nan, ROWS)},
            "'b' holds .* in 1 of 3 rows.* row 1",
        ),
        ({"b": [[1e300], [1.0]]}, "'b' holds what is no finite number, in 1 of 2 rows.* row 0"),
    ],
)
def test_what_cannot_be_content_is_named(arrays: dict[str, Any], says: str) -> None:
    with pytest.raises(DataError, match=says):
        Content.of(arrays)


def test_the_fingerprint_is_of_names_widths_order_and_numbers() -> None:
    one = {"title": ROWS, "image": ROWS * 2}
    others = [
        {"title": ROWS, "image": ROWS * 3},
        {"title": ROWS, "picture": ROWS * 2},
        {"title": ROWS.reshape(2, 3), "image": ROWS.reshape(2, 3) * 2},
        {"title": ROWS},
        {"image": ROWS * 2, "title": ROWS},
    ]
    prints = {Content.of(each).fingerprint for each in (one, *others)}
    assert len(prints) == 6 and Content.of(one).fingerprint in prints


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    content = Content.of({"file": ROWS, "a/b. c": ROWS[:, :1]})
    content.save(tmp_path / "deep")
    loaded = Content.load(tmp_path / "deep")
    assert loaded.fingerprint == content.fingerprint
    assert list(loaded.arrays) == ["file", "a/b. c"]


def saved(folder: Path, kind: str, **columns: Any) -> Path:
    file = folder / f"mine.{kind}"
    if kind == "parquet":
        pl.DataFrame({name: np.asarray(values).tolist() for name, values in columns.items()}).cast(
            {name: pl.List(pl.Float32) for name in columns if "id" not in name}
        ).write_parquet(file)
    else:
        np.savez(file, **columns)
    return file


@pytest.mark.parametrize("kind", ["npz", "parquet"])
@pytest.mark.parametrize("ids", [[10, 20, 30, 40], ["10", "20", "30", "40"]])
def test_rows_are_found_by_item_id(kind: str, ids: list[Any], tmp_path: Path) -> None:
    """Ids compare as text, and an item that is not in the catalogue is left out."""
    rows = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]])
    file = saved(tmp_path, kind, item_id=ids, image=rows, sound=rows[:, :1])
    content = Content.read(file, KNOWN)
    assert content.widths == {"image": 2, "sound": 1}
    np.testing.assert_array_equal(content.arrays["image"], [[5, 6], [1, 2], [3, 4]])


def test_an_array_without_ids_is_in_the_order_of_the_catalogue(tmp_path: Path) -> None:
    np.save(tmp_path / "image.npy", ROWS)
    content = Content.read(tmp_path / "image.npy", KNOWN)
    np.testing.assert_array_equal(content.arrays["image"], ROWS)
    np.save(tmp_path / "image.npy", ROWS[:2])
    with pytest.raises(DataError, match=r"image.npy: It has 2 rows and no ids; .* 3 items"):
        Content.read(tmp_path / "image.npy", KNOWN)


def test_an_item_without_a_row_is_refused_or_gets_the_mean(tmp_path: Path) -> None:
    file = saved(tmp_path, "npz", item_id=[10, 20], image=ROWS[:2])
    with pytest.raises(DataError, match="1 of the catalogue's 3 items are not in it, such as 30"):
        Content.read(file, KNOWN)
    content = Content.read(file, KNOWN, missing="mean")
    np.testing.assert_array_equal(content.arrays["image"], [[2, 3], [1, 2], [3, 4]])
    strange = saved(tmp_path, "npz", item_id=["x", "y"], image=ROWS[:2])
    with pytest.raises(DataError, match=r"3 of the catalogue's 3 .* its ids look like x, y"):
        Content.read(strange, KNOWN, missing="mean")


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"image": ROWS}, "no item ids in it. Received: image. Name them 'item_id'"),
        ({"item_id": [10, 10, 20], "image": ROWS}, "3 ids, of which 2 are different, and 3 rows"),
        ({"item_id": [10, 20], "image": ROWS}, "2 ids, of which 2 are different, and 3 rows"),
        ({"item_id": [10, 20, 30]}, r"mine.npz: Content needs at least one modality"),
        ({"item_id": [10, 20, 30], "image": ROWS * np.nan}, r"mine.npz: .* first is of item 10"),
        ({"item_id": [10, 20, 30], "image": ROWS[:, 0]}, r"mine.npz: The modality 'image' must"),
    ],
)
def test_a_file_that_cannot_be_content_is_named(
    columns: dict[str, Any], says: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=says):
        Content.read(saved(tmp_path, "npz", **columns), KNOWN)


def test_a_column_that_is_no_modality_is_named(tmp_path: Path) -> None:
    file = tmp_path / "mine.parquet"
    for column in ([1.0, 2.0, 3.0], [[1.0], [2.0, 3.0], [4.0]], [[1.0], None, [2.0]]):
        pl.DataFrame({"item_id": [10, 20, 30], "image": column}, strict=False).write_parquet(file)
        with pytest.raises(DataError, match=r"column 'image': A modality must be a column of lis"):
            Content.read(file, KNOWN)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for name in ("none.npz", "none.parquet", "none.npy"):
        with pytest.raises(DataError, match=f"{name}: The file cannot be read"):
            Content.read(tmp_path / name, KNOWN)
    for name in ("bad.npz", "bad.parquet", "bad.npy"):
        (tmp_path / name).write_bytes(b"half a file")
        with pytest.raises(DataError, match=f"{name}: The file cannot be read: (?!.*pickle)"):
            Content.read(tmp_path / name, KNOWN)
    whole = saved(tmp_path, "npz", item_id=[10, 20, 30], image=ROWS)
    whole.write_bytes(whole.read_bytes()[:-40])
    with pytest.raises(DataError, match=r"mine.npz: The file cannot be read"):
        Content.read(whole, KNOWN)
    with pytest.raises(DataError, match=r"cannot be read from .csv. Give one of .npy, .npz"):
        Content.read(tmp_path / "some.csv", KNOWN)

"""What is known of each item as arrays: embeddings of its texts, of its image, of its sound."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal
from zipfile import BadZipFile

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from tandemrec.data.catalogue import Catalogue
from tandemrec.errors import DataError

FILE = "content.npz"
IDS = ("item_id", "ids", "id")
"What the ids' array or column in a file is called."
Array = NDArray[np.float32]
"One modality, [I, W]."
Missing = Literal["refuse", "mean"]


@dataclass(frozen=True, eq=False)
class Content:
    """Named modalities; row n of each describes the item that the stages call n."""

    arrays: Mapping[str, Array]  # each [I, W_m], finite

    @classmethod
    def of(cls, arrays: Mapping[str, ArrayLike]) -> Content:
        """Modalities [I, W_m] of any numeric type, in this order.

        Raises DataError, which names the modality that is not finite, or has another number of
        items than the first.
        """
        return cls(_all_checked(arrays))

    @classmethod
    def read(cls, file: str | Path, catalogue: Catalogue, missing: Missing = "refuse") -> Content:
        """One's own arrays of a catalogue's items, found by item id.

        `.npz`: an array `item_id` [N] and one [N, W] for each modality. `.parquet`: a column
        `item_id`, and a column of lists of equal length for each modality. `.npy`: one array
        [I, W], which holds no ids: a row for each item in the catalogue's order, as the modality
        of the file's name. Items beyond the catalogue's are left out. An item of the catalogue
        that is not in the file is refused, or, with `missing="mean"`, gets the mean of the others.

        Raises DataError for a file that cannot be read so.
        """
        path = Path(file)
        readers = {".npy": _npy, ".npz": _npz, ".parquet": _parquet}
        if path.suffix not in readers:
            raise DataError(
                f"Content cannot be read from {path.suffix or 'a file without an ending'}.",
                file=path,
                remedy=f"Give one of {', '.join(readers)}.",
            )
        try:
            ids, arrays = readers[path.suffix](path)
        except (OSError, ValueError, EOFError, BadZipFile, pl.exceptions.PolarsError) as error:
            raise DataError(f"The file cannot be read: {_reason(error)}.", file=path) from None
        if ids is None:
            return cls(_all_checked(_of_all(arrays, catalogue, path), path))
        own = _all_checked(arrays, path, ids)
        return cls(_by_id(ids, own, catalogue, path, missing))

    @property
    def n_items(self) -> int:
        return len(next(iter(self.arrays.values())))

    @property
    def widths(self) -> dict[str, int]:
        """The modalities' widths by name."""
        return {name: array.shape[1] for name, array in self.arrays.items()}

    @cached_property
    def fingerprint(self) -> str:
        digest = hashlib.sha256(json.dumps(self.widths).encode())
        for array in self.arrays.values():
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, Any] = {f"array_{n}": a for n, a in enumerate(self.arrays.values())}
        np.savez_compressed(folder / FILE, names=np.array(json.dumps(list(self.arrays))), **arrays)

    @classmethod
    def load(cls, folder: Path) -> Content:
        with np.load(folder / FILE, allow_pickle=False) as file:
            names = json.loads(str(file["names"]))
            return cls({name: file[f"array_{n}"] for n, name in enumerate(names)})


def _all_checked(
    arrays: Mapping[str, ArrayLike], file: Path | None = None, ids: Sequence[Any] | None = None
) -> dict[str, Array]:
    """Modalities of the same items, as `Content.of` tells; errors name the file and the item."""
    if not arrays:
        raise DataError(
            "Content needs at least one modality.",
            file=file,
            remedy="Give arrays by name, [items, width] each, such as 'image'.",
        )
    checked = {name: _checked(name, np.asarray(a), file, ids) for name, a in arrays.items()}
    _refuse_other_lengths(checked, file)
    return checked


def _checked(name: str, array: NDArray[Any], file: Path | None, ids: Sequence[Any] | None) -> Array:
    """The modality in single precision."""
    if array.ndim != 2 or not array.shape[1] or array.dtype.kind not in "iufb":
        raise DataError(
            f"The modality {name!r} must be an array of numbers [items, width]. Received: "
            f"{array.dtype}, {list(array.shape)}.",
            file=file,
        )
    with np.errstate(over="ignore"):
        table = np.array(array, dtype=np.float32, order="C")
    wrong = np.flatnonzero(~np.isfinite(table).all(1))
    if len(wrong):
        first = int(wrong[0])
        whose = f"item {ids[first]}" if ids is not None and first < len(ids) else f"row {first}"
        raise DataError(
            f"The modality {name!r} holds what is no finite number, in {len(wrong)} of "
            f"{len(table)} rows; the first is of {whose}.",
            file=file,
            remedy="Give these items their modality's mean, or leave the modality out.",
        )
    return table


def _refuse_other_lengths(arrays: Mapping[str, Array], file: Path | None) -> None:
    first, n_items = next((name, len(array)) for name, array in arrays.items())
    for name, array in arrays.items():
        if len(array) != n_items:
            raise DataError(
                f"All modalities must describe the same items. Received: {n_items} rows for "
                f"{first!r}, {len(array)} for {name!r}.",
                file=file,
                remedy="Give each a row for every item of the catalogue, in its order.",
            )


Found = tuple[Sequence[Any] | None, dict[str, NDArray[Any]]]
"Ids, where the file has them, and modalities by name."


def _reason(error: Exception) -> str:
    """What a reader says of a file, in a line; numpy takes what is no array for a pickle."""
    said = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
    return "it holds no arrays, or such of Python objects" if "pickle" in said else said


def _npy(path: Path) -> Found:
    return None, {path.stem: np.load(path, allow_pickle=False)}


def _npz(path: Path) -> Found:
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    return arrays.pop(_ids_in(arrays, path)).tolist(), arrays


def _parquet(path: Path) -> Found:
    frame = pl.read_parquet(path)
    ids = _ids_in(frame.columns, path)
    others = frame.drop(ids)
    return frame[ids].to_list(), {each.name: _rows(each, path) for each in others}


def _rows(column: pl.Series, path: Path) -> NDArray[Any]:
    """A column of lists as [N, W]."""
    widths = column.list.len() if isinstance(column.dtype, pl.List) else None
    if widths is not None and column.null_count() == 0 and widths.n_unique() == 1:
        return column.list.to_array(widths[0]).to_numpy()
    if isinstance(column.dtype, pl.Array) and column.null_count() == 0:
        return column.to_numpy()
    raise DataError(
        f"A modality must be a column of lists of numbers, all of one length. Received: "
        f"{column.dtype}.",
        file=path,
        column=column.name,
        remedy="Leave out of the file what is no modality, and rows without one.",
    )


def _ids_in(names: Any, path: Path) -> str:
    for name in IDS:
        if name in names:
            return name
    raise DataError(
        f"There are no item ids in it. Received: {', '.join(names) or 'nothing'}.",
        file=path,
        remedy=f"Name them {IDS[0]!r}.",
    )


def _of_all(
    arrays: dict[str, NDArray[Any]], catalogue: Catalogue, path: Path
) -> dict[str, NDArray[Any]]:
    """Arrays without ids must have a row for each item."""
    rows, wanted = next(len(np.atleast_1d(array)) for array in arrays.values()), catalogue.item_ids
    if rows != len(wanted):
        raise DataError(
            f"It has {rows} rows and no ids; the catalogue has {len(wanted)} items.",
            file=path,
            remedy="Give a row for every item in the catalogue's order, or an .npz with 'item_id'.",
        )
    return arrays


def _by_id(
    ids: Sequence[Any],
    arrays: Mapping[str, Array],
    catalogue: Catalogue,
    path: Path,
    missing: Missing,
) -> dict[str, Array]:
    """The rows of the catalogue's items, in its order; ids compare as text."""
    rows = {str(name): row for row, name in enumerate(ids)}
    if len(rows) < len(ids) or len(ids) != len(next(iter(arrays.values()))):
        raise DataError(
            f"It has {len(ids)} ids, of which {len(rows)} are different, and "
            f"{len(next(iter(arrays.values())))} rows. Each row needs an id of its own.",
            file=path,
        )
    places = np.array([rows.get(str(name), -1) for name in catalogue.item_ids], np.int64)
    absent = np.flatnonzero(places < 0)
    if len(absent) and (missing == "refuse" or len(absent) == len(places)):
        raise DataError(_absent(absent, catalogue, list(rows)), file=path, remedy=_REMEDY)
    found = {}
    for name, array in arrays.items():
        found[name] = array[places]
        found[name][absent] = array[places[places >= 0]].mean(0)
    return found


_REMEDY = (
    'Add them, or give them the mean of the others with content.missing = "mean" (in Python, '
    'Content.read(..., missing="mean")).'
)


def _absent(absent: NDArray[np.int64], catalogue: Catalogue, there: list[str]) -> str:
    some = ", ".join(str(catalogue.item_ids[int(item)]) for item in absent[:3])
    return (
        f"{len(absent)} of the catalogue's {len(catalogue.item_ids)} items are not in it, such as "
        f"{some}; its ids look like {', '.join(there[:3])}."
    )

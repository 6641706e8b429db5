"""Book-Crossing: Ziegler et al., "Improving Recommendation Lists Through Topic Diversification",
WWW 2005; the explicit ratings, 5-core, as in Llama4Rec.

The dump has no times: each user's books stand in a random order that a seed draws, and
`Dataset.order` says so.
"""

from __future__ import annotations

import csv
import html
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace

import numpy as np
import polars as pl

from tandemrec.data.catalogue import Catalogue, Dataset
from tandemrec.data.frame import Findings
from tandemrec.data.interactions import Interactions
from tandemrec.data.split import k_core
from tandemrec.errors import DataError
from tandemrec.oneline import counted

RATINGS, BOOKS, USERS = "BX-Book-Ratings.csv", "BX-Books.csv", "BX-Users.csv"
BOOK_CROSSING = dict.fromkeys((RATINGS, BOOKS, USERS))
"The files of the official zip. Their sums are not known to us; instead, KNOWN is compared."
KNOWN = (6_851, 9_085, 115_219)
"Users, items and ratings of the 5-core, as in Llama4Rec."

CORE = 5
SEED = 0
"Draws each user's order."
ORDER = f"no times in the data; each user's order is drawn at random, by seed {SEED}"

Row = list[str]
_WIDTHS = {RATINGS: 3, BOOKS: 8, USERS: 3}
_SCALE = {str(stars) for stars in range(11)}
_FORMAT = csv.reader(
    [], delimiter=";", quotechar='"', escapechar="\\", doublequote=False, strict=True
).dialect
_BEGINS = re.compile(r'\n(?="(?!;|\n|\Z))')
"Before a quote that opens a row's first field; a field's own line break has none after it."


def read_book_crossing(files: Mapping[str, bytes]) -> tuple[Dataset, Findings]:
    """The data set from its three files, by their names in the official zip, and what was odd.

    Ratings of 0 (met, not rated) are dropped, and those whose ISBN is not among the books; of a
    pair that is rated twice, the last stays; then users and items with fewer than five are dropped,
    until none is left: 6,851 users, 9,085 items, 115,219 ratings. Rows that cannot be read are left
    out and counted. Raises DataError where no rating is left.
    """
    findings = Findings(noun="book", order=ORDER)
    books = _described_once(files, BOOKS, findings)
    rated = _ratings(files, books, findings)
    people = _described_once(files, USERS, findings)
    users, items = (_numbers([pair[place] for pair in rated]) for place in (0, 1))
    rows = Interactions.sorted(
        np.array([users[user] for user, _ in rated], np.int64),
        np.array([items[isbn] for _, isbn in rated], np.int64),
        np.array(list(rated.values()), np.float32),
        np.arange(len(rated)),
        n_users=len(users),
        n_items=len(items),
    )
    catalogue = Catalogue(
        user_ids=list(users),
        item_ids=list(items),
        titles=[html.unescape(books[isbn][1]) for isbn in items],
        items=_features([books[isbn] for isbn in items]),
        users=_located([people.get(user, [user, "", "NULL"]) for user in users]),
    )
    data = _core(Dataset("book-crossing", rows, catalogue, "book", ORDER))
    _compare(data.interactions, findings)
    return _shuffled(data), findings


def _ratings(
    files: Mapping[str, bytes], books: Mapping[str, Row], findings: Findings
) -> dict[tuple[str, str], int]:
    """The stars of each user and ISBN, in the order of the last rating of each pair."""
    rated: dict[tuple[str, str], int] = {}
    for user, isbn, stars in _rows(files, RATINGS, findings):
        if stars != "0" and isbn in books:
            if rated.pop((user, isbn), None):
                findings.duplicates += 1
                findings.first_duplicate = findings.first_duplicate or f"user {user}, book {isbn}"
            rated[user, isbn] = int(stars)
    return rated


def _described_once(files: Mapping[str, bytes], name: str, findings: Findings) -> dict[str, Row]:
    """The rows of a file by their id; of an id that is there twice, the first."""
    known: dict[str, Row] = {}
    repeats = sum(known.setdefault(row[0], row) is not row for row in _rows(files, name, findings))
    findings.repeated(name, repeats)
    return known


def _numbers(names: list[str]) -> dict[str, int]:
    return {name: number for number, name in enumerate(dict.fromkeys(names))}


def _core(data: Dataset) -> Dataset:
    rows = len(data.interactions)
    with suppress(DataError):
        if rows:
            return k_core(data, CORE, CORE)
    raise DataError(
        f"of its {counted(rows, 'rating')} from 1 to 10 for a book in {BOOKS}, none is left when "
        f"users and books with fewer than {CORE} are dropped.",
        file=RATINGS,
        remedy="Put the official BX-CSV-Dump.zip in place of this one: "
        "tandemrec data get book-crossing --from BX-CSV-Dump.zip",
    )


def _compare(rows: Interactions, findings: Findings) -> None:
    sizes = (rows.n_users, rows.n_items, len(rows))
    if sizes != KNOWN:
        told = ["{:,} users, {:,} items and {:,} ratings".format(*each) for each in (sizes, KNOWN)]
        findings.notes.append(f"This is not the known dump: its 5-core has {', not '.join(told)}.")


def _shuffled(data: Dataset) -> Dataset:
    """The same in a random order within each user, which what the core left out cannot change."""
    rows = data.interactions
    drawn = np.random.default_rng(SEED).permutation(len(rows))
    mixed = Interactions.sorted(
        rows.users, rows.items, rows.ratings, drawn, n_users=rows.n_users, n_items=rows.n_items
    )
    return replace(data, interactions=mixed)


def _rows(files: Mapping[str, bytes], name: str, findings: Findings) -> Iterator[Row]:
    """The rows of a file below its header that are whole; others that are not blank are counted.

    Where a record is not whole, each of its lines may be: a broken row takes no good one with it.
    """
    broken = []
    for line, record in _records(files[name]):
        if _is_whole(row := _fields(record), name):
            yield row
            continue
        for place, text in enumerate(record.split("\n"), line):
            if _is_whole(row := _fields(text), name):
                yield row
            elif text.strip(" ;"):
                broken.append(place)
    if broken:
        rows = counted(len(broken), "row")
        where = f"the first on line {broken[0]}"
        findings.notes.append(f"{name}: {rows} cannot be read, {where}; left out.")


def _records(content: bytes) -> Iterator[tuple[int, str]]:
    """The text below the header, cut before each line that begins a row; with line numbers."""
    text = content.decode("latin-1").replace("\r\n", "\n").replace("\r", "\n")
    line = 2
    for record in _BEGINS.split(text.partition("\n")[2]):
        yield line, record
        line += 1 + record.count("\n")


def _fields(record: str) -> Row:
    """The fields of a record; none where a quote stays open, or a field is endless."""
    try:
        return next(csv.reader([record], _FORMAT), [])
    except csv.Error:
        return []


def _is_whole(row: Row, name: str) -> bool:
    return len(row) == _WIDTHS[name] and (name != RATINGS or row[2] in _SCALE)


def _features(books: list[Row]) -> pl.DataFrame:
    """Author, year (none where it is 0 or no number) and publisher."""
    return pl.DataFrame(
        {
            "author": [html.unescape(book[2]) for book in books],
            "year": [_whole_number(book[3]) or None for book in books],
            "publisher": [html.unescape(book[4]) for book in books],
        },
        schema={"author": pl.String, "year": pl.Int64, "publisher": pl.String},
    )


def _located(people: list[Row]) -> pl.DataFrame:
    """Location and age, which may be missing."""
    return pl.DataFrame(
        {
            "location": [person[1] for person in people],
            "age": [_whole_number(person[2]) for person in people],
        },
        schema={"location": pl.String, "age": pl.Int64},
    )


def _whole_number(text: str) -> int | None:
    """A year or an age; None for a word, a sign such as ², or more digits than either has."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 4 else None

"""Book-Crossing: Ziegler et al., "Improving Recommendation Lists Through Topic Diversification",
WWW 2005; the explicit ratings, 5-core, as in Llama4Rec; and all, with what was met and not rated,
3-core, as in DALLRec.

The dump has no times: each user's books stand in a random order that a seed draws, and
`Dataset.order` says so.
"""

from __future__ import annotations

import csv
import html
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

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
KNOWN_IMPLICIT = (25_500, 70_740, 714_150)
"Users, items and rows of the 3-core with zeros in DALLRec, whose ISBNs have lost leading zeros."

CORE, CORE_IMPLICIT = 5, 3
CLOSE = 0.01
"By how much a number of KNOWN_IMPLICIT may be off: by more than the lost zeros make."
SEED = 0
"Draws each user's order."
ORDER = f"no times in the data; each user's order is drawn at random, by seed {SEED}"

Row = list[str]
Files = Mapping[str, bytes]
_WIDTHS = {RATINGS: 3, BOOKS: 8, USERS: 3}
_SCALE = {str(stars) for stars in range(11)}
_FORMAT = csv.reader(
    [], delimiter=";", quotechar='"', escapechar="\\", doublequote=False, strict=True
).dialect
_BEGINS = re.compile(r'\n(?="(?!;|\n|\Z))')
"Before a quote that opens a row's first field; a field's own line break has none after it."


@dataclass(frozen=True)
class Dump:
    """What can be read of the three files."""

    stars: dict[tuple[str, str], int]
    "Of each user and ISBN, in the order of the last rating of each pair; 0 is met and not rated."
    books: dict[str, Row]  # ISBN -> row
    people: dict[str, Row]  # user -> row


def read_book_crossing(files: Files) -> tuple[Dataset, Findings]:
    """The data set from its three files, by their names in the official zip, and what was odd.

    Ratings of 0 (met, not rated) are dropped, and those whose ISBN is not among the books; of a
    pair that is rated twice, the last stays; then users and items with fewer than five are dropped,
    until none is left: 6,851 users, 9,085 items, 115,219 ratings. Rows that cannot be read are left
    out and counted. Raises DataError where no rating is left.
    """
    findings = Findings(noun="book", order=ORDER)
    dump = read_dump(files, findings, zeros=False)
    data = _core(_joined("book-crossing", dump), CORE, "from 1 to 10")
    sizes = _sizes(data)
    if sizes != KNOWN:
        told = f"its 5-core has {_told(sizes, 'ratings')}, not {_told(KNOWN, 'ratings')}"
        findings.notes.append(f"This is not the known dump: {told}.")
    return _shuffled(data), findings


def read_book_crossing_implicit(files: Files) -> tuple[Dataset, Findings]:
    """As `read_book_crossing`, with the ratings of 0, which say that a book was met and not rated
    (they never take the place of a rating), and three in place of five."""
    findings = Findings(noun="book", order=ORDER)
    dump = read_dump(files, findings)
    data = _core(_joined("book-crossing-implicit", dump), CORE_IMPLICIT, "from 0 to 10")
    sizes = _sizes(data)
    if not np.allclose(sizes, KNOWN_IMPLICIT, rtol=CLOSE):
        told = f"its 3-core has {_told(sizes, 'rows')}, not about {_told(KNOWN_IMPLICIT, 'rows')}"
        findings.notes.append(f"This is not the dump that DALLRec took: {told}.")
    return _shuffled(data), findings


def read_dump(files: Files, findings: Findings, *, zeros: bool = True) -> Dump:
    """The three files, before anything is joined; what was odd goes into the findings."""
    books = _described_once(files, BOOKS, findings)
    stars = _ratings(files, findings, zeros)
    return Dump(stars, books, _described_once(files, USERS, findings))


def _joined(name: str, dump: Dump) -> Dataset:
    """The ratings of the books that are described."""
    stars = {pair: given for pair, given in dump.stars.items() if pair[1] in dump.books}
    users, items = (_numbers([pair[place] for pair in stars]) for place in (0, 1))
    rows = Interactions.sorted(
        np.array([users[user] for user, _ in stars], np.int64),
        np.array([items[isbn] for _, isbn in stars], np.int64),
        np.array(list(stars.values()), np.float32),
        np.arange(len(stars)),
        n_users=len(users),
        n_items=len(items),
    )
    catalogue = Catalogue(
        user_ids=list(users),
        item_ids=list(items),
        titles=[title(dump.books[isbn]) for isbn in items],
        items=features([dump.books[isbn] for isbn in items]),
        users=located([dump.people.get(user) for user in users]),
    )
    return Dataset(name, rows, catalogue, "book", ORDER)


def _ratings(files: Files, findings: Findings, zeros: bool) -> dict[tuple[str, str], int]:
    """The stars of each user and ISBN, in the order of the last rating of each pair."""
    rated: dict[tuple[str, str], int] = {}
    for user, isbn, stars in _rows(files, RATINGS, findings):
        if zeros or stars != "0":
            before = rated.pop((user, isbn), None)
            if before is not None:
                findings.duplicates += 1
                findings.first_duplicate = findings.first_duplicate or f"user {user}, book {isbn}"
            rated[user, isbn] = int(stars) or before or 0
    return rated


def _described_once(files: Files, name: str, findings: Findings) -> dict[str, Row]:
    """The rows of a file by their id; of an id that is there twice, the first."""
    known: dict[str, Row] = {}
    repeats = sum(known.setdefault(row[0], row) is not row for row in _rows(files, name, findings))
    findings.repeated(name, repeats)
    return known


def _numbers(names: list[str]) -> dict[str, int]:
    return {name: number for number, name in enumerate(dict.fromkeys(names))}


def _core(data: Dataset, least: int, scale: str) -> Dataset:
    rows = len(data.interactions)
    with suppress(DataError):
        if rows:
            return k_core(data, least, least)
    raise DataError(
        f"of its {counted(rows, 'rating')} {scale} for a book in {BOOKS}, none is left when "
        f"users and books with fewer than {least} are dropped.",
        file=RATINGS,
        remedy="Put the official BX-CSV-Dump.zip in place of this one: "
        f"tandemrec data get {data.name} --from BX-CSV-Dump.zip",
    )


def _sizes(data: Dataset) -> tuple[int, int, int]:
    rows = data.interactions
    return rows.n_users, rows.n_items, len(rows)


def _told(sizes: tuple[int, int, int], what: str) -> str:
    return "{:,} users, {:,} items and {:,} ".format(*sizes) + what


def _shuffled(data: Dataset) -> Dataset:
    """The same in a random order within each user, which what the core left out cannot change."""
    rows = data.interactions
    drawn = np.random.default_rng(SEED).permutation(len(rows))
    mixed = Interactions.sorted(
        rows.users, rows.items, rows.ratings, drawn, n_users=rows.n_users, n_items=rows.n_items
    )
    return replace(data, interactions=mixed)


def _rows(files: Files, name: str, findings: Findings) -> Iterator[Row]:
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


def title(book: Row) -> str:
    """A book's title, as people read it."""
    return html.unescape(book[1])


def features(books: Sequence[Row | None]) -> pl.DataFrame:
    """Author, year (none where it is 0 or no number) and publisher; of None, nothing."""
    rows = [
        (html.unescape(book[2]), _whole_number(book[3]) or None, html.unescape(book[4]))
        if book
        else (None, None, None)
        for book in books
    ]
    schema = {"author": pl.String, "year": pl.Int64, "publisher": pl.String}
    return pl.DataFrame(rows, schema, orient="row")


def located(people: Sequence[Row | None]) -> pl.DataFrame:
    """Location and age, which may be missing; of None, no location."""
    rows = [(who[1], _whole_number(who[2])) if who else ("", None) for who in people]
    return pl.DataFrame(rows, {"location": pl.String, "age": pl.Int64}, orient="row")


def _whole_number(text: str) -> int | None:
    """A year or an age; None for a word, a sign such as ², or more digits than either has."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 4 else None

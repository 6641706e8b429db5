import csv
import io
import warnings
import zipfile

import numpy as np
import pytest

from tandemrec.data import load
from tandemrec.data.bookcrossing import BOOKS, RATINGS, USERS, read_book_crossing
from tandemrec.data.sources import SOURCES
from tandemrec.errors import DataWarning

PEOPLE = range(1, 6)
NAMES = [f"00000000{n}X" for n in range(5)]


def book(isbn: str, title: str = 'A \\"B\\" &amp; Ö', year: str = "1999") -> str:
    return f'"{isbn}";"{title}";"W &amp; Sons";"{year}";"P";"s";"m";"l"\n'


def rating(user: int, isbn: str, stars: object) -> str:
    return f'"{user}";"{isbn}";"{stars}"\n'


def files(more: str = "", books: str = "") -> dict[str, bytes]:
    """Five users who rated five books, so that all stay in the 5-core; and what comes on top."""
    rated = "".join(rating(u, name, 1 + n) for u in PEOPLE for n, name in enumerate(NAMES))
    texts = {
        RATINGS: '"User-ID";"ISBN";"Book-Rating"\n' + rated + more,
        BOOKS: '"ISBN";"Book-Title";...\n' + "".join(map(book, NAMES)) + books,
        USERS: '"User-ID";"Location";"Age"\n"1";"nyc, usa";NULL\n"2";"x";"18"\n',
    }
    return {name: text.encode("latin-1") for name, text in texts.items()}


def test_the_three_files_are_read():
    data = read_book_crossing(files())
    rows, known = data.interactions, data.catalogue
    assert (len(rows), rows.n_users, rows.n_items) == (25, 5, 5)
    assert known.titles[0] == 'A "B" & Ö'
    assert known.items.row(0) == ("W & Sons", 1999, "P")
    assert known.users.rows()[:3] == [("nyc, usa", None), ("x", 18), ("", None)]
    stars = {int(name): star for name, star in zip(rows.items, rows.ratings, strict=True)}
    assert stars == {0: 1, 1: 2, 2: 3, 3: 4, 4: 5}
    assert (data.name, data.noun) == ("book-crossing", "book")


def test_zeros_unknown_books_and_thin_users_are_left_out():
    more = rating(6, NAMES[0], 0) + rating(7, "0111111111", 9) + rating(8, NAMES[0].lower(), 7)
    more += rating(9, NAMES[1], 8)
    again = read_book_crossing(files(more, book("9999999999")))
    assert again.fingerprint == read_book_crossing(files()).fingerprint


def test_broken_rows_are_counted():
    more = '"6";"000000000X"\n' + rating(6, NAMES[0], "ten") + rating(6, NAMES[0], 11)
    with pytest.warns(DataWarning) as said:
        data = read_book_crossing(files(more, books='"1";"two fields"\n'))
    assert [str(each.message).split(": ")[1] for each in said] == [
        f"1 rows of {BOOKS} cannot be read and are left out.",
        f"3 rows of {RATINGS} cannot be read and are left out.",
    ]
    assert len(data.interactions) == 25


def test_the_order_is_random_and_says_so():
    data = read_book_crossing(files())
    orders = [data.interactions.of(user).tolist() for user in range(5)]
    assert len(set(map(tuple, orders))) > 1
    assert all(sorted(order) == [0, 1, 2, 3, 4] for order in orders)
    assert "random order" in data.order and "seed 0" in data.order
    assert read_book_crossing(files()).fingerprint == data.fingerprint


@pytest.mark.slow
def test_the_papers_counts_come_out_exactly(real_data):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = load("book-crossing")
    rows, known = data.interactions, data.catalogue
    assert (rows.n_users, rows.n_items, len(rows)) == (6_851, 9_085, 115_219)
    names = zip(rows.users, rows.items, rows.ratings, strict=True)
    ours = {(known.user_ids[u], known.item_ids[i], int(r)) for u, i, r in names}
    with zipfile.ZipFile(real_data / SOURCES["book-crossing"].url.rsplit("/", 1)[-1]) as archive:
        text = archive.read("derived-explicit-5core.csv").decode("latin-1")
    table = list(csv.reader(io.StringIO(text), delimiter=";", escapechar="\\"))
    assert ours == {(user, item, int(stars)) for user, item, stars in table[1:]}
    assert (np.diff(rows.times[rows.users == 0]) > 0).all()

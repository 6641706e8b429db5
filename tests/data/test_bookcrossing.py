import csv
import io
import warnings
import zipfile

import numpy as np
import pytest

from tandemrec.data import Dataset, check, load
from tandemrec.data.bookcrossing import (
    BOOKS,
    RATINGS,
    USERS,
    read_book_crossing,
    read_book_crossing_implicit,
)
from tandemrec.data.sources import SOURCES
from tandemrec.errors import DataError, DataWarning

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


def read(given: dict[str, bytes]) -> tuple[Dataset, list[str]]:
    """The data, and the findings but the one that these few are not the known dump."""
    data, findings = read_book_crossing(given)
    *told, unknown = findings.messages()
    assert unknown.startswith("This is not the known dump")
    return data, told


def read_quietly(given: dict[str, bytes]) -> Dataset:
    data, told = read(given)
    assert not told
    return data


def test_the_three_files_are_read():
    data = read_quietly(files())
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
    again = read_quietly(files(more, book("9999999999")))
    assert again.fingerprint == read_quietly(files()).fingerprint


def test_broken_rows_are_counted():
    more = '"6";"000000000X"\n' + rating(6, NAMES[0], "ten") + rating(6, NAMES[0], 11)
    data, told = read(files(more, books='"1";"two fields"\n'))
    assert told == [
        f"{BOOKS}: 1 row cannot be read, the first on line 7; left out.",
        f"{RATINGS}: 3 rows cannot be read, the first on line 27; left out.",
    ]
    assert data.fingerprint == read_quietly(files()).fingerprint


NEW = "".join(rating(6, name, 7) for name in NAMES)
"Five good rows of a sixth user."


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    "bad",
    [
        '"7";"0000\n',  # a quote never closed
        '"7";"000000000X;"9"\n',
        '"7";"' + "x" * 200_000 + '";"3"\n',  # longer than Python's csv takes
        '"7";"' + "x" * 200_000 + "\n",
        "nothing like a row\n",
        '"7";"000000000X";"1',  # may have been 10
        '"7";"000000000X\\',
    ],
)
def test_a_broken_row_takes_no_good_one_with_it(bad, ends):
    good = files(NEW)
    before = good[RATINGS].decode("latin-1").removesuffix(NEW)
    text = before + bad + NEW if bad.endswith("\n") else before + NEW + bad
    data, told = read({**good, RATINGS: text.replace("\n", ends).encode("latin-1")})
    assert data.fingerprint == read_quietly(good).fingerprint
    line = 27 if bad.endswith("\n") else 32
    assert told == [f"{RATINGS}: 1 row cannot be read, the first on line {line}; left out."]


def test_a_field_may_break_the_line():
    given = files()
    given[USERS] += b'"3";"cernusco s\n, milan";NULL\r\n"4";"lisbon, \\"n/a\\"\n";"41"\r\n'
    assert read_quietly(given).catalogue.users["location"].to_list()[2:4] == [
        "cernusco s\n, milan",
        'lisbon, "n/a"\n',
    ]


def test_blank_lines_are_no_rows():
    given = files("\n \n;;\n" + NEW + "\n\n")
    assert read_quietly(given).fingerprint == read_quietly(files(NEW)).fingerprint


def test_rows_without_quotes_are_read():
    given = {name: text.replace(b'"', b"") for name, text in files().items()}
    given[BOOKS] = files()[BOOKS]
    assert read_quietly(given).fingerprint == read_quietly(files()).fingerprint


@pytest.mark.parametrize("odd", ["²", "12²", "-5", "9" * 30, "9" * 5000, "x", ""])
def test_a_year_or_an_age_that_is_no_number_is_missing(odd):
    given = files()
    given[BOOKS] = given[BOOKS].replace(b'"1999"', f'"{odd}"'.encode("latin-1"))
    given[USERS] = given[USERS].replace(b'"18"', f'"{odd}"'.encode("latin-1"))
    known = read_quietly(given).catalogue
    assert known.items["year"].null_count() == 5
    assert known.users["age"].null_count() == 5


def test_of_a_pair_that_is_rated_twice_the_last_stays():
    more = rating(1, NAMES[0], 9) + rating(1, NAMES[0], 0) + rating(2, NAMES[1], 10)
    data, told = read(files(more))
    rows, known = data.interactions, data.catalogue
    assert len(rows) == 25 == len(set(zip(rows.users, rows.items, strict=True)))
    first, second = known.user("1"), known.user("2")
    assert rows.ratings[(rows.users == first) & (rows.items == known.item(NAMES[0]))] == [9]
    assert rows.ratings[(rows.users == second) & (rows.items == known.item(NAMES[1]))] == [10]
    assert told == [
        f"2 rows repeated a pair of user and item, first user 1, book {NAMES[0]}; "
        "of each pair the last in the file is kept."
    ]


def test_of_a_book_that_is_there_twice_the_first_stays():
    data, told = read(files(books=book(NAMES[0], "Another")))
    assert data.catalogue.titles[data.catalogue.item(NAMES[0])] == 'A "B" & Ö'
    assert told == [f"{BOOKS}: 1 row repeated an id; the first of each is kept."]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", "0 ratings"),
        ('"User-ID";"ISBN";"Book-Rating"\n', "0 ratings"),
        ("header\n" + rating(1, "unknown", 5) + rating(1, NAMES[0], 0), "0 ratings"),
        ("header\n" + rating(1, NAMES[0], 5), "1 rating"),
    ],
)
def test_where_no_rating_is_left_the_file_and_a_remedy_are_named(text, count):
    with pytest.raises(DataError, match=rf"^{RATINGS}: of its {count} .*--from BX-CSV-Dump\.zip$"):
        read_book_crossing({**files(), RATINGS: text.encode("latin-1")})


@pytest.fixture
def unpacked(tmp_path, monkeypatch):
    """A dump with one broken row and one pair twice, where `load` finds it."""
    folder = tmp_path / "book-crossing"
    folder.mkdir()
    for name, content in files(rating(6, NAMES[0], "ten") + rating(1, NAMES[0], 9)).items():
        (folder / name).write_bytes(content)
    monkeypatch.setenv("TANDEMREC_DATA", str(tmp_path))


def test_findings_are_warned_of_and_diagnosed(unpacked):
    with pytest.warns(DataWarning) as said:
        load("book-crossing")
    found = check("book-crossing")
    assert [str(each.message) for each in said] == [f"book-crossing: {w}" for w in found.warnings]
    assert len(found.warnings) == 3 and found.duplicates == 1
    assert found.warnings[1] == f"{RATINGS}: 1 row cannot be read, the first on line 27; left out."
    assert found.warnings[2] == (
        "This is not the known dump: its 5-core has 5 users, 5 items and 25 ratings, "
        "not 6,851 users, 9,085 items and 115,219 ratings."
    )


def test_the_random_order_is_not_presented_as_time(unpacked):
    found = check("book-crossing")
    assert (found.times, found.ties) == (None, None)
    assert found.order == "no times in the data; each user's order is drawn at random, by seed 0"
    facts = dict(found.facts)
    assert (facts["times"], facts["order"]) == ("none", found.order)
    assert found.to_dict()["order"] == found.order


def test_the_order_is_random_and_says_so():
    data = read_quietly(files())
    orders = [data.interactions.of(user).tolist() for user in range(5)]
    assert len(set(map(tuple, orders))) > 1
    assert all(sorted(order) == [0, 1, 2, 3, 4] for order in orders)
    assert data.order == "no times in the data; each user's order is drawn at random, by seed 0"
    assert read_quietly(files()).fingerprint == data.fingerprint


def test_the_order_is_that_of_seed_0():
    """Another one would give other tables under the same note."""
    orders = [read_quietly(files()).interactions.of(user).tolist() for user in range(3)]
    assert orders == [[1, 2, 3, 0, 4], [0, 2, 3, 4, 1], [3, 0, 2, 4, 1]]


def test_zeros_stay_where_they_are_asked_for():
    """A user of three books, two of them met and not rated; a 0 never replaces a rating."""
    more = rating(6, NAMES[0], 0) + rating(6, NAMES[1], 0) + rating(6, NAMES[2], 9)
    more += rating(1, NAMES[0], 0) + rating(2, NAMES[0], 0) + rating(2, NAMES[0], 8)
    more += rating(7, NAMES[0], 0) + rating(7, NAMES[1], 0) + rating(6, "0111111111", 0)
    data, findings = read_book_crossing_implicit(files(more))
    rows, known = data.interactions, data.catalogue
    assert (len(rows), rows.n_users, rows.n_items) == (28, 6, 5)  # user 7 met only two
    stars = {
        (known.user_ids[user], known.item_ids[item]): star
        for user, item, star in zip(rows.users, rows.items, rows.ratings, strict=True)
    }
    assert [stars["6", NAMES[n]] for n in range(3)] == [0, 0, 9]
    assert (stars["1", NAMES[0]], stars["2", NAMES[0]]) == (1, 8)
    repeated, unknown = findings.messages()
    assert repeated.startswith("3 rows repeated a pair of user and item")
    assert unknown == (
        "This is not the dump that DALLRec took: its 3-core has 6 users, 5 items and 28 rows, not "
        "about 25,500 users, 70,740 items and 714,150 rows."
    )
    assert (data.name, data.noun) == ("book-crossing-implicit", "book") and data.order


def test_a_dump_without_three_of_each_names_the_implicit_set():
    text = "header\n" + rating(1, NAMES[0], 0)
    with pytest.raises(DataError, match=r"of its 1 rating from 0 to 10 .* get book-crossing-impl"):
        read_book_crossing_implicit({**files(), RATINGS: text.encode()})


def test_both_are_read_off_one_zip(unpacked):
    with pytest.warns(DataWarning):
        assert load("book-crossing-implicit").name == "book-crossing-implicit"
    assert SOURCES["book-crossing-implicit"].place == "book-crossing"


@pytest.mark.slow
def test_the_papers_counts_come_out_exactly(real_data):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = load("book-crossing")
    assert not check("book-crossing").warnings
    rows, known = data.interactions, data.catalogue
    assert (rows.n_users, rows.n_items, len(rows)) == (6_851, 9_085, 115_219)
    names = zip(rows.users, rows.items, rows.ratings, strict=True)
    ours = {(known.user_ids[u], known.item_ids[i], int(r)) for u, i, r in names}
    with zipfile.ZipFile(real_data / SOURCES["book-crossing"].url.rsplit("/", 1)[-1]) as archive:
        text = archive.read("derived-explicit-5core.csv").decode("latin-1")
    table = list(csv.reader(io.StringIO(text), delimiter=";", escapechar="\\"))
    assert ours == {(user, item, int(stars)) for user, item, stars in table[1:]}
    assert (np.diff(rows.times[rows.users == 0]) > 0).all()

"""The authors' released files, by hand and as they are."""

import warnings

import numpy as np
import pytest

from tandemrec.data import load
from tandemrec.data.bookcrossing import BOOKS as BX_BOOKS
from tandemrec.data.bookcrossing import RATINGS, USERS
from tandemrec.data.dallrec import (
    BOOKS,
    DALLREC,
    LISTS,
    MOVIES,
    read_dallrec_book,
    read_dallrec_movielens,
)
from tandemrec.data.download import obtain, present
from tandemrec.data.interactions import Interactions
from tandemrec.data.sources import SOURCES, named
from tandemrec.data.split import released

ML_1M = {
    "ml-1m/ratings.dat": b"1::9::5::50\n1::4::4::40\n1::7::3::60\n2::9::1::7\n2::4::2::8\n",
    "ml-1m/movies.dat": (
        b"4::Seven (1995)::Crime\n7::Heat (1995)::Action|Crime\n9::Alien (1979)::Sci-Fi\n"
    ),
    "ml-1m/users.dat": b"1::F::1::10::48067\n2::M::56::16::70072\n",
}


def theirs(folder: str, items: list[str], users: list[str], train: str, test: str):
    """The four files of a folder; ids in the order of their numbers."""
    lists = [
        "org_id remap_id\n" + "".join(f"{name} {n}\n" for n, name in enumerate(names))
        for names in (items, users)
    ]
    texts = zip(LISTS, (*lists, train, test), strict=True)
    return {f"{folder}/{name}": text.encode() for name, text in texts}


def told(rows: Interactions) -> list[tuple[int, int, float, str]]:
    columns = (rows.users, rows.items, rows.ratings, rows.context["part"])
    return [tuple(row) for row in zip(*(column.tolist() for column in columns), strict=True)]


def test_movies_by_hand():
    """The second user of the source is their first; film 7 is rated by one alone."""
    files = theirs(MOVIES, ["9", "7", "4"], ["2", "1"], "0 2\n1 2 0\n", "0 0\n1 1\n")
    data, findings = read_dallrec_movielens({**ML_1M, **files})
    assert told(data.interactions) == [
        (0, 2, 2, "train"),
        (0, 0, 1, "test"),
        (1, 2, 4, "train"),
        (1, 0, 5, "train"),
        (1, 1, 3, "test"),
    ]
    assert data.interactions.times.tolist() == [0, 1, 0, 1, 2]
    known = data.catalogue
    assert (known.user_ids, known.item_ids) == ([2, 1], [9, 7, 4])
    assert known.titles == ["Alien (1979)", "Heat (1995)", "Seven (1995)"]
    assert known.items.row(1) == (1995, ["Action", "Crime"])
    assert known.users["gender"].to_list() == ["M", "F"]
    assert (data.name, data.noun) == ("dallrec-movielens", "movie")
    assert "order is that of their rows" in data.order
    assert not list(findings.messages())


DUMP = {
    RATINGS: (
        b'"User-ID";"ISBN";"Book-Rating"\n"8";"0001";"7"\n"8";"04X";"0"\n"9";"002";"3"\n'
        b'"9";"0002";"0"\n"9";"0001";"5"\n"7";"0001";"9"\n'
    ),
    BX_BOOKS: (
        b'"ISBN";...\n"0001";"One &amp; all";"A";"1999";"P";"s";"m";"l"\n'
        b'"04X";"Four";"B";"0";"Q";"s";"m";"l"\n"002";"Two";"C";"2001";"R";"s";"m";"l"\n'
        b'"0002";"Two again";"C";"2002";"R";"s";"m";"l"\n'
    ),
    USERS: b'"User-ID";"Location";"Age"\n"9";"nyc, usa";"30"\n',
}


def test_books_by_hand():
    """Ids are numbers without leading zeros; book 2 was two, of which one was rated."""
    files = theirs(BOOKS, ["1", "2", "04X", "5"], ["9", "8"], "0 1 1 0\n1 2 3\n", "0 3\n1 0\n")
    data, findings = read_dallrec_book({**DUMP, **files})
    assert told(data.interactions) == [
        (0, 1, 3, "train"),
        (0, 1, 3, "train"),
        (0, 0, 5, "train"),
        (0, 3, 0, "test"),
        (1, 2, 0, "train"),
        (1, 3, 0, "train"),
        (1, 0, 7, "test"),
    ]
    known = data.catalogue
    assert known.titles == ["One & all", "Two", "Four", "book 5"]
    assert known.items.rows() == [
        ("A", 1999, "P"),
        ("C", 2001, "R"),
        ("B", None, "Q"),
        (None, None, None),
    ]
    assert known.users.rows() == [("nyc, usa", 30), ("", None)]
    assert list(findings.messages()) == [
        "1 item without a title, first 5, now called 'book 5'.",
        "1 pair of user and book stand there twice, since ISBNs have lost leading zeros; both rows "
        "are kept.",
        f"2 rows have no rating in {RATINGS}; they are 0, met and not rated.",
    ]


def test_a_dump_of_other_books_leaves_titles_and_ratings_unknown():
    files = theirs(BOOKS, ["5", "6"], ["6"], "0 0\n", "0 1\n")
    data, findings = read_dallrec_book({**DUMP, **files})
    assert told(data.interactions) == [(0, 0, 0, "train"), (0, 1, 0, "test")]
    assert data.catalogue.titles == ["book 5", "book 6"]
    assert len(list(findings.messages())) == 2


def test_the_two_share_one_zip_and_bring_what_they_are_joined_with():
    movies, books = SOURCES["dallrec-movielens"], SOURCES["dallrec-book"]
    assert movies.sha256 == books.sha256 == DALLREC and movies.place == books.place == "dallrec"
    assert movies.beside == (SOURCES["ml-1m"],) and books.beside == (SOURCES["book-crossing"],)


@pytest.fixture
def the_files(real_data):
    for name in ("dallrec/dallrec-data.zip", "ml-1m.zip", "BX-CSV-Dump.zip"):
        if not (real_data / name).exists():
            pytest.skip(f"TANDEMREC_DATA holds no {name}")
    return real_data


def test_the_real_files_have_the_checksums(the_files):
    source = SOURCES["dallrec-movielens"]
    found = obtain(source)
    assert set(found.files) == {*DALLREC, *SOURCES["ml-1m"].sha256}
    zips = [str(the_files / name) for name in ("dallrec/dallrec-data.zip", "ml-1m.zip")]
    assert found.route == "; ".join(zips) and present(source) == zips[0]


def sizes(rows: Interactions) -> tuple[int, ...]:
    parts = (int((rows.context["part"] == part).sum()) for part in ("train", "test"))
    return (rows.n_users, rows.n_items, *parts)


@pytest.mark.slow
def test_the_papers_movies(the_files):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = load("dallrec-movielens")
    rows, known = data.interactions, data.catalogue
    assert sizes(rows) == (6_040, 3_260, 796_389, 202_150)
    whole = load("ml-1m")
    stars = whole.interactions
    assert set(known.item_ids) < set(whole.catalogue.item_ids)
    mine = [whole.catalogue.item(known.item_ids[item]) for item in rows.of(41)]
    theirs = dict(zip(stars.of(41), stars.ratings[stars.users == 41], strict=True))
    assert rows.ratings[rows.users == 41].tolist() == [theirs[item] for item in mine]
    assert not (rows.ratings == 0).any()  # every pair is rated
    split = released(data)
    assert (split.train.popularity[np.unique(split.test.items)] == 0).sum() >= 90
    share = len(split.valid) / 796_389
    assert share == pytest.approx(0.125, abs=0.001) and split.train.counts.min() >= 1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::tandemrec.errors.DataWarning")
def test_the_papers_books(the_files):
    data, findings, _ = named("dallrec-book")
    rows, known = data.interactions, data.catalogue
    assert sizes(rows) == (25_500, 70_740, 561_969, 152_181)
    assert known.titles[known.item("425115801")] == "Lightning"
    assert findings.untitled == 39_556  # of a part of the dump
    twice, unknown = list(findings.messages())[1:]
    assert twice.startswith("609 pairs of user and book stand there twice")
    assert unknown.startswith("89,006 rows have no rating")
    before = np.bincount(rows.items[rows.context["part"] == "train"], minlength=70_740)
    tested = np.unique(rows.items[rows.context["part"] == "test"])
    assert (before[tested] == 0).sum() == 9_914
    split = released(data)
    train, valid, test = split.train, split.valid, split.test
    assert len(train) + len(valid) == 561_969 and len(test) == 152_181
    assert not train.met(valid.users, valid.items).any()
    assert 0.115 < len(valid) / 561_969 < 0.125  # few have 4 rows, and none gives up half a row


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::tandemrec.errors.DataWarning")
def test_book_crossing_with_its_zeros(the_files):
    """Of a part of the dump, so that the counts are not DALLRec's."""
    rows = load("book-crossing-implicit").interactions
    assert (rows.n_users, rows.n_items, len(rows)) == (19_776, 28_647, 523_678)
    assert (rows.ratings == 0).sum() == 324_247
    assert rows.counts.min() == rows.popularity.min() == 3

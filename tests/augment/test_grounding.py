from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import tandemrec as tr
from tandemrec.augment.grounding import from_table
from tandemrec.data.attributes import SEVERAL, TABLE, UNKNOWN, Attributes, Found, Kind
from tandemrec.data.catalogue import Catalogue, Dataset
from tandemrec.data.interactions import Interactions
from tandemrec.errors import DataError
from tandemrec.evaluation.attributes import accuracy, read_truth
from tandemrec.prompts.kinds import LLAMA4REC as KINDS

DIRECTOR, STAR = KINDS["movie"]
PAGES = KINDS["book"][1]


def catalogue(*titles: str, **columns: object) -> Catalogue:
    return Catalogue([], list(range(1, len(titles) + 1)), titles, pl.DataFrame(columns))


def data_of(*titles: str) -> Dataset:
    none = np.array([], np.int64)
    rows = Interactions.sorted(none, none, n_users=1, n_items=len(titles))
    return Dataset("films", rows, catalogue(*titles), "movie")


def directors(known: Catalogue, **columns: object) -> list[Found]:
    return from_table(known, pl.DataFrame(columns), [DIRECTOR]).values["director"]


def of_title(ours: str, *rows: tuple[str, str]) -> Found:
    titles, names = zip(*rows, strict=True)
    return directors(catalogue(ours), title=titles, director=names)[0]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("Matrix, The (1999)", "The Matrix (1999)"),
        ("Matrix, The (1999)", "MATRIX"),
        ("Heat (1995)", "Heat (1996)"),
        ("Seven (Se7en) (1995)", "Se7en (1995)"),
        ("Se7en (1995)", "Seven (Se7en) (1995)"),
        ("Amélie (2001)", "Amelie (2001)"),
        ("Thelma & Louise (1991)", "Thelma and Louise (1991)"),
        ("Mr. Holland's Opus (1995)", "Mr Holland's Opus (1995)"),
    ],
)
def test_a_title_is_found(ours: str, theirs: str) -> None:
    assert of_title(ours, (theirs, "Ann Lee")) == Found(("Ann Lee",), TABLE)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("Aliens (1986)", "Alien (1979)"),
        ("Alien (1979)", "Aliens (1986)"),
        ("Sabrina (1995)", "Sabrina (1954)"),
        ("Emma (Penguin Classics)", "Dracula (Penguin Classics)"),
        ("", "Heat"),
        ("???", "!!!"),
    ],
)
def test_another_title_is_not(ours: str, theirs: str) -> None:
    assert of_title(ours, (theirs, "Ann Lee")) == Found((), UNKNOWN)


def test_the_exact_year_comes_before_a_near_one() -> None:
    rows = [("Heat (1994)", "Ann Lee"), ("Heat (1995)", "Bob Ray"), ("Heat (1972)", "Cy Fox")]
    assert of_title("Heat (1995)", *rows).value == ("Bob Ray",)
    assert of_title("Heat (1993)", *rows).value == ("Ann Lee",)
    assert of_title("Heat (1980)", *rows).source == UNKNOWN


def test_several_rows_that_fit_say_nothing_unless_they_agree() -> None:
    rows = [("Heat", "Ann Lee"), ("Heat (1972)", "Bob Ray")]
    assert of_title("Heat", *rows) == Found((), SEVERAL)
    assert of_title("Heat", rows[0], ("Heat (1972)", "Lee, Ann")).source == TABLE
    assert of_title("Heat", rows[0], ("Heat", "")).value == ("Ann Lee",)


def test_years_may_stand_in_a_column_of_either_side() -> None:
    known = catalogue("Heat", "Heat", "Heat", year=[1995, 1972, None])
    found = directors(
        known, Title=["Heat", "Heat"], year=["1995", "1972.0"], director=["Ann Lee", "Bob Ray"]
    )
    assert [each.value for each in found] == [("Ann Lee",), ("Bob Ray",), ()]
    assert found[2].source == SEVERAL


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("year", ["1960-06-16", "1998-12-04"]),
        ("release_date", ["16-Jun-1960", "04-Dec-1998"]),
        ("Release Date", [date(1960, 6, 16), date(1998, 12, 4)]),
        ("year", [1960.0, 1998.0]),
    ],
)
def test_a_remake_has_a_director_of_its_own(name: str, cells: list[object]) -> None:
    rows = {"title": ["Psycho"] * 2, "director": ["Alfred Hitchcock", "Gus Van Sant"], name: cells}
    found = directors(catalogue("Psycho (1998)", "Psycho (1960)", "Psycho (1980)"), **rows)
    assert [each.value for each in found] == [("Gus Van Sant",), ("Alfred Hitchcock",), ()]


def test_a_column_of_years_without_a_year_is_refused_and_an_empty_one_is_not() -> None:
    rows = {"title": ["Heat"] * 3, "director": ["Ann Lee"] * 3}
    with pytest.raises(DataError, match=r"row 1 .*'published'.*'long ago'.*1995-12-31, or leave"):
        directors(catalogue("Heat (1995)"), **rows, published=["0", "long ago", None])
    empty = directors(catalogue("Heat (1995)"), **rows, year=[None, float("nan"), 0.0])
    assert empty[0].value == ("Ann Lee",)


def test_another_authors_book_is_another_book() -> None:
    known = catalogue(
        "Beloved", "Beloved", "Into the Forest", author=["Toni Morrison", None, "JEAN HEGLAND"]
    )
    books = pl.DataFrame(
        {
            "title": ["Beloved", "Into the Forest", "Into the Forest"],
            "Book-Author": ["Bertrice Small", "Hegland, Jean", "Ann Lee"],
            "pages": [400, 241, 99],
        }
    )
    found = from_table(known, books, [PAGES]).values["pages"]
    assert [each.value for each in found] == [(), ("400",), ("241",)]
    both = books.with_columns(pl.lit("Ann Lee; Toni Morrison").alias("Book-Author"))
    assert from_table(known, both, [PAGES]).values["pages"][0].value == ("400",)


def test_editions_of_one_author_may_be_of_any_year_and_the_very_year_comes_first() -> None:
    known = catalogue("Emma", "Emma", "Emma", author=["Jane Austen"] * 3, year=[1994, 1987, 1950])
    books = {"title": ["Emma"] * 3, "author": ["Austen, Jane", "Jane Austen", ""]}
    rows = pl.DataFrame({**books, "year": [1987, 1999, 1951], "pages": [300, 310, 320]})
    found = from_table(known, rows, [PAGES]).values["pages"]
    assert [each.value for each in found] == [(), ("300",), ()]
    assert found[0].source == found[2].source == SEVERAL
    alone = from_table(known, rows[1:], [PAGES]).values["pages"]
    assert [each.value for each in alone] == [("310",)] * 3
    nameless = from_table(known, rows[2:], [PAGES]).values["pages"]
    assert [each.value for each in nameless] == [(), (), ("320",)]


def test_of_two_directors_the_first_counts_and_each_is_right() -> None:
    films = data_of("West Side Story (1961)", "Heat", "Fargo", "Babe")
    cells = ["Robert Wise|Jerome Robbins", "Mann, Michael; Ann Lee", "['Joel Coen', 'Ethan Coen']"]
    table = pl.DataFrame({"item": [1, 2, 3, 4], "title": films.catalogue.titles})
    rows = table.with_columns(director=pl.Series([*cells, "Noonan, Chris"]))
    found = from_table(films.catalogue, rows, [DIRECTOR])
    firsts = ["Robert Wise", "Mann, Michael", "Joel Coen", "Noonan, Chris"]
    assert [each.value for each in found.values["director"]] == [(name,) for name in firsts]
    assert found.joined(films.catalogue).items["director"].to_list() == firsts
    true = ["Jerome Robbins | Robert Wise", "Ann Lee;Michael Mann", "Ethan Coen|Joel Coen", "A|B"]
    truth = read_truth(table.with_columns(director=pl.Series(true)), films, [DIRECTOR])
    checked = accuracy(found, truth)
    assert (checked.right, checked.wrong) == (3, 1)


def test_lists_are_parted_too() -> None:
    names = [["Robert Wise|Jerome Robbins", "Ann Lee"]]
    found = from_table(catalogue("Heat"), pl.DataFrame({"title": ["Heat"], "star": names}), [STAR])
    assert found.values["star"][0].value == ("Robert Wise", "Jerome Robbins", "Ann Lee")


def test_nan_is_an_empty_cell() -> None:
    books = pl.DataFrame({"title": ["Emma", "Heat"], "pages": [float("nan"), 320.0]})
    found = from_table(catalogue("Emma", "Heat"), books, [PAGES]).values["pages"]
    assert [each.value for each in found] == [(), ("320",)]


@pytest.mark.parametrize("nothing", ["\\N", "N/A", "null", "None", "-", "?", "unknown", " "])
def test_words_for_a_missing_value_are_no_value(nothing: str) -> None:
    films = pl.DataFrame({"title": ["Heat", "Fargo"], "director": [nothing, "Joel Coen"]})
    found = from_table(catalogue("Heat", "Fargo"), films, [DIRECTOR]).values["director"]
    assert [each.value for each in found] == [(), ("Joel Coen",)]


def test_ids_of_another_data_set_are_not_believed() -> None:
    """Row 1 has the id of Heat and is Fargo; Heat's own row has the id of Fargo."""
    known = catalogue("Heat (1995)", "Fargo (1996)")
    titles, names = ["Fargo (1996)", "Heat (1995)"], ["Joel Coen", "Michael Mann"]
    found = directors(known, item_id=[1, 2], title=titles, director=names)
    assert [each.value for each in found] == [("Michael Mann",), ("Joel Coen",)]


def test_an_id_decides_between_equal_titles() -> None:
    known = catalogue("Heat", "Heat")
    found = directors(known, item_id=[2, 1], title=["Heat"] * 2, director=["Ann Lee", "Bob Ray"])
    assert [each.value for each in found] == [("Bob Ray",), ("Ann Lee",)]
    bare = directors(known, item_id=["1", "9"], director=["Ann Lee", "Bob Ray"])
    assert [each.value for each in bare] == [("Ann Lee",), ()]


def test_cells_are_read_by_their_kind(tmp_path: Path) -> None:
    file = tmp_path / "films.csv"
    file.write_text(
        "title;Directors;cast;pages\n"
        "Heat;Mann, Michael;Al Pacino | Val Kilmer;320\n"
        "Fargo;unknown;['Ann Lee', 'Bob Ray'];\n"
        'Babe;;"Ann Lee, Bob Ray";99.0\n'
    )
    found = from_table(catalogue("Heat", "Fargo", "Babe"), file, [DIRECTOR, STAR, PAGES])
    assert [each.value for each in found.values["director"]] == [("Mann, Michael",), (), ()]
    assert [len(each.value) for each in found.values["star"]] == [2, 2, 2]
    assert [each.value for each in found.values["pages"]] == [("320",), (), ("99",)]
    assert found.counts["director"] == {TABLE: 1, UNKNOWN: 2} and found.asked == 0


def test_parquet_with_lists(tmp_path: Path) -> None:
    frame = pl.DataFrame({"title": ["Heat"], "stars": [["Al Pacino", None, "Val Kilmer"]]})
    frame.write_parquet(tmp_path / "films.parquet")
    found = from_table(catalogue("Heat"), tmp_path / "films.parquet", [STAR])
    assert found.values["star"][0].value == ("Al Pacino", "Val Kilmer")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("title,year\nHeat,1995\n", r"films.csv, column 'director'.*no column of the director"),
        ("film,director\nHeat,Ann\n", r"no column of titles"),
        ("title,director,pages\nHeat,Ann,\nBabe,Bob,many\n", r"line 3, column 'pages'.*'many'"),
    ],
)
def test_what_cannot_be_used_is_named(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "films.csv").write_text(text)
    kinds: list[Kind] = [DIRECTOR, *([PAGES] if "pages" in text else [])]
    with pytest.raises(DataError, match=says):
        from_table(catalogue("Heat"), tmp_path / "films.csv", kinds)
    with pytest.raises(DataError, match="no such file"):
        from_table(catalogue("Heat"), tmp_path / "none.csv", kinds)


def test_the_directors_of_one_movielens_out_of_the_other(real_data: Path) -> None:
    """ML-1M's table, whose ids are others, finds 98 % of ML-100K's films, and hardly errs."""
    truth = pl.read_parquet(real_data / "truth" / "movies_truth.parquet")
    data = tr.load("ml-100k")
    table = truth.filter(pl.col("dataset") == "ml-1m")
    found: Attributes = from_table(data.catalogue, table, KINDS["movie"])
    assert found.counts["director"][TABLE] > 1640
    for kind in ("director", "star"):
        checked = accuracy(found, read_truth(truth, data, found.kinds), kind)
        assert checked.n > 1650 and checked.share > 0.998

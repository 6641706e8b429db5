from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tandemrec.data.attributes import (
    DISAGREE,
    IDLE,
    MODEL,
    TABLE,
    UNKNOWN,
    UNREADABLE,
    Attributes,
    Found,
    Kind,
    same,
)
from tandemrec.data.catalogue import Catalogue
from tandemrec.data.fields import Fields, FieldsConfig
from tandemrec.data.interactions import Interactions
from tandemrec.errors import ConfigError

DIRECTOR = Kind(name="director", about="the director", person=True)
STAR = Kind(name="star", about="the star", form="list", person=True)
PAGES = Kind(name="pages", about="the number of pages", form="number")
NONE = Found((), UNKNOWN)


def made() -> Attributes:
    values = {
        "director": [
            Found(("Nolan, Christopher",), TABLE),
            Found(("Christopher Nolan",), MODEL),
            Found(("Christopher Nolan",), MODEL),
            Found((), DISAGREE),
        ],
        "star": [
            Found(("Al Pacino", "al pacino", "Val Kilmer"), MODEL),
            NONE,
            Found((), IDLE),
            Found(("Al Pacino",), MODEL),
        ],
        "pages": [Found(("320",), TABLE), NONE, Found((), UNREADABLE), Found(("99",), MODEL)],
    }
    return Attributes((DIRECTOR, STAR, PAGES), values, asked=7)


def catalogue(**columns: object) -> Catalogue:
    return Catalogue([0, 1], list("abcd"), ["A", "B", "C", "D"], pl.DataFrame(columns))


def test_the_columns_are_texts_lists_and_numbers_in_one_spelling() -> None:
    items = made().joined(catalogue(year=[1, 2, 3, 4])).items
    assert items.columns == ["year", "director", "star", "pages"]
    assert items["director"].to_list() == ["Christopher Nolan"] * 3 + [None]
    assert items["star"].to_list() == [["Al Pacino", "Val Kilmer"], None, None, ["Al Pacino"]]
    assert items["pages"].to_list() == [320.0, None, None, 99.0]
    assert items["pages"].dtype == pl.Float64 and items["star"].dtype == pl.List(pl.String)


def test_a_catalogue_without_further_columns_gets_them() -> None:
    assert made().joined(catalogue()).items.shape == (4, 3)
    nothing = Attributes((), {})
    assert nothing.joined(catalogue()).items.shape == (0, 0) and nothing.found == 0


def test_backbones_read_them_as_fields() -> None:
    pairs = Interactions.sorted(np.array([0, 0, 0, 0]), np.arange(4), n_users=2, n_items=4)
    fields = Fields.of(pairs, made().joined(catalogue()), FieldsConfig(least=1))
    kinds = {field.name: field.kind for field in fields.fields}
    assert kinds["item star"] == "several of" and "item pages" in kinds
    assert fields.left_out == {"item director": "its one value in training is 'Christopher Nolan'"}


def test_a_column_that_is_there_is_not_overwritten() -> None:
    with pytest.raises(ConfigError, match=r"column 'star' already.*attributes\.kinds"):
        made().joined(catalogue(star=["x"] * 4))


def test_counts_say_where_values_came_from() -> None:
    found = made()
    assert found.counts == {
        "director": {MODEL: 2, TABLE: 1, DISAGREE: 1},
        "star": {MODEL: 2, UNKNOWN: 1, IDLE: 1},
        "pages": {MODEL: 1, TABLE: 1, UNKNOWN: 1, UNREADABLE: 1},
    }
    assert found.found == 7
    assert found.rejected == {
        "prompts disagree": 1,
        "said of invented items too": 1,
        "unreadable": 1,
    }


def test_what_is_missing_is_filled_and_nothing_else() -> None:
    other = replace(made(), values={name: [Found(("1 X",), MODEL)] * 4 for name in made().values})
    filled = made().filled(other)
    assert filled.values["director"][:3] == made().values["director"][:3]
    assert filled.values["director"][3] == Found(("1 X",), MODEL)
    assert filled.found == 12 and filled.asked == 14


def test_saved_and_loaded(tmp_path: Path) -> None:
    made().save(tmp_path)
    again = Attributes.load(tmp_path)
    assert again.fingerprint == made().fingerprint
    assert again.kinds == made().kinds and again.values == made().values and again.asked == 7
    assert replace(made(), kinds=(DIRECTOR,)).fingerprint != again.fingerprint


def test_when_two_values_say_the_same() -> None:
    assert same(PAGES, "300", "330") and not same(PAGES, "300", "340")
    assert same(DIRECTOR, "C. Nolan", "Christopher Nolan")
    genre = Kind(name="genre", about="the genre")
    assert same(genre, "Sci-Fi", "science fiction") and not same(genre, "S. Fiction", "SF")


def test_a_kind_needs_a_name_and_words_for_it() -> None:
    with pytest.raises(ConfigError, match="about"):
        Kind(name="cuisine")

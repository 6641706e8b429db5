"""What a table tells besides ids and titles is read as what its filled cells are."""

import datetime
import warnings
from typing import Any

import numpy as np
import polars as pl
import pytest

from tandemrec.data import Dataset, from_frames
from tandemrec.data.fields import Fields
from tandemrec.data.split import k_core
from tandemrec.errors import DataError

LOG = pl.DataFrame({"user": ["u", "v"] * 2, "item": [10, 20, 30, 40], "time": [1, 2, 3, 4]})
DAY, NOON = datetime.date(2024, 5, 31), datetime.datetime(2024, 5, 31, 12)


def quiet(*tables: Any, **named: Any) -> Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return from_frames(*tables, **named)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["9.99", "5", "", " .5 "], [9.99, 5, None, 0.5]),
        (["7", "N/A", " 9", "NaN"], [7, None, 9, None]),
        (["7.5", "na", "NULL", "None"], [7.5, None, None, None]),
        (["2024-05-31", "", "nan", "2024-05-31"], [DAY, None, None, DAY]),
        (["2024-05-31", "2024-05-31 12:00", "2024-05-31T14:00+02:00", ""], [None, NOON, NOON, ""]),
        (["1990", "", "1995", "2001"], [1990, None, 1995, 2001]),
    ],
)
def test_numbers_and_dates_of_a_file_are_such(write, cells, expected):
    found = items_of(write, cells)["it"]
    if NOON in expected:
        expected = [datetime.datetime(2024, 5, 31), NOON, NOON, None]
    assert found.to_list() == expected
    assert found.dtype == pl.Series(expected).dtype


@pytest.mark.parametrize(
    "cells",
    [
        ["007", "12", "1", "2"],
        ["02139", "10001", "N/A", "94103"],
        ["7", "unknown", "9", "N/A"],
        ["None", "some", "None", "all"],
        ["N/A", "N/A", "NaN", "null"],
        ["1,5", "2", "3", "4"],
        ["1e400", "2", "3", "4"],
        ["12345678901234567890", "12345678901234567891", "1", "2"],
        ["2024-05-31", "soon", "2024-06-01", "2024-06-02"],
        ["2024-02-30", "2024-05-31", "2024-06-01", "2024-06-02"],
        ["0001-01-01T00:00+02:00", "2024-05-31", "2024-06-01", "2024-06-02"],
    ],
)
def test_what_is_not_all_numbers_or_all_dates_stays_as_it_was_written(write, cells):
    assert items_of(write, cells)["it"].to_list() == cells


def items_of(write: Any, cells: list[str]) -> pl.DataFrame:
    rows = zip(LOG["item"], cells, strict=True)
    text = "item;title;it\n" + "".join(f"{item};T;{cell}\n" for item, cell in rows)
    return quiet(LOG, write(text)).catalogue.items


def test_a_frame_is_what_its_types_say():
    given = pl.Series("it", ["1.5", "N/A", "2", "3"])
    items = pl.DataFrame({"item": LOG["item"], "title": ["T"] * 4, "it": given})
    assert quiet(LOG, items).catalogue.items["it"].to_list() == given.to_list()


@pytest.mark.parametrize("name", ["year", "Year"])
def test_the_year_of_a_date_is_its_year(write, name):
    text = f"item,title,{name}\n10,A,1990-05-31\n20,B,\n30,C,1995-01-01\n40,D (1980),\n"
    assert quiet(LOG, write(text)).catalogue.years == [1990, None, 1995, 1980]


def test_a_column_of_items_goes_by_its_letters(write):
    text = (
        "item,title,Page Length,page_length,作者\n10,A,1,2,x\n20,B,1,2,x\n30,C,1,2,x\n40,D,1,2,x\n"
    )
    films = quiet(LOG, write(text)).catalogue
    assert [films.column(name) for name in ("page length", "page_length")] == [
        "Page Length",
        "page_length",
    ]
    assert films.column("pages") is None and films.column("著者") is None
    assert films.texts("PAGE-LENGTH") == ["1"] * 4 and films.texts("pages") == [""] * 4


def test_context_of_a_file_is_read_as_its_cells_are(write):
    rows = ["9.99,N/A,1970-01-02,07,x|z", "5,3,,08,x", "NaN,4,1970-01-01,7,", "1,5,na,9,z"]
    text = "user,item,price,n,day,hour,tags\n" + "".join(
        f"{user},{item},{row}\n" for user, item, row in zip("uuuu", "abcd", rows, strict=True)
    )
    names = ("price", "n", "day", "hour", "tags")
    told = quiet(write(text), context=names).interactions.context
    np.testing.assert_array_equal(told["price"], [9.99, 5, np.nan, 1])
    np.testing.assert_array_equal(told["n"], [np.nan, 3, 4, 5])
    np.testing.assert_array_equal(told["day"], [86_400, np.nan, 0, np.nan])
    np.testing.assert_array_equal(told["hour"], [7, 8, 7, 9])
    assert told["tags"].tolist() == ["x|z", "x", "", "z"]


def test_recboles_types_say_how_its_files_are_read(write):
    """`class` holds several names; few different ages are names, few prices an amount."""
    head = "user_id:token\titem_id:token\tmood:token_seq\tday:token\n"
    log = "".join(f"{user}\t{item}\tgood  calm\t{item}\n" for user in range(4) for item in range(4))
    kinds = ("Com Dra", "Dra", "Com", "Dra Act Com")
    head_of_items = "item_id:token\tclass:token_seq\tprice:float\tsize:float_seq\n"
    items = "".join(f"{n}\t{kind}\t{n % 2}\t1 {n}.5\n" for n, kind in enumerate(kinds))
    head_of_users = "user_id:token\tage:token\n"
    users = "".join(f"{n}\t{n % 2}\n" for n in range(4))
    data = quiet(
        write(head + log, "a.inter"),
        write(head_of_items + items, "a.item"),
        write(head_of_users + users, "a.user"),
        context=("mood", "day"),
    )
    assert data.interactions.context["day"].tolist() == ["0", "1", "2", "3"] * 4
    fields = Fields.of(data.interactions, data.catalogue)
    assert [(field.name, field.kind, field.size - 1) for field in fields.fields] == [
        *(("user", "one of", 4), ("user age", "one of", 2), ("item", "one of", 4)),
        *(("item class", "several of", 2), ("item price", "number", 1)),
        *(("context mood", "several of", 2), ("context day", "one of", 4)),
    ]
    assert fields.left_out == {"item size": "its cells are float_seq, neither names nor numbers"}


def test_lists_of_numbers_are_no_context(write):
    log = write("user_id:token\titem_id:token\tsize:float_seq\n1\t2\t0.5 1\n", "a.inter")
    with pytest.raises(DataError, match=r"column 'size': expected numbers or texts, found RecBole"):
        quiet(log, context=["size"])


def test_types_are_in_the_fingerprint_and_stay_when_users_are_left_out(write):
    head, rows = "item_id:token\tclass:{}\n", "".join(f"{n}\ta b\n" for n in (10, 20, 30, 40))
    one, two = (
        quiet(LOG, write(head.format(kind) + rows, f"{kind}.item"))
        for kind in ("token", "token_seq")
    )
    assert one.catalogue.fingerprint != two.catalogue.fingerprint
    assert k_core(two, 1, 1).catalogue.types == {"item item_id": "token", "item class": "token_seq"}

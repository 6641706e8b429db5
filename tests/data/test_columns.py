from datetime import date, datetime, time, timedelta

import numpy as np
import polars as pl
import pytest

from tandemrec.data.columns import NAMES, Table, identities, ratings, texts, times
from tandemrec.data.tables import read_table
from tandemrec.errors import DataError


def table(**columns):
    return Table(pl.DataFrame(columns, strict=False), "interactions")


@pytest.mark.parametrize("role", list(NAMES))
def test_every_name_is_found_whatever_its_case_and_joints(role):
    for name in NAMES[role]:
        for written in (name, name.upper(), name.replace("_", "-"), name.title().replace("_", "")):
            assert table(**{"x": [1], written: [2]}).column(role) == written


def test_the_earlier_name_wins():
    assert table(date=[1], timestamp=[2]).column("time") == "timestamp"


def test_a_missing_column_lists_and_guesses():
    with pytest.raises(DataError, match=r"no column of users\. Found: usr, item\..*Rename 'usr'\?"):
        table(usr=[1], item=[2]).needed("user")


def test_a_column_of_another_role_is_no_guess():
    with pytest.raises(DataError) as caught:
        table(user=[1], rating=[2]).needed("item")
    assert "Rename" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([3, 1], [3, 1]),
        (["b", "7"], ["b", "7"]),
        ([3.0, 1.0], [3, 1]),
        ([" 7", "7"], [" 7", "7"]),
    ],
)
def test_ids_of_a_frame_stay_as_given(given, expected):
    ids = identities(table(user=given), "user").to_list()
    assert ids == expected
    assert [type(i) for i in ids] == [type(i) for i in expected]


def test_ids_of_a_text_file_are_integers_where_that_says_the_same(write):
    plain = read_table(write("user,item\n 7,007\n12,8\n"))
    assert identities(plain, "user").to_list() == [7, 12]
    assert identities(plain, "item").to_list() == ["007", "8"]


def test_null_ids_are_refused_with_their_line(write):
    file = read_table(write('user,item\n1,2\n"",3\n'))
    with pytest.raises(DataError, match=r"line 3, column 'user': expected an id, found nothing"):
        identities(file, "user")
    with pytest.raises(DataError, match=r"row 1 \(from 0\), column 'user'"):
        identities(table(user=[1, None]), "user")


def test_a_word_in_ratings_is_named_with_file_line_and_column(write):
    lines = ["user,item,rating", *["1,2,3"] * 15, "1,3,good"]
    file = read_table(write("\n".join(lines)))
    with pytest.raises(DataError) as caught:
        ratings(file, "rating")
    place = "my.csv, line 17, column 'rating'"
    assert str(caught.value).endswith(f"{place}: expected a number, found 'good'.")
    assert (caught.value.line, caught.value.column) == (17, "rating")


@pytest.mark.parametrize("bad", ["nan", "inf", "", "3,5"])
def test_numbers_that_are_none(bad):
    with pytest.raises(DataError, match="expected a number"):
        ratings(table(rating=["1", bad]), "rating")


def test_ratings_are_numbers_of_any_kind():
    for given in ([1, 2], [1.0, 2.0], ["1", " 2.0 "]):
        np.testing.assert_array_equal(ratings(table(rating=given), "rating"), [1, 2])


@pytest.mark.parametrize("given", ["1e39", "-1e39", "99999999999999999999999999999999999999999"])
def test_ratings_that_do_not_fit_are_named(write, recwarn, given):
    file = read_table(write(f"user,item,rating\n1,2,3.4e38\n1,3,{given}\n"))
    with pytest.raises(DataError, match=r"line 3, column 'rating': expected a number of at most 3"):
        ratings(file, "rating")
    assert not recwarn


LISTS, BYTES, DURATIONS = [[1], [2]], [b"a", b"b"], [timedelta(1), timedelta(2)]


@pytest.mark.parametrize(
    ("read", "given", "kind"),
    [
        (identities, LISTS, r"ids, found a column of type List\(Int64\)"),
        (identities, BYTES, "ids, found a column of type Binary"),
        (identities, [{"a": 1}, {"a": 2}], "ids, found a column of type Struct"),
        (ratings, LISTS, "numbers, found a column of type List"),
        (ratings, BYTES, "numbers, found a column of type Binary"),
        (ratings, DURATIONS, "numbers, found a column of type Duration"),
        (times, DURATIONS, "times, found a column of type Duration"),
        (times, [time(1), time(2)], "times, found a column of type Time"),
        (times, LISTS, "times, found a column of type List"),
        (texts, LISTS, "texts, found a column of type List"),
        (texts, BYTES, "texts, found a column of type Binary"),
    ],
)
def test_columns_of_a_type_that_cannot_be_read_are_named(tmp_path, read, given, kind):
    path = tmp_path / "my.parquet"
    pl.DataFrame({"x": given}).write_parquet(path)
    with pytest.raises(DataError, match=rf"my\.parquet, column 'x': expected {kind}"):
        read(read_table(path), "x")


NOON = 1704110400  # 2024-01-01 12:00:00 UTC


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([5, 3], [5, 3]),
        ([5.0, 3.0], [5, 3]),
        ([1.5, 1.25], [1_500_000, 1_250_000]),
        (["881250949", "5"], [881250949, 5]),
        (["1.5", "1.25"], [1_500_000, 1_250_000]),
        (["1", "1.25"], [1_000_000, 1_250_000]),
        ([datetime(2024, 1, 1, 12), datetime(2024, 1, 1, 12, 1)], [NOON, NOON + 60]),
        ([date(2024, 1, 1), date(2024, 1, 2)], [NOON - 43200, NOON + 43200]),
        (["2024-01-01T12:00:00", "2024-01-01 12:01:00"], [NOON, NOON + 60]),
        (["2024-01-01", "2024-01-01 12:00"], [NOON - 43200, NOON]),
        (["2024-01-01T12:00Z", "2024-01-01T14:00:00+02:00"], [NOON, NOON]),
        (["2024-01-01T07:00:00-0500", "2024-01-01 12:00:00Z"], [NOON, NOON]),
        (["2024-01-01T12:00:00.5", "2024-01-01"], [NOON * 10**6 + 500_000, (NOON - 43200) * 10**6]),
    ],
)
def test_times_of_every_kind(given, expected):
    result = times(table(time=given), "time")
    assert result.dtype == np.int64
    assert result.tolist() == expected


@pytest.mark.parametrize("given", [["1", "soon"], ["soon", "1"], ["2024-01-01", "2024-13-01"]])
def test_a_word_in_times_is_named(given):
    row = given.index("soon") if "soon" in given else 1
    with pytest.raises(DataError, match=rf"row {row} .*expected a time, .*found '{given[row]}'"):
        times(table(time=given), "time")


@pytest.mark.parametrize("huge", ["99999999999999999999", "1e300", "-1e300"])
def test_times_beyond_64_bits_are_named(write, huge):
    for rows in (f"1,2,{huge}\n", f"1,2,5\n1,3,{huge}\n", f"1,2,0.5\n1,3,{huge}\n"):
        file = read_table(write("user,item,time\n" + rows))
        line = 1 + rows.count("\n")
        with pytest.raises(
            DataError, match=rf"line {line}, column 'time': expected a time, .*{huge}"
        ):
            times(file, "time")
    far = pl.Series([5, 2**62]).cast(pl.Datetime("ms"))
    for given in (pl.Series([5, 2**63], dtype=pl.UInt64), far):
        with pytest.raises(DataError, match=r"row 1 \(from 0\).* found \d+\."):
            times(table(time=given), "time")


def test_missing_times_are_named():
    for given in ([1.0, float("nan")], [1, None], ["1", ""]):
        with pytest.raises(DataError, match=r"row 1 .*expected a time"):
            times(table(time=given), "time")


def test_ids_that_are_no_numbers_are_refused():
    with pytest.raises(DataError, match="expected an id"):
        identities(table(user=[1.0, float("nan"), 2.0]), "user")

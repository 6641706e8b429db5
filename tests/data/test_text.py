import gzip
import warnings

import pytest

from tandemrec.data.tables import INTERACTIONS, ITEMS, USERS, read_table
from tandemrec.errors import DataError, DataWarning

ROWS = [("1", "a", "5"), ("2", "b", "3")]


@pytest.mark.parametrize("separator", [",", "\t", ";", "|", "::"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_separators_and_line_ends(write, separator, end):
    lines = [separator.join(row) for row in [("user", "item", "rating"), *ROWS]]
    table = read_table(write(end.join(lines) + end))
    assert table.layout.separator == separator
    assert table.frame.columns == ["user", "item", "rating"]
    assert table.frame.rows() == ROWS


def test_commas_in_titles_do_not_make_a_comma_file(write):
    text = "1|Usual Suspects, The (1995)|Crime, Thriller\n2|Heat, The (1995)|Crime, Action\n"
    table = read_table(write(text), ITEMS)
    assert table.layout.separator == "|"
    assert table.frame["title"].to_list() == ["Usual Suspects, The (1995)", "Heat, The (1995)"]


def test_a_file_without_header_goes_by_position(write):
    table = read_table(write("196\t242\t3\t881250949\n186\t302\t3\t891717742\n"))
    assert not table.layout.header
    assert table.frame.columns == ["user_id", "item_id", "rating", "timestamp"]


def test_recbole_types_are_taken_off_and_quotes_are_plain(write):
    text = 'user_id:token\titem_id:token\ttitle:token_seq\n1\ta\t"Say\n'
    table = read_table(write(text, "x.inter"))
    assert table.layout.typed
    assert table.frame.columns == ["user_id", "item_id", "title"]
    assert table.frame["title"].to_list() == ['"Say']
    assert table.types == {"user_id": "token", "item_id": "token", "title": "token_seq"}


def test_quotes_hold_separators_newlines_and_quotes(write):
    table = read_table(write('item,title\n1,"A, ""B""\nC"\n2,plain\n'), ITEMS)
    assert table.frame["title"].to_list() == ['A, "B"\nC', "plain"]
    assert [table.layout.line(row) for row in (0, 1)] == [2, 4]


def test_quotes_that_do_not_close_are_plain_characters_and_said(write):
    with pytest.warns(DataWarning, match="quotes are not closed"):
        table = read_table(write('item,title\n1,"A\n2,B\n'), ITEMS)
    assert table.frame["title"].to_list() == ['"A', "B"]


def test_blank_lines_are_left_out_and_counted_as_lines(write):
    table = read_table(write("user,item\n\n1,2\n\n\n3,4\n\n"))
    assert table.frame.rows() == [("1", "2"), ("3", "4")]
    assert [table.layout.line(row) for row in (0, 1)] == [3, 6]


def test_latin_1_is_read_and_said_with_its_line(write):
    with pytest.warns(DataWarning, match=r"line 2: not UTF-8; the file is read as latin-1"):
        table = read_table(write("item,title\n1,Misérables\n".encode("latin-1")), ITEMS)
    assert table.frame["title"].to_list() == ["Misérables"]
    assert table.layout.encoding == "latin-1"


@pytest.mark.parametrize(
    "raw", ["user,item\n1,é\n".encode("utf-8-sig"), "user,item\n1,é\n".encode("utf-16")]
)
def test_byte_order_marks(write, raw):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = read_table(write(raw))
    assert table.frame.to_dict(as_series=False) == {"user": ["1"], "item": ["é"]}


def test_gzip(write):
    table = read_table(write(gzip.compress(b"user,item\n1,2\n"), "my.csv.gz"))
    assert table.frame.rows() == [("1", "2")]


def test_repeated_and_empty_column_names_stay_apart(write):
    with pytest.warns(DataWarning, match="column 3 is called 'item' again; now item_3"):
        table = read_table(write("user,item,item,\n1,2,3,4\n"))
    assert table.frame.columns == ["user", "item", "item_3", "column_4"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"my\.csv: the file is empty\."),
        ("\n \n", r"my\.csv: the file is empty\."),
        ("user,item\n", r"my\.csv: the file has a header and no rows\."),
        (
            "a b c\n1 2 3\n",
            r"my\.csv, line 1: no separator found in 'a b c'\. Expected one of tab,",
        ),
        ("user,item\n1,2\n1,2,3\n", r"my\.csv, line 3: expected 2 fields, found 3\."),
        (
            "user,item\n1,2\n".encode("utf-16") + b"x",
            r"my\.csv: this begins as UTF-16 and goes wrong at byte 30 \(truncated data\)\.",
        ),
        (b"PK\x03\x04\0\0", r"my\.csv: this is no text table"),
        (b"\x1f\x8bbroken", r"my\.csv: the gzip file is damaged"),
        (b"PAR1 broken", r"my\.csv: the Parquet file cannot be read"),
    ],
)
def test_files_that_are_no_tables(write, content, message):
    with pytest.raises(DataError, match=message) as caught:
        read_table(write(content))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("roles", "name", "least"),
    [
        (INTERACTIONS, "interactions", "a user and an item"),
        (ITEMS, "items", "an id and a title"),
        (USERS, "users", "an id and what describes it"),
    ],
)
def test_a_missing_file_and_a_file_of_ids_say_what_is_wanted(write, tmp_path, roles, name, least):
    with pytest.raises(DataError, match=rf"no such file\. Give a file of {name}\."):
        read_table(tmp_path / "no.csv", roles)
    with pytest.raises(DataError, match=rf"only one column, .*'id'\. Expected at least {least},"):
        read_table(write("id\n1\n2\n"), roles)


def test_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(DataError, match=r"no\.csv: there is no such file"):
        read_table(tmp_path / "no.csv")
    with pytest.raises(DataError, match="this is a folder"):
        read_table(tmp_path)

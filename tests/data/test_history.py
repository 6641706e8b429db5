import codecs
from pathlib import Path

import pytest

from tandemrec.data.history import History, read_history
from tandemrec.errors import DataError, DataWarning


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("1\n50\n181\n", ["1", "50", "181"]),
        ("item_id\n1\n50\n", ["1", "50"]),
        ("item_id,timestamp\n1,30\n50,10\n181,20\n", ["50", "181", "1"]),
        ("item;title\n7;Alien\n3;Babe\n", ["7", "3"]),
    ],
)
def test_histories_are_read(text: str, items: list[str], tmp_path: Path) -> None:
    file = tmp_path / "history.csv"
    file.write_text(text)
    assert read_history(file) == History(items)


def test_ratings_in_a_history_are_not_passed_over_in_silence(tmp_path: Path) -> None:
    file = tmp_path / "history.csv"
    file.write_text("item_id,stars\n1,5\n50,1\n")
    with pytest.warns(DataWarning, match=r"history\.csv: the column 'stars' is not read; .* met"):
        assert read_history(file) == History(["1", "50"])


def test_ratings_are_read_where_they_are_asked_for_in_order_of_time(tmp_path: Path) -> None:
    file = tmp_path / "history.csv"
    file.write_text("item_id,stars,time\n1,4.5,20\n50,1,10\n")
    assert read_history(file, rated=True) == History(["50", "1"], [1.0, 4.5])
    file.write_text("item_id,stars\n1,4.5\n50,1\n")
    assert read_history(file, rated=True) == History(["1", "50"], [4.5, 1.0])
    file.write_text("item_id\n1\n50\n")
    assert read_history(file, rated=True) == History(["1", "50"])
    file.write_text("item_id,stars\n1,4.5\n50,\n")
    with pytest.raises(DataError, match=r"history\.csv, line 3, column 'stars': expected a number"):
        read_history(file, rated=True)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be"])
def test_a_history_with_a_mark_of_its_encoding(encoding: str, tmp_path: Path) -> None:
    mark = codecs.BOM_UTF16_BE if encoding == "utf-16-be" else b""
    (tmp_path / "history.csv").write_bytes(mark + "item_id\ncafé\n50\n".encode(encoding))
    assert read_history(tmp_path / "history.csv") == History(["café", "50"])


def test_a_line_of_several_ids_is_refused_with_a_remedy(tmp_path: Path) -> None:
    file = tmp_path / "history.csv"
    file.write_text("B1,B2,B9\n")
    with pytest.raises(DataError, match=r"one line only, .*'B1,B2,B9'\. Give one item id a line"):
        read_history(file)


def test_bad_histories_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such file"):
        read_history(tmp_path / "none.csv")
    (tmp_path / "empty.csv").write_text("item_id\n")
    with pytest.raises(DataError, match="the history is empty"):
        read_history(tmp_path / "empty.csv")
    with pytest.raises(DataError, match="this is a folder"):
        read_history(tmp_path)
    (tmp_path / "other.csv").write_text("user_id,rating\n1,2\n")
    with pytest.raises(DataError, match="item"):
        read_history(tmp_path / "other.csv")

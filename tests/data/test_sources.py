import warnings

import polars as pl
import pytest

from tandemrec.data import check, get, load
from tandemrec.data.diagnosis import diagnose
from tandemrec.errors import DataError, DataWarning, UnknownName

LOG = "user,item,rating,timestamp\n" + "".join(
    f"{user},{item},{item % 5 + 1},{881250949 + user // 3}\n"
    for user in range(4)
    for item in range(3)
)


def test_an_unknown_name_is_guessed():
    for ask in (load, get, check):
        with pytest.raises(
            UnknownName, match=r"no data set named 'ml-100'\. Did you mean 'ml-100k'"
        ):
            ask("ml-100")


def test_a_folder_is_no_file_wherever_one_stands():
    for source in (".", "..", "/"):
        with pytest.raises(DataError, match="this is a folder"):
            load(source)


def test_what_is_no_name_and_no_path_is_refused():
    for source in (None, ["a.csv"]):
        with pytest.raises(DataError, match=r"takes a name or a path. .*Give frames to tr.from_fr"):
            load(source)


def test_a_table_that_describes_nobody_is_told(write, tmp_path):
    log = write("user,item\n1,12\n1,34\n2,12\n")
    for name, text in (
        ("items", "item_id,title\n12.0,Heat\n34.0,Alien\n"),
        ("users", "id,age\n7,30\n"),
    ):
        (tmp_path / f"{name}.csv").write_text(text)
    found = check(log, items=tmp_path / "items.csv", users=tmp_path / "users.csv").warnings
    told = [line.partition("csv: ")[2] for line in found if "none of its" in line]
    assert told == [
        "none of its users is in the interactions, so it says nothing; ids look like '7' in it and "
        "1 there.",
        "none of its items is in the interactions, so it says nothing; ids look like '12.0' in it "
        "and 12 there.",
    ]
    (tmp_path / "items.csv").write_text("item_id,title\n12,Heat\n")
    found = check(log, items=tmp_path / "items.csv").warnings
    assert not [line for line in found if "none of its" in line]


def test_what_looks_like_a_path_is_a_missing_file(tmp_path):
    for name in ("my.csv", "./mine", str(tmp_path / "mine")):
        with pytest.raises(DataError, match="there is no such file"):
            load(name)


def test_an_own_file_with_items(write):
    items = write("id;title\n0;A\n1;B\n2;C\n", "items.csv")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = load(write(LOG), items=items, noun="book")
    assert (data.name, data.noun, data.catalogue.titles) == ("my", "book", ["A", "B", "C"])
    assert len(data.interactions) == 12


def test_items_may_be_a_frame(write):
    data = load(write(LOG), items=pl.DataFrame({"item": [0, 1, 2], "title": ["A", "B", "C"]}))
    assert data.catalogue.titles == ["A", "B", "C"]


def test_warnings_name_the_data(write):
    with pytest.warns(DataWarning, match=r"my: 3 items without a title, first 0, now .*'item 0'"):
        load(write(LOG))


def test_recbole_files_and_folders(write, tmp_path):
    write("user_id:token\titem_id:token\n1\ta\n1\tb\n1\tc\n", "x.inter")
    write("item_id:token\tmovie_title:token_seq\na\tHeat\nb\tCasino\nc\tAlien\n", "x.item")
    write("user_id:token\tage:float\n1\t30\n", "x.user")
    for source in (tmp_path / "x.inter", tmp_path):
        with pytest.warns(DataWarning, match="no column of times"):
            data = load(source)
        assert data.catalogue.titles == ["Heat", "Casino", "Alien"]
        assert data.catalogue.users.to_dict(as_series=False) == {"age": [30]}


def test_a_named_set_brings_its_own_items():
    for ask in (load, check):
        with pytest.raises(DataError, match="ml-100k brings its own items"):
            ask("ml-100k", items="mine.csv")


def test_a_diagnosis_by_hand(write):
    text = LOG + "9,0,5,881250949\n9,0,5,881250950\n"
    found = check(write(text))
    assert (found.name, found.rows, found.users, found.items) == ("my", 13, 5, 3)
    assert found.density == pytest.approx(13 / 15)
    assert found.ratings == (1, 5)
    assert found.times == ("1997-12-04 15:55", "1997-12-04 15:55")
    assert found.ties == pytest.approx(12 / 13)
    assert found.order == "by time; ties in the order of the rows"
    assert (found.duplicates, found.users_under_three, found.items_without_title) == (1, 1, 3)
    assert found.format == {
        "file": "text table",
        "encoding": "utf-8",
        "separator": "comma",
        "header": "yes",
    }
    assert found.columns == {
        "user": "user",
        "item": "item",
        "rating": "rating",
        "time": "timestamp",
    }
    assert (
        dict(found.facts)["columns"]
        == "user as user, item as item, rating as rating, timestamp as time"
    )
    assert len(found.warnings) == 3
    assert "on line 14" in found.warnings[0]
    assert dict(found.facts)["interactions"] == "13"
    assert found.to_dict()["rows"] == 13


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_columns_that_could_have_been_meant_are_told(write, tmp_path, kind):
    path = write("Movie,user,score,Movie ID,date,stars\nHeat,1,.5,2,2024-05-01,4\n")
    if kind == "parquet":
        frame, path = pl.read_csv(path), tmp_path / "my.parquet"
        frame.write_parquet(path)
    found = check(path)
    assert found.columns == {
        "user": "user",
        "item": "Movie ID",
        "rating": "score",
        "time": "date",
    }
    told = "is read as the {}, not {}; rename columns if another is meant."
    notes = [note for note in found.warnings if "is read as" in note]
    assert [note.removeprefix(f"{path}: ") for note in notes] == [
        "'Movie ID' " + told.format("item", "'Movie'"),
        "'score' " + told.format("rating", "'stars'"),
    ]
    with pytest.warns(DataWarning, match="'score' is read as the rating"):
        load(path, large=0)  # in blocks, if it is Parquet
    assert not any("stars" in note for note in check(path, context=["STARS"]).warnings)


def test_a_named_set_brings_its_own_users_and_no_context():
    for ask in (load, check):
        with pytest.raises(DataError, match="ml-100k brings its own users, and no context"):
            ask("ml-100k", users="mine.csv")


def test_without_times_nothing_is_presented_as_time(write):
    path = write("user,item,title\n1,2,A\n1,3,B\n1,4,C\n")
    with pytest.warns(DataWarning, match="no column of times"):
        data = load(path)
    for found in (check(path), diagnose(data)):
        assert (found.times, found.ties) == (None, None)
        facts = dict(found.facts)
        assert (facts["times"], facts["order"]) == ("none", found.order)
        assert found.order == "no times in the data; each user's order is that of the rows"
        assert not any("ties" in name for name in facts)
    assert data.order == ""  # nothing was drawn


@pytest.mark.parametrize(
    ("first", "shown"),
    [
        (7, "7"),
        (881250949, "1997-12-04 15:55"),
        (881250949_000, "1997-12-04 15:55"),
        (881250949_000_000, "1997-12-04 15:55"),
        (881250949_000_000_000, "1997-12-04 15:55"),
    ],
)
def test_times_are_shown_by_their_size(write, first, shown):
    assert check(write(f"user,item,time\n1,2,{first}\n1,3,{first}\n")).times == (shown, shown)


def test_times_that_are_no_dates_are_shown_as_they_are(write):
    rows = "user,item,time\n1,2,-90000000000\n1,3,881250949\n"
    assert check(write(rows)).times == ("-90000000000", "881250949")


def test_the_least_time_there_is_is_told_by_its_size(write):
    rows = f"user,item,time\n1,2,{-(2**63)}\n1,3,5\n"
    assert check(write(rows)).times == ("1677-09-21 00:12", "1970-01-01 00:00")


def test_the_diagnosis_of_the_real_data(real_data):
    found = check("ml-100k")
    assert (found.rows, found.users, found.items, found.duplicates) == (100_000, 943, 1682, 0)
    assert found.source == str(real_data / "ml-100k.zip")
    assert found.times == ("1997-09-20 03:05", "1998-04-22 23:10")


def test_an_own_file_with_users_and_context(write):
    users = write("user;age\n3;30\n1;10\n0;5\n2;20\n", "people.csv")
    rows = "user,item,rating,time,hour,device\n" + "".join(
        f"{n % 4},{n // 4},{n % 5 + 1},{n},{n or ''},{'tv' if n % 2 else 'pad'}\n"
        for n in range(12)
    )
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        data = load(write(rows), users=users, context=("hour", "device"))
    assert data.catalogue.user_ids == [3, 1, 0, 2]
    assert data.catalogue.users.to_dict(as_series=False) == {"age": [30, 10, 5, 20]}
    hours, devices = (data.interactions.context[name] for name in ("hour", "device"))
    assert hours.tolist()[:3] == [3, 7, 11] and hours.dtype == float
    assert devices.tolist()[:6] == ["tv"] * 6
    assert sum(hours != hours) == 1  # the empty cell


def test_a_named_set_has_no_context(write):
    for given in ({"context": ("hour",)}, {"users": "mine.csv"}):
        with pytest.raises(DataError, match="ml-100k brings its own users, and no context"):
            load("ml-100k", **given)

import errno
import io
import shutil
import zipfile
from pathlib import Path

import pytest

from tandemrec.cli import COMMANDS, main

GOOD = "user,item,rating\n" + "1,2,3\n" * 3


def refused(result) -> str:
    """What was said: exit code 2, no rows, and one line on stderr."""
    code, out, err = result
    assert (code, out) == (2, "")
    assert len(err) == 1
    assert err[0].startswith("error: ")
    return err[0]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("usr,item\n1,2\n", "no column of users. Found: usr, item."),
        ("user item\n1 2\n", "line 1: no separator found in 'user item'. Expected one of tab"),
        (GOOD + "1,3,good\n", "line 5, column 'rating': expected a number, found 'good'."),
        ("", "the file is empty."),
        ("user,item\n", "the file has a header and no rows."),
        ("user,item\n1,\n", "line 2, column 'item': expected an id, found nothing."),
        ("user,item\n1,2,3\n", "line 2: expected 2 fields, found 3."),
        ("user,item,time\n1,2,x\n", "line 2, column 'time': expected a time"),
        ("user,item,time\n1,2,1e300\n", "line 2, column 'time': expected a time"),
        (GOOD + "1,3,1e39\n", "line 5, column 'rating': expected a number of at most 3.4e+38"),
        ("user,rating\n1,2\n", "no column of items. Found: user, rating. Expected one of item_id"),
    ],
)
def test_a_file_that_cannot_be_used(call, tmp_path, content, said):
    path = tmp_path / "my.csv"
    path.write_text(content)
    line = refused(call("data", "check", path))
    assert line.startswith(f"error: {path}")
    assert said in line


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("chek",), "no command named 'chek'"),
        (("data", "chek"), "Did you mean 'check'?"),
        (("data",), "Known: list, get, check."),
        (("data", "check", "x.csv", "--jsn"), "no option --jsn. Did you mean '--json'?"),
        (("--hlep",), "no option --hlep. Did you mean '--help'?"),
        (("data", "check"), "Missing argument"),
        (("list",), "Missing argument 'kind'. One of backbones, llms, data, "),
        (("run",), "Missing argument 'what'. A recipe (llama4rec, dallrec), or a TOML file."),
        (("data", "check", "x.csv"), "x.csv: there is no such file. Give a file of interactions."),
        (("data", "check", "ml-100k", "--items", "x"), "ml-100k brings its own items"),
        (("data", "get", "ml-100"), "no data set named 'ml-100'. Did you mean 'ml-100k'?"),
        (("list", "backbone"), "no list named 'backbone'. Did you mean 'backbones'?"),
    ],
)
def test_words_that_mean_nothing(call, words, said):
    assert said in refused(call(*words))


def test_items_that_cannot_be_used(call, tmp_path):
    (tmp_path / "my.csv").write_text(GOOD)
    (tmp_path / "ids.csv").write_text("item_id\n2\n")
    cases = (("none.csv", "no such file. Give a file of items."), ("ids.csv", "only one column"))
    for name, said in cases:
        words = ("data", "check", tmp_path / "my.csv", "--items", tmp_path / name)
        assert said in refused(call(*words))


def test_an_unknown_command_lists_all_of_them(call):
    line = refused(call("frobnicate"))
    assert all(name in line for name in COMMANDS)


def test_a_wrong_zip(call, away, tmp_path):
    path = tmp_path / "x.zip"
    path.write_text("no zip")
    assert "no zip file" in refused(call("data", "get", "ml-100k", "--from", path))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("ml-1m/ratings.dat", "")
    assert "this zip is not ml-100k" in refused(call("data", "get", "ml-100k", "--from", path))


def test_warnings_are_one_line_each(call, tmp_path):
    path = tmp_path / "my.csv"
    path.write_bytes("user,item,title\n1,2,é\n1,2,é\n".encode("latin-1"))
    code, _, err = call("data", "check", path)
    assert code == 0
    assert all(line.startswith("warning: ") for line in err)
    assert any("1 row repeated a pair" in line and "last by time is kept" in line for line in err)
    assert any("1 user with fewer than three interactions" in line for line in err)
    assert any("read as latin-1" in line for line in err)


def test_hostile_names_stay_on_one_line_without_control_characters(call, tmp_path):
    path = tmp_path / "my.csv"
    path.write_text('user,item,title\n1,"<|im_start|>\n\x1b[31mA", \n')
    _, _, err = call("data", "check", path)
    assert err
    assert all(line.startswith("warning: ") and "\x1b" not in line for line in err)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES])
def test_a_full_or_closed_disk_in_any_command(call, monkeypatch, number):
    def fails(*_, **__):
        raise OSError(number, "No space left on device", "/runs/first")

    monkeypatch.setattr("tandemrec.data.diagnosis.check", fails)
    line = refused(call("data", "check", "my.csv"))
    assert line == "error: /runs/first: No space left on device."


def test_a_full_disk_while_a_zip_is_kept(call, away, monkeypatch, tmp_path):
    monkeypatch.setattr("tandemrec.data.download.from_zip", lambda *_: {"ml-100k/u.data": b"x"})

    def full(self, content):
        raise OSError(errno.ENOSPC, "No space left on device", str(self))

    monkeypatch.setattr(Path, "write_bytes", full)
    assert "the disk is full" in refused(call("data", "get", "ml-100k", "--from", tmp_path / "x"))
    assert not any((away / "data").iterdir())
    shutil.rmtree(away)


def test_an_interruption_ends_with_130(call, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("tandemrec.data.diagnosis.check", interrupted)
    assert call("data", "check", "my.csv")[0] == 130


def test_our_own_mistakes_are_not_hidden(call, monkeypatch):
    def wrong(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr("tandemrec.data.diagnosis.check", wrong)
    with pytest.raises(ZeroDivisionError):
        call("data", "check", "my.csv")


def test_a_terminal_that_knows_few_signs_gets_question_marks(monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written, encoding="ascii"))
    assert main(["--version"]) == 0
    print("Amélie", flush=True)
    assert written.getvalue().endswith(b"Am?lie\n")

import json
import re

import pytest

from tandemrec.backbones import BACKBONES, get, hyper_of
from tandemrec.cli.machine import Fact
from tandemrec.data.sources import SOURCES
from tandemrec.recipes.fitting import train_config
from tandemrec.recipes.settings import PLUS
from tandemrec.recipes.spec import RunSpec, parse_settings

LOG = "user,item,rating\n" + "".join(f"{user},{item},5\n" for user in range(3) for item in range(3))


def test_list(call, away):
    code, out, err = call("data", "list")
    assert (code, err) == (0, [])
    assert re.match(r"ml-100k +not downloaded +100,000 ratings", out)
    code, out, _ = call("data", "list", "--json")
    assert [(row["name"], row["at"]) for row in json.loads(out)] == [
        (name, None) for name in SOURCES
    ]


def test_list_sees_what_is_there(call, away):
    (away / "data" / "ml-100k").mkdir(parents=True)
    assert re.match(r"ml-100k +here ", call("data", "list")[1])


def test_check(call, tmp_path):
    path = tmp_path / "my.csv"
    path.write_text(LOG)
    code, out, err = call("data", "check", path)
    assert code == 0
    facts = dict(line.split("  ", 1) for line in out.splitlines())
    facts = {name: value.strip() for name, value in facts.items()}
    assert (facts["interactions"], facts["users"], facts["separator"]) == ("9", "3", "comma")
    assert err == [
        "warning: 3 items without a title, first 0, now called 'item 0'.",
        "warning: There is no column of times; the order of rows is taken for the order in time.",
    ]


def test_check_as_json_with_items(call, tmp_path):
    (tmp_path / "my.csv").write_text(LOG)
    (tmp_path / "items.csv").write_text("id,title\n0,A\n1,B\n")
    words = ("data", "check", tmp_path / "my.csv", "--items", tmp_path / "items.csv", "--json")
    found = json.loads(call(*words)[1])
    assert (found["rows"], found["items_without_title"], found["times"]) == (9, 1, None)


def test_check_reads_what_a_run_would(call, tmp_path):
    log, users = tmp_path / "my.csv", tmp_path / "users.csv"
    log.write_text(LOG)
    users.write_text("id,age\n0,30\n0,31\n")
    code, _, err = call("data", "check", log, "--users", users)
    assert code == 0 and any("users.csv: 1 row repeated an id" in line for line in err)
    code, _, err = call("data", "check", log, "--context", "hour")
    assert code != 0 and "there is no column 'hour' for context" in err[-1]
    code, _, err = call("data", "check", "ml-100k", "--users", users)
    assert code != 0 and "ml-100k brings its own users" in err[-1]


def test_check_tells_which_columns_rating_backbones_read_and_why_not_others(call, tmp_path):
    log, users, items = (tmp_path / name for name in ("my.csv", "users.csv", "items.csv"))
    heads, *rows = LOG.split()
    log.write_text(f"{heads},tags\n" + "".join(f"{row},x|z\n" for row in rows))
    users.write_text("id,job,site\n0,a,p\n1,a,q\n2,b,r\n")
    items.write_text("id,title,price,genres\n0,A,9.99,x|y\n1,B,N/A,x\n2,C,1.5,x|y\n")
    words = ("data", "check", log, "--users", users, "--items", items, "--context", "tags")
    found = json.loads(call(*words, "--json")[1])
    assert found["fields"] == {
        "item price": {"kind": "number", "size": 1},
        "item genres": {"kind": "several of", "size": 2},
        "context tags": {"kind": "several of", "size": 2},
    }
    reasons = [
        "of its 2 values in training, not two are those of 2 users or more",
        "of its 3 values in training, not two are those of 2 users or more",
    ]
    assert found["left_out"] == dict(zip(("user job", "user site"), reasons, strict=True))
    out = call(*words)[1]
    assert re.search(r"^field +item price: number$\nfield +item genres: several of 2$", out, re.M)
    assert re.search(rf"^no field +user job: {reasons[0]}$", out, re.M)
    assert "field" not in call("data", "check", log)[1]


def test_check_of_a_named_set_tells_what_was_odd_and_its_order(call, tmp_path, monkeypatch):
    rows = [(user, isbn) for user in range(5) for isbn in range(5)]
    texts = {
        "BX-Book-Ratings.csv": "".join(f'"{u}";"{i}";"7"\n' for u, i in rows) + '"1";"2\n',
        "BX-Books.csv": "".join(f'"{i}";"T";"A";"1999";"P";"s";"m";"l"\n' for i in range(5)),
        "BX-Users.csv": '"1";"nyc";NULL\n',
    }
    (tmp_path / "book-crossing").mkdir()
    for name, text in texts.items():
        (tmp_path / "book-crossing" / name).write_text(f"header\n{text}")
    monkeypatch.setenv("TANDEMREC_DATA", str(tmp_path))
    order = "no times in the data; each user's order is drawn at random, by seed 0"
    broken = "BX-Book-Ratings.csv: 1 row cannot be read, the first on line 27; left out."
    code, out, err = call("data", "check", "book-crossing", "--json")
    found = json.loads(out)
    assert code == 0 and broken in found["warnings"]
    assert (found["times"], found["ties"], found["order"]) == (None, None, order)
    code, out, err = call("data", "check", "book-crossing")
    assert code == 0 and f"warning: {broken}" in err
    assert re.search(rf"^times +none$\norder +{order}$", out, re.MULTILINE)


def test_lists(call):
    code, out, err = call("list", "data")
    assert (code, err) == (0, [])
    assert re.match(r"ml-100k +100,000 ratings", out)
    assert json.loads(call("list", "data", "--json")[1])[0]["name"] == "ml-100k"


@pytest.mark.parametrize("kind", ["backbones", "llms", "embedders", "presets"])
def test_what_is_listed_is_told_in_whole_sentences(call, kind):
    listed = json.loads(call("list", kind, "--json")[1])
    assert listed and all(row["about"].rstrip()[-1] in ".;L" for row in listed), listed


def test_listed_settings_can_be_set(call):
    listed = json.loads(call("list", "settings", "--json")[1])
    assert {row["name"]: row["plus"] for row in listed}["blend.constant"] == "0.5"
    assert all(row["about"] for row in listed)
    pairs = [f"{row['name']}={row['plus']}" for row in listed if "[]" not in row["name"]]
    spec = RunSpec(settings=parse_settings(pairs))
    assert spec.config == PLUS


@pytest.mark.parametrize("name", list(BACKBONES))
def test_listed_settings_of_a_backbone_are_those_that_it_has_anyway(call, name):
    listed = json.loads(call("list", "settings", "--backbone", name, "--json")[1])
    values = {row["name"]: row["plus"] for row in listed}
    assert all(row["about"] for row in listed) and not {"backbone", "training"} & set(values)
    pairs = [f"{key}={value}" for key, value in values.items() if "[]" not in key]
    given = RunSpec(backbone=name, settings=parse_settings(pairs)).config
    backbone = get(name)
    assert set(given.backbone) == set(backbone.Config.model_fields)
    anyway = backbone.Config(**hyper_of(backbone, quick=True))
    assert backbone.Config(**given.backbone) == anyway
    assert train_config(backbone, given, 0) == train_config(backbone, PLUS, 0)


def test_a_backbone_is_for_settings(call):
    assert (
        "--backbone is for settings, not for data" in call("list", "data", "--backbone", "mf")[2][0]
    )
    assert "no backbone named" in call("list", "settings", "--backbone", "x")[2][0]


@pytest.mark.parametrize("good", [True, False])
def test_doctor_says_whether_all_is_well(call, monkeypatch, good):
    facts = [Fact("python", "3", True), Fact("free disk", "0.1 GB", good), Fact("gpu", "none")]
    monkeypatch.setattr("tandemrec.cli.doctor.facts", lambda: facts)
    code, out, err = call("doctor")
    assert code == (0 if good else 1)
    assert ("BAD" in out) is not good
    assert err == ([] if good else ["error: not ready: free disk."])
    assert json.loads(call("doctor", "--json")[1])[1]["good"] is good


def test_doctor_on_this_machine(call, away):
    code, out, _ = call("doctor")
    assert code in (0, 1)
    for name in ("python", "cores", "torch", "fast dtype", "cache", "free disk", "data ml-100k"):
        assert name in out
    assert str(away) in out

"""DALLRec's table: the authors' figures and misprints, ours beside them, strategies, costs."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recipes.parity import FAST, world
from reproduce.invented import invented, values_in
from tandemrec.cli import main
from tandemrec.recipes import inputs
from tandemrec.recipes.spec import RunSpec
from tandemrec.report.contents import AnswerCount, Contents, Curve, GroupRow
from tandemrec.reproduce import PIECES, Cell
from tandemrec.reproduce.dallrec import BACKBONES, METRICS, OWN, TRAINING
from tandemrec.reproduce.found import Made

MOVIES, BOOKS = PIECES["dallrec/movielens"], PIECES["dallrec/book"]
WRONG = {("mf", "NDCG@50"), ("neumf", "Recall@50"), ("lightgcn", "NDCG@20")}
"Improvements that do not follow from the figures beside them."


def printed() -> Iterator[tuple[str, str, str, float]]:
    """Backbone, row, metric, what the authors' README prints."""
    for line in (Path(__file__).parent / "printed" / "dallrec.txt").read_text().splitlines():
        backbone, row, *texts = line.split()
        for metric, text in zip(METRICS, texts, strict=True):
            yield backbone, row, metric, float(text)


def contents(p: float = 0.01) -> Contents:
    figures = {"Base": 0.04, "DALLRec": 0.05, "w/o interactions": 0.045, "random users": 0.041}
    p_values = {(name, "Base"): p for name in figures if name != "Base"}
    group = [
        GroupRow(group="0–5", users=7, method=name, metrics=dict.fromkeys(METRICS, value))
        for name, value in figures.items()
    ]
    asked = [
        AnswerCount(stage="interactions (users)", asked=1234, tokens=99_000),
        AnswerCount(stage="attributes (items)", asked=20, rejected={"unreadable": 41}, values=50),
    ]
    more = {
        "recipe": "dallrec",
        "config": {"tune": None},
        "item_groups": group,
        "answers": asked,
        "notes": ["Of 10 items 9 found a user."],
    }
    return invented(figures, p_values, metrics=METRICS, more=more)


def by_place(found: dict[Cell, Made]) -> dict[tuple[str, str, str, str], str]:
    return {
        (table.name, row[0].text, row[1].text, column): value.full
        for table in MOVIES.tables(found)
        for row in table.rows
        for column, value in zip(table.columns[2:], row[2:], strict=True)
    }


def test_the_authors_figures_and_which_of_their_changes_do_not_follow() -> None:
    table = "movielens_dallrec_movielens"
    shown = by_place({Cell("dallrec-movielens", "mf"): Made(Path("x"), contents())})
    for backbone, row, metric, value in printed():
        if row != "gain":
            theirs = shown[table, backbone, row, f"{metric}, paper"]
            assert theirs.split()[0] == f"{value:.4f}"
            continue
        theirs = shown[table, backbone, "DALLRec over Base", f"{metric}, paper"]
        off = abs(float(theirs.split()[0]) - value) > 0.11
        assert off == ((backbone, metric) in WRONG) == ("(" in theirs), (backbone, metric)
    notes = " ".join(each.note for each in MOVIES.tables({}))
    assert notes == ""  # nothing is shown without a run
    (main_table, *_) = MOVIES.tables({Cell("dallrec-movielens", "mf"): Made(Path("x"), contents())})
    for text in ("6.17 %", "2.43 %", "3.49 %", "another definition"):
        assert text in main_table.note


def test_ours_stand_beside_theirs_with_every_row_below() -> None:
    shown = by_place({Cell("dallrec-movielens", "mf"): Made(Path("x"), contents())})
    table = "movielens_dallrec_movielens"
    assert shown[table, "mf", "DALLRec", "Recall@20"] == "0.0500*"
    assert shown[table, "mf", "DALLRec over Base", "Recall@20"] == "+25.0 %"
    assert shown[table, "mmssl", "DALLRec", "Recall@20"] == "–"
    assert shown["strategies", "mf", "w/o interactions", "Recall@20"] == "0.0450*"
    assert shown["strategies", "mf", "random users", "vs Base"] == "+2.5 %"
    assert shown["cold", "mf", "0–5", "DALLRec"] == "0.0500"
    costs = next(
        each
        for each in MOVIES.tables({Cell("dallrec-movielens", "mf"): Made(Path("x"), contents())})
        if each.name == "costs"
    )
    assert [cell.text for cell in costs.rows[0]] == [
        *("interactions (users)", "1,234", "99,000", "0", "–"),
    ]
    assert [cell.text for cell in costs.rows[1]] == [
        *("attributes (items)", "20", "–", "41 of 50 values", "41 unreadable"),
    ]
    uncertain = by_place({Cell("dallrec-movielens", "mf"): Made(Path("x"), contents(p=0.2))})
    assert uncertain[table, "mf", "DALLRec", "Recall@20"] == "0.0500"


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (
            {"examples": {"examples": 4}, "tune": {"method": "lora", "rank": 8}},
            "tuned for interactions and attributes, on at most 4 examples of each kind of question,"
            " and a LoRA adapter of rank 8 learns; the paper's on the sets of the authors",
        ),
        (
            {"examples": {"released": "sets.zip"}, "tune": {"method": "full"}},
            "tuned for interactions and attributes, on the sets of the authors, and all layers",
        ),
    ],
)
def test_what_was_tuned_is_said(config: dict[str, Any], said: str) -> None:
    axes = {"x": [0.0], "y": [1.0], "x_label": "tokens read", "y_label": "loss"}
    curves = [Curve(name=name, **axes) for name in ("interactions", "attributes")]
    made = contents().model_copy(update={"config": config, "curves": curves})
    notes = MOVIES.notes({Cell("dallrec-movielens", "mf"): Made(Path("x"), made)})
    assert any(said in note for note in notes)
    untuned = made.model_copy(update={"curves": []})
    notes = MOVIES.notes({Cell("dallrec-movielens", "mf"): Made(Path("x"), untuned)})
    assert "The language model is not tuned; the paper's is." in notes


def test_what_differs_is_said() -> None:
    found = {Cell("dallrec-movielens", "mf"): Made(Path("x"), contents())}
    notes = list(MOVIES.notes(found))
    assert "The language model is fake; the paper's is Llama-3-8B-Instruct." in notes
    assert "The language model is not tuned; the paper's is." in notes
    (split,) = (note for note in notes if "the last eighth is validation" in note)
    assert "learnt it too" not in split
    assert "Of 10 items 9 found a user." in notes
    assert "Our Base is above the paper's in 1 of 1 runs (Recall@20)." in notes
    assert any(note.startswith("Not run: dallrec-movielens/neumf") for note in notes)
    again = contents().model_copy(update={"config": {"refit": True}})
    notes = list(MOVIES.notes({Cell("dallrec-movielens", "mf"): Made(Path("x"), again)}))
    assert any(note.startswith(split) and "learnt it too" in note for note in notes)


def test_a_note_of_all_runs_is_said_once() -> None:
    mf = contents()
    ngcf = mf.model_copy(update={"notes": [*mf.notes, "Of its own."]})
    cells = Cell("dallrec-movielens", "mf"), Cell("dallrec-movielens", "ngcf")
    made = (Made(Path("x"), each) for each in (mf, ngcf))
    notes = list(MOVIES.notes(dict(zip(cells, made, strict=True))))
    assert notes.count("Of 10 items 9 found a user.") == 1
    assert "dallrec-movielens/ngcf: Of its own." in notes


def test_plus_learns_in_large_batches_unless_it_is_told_otherwise() -> None:
    cell = MOVIES.cells[0]
    own = RunSpec(recipe="dallrec", settings={"training": {"learning_rate": 0.5}})
    config = MOVIES.varied(cell, own).config
    assert config.training["batch_size"] == TRAINING["batch_size"]
    assert config.training["learning_rate"] == 0.5
    paper = RunSpec(recipe="dallrec", preset="paper")
    assert MOVIES.varied(cell, paper) == paper
    mmssl = MOVIES.varied(Cell("dallrec-movielens", "mmssl"), RunSpec(recipe="dallrec")).config
    assert mmssl.training == TRAINING | OWN["mmssl"] | {"epochs": 300}
    note = "Settings: plus; training: batch_size 32,768 and valid_metric Recall@20."
    training = {"batch_size": 32_768, "valid_metric": "Recall@20"}
    changes = {"preset": "plus", "config": {"training": training}}
    told = contents().model_copy(update=changes)
    assert note in list(MOVIES.notes({cell: Made(Path("x"), told)}))


def test_of_books_the_authors_print_nothing() -> None:
    assert [cell.backbone for cell in BOOKS.cells] == list(BACKBONES)
    (table, *_) = BOOKS.tables({Cell("dallrec-book", "mf"): Made(Path("x"), contents())})
    theirs = [
        value.text
        for row in table.rows
        for column, value in zip(table.columns, row, strict=True)
        if column.endswith("paper")
    ]
    assert set(theirs) == {"–"}


def test_a_page_of_a_real_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = world().data
    parts = np.array(["train"] * 4 + ["test"])[np.arange(len(data.interactions)) % 5]
    rows = replace(data.interactions, context={"part": parts})
    monkeypatch.setattr(inputs, "load", lambda name, **_: replace(data, interactions=rows))
    words = ["reproduce", "dallrec/movielens", "--out", str(tmp_path), "--only", "*/mf"]
    words += ["--embedder", "words"]
    sets = [f"training.{name}={value}" for name, value in FAST.items()]
    sets += ["backbone.width=8", "tune=none"]
    more = [word for each in sets for word in ("--set", each)]
    assert main([*words, "--seeds", "2", "--json", "--llm", "fake", *more]) == 0
    assert json.loads(capsys.readouterr().out)
    values = values_in(tmp_path)
    own = json.loads((tmp_path / "dallrec-movielens" / "mf" / "scores.json").read_text())
    base = [row["Recall@20"] for row in own if row["method"] == "Base"]
    assert values["mf / Base", "Recall@20"] == pytest.approx(sum(base) / 2)
    assert (tmp_path / "dallrec-movielens" / "shared" / "answers.sqlite").exists()
    assert "Not run: dallrec-movielens/neumf" in (tmp_path / "index.html").read_text()

"""A paper's figures from their runs: what is swept, varied and counted."""

import json
from pathlib import Path

import numpy as np
import pytest

from recipes.worlds import small
from tandemrec.cli import main
from tandemrec.data.interactions import Interactions
from tandemrec.rankings import Rankings
from tandemrec.recipes import execute
from tandemrec.recipes.spec import RunSpec
from tandemrec.reproduce import PIECES, Cell, piece_of
from tandemrec.reproduce.cells import folder_of, spec_of
from tandemrec.reproduce.duel import outcomes, sampled

QUICK = ["--seeds", "2", "--set", "training.epochs=2", "--set", "tune=none"]


@pytest.fixture
def called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    monkeypatch.setattr(execute, "load", lambda name, **_: small().data)

    def run(what: str, only: str, *more: str) -> dict[tuple[str, str], float]:
        words = ["reproduce", what, "--out", str(tmp_path), "--only", only, *QUICK, *more]
        assert main(words) == 0
        rows = json.loads((tmp_path / "tables.json").read_text())
        return {(row["row"], row["column"]): row["value"] for row in rows}

    return run


def test_a_sweep_goes_through_what_validation_chose(called, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    called("llama4rec/fig4", "ml-100k/lightgcn", "--llm", "fake", "--seeds", "1")
    folder = tmp_path / "ml-100k" / "lightgcn"
    curves = json.loads((folder / "sweep.json").read_text())
    assert {curve["x_label"] for curve in curves} == {"α₁", "α₂"}
    grid = json.loads((folder / "report.json").read_text())["heatmaps"]
    chosen = dict(zip(("α₁", "α₂"), grid[0]["chosen"], strict=True))
    own = next(
        row
        for row in json.loads((folder / "scores.json").read_text())
        if row["method"] == "Llama4Rec"
    )
    for curve in curves:
        at = curve["x"].index(chosen[curve["x_label"]])
        assert curve["y"][at] == pytest.approx(own[curve["name"]])
    page = (tmp_path / "index.html").read_text()
    assert page.count("<svg") == 2 and "Not run: ml-1m/lightgcn" in page


def test_models_stand_side_by_side(called, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    models = ("--llm", "fake", "--llm", "fake:1")
    values = called("llama4rec/fig5", "ml-100k/lightgcn/*", *models)
    for llm, folder in (("fake", "fake"), ("fake:1", "fake-1")):
        own = tmp_path / "ml-100k" / "lightgcn" / folder / "scores.json"
        mine = [r["NDCG@5"] for r in json.loads(own.read_text()) if r["method"] == "Llama4Rec"]
        assert values[f"lightgcn / {llm} / Llama4Rec", "NDCG@5"] == pytest.approx(np.mean(mine))
    page = (tmp_path / "index.html").read_text()
    assert "fake:1" in page and page.count("<svg") == 1


def test_instructions_are_a_share_of_the_settings() -> None:
    piece = PIECES["llama4rec/fig6"]
    spec = RunSpec(out=Path("x"), settings={"examples": {"instructions": 400}})
    found = {
        cell.variant: spec_of(piece, cell, spec)
        for cell in piece.cells
        if (cell.data, cell.backbone) == ("ml-100k", "sasrec")
    }
    counts = {name: each.config.examples.instructions for name, each in found.items()}
    assert counts == {"a tenth": 40, "half": 200, "all": 400}
    assert len({each.shared for each in found.values()}) == 3
    assert found["half"].out == Path("x/ml-100k/sasrec/half")


def ranking(*rows: list[int]) -> Rankings:
    items = np.array(rows)
    scores = np.tile(-np.arange(items.shape[1], dtype=np.float32), (len(rows), 1))
    return Rankings(np.arange(len(rows)), items, scores)


def liked(users: int, item: int) -> Interactions:
    items = np.full(users, item)
    return Interactions.sorted(np.arange(users), items, n_users=users, n_items=item + 2)


def test_outcomes_by_hand() -> None:
    truth = liked(3, 5)
    ours = ranking([5, 1, 2, 3, 4, 6], [1, 2, 3, 5, 4, 6], [1, 2, 3, 4, 6, 5])
    theirs = ranking([1, 2, 3, 5, 4, 6], [1, 5, 2, 3, 4, 6], [1, 2, 3, 4, 6, 5])
    assert outcomes(ours, theirs, truth) == {
        "place": {"win": 1, "tie": 1, "loss": 1},
        "HR@3": {"win": 1, "tie": 1, "loss": 1},
        "HR@5": {"win": 0, "tie": 3, "loss": 0},
    }


def test_the_sample_holds_whom_it_can_decide() -> None:
    truth = liked(300, 5)
    candidates = ranking(*([5, 1] if user % 2 else [1, 2] for user in range(300)))
    drawn = sampled(candidates, truth, 0)
    assert drawn.sum() == 100 and all(np.flatnonzero(drawn) % 2 == 1)
    assert not np.array_equal(drawn, sampled(candidates, truth, 1))


def test_a_duel_is_counted_user_by_user(called, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    more = ("--llm", "fake", "--rival", "fake:7")
    values = called("llama4rec/fig7", "ml-100k/cl4srec", *more)
    duel = json.loads((tmp_path / "ml-100k" / "cl4srec" / "duel.json").read_text())
    assert duel["rival"] == "fake:7"
    for counts in duel["outcomes"].values():
        assert sum(counts.values()) == duel["samples"] > 0
    place = duel["outcomes"]["place"]
    assert values[f"ml-100k/cl4srec / {duel['rival']} / place", "win"] == place["win"]


def test_a_rival_or_several_models_where_none_belong(capsys) -> None:  # type: ignore[no-untyped-def]
    assert main(["reproduce", "llama4rec/fig4", "--rival", "fake"]) == 2
    assert "fig7 takes --rival" in capsys.readouterr().err
    assert main(["reproduce", "llama4rec/fig4", "--llm", "a", "--llm", "b"]) == 2
    assert "takes one language model" in capsys.readouterr().err


def test_folders_of_names_that_a_file_system_does_not_take() -> None:
    cell = Cell("ml-100k", "sasrec", "org/model:3")
    assert folder_of(Path("x"), cell) == Path("x/ml-100k/sasrec/org-model-3")
    assert piece_of("llama4rec/fig5", ["a", "a"]).cells[0].variant == "a"

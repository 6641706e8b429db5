"""A paper's figures from their runs: what is swept, varied and counted."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from recipes.worlds import small
from reproduce.invented import invented, quick, values_in
from tandemrec.aggregate import BlendConfig, Grid
from tandemrec.cli import main
from tandemrec.data.interactions import Interactions
from tandemrec.llm.base import Prompt
from tandemrec.llm.fake import FakeLLM, FollowingLLM
from tandemrec.rankings import Rankings
from tandemrec.recipes import inputs
from tandemrec.recipes.arms import ARMS, Choice, Weighing
from tandemrec.recipes.execute import llama4rec
from tandemrec.recipes.finished import Finished
from tandemrec.recipes.settings import PLUS
from tandemrec.recipes.spec import RunSpec
from tandemrec.report.contents import FULL
from tandemrec.reproduce import PIECES, Cell, piece_of, sweep
from tandemrec.reproduce.cells import spec_of
from tandemrec.reproduce.duel import Counted, fought, outcomes, sampled
from tandemrec.reproduce.found import METRICS, Made


def test_each_weight_is_swept_with_the_other_as_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A metric that is 10 alpha_1 + alpha_2, and a seed more: means over seeds 0 and 1 by hand."""

    def final(view: Any, choice: Choice, weighing: Any) -> Any:
        assert choice.grid is not None
        return view, choice.grid.best

    def per_user(lists: Any, truth: str) -> Any:
        seed, (first, second) = lists
        assert truth == "test"
        return SimpleNamespace(means=lambda: dict.fromkeys(METRICS, 10 * first + second + seed))

    monkeypatch.setattr(sweep, "final", final)
    monkeypatch.setattr(sweep, "per_user", per_user)
    choices = [
        Choice(ARMS[FULL], 0, (1.0, 1.0), Grid.of_one(first, second), ())
        for first, second in ((0.3, 0.1), (0.5, 0.9))
    ]
    seeds: Any = [SimpleNamespace(choices={FULL: c}, view=n) for n, c in enumerate(choices)]
    weighing: Any = SimpleNamespace(config=BlendConfig(alpha1=(0.1, 0.9), alpha2=(0.0, 0.5, 1.0)))
    split: Any = SimpleNamespace(test="test")
    for name, x, expected in (
        ("alpha1", [0.1, 0.9], [2.0, 10.0]),  # 10 alpha_1 + (0.1 + 0.9) / 2 + (0 + 1) / 2
        ("alpha2", [0.0, 0.5, 1.0], [4.5, 5.0, 5.5]),  # 10 (0.3 + 0.5) / 2 + alpha_2 + 1 / 2
    ):
        curves = list(sweep.swept(name, seeds, split, weighing))
        assert [curve.name for curve in curves] == list(METRICS)
        for curve in curves:
            assert curve.x == x and curve.y == pytest.approx(expected)
            assert curve.x_label == {"alpha1": "α₁", "alpha2": "α₂"}[name]


def test_a_figures_curves_become_tables_and_pictures() -> None:
    piece = PIECES["llama4rec/fig4"]
    curves = [
        sweep.Curve(name=name, x=[0.1, 0.9], y=[n, n + 0.5], x_label=label, y_label="on test")
        for label in ("α₁", "α₂")
        for n, name in enumerate(("HR@3", "NDCG@3"))
    ]
    cell, mean = Cell("ml-1m", "lightgcn"), sweep.Swept(seeds=(0,), curves=tuple(curves))
    found = {cell: Made(Path("x"), invented(), mean)}
    first, second = piece.tables(found)
    assert first.columns == ("α₁", "HR@3", "NDCG@3") and second.columns[0] == "α₂"
    assert [[value.value for value in row[1:]] for row in second.rows] == [[0, 1], [0.5, 1.5]]
    assert len(piece.figures(found)) == 2
    notes = list(piece.notes(found))
    assert any("of the test part" in note for note in notes)
    assert not any("its folder was joined" in note for note in notes)
    joined = {cell: Made(Path("x"), invented(seeds=(0, 1)), mean)}
    assert "ml-1m/lightgcn: the curves are of seed 0 alone; its folder was joined." in [
        *piece.notes(joined)
    ]


def test_models_stand_side_by_side(tmp_path: Path) -> None:
    piece = piece_of("llama4rec/fig5", ["fake", "fake:1"])
    spec = RunSpec(llm="fake", out=tmp_path)
    mine = [cell for cell in piece.cells if cell[:2] == ("ml-100k", "lightgcn")]
    specs = {cell.variant: spec_of(piece, cell, spec) for cell in mine}
    assert {name: each.llm for name, each in specs.items()} == {"fake": "fake", "fake:1": "fake:1"}
    assert {each.shared for each in specs.values()} == {tmp_path / "ml-100k" / "shared"}
    found = {}
    for n, cell in enumerate(mine):
        figures = {"Base": 0.01 + n, "IFT": 0.02 + n, "Llama4Rec": 0.03 + n}
        tests = {
            ("IFT", "Base"): 0.2 + n / 10,
            ("Llama4Rec", "Base"): 0.4 + n / 10,
            ("Llama4Rec", "IFT"): 0.9,
        }
        found[cell] = Made(tmp_path, invented(figures, tests, llm=cell.variant))
    (table,) = piece.tables(found)
    rows = {tuple(value.text for value in row[:3]): row[3:] for row in table.rows}
    for n, llm in enumerate(("fake", "fake:1")):
        for method, figure, p in (("Base", 0.01, None), ("IFT", 0.02, 0.2), (FULL, 0.03, 0.4)):
            *values, test = rows["lightgcn", llm, method]
            assert [value.value for value in values] == pytest.approx([figure + n] * 4)
            assert test.value == (None if p is None else pytest.approx(p + n / 10))
    (figure,) = piece.figures(found)
    assert "bars of Base, fake, fake:1 for lightgcn" in figure.alt
    notes = list(piece.notes(found))
    for llm in ("fake", "fake:1"):
        assert f"ml-100k/lightgcn/{llm}: The language model is {llm}; the paper's is" in str(notes)


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
    assert {each.shared for each in found.values()} == {Path("x/ml-100k/shared")}
    assert len({each.out for each in found.values()}) == 3
    assert all(each.config.examples.backbone == "lightgcn" for each in found.values())
    settings = {"examples": {"instructions": 40}}
    shown = {piece.cells[0]: Made(Path("x"), invented(settings=settings))}
    notes = " ".join(piece.notes(shown))
    assert "tuned on 40 instructions" in notes and "2,500, 12,500 and about 25,000" in notes


def ranking(*rows: list[int]) -> Rankings:
    items = np.array(rows)
    scores = np.tile(-np.arange(items.shape[1], dtype=np.float32), (len(rows), 1))
    return Rankings(np.arange(len(rows)), items, scores)


def liked(users: int, item: int) -> Interactions:
    items = np.full(users, item)
    return Interactions.sorted(np.arange(users), items, n_users=users, n_items=item + 2)


def test_outcomes_by_hand() -> None:
    truth = liked(6, 5)
    first, fourth, last = [5, 1, 2, 3, 4, 6], [1, 2, 3, 5, 4, 6], [1, 2, 3, 4, 6, 5]
    ours = ranking(first, first, first, fourth, last, last)
    theirs = ranking(fourth, last, last, first, last, last)
    assert outcomes(ours, theirs, truth) == {
        "place": {"win": 3, "tie": 2, "loss": 1},
        "HR@3": {"win": 3, "tie": 2, "loss": 1},
        "HR@5": {"win": 2, "tie": 4, "loss": 0},
    }


def test_the_sample_holds_whom_it_can_decide() -> None:
    truth = liked(300, 5)
    candidates = ranking(*([5, 1] if user % 2 else [1, 2] for user in range(300)))
    drawn = sampled(candidates, truth, 0)
    assert drawn.sum() == 100 and all(np.flatnonzero(drawn) % 2 == 1)
    assert not np.array_equal(drawn, sampled(candidates, truth, 1))


def test_wins_and_losses_are_ours() -> None:
    piece = PIECES["llama4rec/fig7"]
    counted = Counted(rival="gpt", samples=9, outcomes={"place": {"win": 5, "tie": 3, "loss": 1}})
    found = {piece.cells[0]: Made(Path("x"), invented(), counted)}
    (table,) = piece.tables(found)
    (row,) = table.rows
    assert table.columns[3:] == ("win", "tie", "loss")
    assert [value.value for value in row] == [piece.cells[0].name, "gpt", "place", 5, 3, 1]
    assert any(f"{piece.cells[0].name}: 9 users of test" in note for note in piece.notes(found))
    assert len(piece.figures(found)) == 1


def test_a_duel_of_a_real_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "load", lambda name, **_: small().data)
    words = ["reproduce", "llama4rec/fig7", "--out", str(tmp_path), "--only", "ml-100k/*"]
    assert main([*words, "--seeds", "1", "--rival", "fake:7", *quick()]) == 0
    folder = tmp_path / "ml-100k" / "cl4srec"
    duel = Counted.model_validate_json((folder / "duel.json").read_bytes())
    assert duel.rival == "fake:7" and (folder / "rival.sqlite").exists()
    for counts in duel.outcomes.values():
        assert sum(counts.values()) == duel.samples > 0
    values = values_in(tmp_path)
    for name, number in duel.outcomes["place"].items():
        assert values["ml-100k/cl4srec / fake:7 / place", name] == number


def whole_run() -> Finished:
    """The language model's word counts for nearly all."""
    fast = {"epochs": 4, "every": 1, "batch_size": 64}
    blend = BlendConfig(alpha1=(0.9,), alpha2=(0.9,))
    config = PLUS.model_copy(update={"training": fast, "ask": "all", "blend": blend})
    return llama4rec(small(), backbone="mf", llm=FakeLLM(), config=config)


def test_a_duel_is_llama4recs_lists_against_a_rival_who_knows_as_much() -> None:
    """The rival puts films in the order of their numbers, and is told histories up to test."""
    run = whole_run()
    split, first, rival = run.setup.split, run.seeds[0], FollowingLLM(by_number)
    duel = fought(run, rival)
    sample = sampled(first.view.candidates, split.test, 0)
    users = first.view.candidates.users[sample]
    won = lost = 0
    for user, row in zip(users.tolist(), np.flatnonzero(sample), strict=True):
        (target,) = split.test.of(user)
        ours = first.lists[FULL].items[row].tolist().index(target)
        theirs = sorted(first.view.candidates.items[row].tolist()).index(target)
        won, lost = won + (ours < theirs), lost + (ours > theirs)
    assert duel.outcomes["place"] == {"win": won, "tie": len(users) - won - lost, "loss": lost}
    assert won != lost and duel.samples == len(users) == len(rival.log)
    base = outcomes(first.lists["Base"].of(sample), ranked_by_number(first, sample), split.test)
    assert base["place"] != duel.outcomes["place"]
    for user, (prompt, options) in zip(users.tolist(), rival.log, strict=True):
        assert all(len(option.strip()) == 1 for option in options)  # listwise: letters
        (later,) = split.valid.of(user)
        assert split.catalogue.titles[later] in prompt.user


def test_nobody_wins_where_the_rivals_answer_cannot_be_used() -> None:
    run, users = whole_run(), list[str]()

    def some(prompt: Prompt, option: str) -> float:
        known = prompt.user not in users
        users.extend([prompt.user] * known)
        return np.nan if users.index(prompt.user) % 3 == 0 else by_number(prompt, option)

    duel, whole = fought(run, FollowingLLM(some)), fought(run, FollowingLLM(by_number))
    assert duel.rejected == {"not a number": -(-whole.samples // 3)} and not whole.rejected
    assert duel.samples == whole.samples - duel.rejected["not a number"] > 0
    assert all(sum(counts.values()) == duel.samples for counts in duel.outcomes.values())
    piece = PIECES["llama4rec/fig7"]
    notes = piece.notes({piece.cells[0]: Made(Path("x"), invented(), duel)})
    assert any("could not be used: " in note for note in notes)


def by_number(prompt: Prompt, option: str) -> float:
    listed = dict(row.split(". ") for row in prompt.user.splitlines() if row[1:3] == ". ")
    return -float(listed[option.strip()].split()[1])


def ranked_by_number(first: Any, sample: Any) -> Rankings:
    candidates = first.view.candidates.of(sample)
    return Rankings(candidates.users, np.sort(candidates.items), -np.sort(candidates.scores))


def test_at_the_chosen_weights_a_sweep_is_the_tables_row() -> None:
    run = whole_run()
    weighing = Weighing.of(run.setup.split.train, run.setup.config.blend)
    (row,) = (row for row in run.contents.rows if row.method == FULL)
    chosen = run.seeds[0].choices[FULL].grid.best
    for name, value in zip(("alpha1", "alpha2"), chosen, strict=True):
        for curve in sweep.swept(name, run.seeds, run.setup.split, weighing):
            assert curve.y[curve.x.index(value)] == pytest.approx(row.metrics[curve.name])

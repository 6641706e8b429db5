"""A folder's runs have all that they should in common."""

import json
from pathlib import Path

import pytest

from reproduce.invented import put_run
from tandemrec.errors import RunError
from tandemrec.recipes.spec import RunSpec
from tandemrec.reproduce import PIECES, piece_of
from tandemrec.reproduce.claim import check_claim, claim
from tandemrec.reproduce.piece import Piece

TABLE = PIECES["llama4rec/table2"]
SETTINGS = {"blend": {"constant": 0.3}}


@pytest.fixture
def spec(tmp_path: Path) -> RunSpec:
    """Of a folder with one finished run."""
    spec = RunSpec(llm="fake", out=tmp_path, seeds=2, settings=SETTINGS)
    claim(tmp_path, check_claim(TABLE, spec))
    put_run(spec.model_copy(update={"out": tmp_path / "ml-100k" / "mf"}))
    return spec


def refused(spec: RunSpec, piece: Piece = TABLE) -> str:
    with pytest.raises(RunError, match="Name another folder with --out") as told:
        check_claim(piece, spec)
    return str(told.value)


def test_the_note_says_what_was_asked(spec: RunSpec) -> None:
    note = json.loads((spec.out / "reproduce.json").read_text())
    assert note == {
        "paper": "llama4rec",
        "piece": "table2",
        "llm": "fake",
        "embedder": None,
        "preset": "plus",
        "seed": 0,
        "seeds": 2,
        "settings": SETTINGS,
    }


def test_another_pieces_folder_is_refused(spec: RunSpec) -> None:
    text = refused(spec, PIECES["llama4rec/fig4"])
    assert "holds runs of llama4rec/table2, not of llama4rec/fig4" in text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"llm": "fake:1"}, ["llm fake, not fake:1"]),
        ({"embedder": "words"}, ["embedder None, not words"]),
        ({"preset": "paper"}, ["preset plus, not paper"]),
        ({"seed": 1}, ["seed 0, not 1"]),
        ({"seeds": 1}, ["seeds 2, not 1"]),
        ({"settings": {}}, ["blend.constant 0.3, not 0.5"]),
        (
            {"settings": SETTINGS | {"tune": None}, "llm": "fake:1"},
            ["llm fake, not fake:1", "tune", "not None"],
        ),
    ],
)
def test_other_options_are_refused_by_name(spec: RunSpec, change: dict, said: list[str]) -> None:
    text = refused(spec.model_copy(update=change))
    assert all(each in text for each in said)
    assert "\n" not in text and "give the same options" in text


def test_the_same_options_and_more_seeds_go_on(spec: RunSpec) -> None:
    check_claim(TABLE, spec)
    same = SETTINGS | {"candidates": 10}  # the preset's
    check_claim(TABLE, spec.model_copy(update={"settings": same}))
    more = check_claim(TABLE, spec.model_copy(update={"seeds": 5}))
    claim(spec.out, more)
    assert "seeds 5, not 2" in refused(spec)


def test_a_folder_without_a_finished_run_is_anybodys(spec: RunSpec) -> None:
    (spec.out / "ml-100k" / "mf" / "run.json").unlink()
    check_claim(PIECES["llama4rec/fig4"], spec.model_copy(update={"llm": "fake:1"}))


def test_a_figure_of_several_models_may_have_more(tmp_path: Path) -> None:
    one, two = (piece_of("llama4rec/fig5", names) for names in (["fake"], ["fake:1", "fake"]))
    spec = RunSpec(llm="fake", out=tmp_path)
    claim(tmp_path, check_claim(one, spec))
    put_run(spec.model_copy(update={"out": tmp_path / "ml-100k" / "lightgcn" / "fake"}))
    check_claim(two, spec.model_copy(update={"llm": "fake:1"}))


def test_the_folder_of_a_single_run_and_a_damaged_note(spec: RunSpec) -> None:
    assert "folder of a single run" in refused(
        spec.model_copy(update={"out": spec.out / "ml-100k" / "mf"})
    )
    (spec.out / "reproduce.json").write_text("{")
    with pytest.raises(RunError, match=r"reproduce\.json is damaged .*Delete it"):
        check_claim(TABLE, spec)

"""`tandemrec export`: what a finished run tuned on, as files that another program tunes on."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recipes.worlds import write_log
from tandemrec.recipes import instructions
from tandemrec.recipes.execute import execute, finished
from tandemrec.recipes.spec import RunSpec
from tandemrec.tuning.examples import Example
from tandemrec.tuning.tune import tune
from tiny_llm import tiny_folder
from tuning.llamafactory_rules import seen, training

Call = Callable[..., tuple[int, str, list[str]]]
TUNE = {"trainable_layers": 2, "steps": 2, "context": 1900}


def run(folder: Path, llm: str, **settings: Any) -> Path:
    """A small finished run on a log of one's own."""
    titles = [f"i{n},Film {n:02d}" for n in range(25)]
    (folder / "items.csv").write_text("item_id,title\n" + "\n".join(titles) + "\n")
    out = folder / "run"
    fast = {"training": {"epochs": 3, "every": 1, "batch_size": 64}, "tune": TUNE}
    spec = {"data": str(write_log(folder, 20)), "items": str(folder / "items.csv"), "llm": llm}
    settings = {**fast, **settings}
    execute(RunSpec.model_validate({**spec, "backbone": "mf", "out": out, "settings": settings}))
    return out


LEARNT: list[list[Example]] = []
"What the tuning was given."


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the preset `plus` with a tiny language model."""
    folder = tmp_path_factory.mktemp("world")
    tiny_folder(folder / "model", context=2048)

    def noting(examples: list[Example], *more: Any, **options: Any) -> Any:
        LEARNT.append(list(examples))
        return tune(examples, *more, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tandemrec.recipes.tuning.tune", noting)
        return run(folder, str(folder / "model"))


def test_a_run_gives_the_examples_that_it_tuned_on(tuned: Path, call: Call) -> None:
    code, out, _ = call("export", tuned, "--instructions", "llamafactory", "--json")
    assert code == 0
    found = json.loads(out)
    (own,) = LEARNT
    assert found["counts"] == {"instructions": len(own)} and len(own) > 5
    assert Path(found["files"][0]) == tuned / "llamafactory" / "instructions.json"
    read = seen(tuned / "llamafactory", "train.yaml")
    assert [(row.user, row.answer) for row in read] == [(e.prompt.user, e.answer) for e in own]
    settings = training(tuned / "llamafactory", "train.yaml")
    assert settings["model_name_or_path"] == str(tuned.parent / "model")
    assert (settings["cutoff_len"], settings["template"]) == (1900, "empty")


def test_settings_and_another_folder(tuned: Path, tmp_path: Path, call: Call) -> None:
    words = ["export", tuned, "--instructions", "llamafactory", "--out", tmp_path / "a"]
    code, out, err = call(*words, "--set", "layout=sharegpt", "--set", "rank=3")
    assert code == 0
    assert [Path(line).name for line in out.splitlines()] == [
        "instructions.json",
        "dataset_info.json",
        "train.yaml",
    ]
    assert any("instructions: " in line and "examples" in line for line in err)
    assert training(tmp_path / "a", "train.yaml")["lora_rank"] == 3
    assert "conversations" in (tmp_path / "a" / "instructions.json").read_text()


def test_exporting_twice_gives_the_same_and_makes_nothing(tuned: Path, call: Call) -> None:
    words = ["export", tuned, "--instructions", "llamafactory"]
    call(*words)
    before = state(tuned)
    assert call(*words)[0] == 0
    assert state(tuned) == before
    assert finished(tuned).setup.run.made == []


def state(folder: Path) -> dict[str, bytes]:
    files = [file for file in folder.rglob("*") if file.is_file()]
    kept = [file for file in files if not file.name.startswith("answers.sqlite")]
    return {str(file.relative_to(folder)): file.read_bytes() for file in kept}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--instructions", "llamafactry"], "Did you mean 'llamafactory'"),
        (["--instructions", "llamafactory", "--set", "rnak=3"], "Did you mean 'rank'"),
        (["--instructions", "llamafactory", "--set", "rank"], "--set takes NAME=VALUE"),
        ([], "Missing option"),
    ],
)
def test_a_wrong_word_is_one_line(tuned: Path, call: Call, words: list[str], says: str) -> None:
    code, out, err = call("export", tuned, *words)
    assert (code, out) == (2, "")
    assert says in err[-1]


def test_a_run_without_tuning_says_so(tmp_path: Path, call: Call) -> None:
    folder = run(tmp_path, "fake")
    code, _, err = call("export", folder, "--instructions", "llamafactory")
    assert code == 2 and "tuned no language model" in err[-1]
    assert not (folder / "llamafactory").exists()


def test_a_folder_without_a_run_says_so(tmp_path: Path, call: Call) -> None:
    code, _, err = call("export", tmp_path, "--instructions", "llamafactory")
    assert code == 2 and "finish the run first" in err[-1]


@pytest.mark.parametrize(
    ("llm", "name"),
    [
        ("smollm2-135m", "HuggingFaceTB/SmolLM2-135M-Instruct"),
        ("smollm2-135m:15", "/cache/cut"),
        ("org/name", "org/name"),
    ],
)
def test_a_model_is_named_as_anybody_can_fetch_it(llm: str, name: str) -> None:
    assert instructions._model(llm, Path("/cache/cut")) == name

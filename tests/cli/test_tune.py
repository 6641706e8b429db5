"""`tandemrec tune`: a file of instructions, a tuned model; and where launchers' settings lie."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tandemrec.llm.base import Prompt
from tandemrec.tuning import launchers, trl
from tandemrec.tuning.examples import Example
from tandemrec.tuning.tune import TuneConfig, Tuned, tune
from tiny_llm import tiny_folder
from tuning_lessons import LORA, OPENING, weights

Call = Callable[..., tuple[int, str, list[str]]]
EXAMPLES = [
    *(Example(OPENING, "Star Wars\nFargo\n") for _ in range(6)),
    *(Example(Prompt("Answer.", f"Heat {n}"), "Yes") for n in range(4)),
]
SETTINGS = [f"--set={name}={value}" for name, value in (LORA | {"steps": 3}).items()]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_folder(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both kinds of examples in one file."""
    texts = trl.files({"all": EXAMPLES}, trl.TrlConfig(model="x"))
    place = tmp_path_factory.mktemp("files") / "all.jsonl"
    place.write_text(texts["all_plain.jsonl"] + texts["all.jsonl"])
    return place


def test_it_learns_what_the_library_learns(
    base: Path, file: Path, tmp_path: Path, call: Call
) -> None:
    words = ["tune", file, "--llm", base, "--out", tmp_path / "out", *SETTINGS]
    code, out, err = call(*words)
    assert (code, out) == (0, f"{tmp_path / 'out'}\n")
    assert any("loss" in line for line in err)
    one, two = Tuned.load(tmp_path / "out"), tmp_path / "two"
    again = tune(EXAMPLES, base, TuneConfig(**LORA, steps=3), two)
    assert one.fingerprint == again.fingerprint and weights(one).keys() == weights(again).keys()
    code, out, err = call(*words, "--json")  # once more: it is there
    assert json.loads(out)["curve"] == [list(point) for point in again.curve]
    assert json.loads(out)["method"] == "lora" and not any("loss" in line for line in err)


def test_a_tracker_has_files_beside_what_is_tuned(
    base: Path, file: Path, tmp_path: Path, call: Call
) -> None:
    pytest.importorskip("tensorboard")
    words = ["tune", file, "--llm", base, *SETTINGS, "--out"]
    assert call(*words, tmp_path / "one", "--track", "tensorboard")[0] == 0
    assert call(*words, tmp_path / "two")[0] == 0
    assert list((tmp_path / "one-tracking" / "tensorboard").iterdir())
    one, two = (Tuned.load(tmp_path / name) for name in ("one", "two"))
    assert one.fingerprint == two.fingerprint


def test_a_tracker_that_is_missing_is_said_before_the_work(
    base: Path, file: Path, tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "trackio", None)
    words = ["tune", file, "--llm", base, "--out", tmp_path / "out", "--track", "trackio"]
    code, _, err = call(*words)
    assert code == 2 and "needs the package trackio" in err[-1]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", list(launchers.CONFIGS))
def test_where_a_launchers_settings_lie(name: str, call: Call) -> None:
    code, out, _ = call("tune", "--launcher", name)
    assert code == 0 and Path(out.strip()).is_file() and Path(out.strip()).stem == name


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["tune"], "Missing argument: a file of instructions"),
        (["tune", "--launcher", "fsdp3"], "Did you mean 'fsdp2'"),
        (["tune", "FILE", "--set", "rnak=3"], "Did you mean 'rank'"),
        (["tune", "FILE", "--llm", "fake"], "'fake' has no weights to tune"),
        (["tune", "FILE", "--llm", "smollm2-153m"], "Did you mean 'smollm2-135m'"),
        (["tune", "missing.jsonl"], "missing.jsonl: cannot be read"),
        (["tune", "FILE", "--track", "mlfow"], "Did you mean 'mlflow'"),
    ],
)
def test_a_wrong_word_is_one_line(
    file: Path, tmp_path: Path, call: Call, words: list[str], says: str
) -> None:
    words = [str(file) if word == "FILE" else word for word in words]
    out = [] if words == ["tune"] else ["--out", str(tmp_path / "out")]
    code, printed, err = call(*words, *out)
    assert (code, printed) == (2, "") and says in err[-1]
    assert not (tmp_path / "out").exists()


def test_a_run_is_one_process(call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    code, _, err = call("run", "llama4rec", "--out", tmp_path / "run")
    assert code == 2 and "tandemrec tune" in err[-1]
    assert not (tmp_path / "run").exists()

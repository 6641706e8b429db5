"""`tandemrec llm-work`: the commands of a loop, and what is wrong with them."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tandemrec.cli import main
from tandemrec.llm import LLMS
from tandemrec.llm.base import Prompt
from tandemrec.llm.fake import FakeLLM
from tandemrec.llm.work import Question, Shard, write

Call = Callable[..., tuple[int, str, list[str]]]


@pytest.fixture
def work(tmp_path: Path) -> Path:
    asked = [Question(Prompt("", f"user {n}"), ("Yes", "No")) for n in range(50)]
    return write(tmp_path / "work", asked, FakeLLM(), block=7, store=tmp_path / "store").folder


def test_the_shards_and_their_merge(call: Call, work: Path, tmp_path: Path) -> None:
    for shard in ("2/2", "1/2"):
        code, out, _ = call("llm-work", work, "--shard", shard, "--json")
        assert code == 0 and json.loads(out)["blocks"] == 4
    code, out, _ = call("llm-work", "answer", work)
    assert code == 0 and out.split() == ["blocks", "0", "questions", "0", "found", "8"]
    code, out, _ = call("llm-work", "merge", work, "--json")
    found = json.loads(out)
    assert code == 0 and (found["answers"], found["new"]) == (50, 50)
    assert (tmp_path / "store").exists() and Path(found["file"]).exists()
    code, out, _ = call("llm-work", "merge", work)
    assert code == 0 and found["sha256"] in out


def test_folders_and_a_store_of_ones_own(call: Call, work: Path, tmp_path: Path) -> None:
    for n in (1, 2):
        words = ("--llm", "fake", "--out", tmp_path / f"out-{n}")
        assert call("llm-work", "--shard", f"{n}/2", work, *words)[0] == 0
    both = [tmp_path / "out-2", tmp_path / "out-1"]
    assert call("llm-work", "merge", work, *both, "--into", tmp_path / "mine")[0] == 0
    assert (tmp_path / "mine").exists() and not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--shard", "0/2"], "I/N with I from 1 to N"),
        (["--llm", "fake:2"], "asks 'fake'"),
        (["--llm", "fake", "--adapter", "x"], "no weights for an adapter"),
        (["--ray", "auto", "--shard", "1/2"], "--shard or --ray"),
        (["--shrad", "1/2"], "Did you mean '--shard'"),
        (["--shard", "1/2", "more"], "unexpected extra argument"),
    ],
)
def test_a_mistake_is_one_line(call: Call, work: Path, words: list[str], says: str) -> None:
    code, out, err = call("llm-work", work, *words)
    assert code == 2 and not out and says in err[-1]


def test_an_early_merge_and_a_missing_work(call: Call, work: Path, tmp_path: Path) -> None:
    code, _, err = call("llm-work", "merge", work)
    assert code == 2 and "have no answers" in err[-1]
    code, _, err = call("llm-work", tmp_path / "none", "--shard", "1/2")
    assert code == 2 and "There is no" in err[-1]


WORKER = """
import sys
from importlib.abc import MetaPathFinder

OURS = ["cli", "llm", "errors", "cache", "config", "oneline", "progress", "wheels", "writing"]
HEAVY = ["torch", "transformers", "polars", "scipy", "pandas", "matplotlib", "jinja2", "ray"]

class Bare(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        top, _, rest = name.partition(".")
        if top in HEAVY or top == "tandemrec" and rest and rest.split(".")[0] not in OURS:
            raise ModuleNotFoundError(f"a worker has no {name}", name=name)

sys.meta_path.insert(0, Bare())
from tandemrec.cli import main
for words in (["--shard", "1/2"], ["--shard", "2/2"]):
    assert main(["llm-work", sys.argv[1], *words]) == 0
assert main(["llm-work", "merge", sys.argv[1], "--json"]) == 0
"""


def test_a_worker_needs_little(work: Path) -> None:
    """As in an environment without all but the few packages that docs/shards.md names."""
    command = [sys.executable, "-c", WORKER, str(work)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert '"answers": 50' in done.stdout


PAGE = (Path(__file__).parents[2] / "docs" / "shards.md").read_text()
COMMANDS = """#!/bin/bash
# `run` plans once, and then is done; the other commands are the real ones
if [ "$1" = run ]; then test -e planned && exit 0; touch planned; exit 3; fi
exec "$PYTHON" -m tandemrec "$@"
"""
SBATCH = """#!/bin/bash
read -r first last < <(sed -n 's/^#SBATCH --array=\\([0-9]*\\)-\\([0-9]*\\)$/\\1 \\2/p' "$2")
for i in $(seq "$first" "$last"); do SLURM_ARRAY_TASK_ID=$i bash -e "$2" || exit; done
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def block(language: str, *words: str) -> str:
    """The one that has all these words."""
    (found,) = [text for text in blocks(language) if all(word in text for word in words)]
    return found


def in_bash(script: str, folder: Path) -> str:
    """What a script of the page prints, where `tandemrec` and `sbatch` are ours."""
    for name, text in (("tandemrec", COMMANDS), ("sbatch", SBATCH)):
        (folder / "bin").mkdir(exist_ok=True)
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)
    path = {"PYTHON": sys.executable, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}
    how = {"env": os.environ | path, "cwd": folder, "capture_output": True, "text": True}
    done = subprocess.run(["bash", "-ec", script], **how)
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


def test_the_pages_loop_answers_all(work: Path, tmp_path: Path) -> None:
    assert "answers  50" in in_bash(block("bash", "until", "seq 8"), tmp_path)
    assert len(list(work.glob("answers/*-of-8.json"))) == 8


def test_the_pages_slurm_script_answers_all(work: Path, tmp_path: Path) -> None:
    (tmp_path / "shards.sbatch").write_text(block("bash", "#SBATCH"))
    assert "answers  50" in in_bash(block("bash", "until", "sbatch"), tmp_path)
    assert len(list(work.glob("answers/*-of-8.json"))) == 8


def test_the_pages_gpus_answer_all(work: Path, tmp_path: Path) -> None:
    in_bash(block("bash", "CUDA_VISIBLE_DEVICES"), tmp_path)
    assert len(list(work.glob("answers/*-of-4.json"))) == 4


@pytest.mark.parametrize("row", re.findall(r"^\|.*?`--shard (.*?)` \|", PAGE, re.MULTILINE))
def test_the_pages_arrays_count_from_one(row: str) -> None:
    counted = re.search(r"[A-Z_]{5,}", row)
    name, first = (counted.group() if counted else ""), int("+ 1" not in row)
    said = row.replace("{}", "$(seq 64 | tail -1)")
    for number in (1, 64):
        script = f"{name or 'x'}={first + number - 1}; echo {said}"
        told = subprocess.run(["bash", "-ec", script], capture_output=True, text=True, check=True)
        assert Shard.read(told.stdout) == (number if counted else 64, 64)


def test_the_plans_arithmetic(capsys: pytest.CaptureFixture[str]) -> None:
    exec(block("python", "gpu_hours"), {})
    assert capsys.readouterr().out == block("text", "GPU hours")


def test_a_package_that_a_worker_lacks_is_named(
    call: Call, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bare(*words: object, **options: object) -> None:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setitem(LLMS, "smollm2-135m", bare)
    code, _, err = call("llm-work", work, "--llm", "smollm2-135m")
    assert code == 2 and "smollm2-135m needs the package torch" in err[-1]
    assert "pip install torch" in err[-1]


def test_help_names_both(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["llm-work", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "answer" in shown and "merge" in shown


@pytest.mark.parametrize(
    ("words", "says"),
    [([], "Missing command. Known: answer, merge."), (["anwser", "work"], "Did you mean 'answer'")],
)
def test_a_missing_or_mistyped_command_is_one_line(call: Call, words: list[str], says: str) -> None:
    code, _, err = call("llm-work", *words)
    assert code == 2 and len(err) == 1 and says in err[0]

"""Processes that tune together learn what one learns: DDP, FSDP2 and ZeRO-3 on the CPU, by gloo."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from tandemrec.tuning import launchers, trl
from tandemrec.tuning.examples import Example
from tandemrec.tuning.tune import TuneConfig, Tuned, tune
from tuning.torchrun_script import EXAMPLES
from tuning_lessons import FAST, LORA, weights

pytestmark = pytest.mark.processes
HERE = Path(__file__).parent
CASES: dict[str, dict[str, Any]] = {
    "full": {**FAST, "epochs": 2},
    "lora": {**LORA, "epochs": 2},
    "one at a time": {**FAST, "batch_tokens": 30, "steps": 4},  # one process gets no lesson
    "bfloat16": {**LORA, "precision": "bfloat16", "steps": 3},
}
ABOVE_FROZEN = {**FAST, "epochs": 3, "trainable_layers": 1, "keep_frozen": True}
NOTHING = {**FAST, "learning_rate": 1e-30, "steps": 1}  # the first process finds that it failed
NEAR = {"full": 1e-5, "lora": 1e-5, "one at a time": 1e-5, "above frozen": 1e-5, "bfloat16": 2e-2}

FAILS_AT_ITS_END = """
import atexit, os
if "RANK" in os.environ:
    atexit.register(lambda: os._exit(7))
"""  # as one does that is aborted by a thread of gloo's
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


def launch(base: Path, out: Path, job: dict[str, Any]) -> int:
    """The exit status of `torchrun` over the script, in two processes."""
    words = [str(HERE / "torchrun_script.py"), str(base), str(out), json.dumps(job)]
    return subprocess.run([*TORCHRUN, *words], env=environment(), capture_output=True).returncode


def environment(*first: Path) -> dict[str, str]:
    paths = os.pathsep.join([*map(str, first), str(HERE.parent), *filter(None, sys.path)])
    return os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "DS_ACCELERATOR": "cpu"}


def note(out: Path, rank: int) -> dict[str, Any]:
    return json.loads(Path(f"{out}.rank{rank}.json").read_text())


def check_near(ours: Tuned, theirs: Tuned, gap: float) -> None:
    """Equal losses and order, and weights that differ by rounding."""
    assert [tokens for tokens, _ in ours.curve] == [tokens for tokens, _ in theirs.curve]
    losses = [[loss for _, loss in each.curve] for each in (ours, theirs)]
    np.testing.assert_allclose(*losses, rtol=0, atol=gap)
    one, two = weights(ours), weights(theirs)
    assert one.keys() == two.keys()
    worst = max(float((one[name] - two[name]).abs().max()) for name in one)
    assert worst < 100 * gap


@pytest.fixture(scope="module")
def alone(base: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tuned]:
    """What one process makes of each case."""
    out = tmp_path_factory.mktemp("alone")
    cases = CASES | {"above frozen": ABOVE_FROZEN}
    return {
        name: tune(EXAMPLES, base, TuneConfig(**each), out / name) for name, each in cases.items()
    }


class Two(NamedTuple):
    """What two processes made of the cases, and what each said of them."""

    out: Path
    first: dict[str, Any]
    second: dict[str, Any]

    def said(self, name: str) -> list[dict[str, Any]]:
        """Of one case, by both."""
        every = (case for each in (self.first, self.second) for case in each["cases"])
        return [case for case in every if case["name"] == name]


@pytest.fixture(scope="module", params=["ddp", "fsdp2", "zero3"])
def two(request: pytest.FixtureRequest, base: Path, tmp_path_factory: Any) -> Two:
    """One start of all cases, since it takes longer than they do."""
    way = request.param
    if way == "zero3" and importlib.util.find_spec("deepspeed") is None:
        pytest.skip("needs DeepSpeed")
    out = tmp_path_factory.mktemp(way)
    every = CASES | {"above frozen": ABOVE_FROZEN, "nothing": NOTHING}
    job = {"cases": {name: each | {"parallel": way} for name, each in every.items()}}
    assert launch(base, out, job) == 0
    return Two(out, note(out, 0), note(out, 1))


def test_two_processes_learn_what_one_learns(two: Two, alone: dict[str, Tuned]) -> None:
    for name in CASES:
        check_near(Tuned.load(two.out / name), alone[name], NEAR[name])


def test_the_first_process_tells_and_writes(two: Two) -> None:
    for name in CASES:
        first, second = two.said(name)
        assert first["error"] == second["error"] == ""
        assert first["calls"] == len(Tuned.load(two.out / name).curve) and second["calls"] == 0
    assert two.first["written"] and not two.second["written"]


def test_frozen_layers_are_kept_where_each_process_has_the_model(
    two: Two, alone: dict[str, Tuned], request: pytest.FixtureRequest
) -> None:
    if request.node.callspec.params["two"] == "ddp":
        assert [case["error"] for case in two.said("above frozen")] == ["", ""]
        check_near(Tuned.load(two.out / "above frozen"), alone["above frozen"], 1e-5)
    else:
        assert all("tune with parallel=ddp" in c["error"] for c in two.said("above frozen"))


def test_what_fails_in_the_first_process_ends_all(two: Two) -> None:
    first, second = (case["error"] for case in two.said("nothing"))
    assert first.startswith("LLMError: The saved model, loaded back, does not answer")
    assert second.startswith("FirstFailed: The first process failed: The saved model")


@pytest.mark.parametrize(("way", "after"), [("ddp", 1), ("fsdp2", 2)])
def test_goes_on_after_a_kill_with_as_many_processes_or_one(
    base: Path, tmp_path: Path, alone: dict[str, Tuned], way: str, after: int
) -> None:
    settings = CASES["full"] | {"parallel": way, "checkpoint_seconds": 0}
    out = tmp_path / "out"
    assert launch(base, out, {"cases": {"full": settings}, "die": 4}) != 0
    kept = sorted(path.name for path in (out / "full" / "checkpoints").iterdir())
    assert kept == ["checkpoint-2", "checkpoint-3"]
    if after == 1:
        told: list[Any] = []
        config = TuneConfig(**settings)
        tune(EXAMPLES, base, config, out / "full", progress=lambda *call: told.append(call))
    else:
        assert launch(base, out, {"cases": {"full": settings}}) == 0
        told = [None] * note(out, 0)["cases"][0]["calls"]
    resumed = Tuned.load(out / "full")
    assert len(told) == len(resumed.curve) - 3
    check_near(resumed, alone["full"], 1e-5)


@pytest.mark.parametrize("launcher", ["torchrun", *launchers.CONFIGS])
def test_the_command_line_tunes_in_two_processes(
    base: Path, tmp_path: Path, plain: list[Example], launcher: str
) -> None:
    if launcher == "zero3" and importlib.util.find_spec("deepspeed") is None:
        pytest.skip("needs DeepSpeed")
    texts = trl.files({"all": plain}, trl.TrlConfig(model=str(base)))
    (tmp_path / "all.jsonl").write_text(texts["all.jsonl"])
    settings = [f"{name}={value}" for name, value in (LORA | {"steps": 4}).items()]
    words = ["tune", tmp_path / "all.jsonl", "--llm", base, "--out", tmp_path / "out"]
    words += [word for each in settings for word in ("--set", each)]
    command = TORCHRUN if launcher == "torchrun" else accelerate(launcher)
    words = [*command, "-m", "tandemrec", *words]
    (tmp_path / "sitecustomize.py").write_text(FAILS_AT_ITS_END)
    around = environment(tmp_path)
    done = subprocess.run(map(str, words), env=around, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / "out") in done.stdout.splitlines()  # DeepSpeed prints there too
    assert "loss" in done.stderr and "Error" not in done.stderr
    one = tune(plain, base, TuneConfig(**LORA, steps=4), tmp_path / "one")
    check_near(Tuned.load(tmp_path / "out"), one, 1e-5)


def accelerate(launcher: str) -> list[str]:
    """`accelerate launch` with settings that we bring, but on two processes."""
    words = ["accelerate.commands.launch", "--config_file", str(launchers.file_of(launcher))]
    return [sys.executable, "-m", *words, "--num_processes", "2"]


@pytest.fixture(scope="module")
def plain() -> list[Example]:
    """Those that are asked in no chat: a file has one kind."""
    return [each for each in EXAMPLES if not each.prompt.chat]

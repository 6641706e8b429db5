"""A fit by two processes: the same losses and weights as by one."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tandemrec.backbones import SGL, build
from tandemrec.data.worlds import clubs
from tandemrec.errors import BackboneError, ConfigError
from tandemrec.training import TrainConfig, fit

BATCHES = (33, 1 + len(clubs()) // 2, len(clubs()) - 1)
"""Of shares of different sizes; and such that one share of the last batch has no row."""
SCRIPT = """
import json, sys
from pathlib import Path
import torch
from tandemrec.data.worlds import clubs
from tandemrec.errors import RunError
from tandemrec.training import TrainConfig, fit

rank, out = int(__import__("os").environ["RANK"]), Path(sys.argv[1])
for name in ("mf", "lightgcn"):
    for size in map(int, sys.argv[2:]):
        config, made = TrainConfig(epochs=4, batch_size=size, learning_rate=0.02), f"{name}-{size}"
        file = out / f"{made}.pt"
        fitted = fit(name, clubs(), config, hyper={"width": 8}, ddp=True, checkpoint=file)
        torch.save(fitted.model.state_dict(), out / f"{made}-{rank}.weights")
        (out / f"{made}-{rank}.json").write_text(json.dumps(fitted.curve))
short = TrainConfig(epochs=2)
fit("mf", clubs(), short, ddp=True, checkpoint=out / "seen-0.pt")
try:
    fit("mf", clubs(), short, ddp=True, checkpoint=out / f"seen-{rank}.pt")
except RunError as error:
    (out / f"told-{rank}").write_text(str(error))
"""


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes made of each backbone and size of batch."""
    folder = tmp_path_factory.mktemp("learnt")
    (folder / "script.py").write_text(SCRIPT)
    started = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    given = [str(folder / "script.py"), str(folder), *map(str, BATCHES)]
    subprocess.run([*started, *given], check=True, timeout=200)
    return folder


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("name", ["mf", "lightgcn"])
def test_two_processes_learn_what_one_does(name: str, batch: int, learnt: Path) -> None:
    config = TrainConfig(epochs=4, batch_size=batch, learning_rate=0.02)
    alone = fit(name, clubs(), config, hyper={"width": 8})
    for rank in (0, 1):
        curve = json.loads((learnt / f"{name}-{batch}-{rank}.json").read_text())
        losses = [loss for _, loss, _ in curve]
        np.testing.assert_allclose(losses, [point.loss for point in alone.curve], atol=1e-5)
        weights = torch.load(learnt / f"{name}-{batch}-{rank}.weights")
        for key, value in alone.model.state_dict().items():
            torch.testing.assert_close(weights[key], value, atol=1e-5, rtol=1e-4)
    assert (learnt / f"{name}-{batch}.pt").exists()


def test_a_checkpoint_that_one_process_does_not_see_is_told(learnt: Path) -> None:
    for rank in (0, 1):
        told = (learnt / f"told-{rank}").read_text()
        assert "after different epochs: [2, 0]" in told and "must read one checkpoint" in told


def test_a_loss_that_is_no_mean_of_rows_is_refused() -> None:
    with pytest.raises(BackboneError, match="SGL cannot be fitted by several processes"):
        fit(build(SGL, clubs()), clubs(), TrainConfig(epochs=1), ddp=True)


def test_without_torchrun_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(ConfigError, match="torchrun --nproc-per-node 2"):
        fit("mf", clubs(), TrainConfig(epochs=1), ddp=True)

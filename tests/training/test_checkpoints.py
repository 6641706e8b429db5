"""A fit that was killed goes on exactly, and only from a checkpoint of its own."""

import linecache
import os
import signal
import subprocess
import sys
from importlib import import_module, invalidate_caches
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backbones.kinds import reads
from tandemrec.backbones import BACKBONES, MF, Fitted, LightGCN, build
from tandemrec.data.fields import Fields
from tandemrec.data.worlds import checkerboard, clubs
from tandemrec.errors import RunError
from tandemrec.training import fit
from training.fits import Killed, Noisy, config, killer, noting, same
from training.worlds import PAIRS, SMALL, a_split, lessons, tiny


@pytest.mark.parametrize("backbone", [MF, LightGCN, Noisy])
@pytest.mark.parametrize("at", [2, 9, 20])
def test_a_killed_fit_goes_on_exactly(backbone: type, at: int, tmp_path: Path) -> None:
    split, extra = a_split(), (np.array([1]), np.array([2]), np.array([3]))
    settings = config(epochs=25, every=2, patience=50, checkpoint_every=4)

    def train(checkpoint: Path | None, progress: Any = None) -> Fitted:
        return fit(
            backbone,
            split,
            settings,
            extra_triples=extra,
            checkpoint=checkpoint,
            progress=progress,
        )

    file = tmp_path / "deep" / "fit.pt"
    with pytest.raises(Killed):
        train(file, killer(at))
    told: list[float] = []
    resumed = train(file, noting(told))
    whole = train(None)
    assert told[0] == 4 * ((at - 1) // 4) + 1  # progress is told before the checkpoint is saved
    assert same(resumed, whole)
    assert resumed.curve == whole.curve and resumed.best_epoch == whole.best_epoch


@pytest.mark.parametrize("name", BACKBONES)
def test_every_killed_backbone_goes_on_exactly(name: str, tmp_path: Path) -> None:
    """Killed in epoch 7, it goes on behind epoch 6: all that is drawn is drawn as before."""
    split = a_split()
    more, read = lessons(name, split.train), reads(name, split.train)
    settings = config(epochs=9, every=2, patience=50, checkpoint_every=3)

    def train(checkpoint: Path | None, progress: Any = None) -> Fitted:
        where = {"checkpoint": checkpoint, "progress": progress}
        return fit(name, split, settings, hyper=tiny(name), **more, **read, **where)

    file = tmp_path / "fit.pt"
    with pytest.raises(Killed):
        train(file, killer(7))
    told: list[float] = []
    resumed = train(file, noting(told))
    whole = train(None)
    assert told == [7, 8, 9]
    assert same(resumed, whole)
    assert resumed.curve == whole.curve and resumed.best_epoch == whole.best_epoch
    plain = fit(name, split, settings, hyper=tiny(name), **read)
    assert not same(plain, whole)  # the lessons were learnt


def test_a_fit_on_pairs_goes_on_exactly(tmp_path: Path) -> None:
    settings, file = config(epochs=9, checkpoint_every=4), tmp_path / "fit.pt"

    def train(**more: Any) -> Fitted:
        return fit(LightGCN, checkerboard(), settings, hyper=SMALL, **more)

    with pytest.raises(Killed):
        train(between_users=PAIRS, checkpoint=file, progress=killer(6))
    told: list[float] = []
    resumed = train(between_users=PAIRS, checkpoint=file, progress=noting(told))
    assert told == [5, 6, 7, 8, 9]
    assert same(resumed, train(between_users=PAIRS))
    told.clear()
    for others in ({"between_users": PAIRS[::-1]}, {"extra_triples": PAIRS}, {}):
        with pytest.raises(Killed):  # of other inputs: from the first epoch
            train(**others, checkpoint=file, progress=killer(1))


KILLED = """
import sys, time, torch
from pathlib import Path
torch.set_num_threads(1)
from tandemrec.backbones import LightGCN
from tandemrec.data.worlds import clubs
from tandemrec.training import TrainConfig, fit
slow = lambda *args: (print("epoch", flush=True), time.sleep(0.01))
settings = TrainConfig(epochs=40, batch_size=64, learning_rate=0.02, checkpoint_every=1)
fit(LightGCN, clubs(), settings, checkpoint=Path(sys.argv[1]), progress=slow)
"""


def test_after_sigkill_the_weights_are_the_same(tmp_path: Path) -> None:
    file = tmp_path / "fit.pt"
    command = [sys.executable, "-c", KILLED, str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(15):
            assert process.stdout.readline() == "epoch\n"
        os.kill(process.pid, signal.SIGKILL)
    assert file.exists()
    settings = config(epochs=40, checkpoint_every=1)
    told: list[float] = []
    resumed = fit(LightGCN, clubs(), settings, checkpoint=file, progress=noting(told))
    assert 14 <= told[0] < 40
    assert same(resumed, fit(LightGCN, clubs(), settings))


def test_a_finished_checkpoint_trains_no_more(tmp_path: Path) -> None:
    file = tmp_path / "fit.pt"
    one = fit(MF, clubs(), config(epochs=3), checkpoint=file)
    two = fit(MF, clubs(), config(epochs=3), checkpoint=file, progress=killer(3))
    assert same(one, two)


def test_a_checkpoint_of_other_inputs_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "fit.pt"
    fit(MF, clubs(), config(epochs=3, seed=1), checkpoint=file)
    fitted = fit(MF, clubs(), config(epochs=3, seed=2), checkpoint=file)
    assert same(fitted, fit(MF, clubs(), config(epochs=3, seed=2)))


def written(folder: Path, sign: int, monkeypatch: pytest.MonkeyPatch) -> type:
    """A backbone as somebody writes it, whose settings are not kept."""
    (folder / "somebodys.py").write_text(
        "from tandemrec.backbones import MF\n"
        "from tandemrec.config import Settings\n\n\n"
        "class Scale(Settings):\n    scale: int = 1\n\n\n"
        "class Somebodys(MF):\n    Config = Scale\n\n"
        "    def __init__(self, settings, train):\n"
        "        super().__init__(MF.Config(width=4), train)\n"
        "        self.factor = settings.scale\n\n"
        f"    def loss(self, batch):\n        return {sign} * self.factor * super().loss(batch)\n"
    )
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "somebodys", raising=False)
    invalidate_caches()
    return import_module("somebodys").Somebodys


def test_a_checkpoint_of_other_code_or_settings_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, told = tmp_path / "fit.pt", list[float]()

    def taught(backbone: Any, hyper: Any = None) -> None:
        given = {"hyper": hyper, "checkpoint": file, "progress": noting(told)}
        fit(backbone, clubs(), config(epochs=2), **given)

    taught(written(tmp_path, 1, monkeypatch))
    linecache.clearcache()
    mended = written(tmp_path, -1, monkeypatch)
    taught(mended)
    taught(mended, {"scale": 2})
    made = build(mended, clubs())
    taught(made)
    made.factor = 3
    taught(made)
    assert told == [1, 2] * 5


def test_a_checkpoint_is_of_a_kind_of_device(tmp_path: Path) -> None:
    file, told = tmp_path / "fit.pt", list[float]()
    for device in ("cpu", "cpu:0"):
        settings = config(epochs=2, device=device)
        fit(MF, clubs(), settings, checkpoint=file, progress=noting(told))
    assert told == [1, 2]


@pytest.mark.parametrize("name", ["mmgcn", "grcn", "mmssl"])
def test_a_checkpoint_of_other_content_is_replaced(name: str, tmp_path: Path) -> None:
    split, file = a_split(), tmp_path / "fit.pt"
    settings = config(epochs=2)
    told: list[float] = []
    for seed in (0, 0, 1):
        fit(
            name,
            split,
            settings,
            hyper=tiny(name),
            **reads(name, split.train, seed),
            checkpoint=file,
            progress=noting(told),
        )
    assert told == [1, 2, 1, 2]


def test_a_checkpoint_of_other_fields_is_replaced(tmp_path: Path) -> None:
    split, file = a_split(), tmp_path / "fit.pt"
    ids = Fields.of(split.train)
    fit("afm", split, config(epochs=2), hyper=SMALL, fields=ids, checkpoint=file)
    told: list[float] = []
    fit("afm", split, config(epochs=2), hyper=SMALL, checkpoint=file, progress=noting(told))
    assert told == [1, 2]


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    file = tmp_path / "fit.pt"
    file.write_bytes(b"half a file")
    with pytest.raises(RunError, match=r"fit.pt is damaged .* delete it"):
        fit(MF, clubs(), config(epochs=3), checkpoint=file)


def test_a_checkpoint_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        fit(MF, clubs(), config(epochs=1), checkpoint=tmp_path / "file" / "fit.pt")

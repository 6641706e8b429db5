"""Killed at ten random moments and started again: the same scores, nothing asked twice."""

import multiprocessing
import random
import signal
import time
from collections.abc import Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from recipes.worlds import small
from tandemrec.backbones import MF
from tandemrec.llm.answers import AnswerStore, Remembering
from tandemrec.llm.base import Choice, Prompt
from tandemrec.llm.fake import FakeLLM
from tandemrec.recipes.execute import llama4rec
from tandemrec.recipes.settings import PLUS
from tandemrec.rerank import RerankConfig

WAYS = tuple(RerankConfig(way=way) for way in ("likelihood", "pointwise", "listwise"))
TRAINING = {"epochs": 40, "every": 1, "patience": 40, "batch_size": 64, "checkpoint_every": 5}
CONFIG = PLUS.model_copy(update={"rerank": WAYS, "training": TRAINING, "ask": "all"})


class Slow(FakeLLM):
    """Says what it is asked, by the names that the store has for it, before it answers."""

    def __init__(self, log: Path) -> None:
        super().__init__()
        self.file = log

    def choose(self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]]) -> list[Choice]:
        name = Remembering(self, None)._key  # type: ignore[arg-type]
        with self.file.open("a") as log:
            for prompt, texts in zip(prompts, options, strict=True):
                log.writelines(name(prompt, f"choose {text}").hex() + "\n" for text in texts)
        time.sleep(0.05)
        return super().choose(prompts, options)


def whole_run(folder: Path) -> None:
    llm = Slow(folder / "asked.txt")
    out = folder / "run"
    llama4rec(small(), backbone=MF, llm=llm, config=CONFIG, out=out, seeds=(0, 1))


def started(folder: Path) -> BaseProcess:
    """The run in a process of its own; forked, so that nothing has to be imported again."""
    folder.mkdir(exist_ok=True)
    child = multiprocessing.get_context("fork").Process(target=whole_run, args=(folder,))
    child.start()
    return child


def asked(folder: Path) -> list[str]:
    file = folder / "asked.txt"
    return file.read_text().split() if file.exists() else []


def stored(folder: Path) -> set[str]:
    file = folder / "run" / "answers.sqlite"
    if not file.exists():
        return set()
    with AnswerStore(file) as store:
        return {key.hex() for key in store.get([bytes.fromhex(key) for key in asked(folder)])}


def finish(child: BaseProcess) -> None:
    child.join(240)
    assert child.exitcode == 0


@pytest.mark.slow
def test_ten_kills_change_nothing(tmp_path: Path) -> None:
    begin = time.monotonic()
    finish(started(tmp_path / "whole"))
    length = time.monotonic() - begin
    folder, draw, killed = tmp_path / "killed", random.Random(0), 0
    for _ in range(10):
        known, before = stored(folder), len(asked(folder))
        child = started(folder)
        time.sleep(draw.uniform(0, length / 4))
        child.kill()
        child.join()
        killed += child.exitcode == -signal.SIGKILL
        assert not known & set(asked(folder)[before:]), "what was stored was asked again"
    known, before = stored(folder), len(asked(folder))
    finish(started(folder))
    assert not known & set(asked(folder)[before:])
    assert killed >= 5  # the others were done before they were shot
    one, other = (tmp_path / name / "run" / "scores.json" for name in ("whole", "killed"))
    assert one.read_bytes() == other.read_bytes()
    assert set(asked(folder)) == set(asked(tmp_path / "whole"))

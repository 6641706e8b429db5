"""Killed at random moments and started again: the same scores, nothing stored asked again."""

import json
import multiprocessing
import random
import signal
import time
from bisect import bisect
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from recipes.hidden_kinds import KIND
from recipes.parity import world
from recipes.worlds import small
from tandemrec.augment.attributes import AttributesConfig
from tandemrec.backbones import MF, DeepFM, SASRec
from tandemrec.data.attributes import Attributes
from tandemrec.data.split import Split, leave_last_out
from tandemrec.data.worlds import tastes
from tandemrec.llm import llm
from tandemrec.llm.answers import CHUNK, AnswerStore, Remembering
from tandemrec.llm.base import Choice, Prompt
from tandemrec.llm.local import LocalLLM
from tandemrec.recipes.dallrec_settings import PLUS as DALLREC
from tandemrec.recipes.execute import dallrec, llama4rec
from tandemrec.recipes.finished import Finished
from tandemrec.recipes.settings import PLUS, RecipeConfig
from tandemrec.rerank import RerankConfig
from tandemrec.tuning.fewshot import FewShotConfig
from tandemrec.tuning.tune import TuneConfig
from tiny_llm import tiny_folder

CONFIG = PLUS.model_copy(
    update={
        "rerank": tuple(RerankConfig(way=way) for way in ("likelihood", "pointwise", "listwise")),
        "training": {
            **{"epochs": 40, "every": 1, "patience": 40, "batch_size": 64},
            "checkpoint_every": 5,
        },
        "tune": TuneConfig(
            trainable_layers=2, learning_rate=1e-3, epochs=6, checkpoint_seconds=0.1
        ),
        "ask": "all",
    }
)
ONE_WAY = {"rerank": CONFIG.rerank[:1], "tune": None, "augment": "always"}


class Case(NamedTuple):
    """A run, how often it is killed, a stage that is hit in any case, the files in which the model
    gave the backbone something, and how much is in one."""

    backbone: Any
    config: RecipeConfig
    kills: int
    stage: str
    given: str
    size: Callable[[Path], int]
    split: Callable[[], Split] = small
    recipe: Callable[..., Finished] = llama4rec


def users_in(file: Path) -> int:
    with np.load(file) as columns:
        return len(columns["users"])


def known_in(file: Path) -> int:
    return Attributes.load(file.parent).found


def rated() -> Split:
    return leave_last_out(tastes(n_users=40, n_items=60))


DIRECT = Case(MF, CONFIG, 10, "tuned, tuning", "preferences.npz", users_in)
SEQUENTIAL = Case(
    SASRec,
    CONFIG.model_copy(update={**ONE_WAY, "backbone": {"width": 8, "length": 8}}),
    4,
    "seed-0/augmented-preferences, asking",
    "insertions.npz",
    users_in,
)
RATING = Case(
    DeepFM,
    CONFIG.model_copy(
        update={
            **{"backbone": {"width": 8, "hidden": (16,)}, "augment": "always"},
            "attributes": AttributesConfig(kinds=(KIND,), manner="instruction", agree=False),
        }
    ),
    6,
    "seed-0/valid/augmented-told, asking",
    "attributes.json",
    known_in,
    rated,
)


LIKES = Case(
    MF,
    DALLREC.model_copy(
        update={
            **{"training": CONFIG.training, "backbone": {"width": 8}},
            "examples": FewShotConfig(examples=12),
            "tune": TuneConfig(method="lora", learning_rate=1e-3, epochs=1, checkpoint_seconds=0.1),
        }
    ),
    5,
    "interactions, asking",
    "drawn.npz",
    users_in,
    world,
    dallrec,
)


def whole_run(folder: Path, case: Case) -> None:
    """A run that notes its ticks of progress, and every question before the model reads it."""
    choose, generate = LocalLLM.choose, LocalLLM.generate

    def note(model: LocalLLM, questions: Iterable[tuple[Prompt, Sequence[str]]]) -> None:
        name = Remembering(model, None)._key  # type: ignore[arg-type]
        with (folder / "asked.txt").open("a") as log:
            for prompt, texts in questions:
                log.write("\n" + " ".join(name(prompt, text).hex() for text in texts) + ".")

    def choosing(
        self: LocalLLM, prompts: Sequence[Prompt], options: Sequence[Sequence[str]]
    ) -> list[Choice]:
        asked = ([f"choose {text}" for text in each] for each in options)
        note(self, zip(prompts, asked, strict=True))
        return choose(self, prompts, options)

    def writing(self: LocalLLM, prompts: Sequence[Prompt], *, max_tokens: int) -> list[str]:
        note(self, [(prompt, [f"write {max_tokens}"]) for prompt in prompts])
        return generate(self, prompts, max_tokens=max_tokens)

    def tick(stage: str, done: float, total: float, note: str = "") -> None:
        with (folder / "ticks.txt").open("a") as log:
            log.write(f"\n{time.monotonic()}\t{stage}\t{done}")

    LocalLLM.choose, LocalLLM.generate = choosing, writing  # type: ignore[method-assign]
    model, out = llm(folder.parent / "model", dtype="float32"), folder / "run"
    how = {"backbone": case.backbone, "config": case.config}
    case.recipe(case.split(), **how, llm=model, out=out, progress=tick)


def started(folder: Path, case: Case) -> BaseProcess:
    """The run in a process of its own; forked from one that has imported everything and done
    nothing, since a fork of the tests' has lost the threads that torch and polars count on."""
    folder.mkdir(exist_ok=True)
    multiprocessing.set_forkserver_preload([__name__])
    child = multiprocessing.get_context("forkserver").Process(target=whole_run, args=(folder, case))
    child.start()
    return child


def finish(child: BaseProcess) -> None:
    child.join(240)
    assert child.exitcode == 0


def ticks(folder: Path) -> list[tuple[float, str, str]]:
    """When, in which stage, how far."""
    file = folder / "ticks.txt"
    lines = file.read_text().splitlines() if file.exists() else []
    whole = [line.split("\t") for line in lines if line.count("\t") == 2]
    return [(float(moment), stage, done) for moment, stage, done in whole]


class Course:
    """The ticks of an undisturbed run, by which another is known to be as far as one of them."""

    def __init__(self, undisturbed: list[tuple[float, str, str]], begin: float) -> None:
        self.moments = [moment - begin for moment, _, _ in undisturbed]
        self.places: dict[Any, int] = {}
        for place, (_, stage, done) in enumerate(undisturbed):
            self.places.setdefault(stage, place)
            self.places.setdefault((stage, done), place)

    def place(self, stage: str, done: str) -> int:
        """Of what is asked again after a kill there is less: then the place of the stage."""
        return self.places.get((stage, done), self.places.get(stage, 0))

    def draw(self, rng: random.Random, case: Case) -> list[int]:
        """Random moments of its time, as places; one is of the case's stage."""
        drawn = [rng.uniform(0, 0.95 * self.moments[-1]) for _ in range(case.kills - 1)]
        within = [place for name, place in self.places.items() if name[0] == case.stage]
        return sorted([rng.choice(within), *(bisect(self.moments, moment) for moment in drawn)])


def shot(folder: Path, case: Case, course: Course, place: int, delay: float) -> str:
    """Start the run, and kill it a moment after it got there; gives the stage that was hit."""
    before, stage = len(ticks(folder)), ""
    child = started(folder, case)
    while child.is_alive():
        new = ticks(folder)[before:]
        stage = new[-1][1] if new else ""
        if new and course.place(*new[-1][1:]) >= place:
            break
        time.sleep(0.005)
    time.sleep(delay)
    child.kill()
    child.join()
    assert child.exitcode == -signal.SIGKILL, "it was done before it was shot"
    return stage


def asked(folder: Path) -> list[tuple[str, ...]]:
    """Every question, as the names that the store has for its answers; a torn line was none."""
    file = folder / "asked.txt"
    lines = file.read_text().splitlines() if file.exists() else []
    return [tuple(line[:-1].split()) for line in lines if line.endswith(".")]


def stored(folder: Path) -> set[str]:
    """The answers to what was asked that are in the store."""
    file, keys = folder / "run" / "answers.sqlite", {key for q in asked(folder) for key in q}
    if not file.exists():
        return set()
    with AnswerStore(file) as store:
        return {key.hex() for key in store.get([bytes.fromhex(key) for key in keys])}


@pytest.mark.slow
@pytest.mark.parametrize(
    "case", [DIRECT, SEQUENTIAL, RATING, LIKES], ids=["direct", "sequential", "rating", "dallrec"]
)
def test_kills_change_nothing(case: Case, tmp_path: Path) -> None:
    """Of every start: no answer that was in the store is asked for again. Of every kill: what was
    asked and is not in the store is a chunk at most. So each answer is asked for once, and once
    more for every kill that found it in flight."""
    tiny_folder(tmp_path / "model", context=2048)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    begin = time.monotonic()
    finish(started(whole, case))
    course, rng = Course(ticks(whole), begin), random.Random(0)
    hit, in_flight, learnt = [], Counter[str](), 0
    for place in course.draw(rng, case):
        known, before = stored(killed), len(asked(killed))
        hit.append(shot(killed, case, course, place, rng.uniform(0, 0.1)))
        new, now = asked(killed)[before:], stored(killed)
        assert not known & {key for question in new for key in question}
        lost = [question for question in new if not now.issuperset(question)]
        assert len(lost) <= CHUNK
        in_flight.update({key for question in lost for key in question})
    known, before = stored(killed), len(asked(killed))
    finish(started(killed, case))
    assert not known & {key for question in asked(killed)[before:] for key in question}
    times = Counter(key for question in asked(killed) for key in question)
    assert all(count <= 1 + in_flight[key] for key, count in times.items())
    assert set(times) == {key for question in asked(whole) for key in question}
    assert len(hit) == case.kills and len(set(hit)) > case.kills // 3, hit  # not all in one place
    assert case.stage in hit
    one, other = (folder / "run" / "scores.json" for folder in (whole, killed))
    assert one.read_bytes() == other.read_bytes()
    for file in whole.rglob(case.given):
        assert file.read_bytes() == (killed / file.relative_to(whole)).read_bytes()
        learnt += case.size(file)
    assert learnt > 0
    if case.config.tune is not None:
        notes = [json.loads(file.read_text()) for file in tmp_path.rglob("tuned.json")]
        assert len(notes) == 2 and notes[0]["fingerprint"] == notes[1]["fingerprint"]

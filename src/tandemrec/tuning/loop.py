"""The steps of a tuning, by one process or by many, with checkpoints on the way."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from tandemrec.progress import Progress
from tandemrec.tuning import ranks
from tandemrec.tuning.frozen import Kept, autocast
from tandemrec.tuning.plan import IGNORED, Lesson, Plan, collate, dealt
from tandemrec.tuning.settings import TuneConfig
from tandemrec.writing import explained

STATE, DRAWS, COMPLETE = "state.json", "random.safetensors", "complete"
KEPT = 2
"Checkpoints that are kept."


class Steps(Protocol):
    """What takes the steps: `spread.Together`, or `zero.Zero`."""

    def loss(self, batch: dict[str, Any]) -> Tensor:
        """A batch's loss."""

    def step(self, loss: Tensor, rate: float) -> None:
        """A step down this loss, at this learning rate."""

    def save(self, folder: Path) -> None:
        """The state, in files."""

    def load(self, folder: Path) -> None:
        """The state that was saved."""


@dataclass
class Loop:
    """A plan being learnt. `kept` holds the frozen layers' outputs, where the learner is only what
    stands above them."""

    steps: Steps
    plan: Plan
    lessons: Sequence[Lesson]
    config: TuneConfig
    device: torch.device
    dtype: torch.dtype
    folder: Path
    "Where checkpoints go."
    progress: Progress
    kept: Kept | None = None
    curve: list[tuple[int, float]] = field(default_factory=list)
    "(tokens read, loss of the step)"

    def run(self) -> list[tuple[int, float]]:
        """All steps that are left, from the last whole checkpoint if there is one."""
        self.resume()
        self.saved = self.began = time.monotonic()
        self.before = self.curve[-1][0] if self.curve else 0
        while len(self.curve) < len(self.plan.batches):
            due = self.step()
            if due and len(self.curve) < len(self.plan.batches):
                self.save()
        return self.curve

    def step(self) -> bool:
        """One step of all processes; whether a checkpoint is due, which the first one decides."""
        number = len(self.curve)
        with autocast(self.device, self.dtype):
            loss = self.steps.loss(self.batch(number))
        self.steps.step(loss, self.rate(number))
        due = ranks.rank() == 0 and time.monotonic() - self.saved >= self.config.checkpoint_seconds
        said = torch.tensor([float(loss.detach()), float(due)], dtype=torch.float64)
        total, wanted = ranks.summed(said).tolist()
        self.curve.append((self.plan.tokens[number], total / ranks.size()))
        self.tell()
        return wanted > 0

    def batch(self, number: int) -> dict[str, Any]:
        """This process's share of a step's lessons, one behind the other.

        Gradients are averaged over processes; `share` makes of that the average over all the
        step's answers. A process that gets no lesson reads one and learns nothing of it, since
        what the others send it has to pass.
        """
        places = self.plan.batches[number]
        lengths = [len(lesson.tokens) for lesson in self.lessons]
        own = dealt(places, lengths, ranks.size())[ranks.rank()]
        found: dict[str, Any] = collate([self.lessons[n] for n in own or places[-1:]])
        if not own:
            found["labels"] = torch.full_like(found["labels"], IGNORED)
        if self.kept is not None:
            found["tokens"] = self.kept.of(own or places[-1:])
        found = {name: value.to(self.device) for name, value in found.items()}
        every = sum(_answers(self.lessons[n]) for n in places)
        learnt = sum(_answers(self.lessons[n]) for n in own)
        return found | {"share": learnt * ranks.size() / every if every else 1.0}

    def rate(self, number: int) -> float:
        """The learning rate of a step: up in a line, then down as a cosine does to 0."""
        total = len(self.plan.batches)
        warmup = min(self.config.warmup_steps, total // 10)
        if number < warmup:
            return self.config.learning_rate * number / warmup
        done = (number - warmup) / max(total - warmup, 1)
        return self.config.learning_rate * 0.5 * (1 + math.cos(math.pi * done))

    def tell(self) -> None:
        """Progress, with loss and rate; the first process's callback is told."""
        done, loss = self.curve[-1]
        pace = (done - self.before) / (time.monotonic() - self.began)
        note = f"loss {loss:.3f}, {pace:.0f} tokens/s"
        if ranks.rank() == 0:
            self.progress("tuning", done, self.plan.tokens[-1], note)

    def save(self) -> None:
        """A checkpoint; it counts once it is marked as complete."""
        place = self.folder / f"checkpoint-{len(self.curve)}"
        with explained(f"A checkpoint in {self.folder}"):
            ranks.first(lambda: place.mkdir(parents=True, exist_ok=True))
            self.steps.save(place)
            draws = ranks.gathered(_draws(self.device))
            if ranks.rank() == 0:
                states = {f"{k}/{n}": v for n, each in enumerate(draws) for k, v in each.items()}
                save_file(states, place / DRAWS)
                (place / STATE).write_text(json.dumps(self.curve))
                (place / COMPLETE).touch()
                for old in _checkpoints(self.folder)[:-KEPT]:
                    shutil.rmtree(old)
        self.saved = time.monotonic()

    def resume(self) -> None:
        """Go on from the newest whole checkpoint; those that were cut short are deleted."""
        name = ranks.first(lambda: _newest(self.folder))
        if name is None:
            _draw_apart(self.config.seed)
            return
        place = self.folder / name
        self.steps.load(place)
        self.curve = [
            (int(tokens), loss) for tokens, loss in json.loads((place / STATE).read_text())
        ]
        _draw_apart(self.config.seed + len(self.curve))
        _draw_on(load_file(place / DRAWS), self.device)


def _answers(lesson: Lesson) -> int:
    """How many of a lesson's tokens are learnt."""
    return len(lesson.tokens) - lesson.given


def _checkpoints(folder: Path) -> list[Path]:
    """Oldest first."""
    return sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))


def _newest(folder: Path) -> str | None:
    for path in _checkpoints(folder):
        if not (path / COMPLETE).exists():
            shutil.rmtree(path)
    return next((path.name for path in reversed(_checkpoints(folder))), None)


def _draws(device: torch.device) -> dict[str, Tensor]:
    """The state of the generators that dropout draws from."""
    found = {"cpu": torch.get_rng_state()}
    return found | ({"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {})


def _draw_on(states: dict[str, Tensor], device: torch.device) -> None:
    """Go on as this process drew before, if it was there before."""
    if (state := states.get(f"cpu/{ranks.rank()}")) is not None:
        torch.set_rng_state(state)
    if device.type == "cuda" and (state := states.get(f"cuda/{ranks.rank()}")) is not None:
        torch.cuda.set_rng_state(state, device)


def _draw_apart(seed: int) -> None:
    """Dropout in each process for itself. The first, or one alone, draws what transformers' Trainer
    has it draw, whose loader takes one number: a tuning gives what the Trainer makes of it."""
    torch.manual_seed(seed * ranks.size() + ranks.rank() if ranks.rank() else seed)
    torch.empty((), dtype=torch.int64).random_()

"""Llama4Rec's lists against another language model's, user by user (Llama4Rec, figure 7)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, TypeAdapter

from tandemrec.config import Settings
from tandemrec.data.interactions import Interactions
from tandemrec.llm import llm
from tandemrec.llm.answers import AnswerStore, Remembering
from tandemrec.llm.base import LLM
from tandemrec.progress import Progress
from tandemrec.rankings import Rankings
from tandemrec.recipes.finished import Finished
from tandemrec.recipes.llama4rec import plain_profiles, told_past
from tandemrec.recipes.weights import check_model
from tandemrec.report.contents import FULL
from tandemrec.report.figures import Figure, bars
from tandemrec.report.tables import Table, count, words
from tandemrec.reproduce.found import Cell, Found, loaded
from tandemrec.reproduce.piece import Piece
from tandemrec.rerank import RerankConfig, rerank
from tandemrec.writing import explained, whole

FILE = "duel.json"
SAMPLES = 100
CUTS = (3, 5)
Outcome = Literal["win", "tie", "loss"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


class Counted(Settings):
    """How a duel went."""

    rival: str
    samples: int
    outcomes: dict[str, dict[Outcome, int]]
    """By the held-out item's place, and by HR@k."""
    rejected: dict[str, int] = Field(default_factory=dict)
    """Answers of the rival that could not be used, by kind."""


COUNTED = TypeAdapter(Counted)


@dataclass(frozen=True)
class Duel(Piece):
    """A hundred listwise samples: who puts the held-out item higher?

    The rival is asked as it came, listwise and without hints; both order the same candidates.
    """

    runs: tuple[Cell, ...] = ()
    rival: str = "smollm2-135m"

    beside: ClassVar[str | None] = FILE
    asks_besides: ClassVar[str] = "the rival's lists"

    @property
    def cells(self) -> list[Cell]:
        return list(self.runs)

    def check(self, progress: Progress) -> None:
        check_model(llm(self.rival, progress=progress), None)

    def finish(self, run: Finished, folder: Path, progress: Progress) -> None:
        rival = Remembering(
            llm(self.rival, progress=progress),
            AnswerStore(folder / "rival.sqlite"),
            progress=run.setup.run.telling(progress),
        )
        with explained(folder / FILE), whole(folder / FILE) as fresh:
            fresh.write_text(fought(run, rival).model_dump_json(indent=2), encoding="utf-8")

    def read(self, folder: Path) -> Counted:
        return loaded(folder / FILE, COUNTED)

    def tables(self, found: Found) -> list[Table]:
        rows = [
            (*words(cell.name, duel.rival, by), *(count(each[name]) for name in OUTCOMES))
            for cell, duel in _read(found)
            for by, each in duel.outcomes.items()
        ]
        caption = f"{FULL} against another language model"
        columns = ("Run", "Against", "By", *OUTCOMES)
        return [Table(self.key, caption, columns, tuple(rows), labels=3)]

    def figures(self, found: Found) -> list[Figure]:
        return [
            bars(
                f"{FULL} ({cell.name}) against {duel.rival}",
                {by: {name: each[name] for name in OUTCOMES} for by, each in duel.outcomes.items()},
                ("by", "samples"),
                f"{self.key}-{cell.name}",
            )
            for cell, duel in _read(found)
        ]

    def further(self, found: Found) -> Iterator[str]:
        for cell, duel in _read(found):
            yield (
                f"{cell.name}: {duel.samples} users of test, drawn by the first seed among "
                "those whose held-out item is one of the candidates; with all others there is "
                "nothing to win."
            )
            if duel.rejected:
                kinds = ", ".join(f"{n} {kind}" for kind, n in duel.rejected.items())
                yield f"{cell.name}: answers of the rival that could not be used: {kinds}."
        yield "The paper: 45 % won, 25 % tied, 30 % lost against GPT-3.5, by hit ratio."


def fought(run: Finished, rival: LLM) -> Counted:
    """Ask the rival about the first seed's samples, and count who wins; where its answer cannot be
    used, nobody does."""
    first, truth = run.seeds[0], run.setup.split.test
    sample = sampled(first.view.candidates, truth, first.seed)
    known = plain_profiles(run.setup, told_past(run.setup, "test"))
    asked = RerankConfig(way="listwise", seed=first.seed)
    theirs = rerank(first.view.candidates.of(sample), known, rival, asked)
    ours = first.lists[FULL].of(sample).of(theirs.used)
    return Counted(
        rival=rival.name,
        samples=len(ours.users),
        outcomes=outcomes(ours, theirs.rankings.of(theirs.used), truth),
        rejected=theirs.rejected,
    )


def sampled(candidates: Rankings, truth: Interactions, seed: int) -> NDArray[np.bool_]:
    """A hundred users whose held-out item is among the candidates, or as many as there are, [U]."""
    decided = np.flatnonzero(candidates.met(truth).any(axis=1))
    drawn = np.random.default_rng(seed).permutation(decided)[:SAMPLES]
    return np.isin(np.arange(len(candidates.users)), drawn)


def outcomes(
    ours: Rankings, theirs: Rankings, truth: Interactions
) -> dict[str, dict[Outcome, int]]:
    """How often each outcome comes, by the held-out item's place and by HR@k."""
    mine, other = (ranks.met(truth).argmax(axis=1) for ranks in (ours, theirs))
    found = {"place": _counted(mine < other, mine > other)}
    for k in CUTS:
        found[f"HR@{k}"] = _counted((mine < k) & (other >= k), (mine >= k) & (other < k))
    return found


def _counted(won: NDArray[np.bool_], lost: NDArray[np.bool_]) -> dict[Outcome, int]:
    counts = int(won.sum()), int((~won & ~lost).sum()), int(lost.sum())
    return dict(zip(OUTCOMES, counts, strict=True))


def _read(found: Found) -> Iterator[tuple[Cell, Counted]]:
    for cell, made in found.items():
        yield cell, made.beside

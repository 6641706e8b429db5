"""The rows of a Llama4Rec table: what each leaves out, what it chooses on validation, its lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tandemrec import aggregate
from tandemrec.aggregate import BlendConfig, Grid, Pair
from tandemrec.data.interactions import Interactions
from tandemrec.evaluation.likelihood import log_likelihood
from tandemrec.evaluation.metrics import per_user
from tandemrec.rankings import Rankings
from tandemrec.report.contents import PRIMARY
from tandemrec.rerank import Reranked

LIKELIHOOD = "log-likelihood"
"The name of the measure that is no metric: evaluation.likelihood."


@dataclass(frozen=True)
class Arm:
    """A row of the table, told apart by the parts of Llama4Rec that it has."""

    kind: Literal["main", "ablation", "control"]
    augmented: bool
    "Data augmentation: the backbone also learnt the LLM's preferences."
    told: bool
    "Prompt augmentation: the LLM is told the similar user and the backbone's prediction."
    order: Literal["llm", "adaptive", "constant"]
    "Whose order counts: the LLM's alone, or both blended with adaptive or constant weights."
    counted: bool = False
    """In the LLM's place stands one that only counts how often its prompt names an item, in data
    augmentation and in re-ranking."""


ARMS: dict[str, Arm] = {
    "IFT": Arm("main", False, False, "llm"),
    "Llama4Rec": Arm("main", True, True, "adaptive"),
    "w/o DA": Arm("ablation", False, True, "adaptive"),
    "w/o PA": Arm("ablation", True, False, "adaptive"),
    "w/o AA": Arm("ablation", True, True, "constant"),
}
"Llama4Rec, tables II and VI."

COUNTING = {"counting": Arm("control", True, True, "adaptive", counted=True)}
"What the same pipeline gives with no language model, where prompts quote passages."


@dataclass(frozen=True)
class View:
    """A backbone's candidates of one part of the data, and what the LLM made of them."""

    candidates: Rankings  # every user of the part
    asked: NDArray[np.bool_]  # [U], whom the LLM was asked about
    reranked: Sequence[Reranked]  # one for each ranking way, rows as `asked`
    counted: bool = False  # by what only counts, not by the LLM

    def whole(self, ranked: Rankings) -> Rankings:
        """Lists of those asked, and the backbone's list of everybody else."""
        items, scores = self.candidates.items.copy(), self.candidates.scores.copy()
        items[self.asked], scores[self.asked] = ranked.items, ranked.scores
        return Rankings(self.candidates.users, items, scores)

    def decidable(self, truth: Interactions) -> View:
        """The same, less what was asked about users whose held-out item is no candidate: so that
        choices are the same whether they were asked or not."""
        decided = np.asarray(self.candidates.met(truth).any(axis=1))
        rows = decided[self.asked]
        kept = [replace(each, rankings=each.rankings.of(rows)) for each in self.reranked]
        return replace(self, asked=self.asked & decided, reranked=kept)


@dataclass(frozen=True)
class Choice:
    """What validation chose for one arm; everything that test and later users need."""

    arm: Arm
    "The arm itself, or the same without data augmentation."
    way: int
    "Index of the ranking way."
    spreads: tuple[float, float]
    "Spread of the backbone's and of the LLM's scores on validation, for utility score or share."
    grid: Grid | None
    "The grid of alphas, for adaptive weights."
    tried: tuple[float, ...]
    "The metric of each ranking way at its best, on validation."
    compared: tuple[float, float] | None = None
    "The final lists' NDCG@5 on validation with data augmentation and without, if it was asked."


@dataclass(frozen=True)
class Weighing:
    """Equation 6 with all that it needs of the training data."""

    coefficients: NDArray[np.float64]  # [all users], l_u
    bounds: tuple[float, float]
    "l_min and l_max over all users with training data."
    config: BlendConfig

    @classmethod
    def of(cls, train: Interactions, config: BlendConfig) -> Weighing:
        """From N(u) of the training data."""
        found = aggregate.long_tail(train.counts, config.tail)
        known = found[train.counts > 0]
        return cls(found, (float(known.min()), float(known.max())), config)

    def alpha(self, users: NDArray[np.int64], order: str, grid: Grid | None) -> NDArray[np.float64]:
        """The LLM's weight for each user, [U]."""
        return self.alpha_of(self.coefficients[users], order, grid)

    def alpha_of(
        self, coefficients: NDArray[np.float64], order: str, grid: Grid | None
    ) -> NDArray[np.float64]:
        """The LLM's weight for each l_u, [U]; those of newcomers are cut to the training users'."""
        if order == "llm":
            return np.ones(len(coefficients))
        if grid is None:
            return np.full(len(coefficients), self.config.constant)
        return aggregate.weights(coefficients, *grid.best, self.config.form, bounds=self.bounds)


def choose(arm: Arm, view: View, truth: Interactions, weighing: Weighing, metric: str) -> Choice:
    """Try every ranking way, with every pair of alphas where they count, on validation."""
    view = view.decidable(truth)

    def value(ranked: Rankings) -> float:
        if metric == LIKELIHOOD:
            return log_likelihood(ranked, truth)
        return per_user(view.whole(ranked), truth).means()[metric]

    tried = [_best(arm, view, way, weighing, value) for way in range(len(view.reranked))]
    way = int(np.argmax([each[0] for each in tried]))
    _, lined_up, grid = tried[way]
    return Choice(arm, way, lined_up.spreads, grid, tuple(each[0] for each in tried))


def _best(
    arm: Arm, view: View, way: int, weighing: Weighing, value: Callable[[Rankings], float]
) -> tuple[float, Pair, Grid | None]:
    lined_up = _line_up(view, way, weighing.config, None)
    users = lined_up.candidates.users
    grid = None
    if arm.order == "adaptive":
        found = weighing.coefficients[users]
        grid = aggregate.search(lined_up, found, value, weighing.config, bounds=weighing.bounds)
    alpha = weighing.alpha(users, arm.order, grid)
    return value(lined_up.blend(alpha)), lined_up, grid


def better(choices: Sequence[Choice], found: Sequence[Rankings], truth: Interactions) -> Choice:
    """Of the choices with data augmentation and without, the one whose final lists are better on
    validation by the metric that is tested; the first of equals."""
    values = [per_user(lists, truth).means()[PRIMARY] for lists in found]
    chosen = choices[int(np.argmax(values))]
    return replace(chosen, compared=(values[0], values[-1]))


def final(view: View, choice: Choice, weighing: Weighing) -> Rankings:
    """The arm's lists of every user of the part, with what validation chose."""
    lined_up = _line_up(view, choice.way, weighing.config, choice.spreads)
    alpha = weighing.alpha(lined_up.candidates.users, choice.arm.order, choice.grid)
    return view.whole(lined_up.blend(alpha))


def _line_up(
    view: View, way: int, config: BlendConfig, spreads: tuple[float, float] | None
) -> Pair:
    backbone = view.candidates.of(view.asked)
    return aggregate.pair(backbone, view.reranked[way].rankings, config, spreads)

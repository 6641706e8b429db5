"""What a report tells beside its tables: curves, counts of answers, notes, a few real users."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tandemrec.augment.drawn import Drawn
from tandemrec.data.catalogue import Catalogue
from tandemrec.recipes.arms import Weighing
from tandemrec.recipes.fitting import Learnt, learns
from tandemrec.recipes.llama4rec import SeedResult, told_past
from tandemrec.recipes.setup import Setup
from tandemrec.report.contents import FULL, AnswerCount, Curve, Story
from tandemrec.tuning.tune import Tuned


def curves(seed: SeedResult, tuning: Tuned | None) -> list[Curve]:
    """How the backbones and the language model learnt."""
    models = {"Base": seed.base, "with what the LLM preferred": seed.augmentation.model}
    return [*learning_curves(models), *tuning_curves({"the LLM": tuning})]


def learning_curves(models: Mapping[str, Any]) -> list[Curve]:
    """What validation gave of each backbone that was fitted."""
    found = []
    for name, model in models.items():
        points = [p for p in getattr(model, "curve", ()) if p.valid is not None]
        x, y = [float(p.epoch) for p in points], [float(p.valid or 0) for p in points]
        if points:
            label = f"{model.valid_metric} on validation"
            found.append(Curve(name=name, x=x, y=y, x_label="epoch", y_label=label))
    return found


def tuning_curves(tunings: Mapping[Any, Tuned | None]) -> list[Curve]:
    """How the language model's loss fell, in each of these tunings that there was."""
    found = []
    for name, tuning in tunings.items():
        if tuning is not None and tuning.curve:
            x, y = ([float(value) for value in part] for part in zip(*tuning.curve, strict=True))
            axes = {"x_label": "tokens read", "y_label": "loss of the batch"}
            found.append(Curve(name=str(name), x=x, y=y, **axes))
    return found


def answers(setup: Setup, seeds: Sequence[SeedResult]) -> list[AnswerCount]:
    """What the language model was asked, all seeds together, and what could not be used."""
    said = [
        each.preferences
        for seed in seeds
        for each in dict.fromkeys((seed.augmentation, seed.at_test))
    ]
    found = [_augmentation(setup, [each for each in said if each is not None])]
    for part in ("valid", "test"):
        parts = [getattr(each, part) for each in seeds]
        views = [view for part in parts for view in part.values() if not view.counted]
        lists = [ranked for view in views for ranked in view.reranked]
        kinds = sorted({kind for each in lists for kind in each.rejected})
        found.append(
            AnswerCount(
                stage=f"re-ranking, {part} (lists)",
                asked=sum(len(each.shown) for each in lists),
                rejected={k: sum(each.rejected.get(k, 0) for each in lists) for k in kinds},
            )
        )
    return found


def _augmentation(setup: Setup, said: Sequence[Learnt]) -> AnswerCount:
    """What data augmentation asked, and why answers were dropped."""
    kind, reason = "pairs", "not consistent, too close, or no answer"
    if setup.sequential:
        kind, reason = "items to insert", "picked twice, or no answer"
    elif setup.config.interactions is not None:
        kind, reason = "users for items", "unreadable"
    dropped = sum(
        sum(each.rejected.values()) if isinstance(each, Drawn) else each.asked - len(each.users)
        for each in said
    )
    return AnswerCount(
        stage=f"data augmentation ({kind})",
        asked=sum(each.asked for each in said),
        rejected={reason: dropped} if dropped else {},
    )


GIVEN = (
    "The backbone was given, not fitted here: data augmentation cannot change it, so Llama4Rec and "
    "w/o DA are one."
)


def notes(setup: Setup, seeds: Sequence[SeedResult], tuning: Tuned | None) -> list[str]:
    """What a reader of the table must know."""
    found = []
    view = seeds[0].view
    if setup.config.ask == "decidable":
        found.append(
            f"The LLM was asked about {int(view.asked.sum())} of {len(view.asked)} test users: "
            "those whose held-out item is among the candidates. Nobody else's metrics can change, "
            f"so {1 - view.asked.mean():.0%} of the work was saved and the table is the same."
        )
    left = [str(seed.seed) for seed in seeds if not seed.choices[FULL].arm.augmented]
    if left:
        found.append(
            "Validation left data augmentation out of Llama4Rec, which is then w/o DA: "
            f"seed {', '.join(left)}."
        )
    found += on_tuning(seeds, tuning)
    if not learns(setup.backbone):
        found.append(GIVEN)
    if setup.config.prompt.passages:
        found.append(_on_passages(setup))
    if order := setup.split.data.order:
        found.append(f"{order[0].upper()}{order[1:]}.")
    return found


def on_tuning(seeds: Sequence[Any], tuning: Tuned | None) -> list[str]:
    """What the table's seeds say of the tuning, and what not."""
    if tuning is None:
        return ["The LLM was not tuned, so IFT is the LLM as it came."]
    if len(seeds) > 1:
        return ["The LLM was tuned once, with the first seed; seeds vary everything else."]
    return []


def _on_passages(setup: Setup) -> str:
    """What the rows can and cannot tell where prompts quote other users' histories."""
    random = bool(setup.split.data.order)
    quoted = f"passages of other users' histories in {'a random' if random else 'time'} order"
    own = (
        ""
        if setup.sequential or random
        else " Base does not use the order of interactions; part of what is gained is that order."
    )
    return (
        f"Prompt augmentation quotes {quoted}.{own} The row counting is the whole pipeline, data "
        "augmentation and re-ranking, with a count of how often the same prompts name an item in "
        "the language model's place."
    )


def stories(setup: Setup, seed: SeedResult, n: int = 4) -> list[Story]:
    """A few users that were asked about, evenly spaced, so that nobody picks the pretty ones."""
    view = seed.view
    weighing = Weighing.of(setup.split.train, setup.config.blend)
    rows = np.flatnonzero(view.asked)
    picked = np.unique(np.linspace(0, len(rows) - 1, min(n, len(rows))).astype(int))
    return [_story(setup, seed, int(place), int(rows[place]), weighing) for place in picked]


def _story(setup: Setup, seed: SeedResult, place: int, row: int, weighing: Weighing) -> Story:
    choice = seed.choices[FULL]
    view, catalogue = seed.view, setup.split.catalogue
    user = view.candidates.users[row : row + 1]

    lists = {
        "history": told_past(setup, "test").of(int(user[0])),
        "backbone": view.candidates.items[row],
        "llm": view.reranked[choice.way].rankings.items[place],
        "final": seed.lists[FULL].items[row],
        "target": setup.split.test.of(int(user[0]))[:1],
    }
    titles = {name: list(_told(catalogue, items, lists.values())) for name, items in lists.items()}
    return Story(
        user_id=str(catalogue.user_ids[int(user[0])]),
        alpha=float(weighing.alpha(user, choice.arm.order, choice.grid)[0]),
        **{**titles, "target": titles["target"][0]},
    )


def _told(
    catalogue: Catalogue, items: Iterable[int], among: Iterable[Iterable[int]]
) -> Iterator[str]:
    """Titles of items, with the id where another one among all has the same."""
    everything = {int(item) for each in among for item in each if item >= 0}
    count = Counter(catalogue.titles[item] for item in everything)
    for item in (int(item) for item in items if item >= 0):
        title = catalogue.titles[item]
        yield title if count[title] == 1 else f"{title} [{catalogue.item_ids[item]}]"

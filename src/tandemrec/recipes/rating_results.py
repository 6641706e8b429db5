"""From the seeds of a rating run to what its report shows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from operator import attrgetter

import numpy as np

from tandemrec.data.split import Split
from tandemrec.evaluation.baselines import biases, mean_rating
from tandemrec.evaluation.metrics import UserMetrics, rating_errors
from tandemrec.oneline import listed
from tandemrec.predicting import predict
from tandemrec.ratings import Ratings
from tandemrec.recipes.arms import Arm, Weighing
from tandemrec.recipes.attributing import left_out
from tandemrec.recipes.fitting import learns
from tandemrec.recipes.llama4rec import told_past
from tandemrec.recipes.measuring import (
    attribute_rows,
    closing,
    heatmaps,
    llama4rec_kinds,
    shared_by_tasks,
)
from tandemrec.recipes.rating import METRIC, RatedSeed, RatingChoice, profiles_of, scale_of
from tandemrec.recipes.recent import Recent, recent
from tandemrec.recipes.setup import Setup
from tandemrec.recipes.telling import GIVEN, learning_curves, on_tuning, tuning_curves
from tandemrec.recipes.users import UserTable
from tandemrec.report.contents import (
    FULL,
    AnswerCount,
    Contents,
    RatingStory,
    Selection,
)
from tandemrec.tuning.tune import Tuned

CONTROLS = ("recent mean", "mean", "biases")
"""What needs no language model: its pipeline with the mean of a user's last ratings in its place;
and what needs neither of the two models."""
AUGMENTATIONS: dict[str, Callable[[Arm], bool]] = {
    "data": attrgetter("augmented"),
    "prompt": attrgetter("told"),
}
"What a row may do without."
READING = "attributes alone"
"The backbone that reads the attributes, without a rating of the language model."


def contents(
    setup: Setup,
    seeds: Sequence[RatedSeed],
    tuning: Tuned | None,
    *,
    preset: str,
    command: str,
) -> tuple[Contents, UserTable]:
    """Everything that the page, the tables and `scores.json` show, and every user's metrics."""
    weighing = Weighing.of(setup.split.train, setup.config.blend)
    controls = [recent(setup, each.base, weighing) for each in seeds]
    measured = measure(setup.split, seeds, controls)
    table, full = UserTable.of(setup.split, [each.seed for each in seeds], measured), seeds[0]
    how = {"preset": preset, "command": command}
    kinds = llama4rec_kinds(measured, (*CONTROLS, READING))
    shared = shared_by_tasks(setup, table, kinds, METRIC, **how)
    models = {"Base": full.base, "with the attributes": full.augmented}
    found = Contents(
        **shared | {"what": shared["what"] | _scale(setup)},
        task="rating",
        selection=[
            row
            for each, control in zip(seeds, controls, strict=True)
            for row in (*_selection(each), *_lengths(each, control))
        ],
        heatmaps=heatmaps(full.choices[FULL].grid, full.seed, METRIC),
        curves=[*learning_curves(models), *tuning_curves({"the LLM": tuning})],
        rating_stories=_stories(setup, full),
        attributes=attribute_rows(full.attributes),
        answers=_answers(seeds),
        notes=[*_notes(setup, seeds, tuning), *closing(setup, table, METRIC)],
    )
    return found, table


def _scale(setup: Setup) -> dict[str, str]:
    scale = scale_of(setup)
    return {"scale": f"{scale.low:g} to {scale.high:g}"}


def measure(
    split: Split, seeds: Sequence[RatedSeed], controls: Sequence[Recent]
) -> dict[str, list[UserMetrics]]:
    """Every method's errors on test: Base, the arms, and the control rows."""
    plain = mean_rating(split.train, split.test), biases(split.train, split.test)
    measured: dict[str, list[UserMetrics]] = {}
    for each, control in zip(seeds, controls, strict=True):
        others = dict(zip(CONTROLS, (control.ratings, *plain), strict=True))
        for name, ratings in {**each.ratings, **_reading(each, split), **others}.items():
            measured.setdefault(name, []).append(rating_errors(ratings, split.test))
    return measured


def _reading(seed: RatedSeed, split: Split) -> dict[str, Ratings]:
    """What the backbone that reads the attributes says by itself, where there is one."""
    if seed.augmented is seed.base:
        return {}
    return {READING: predict(seed.augmented, split.test)}


def _selection(seed: RatedSeed) -> Iterator[Selection]:
    for name, choice in seed.choices.items():
        parts = _open(choice.compared)
        for arm, value in choice.compared.items():
            kept = [part for part, of in parts.items() if of(arm)]
            alone = "with" if kept else "without"
            yield Selection(
                what=f"{listed(list(parts))} augmentation in {name}",
                option=alone if len(parts) == 1 else listed(kept) or "neither",
                metric=METRIC,
                value=value,
                chosen=arm == choice.arm,
                seed=seed.seed,
            )
        yield Selection(
            what=f"{name} as a whole, with the LLM's ratings on the line",
            option=_line(choice),
            metric=METRIC,
            value=choice.value,
            chosen=True,
            seed=seed.seed,
        )


def _open(arms: Collection[Arm]) -> dict[str, Callable[[Arm], bool]]:
    """The augmentations that some of the arms have and others not."""
    return {name: of for name, of in AUGMENTATIONS.items() if len({of(arm) for arm in arms}) > 1}


def _lengths(seed: RatedSeed, control: Recent) -> Iterator[Selection]:
    for n, value in control.values.items():
        yield Selection(
            what="how many last ratings are in recent mean",
            option=str(n),
            metric=METRIC,
            value=value,
            chosen=n == control.best,
            seed=seed.seed,
        )


def _line(choice: RatingChoice) -> str:
    """The line that the LLM's ratings are put on."""
    line = choice.calibration
    return f"{line.intercept:.2f} + {line.slope:.2f} · rating"


def _answers(seeds: Sequence[RatedSeed]) -> list[AnswerCount]:
    """What the language model was asked, all seeds together, and what could not be used."""
    known = seeds[0].attributes
    found = [
        AnswerCount(
            stage="attributes",
            asked=known.asked,
            rejected=known.rejected,
            values=known.wanted,
            once=True,
        )
    ]
    for part in ("valid", "test"):
        views = [view for each in seeds for view in getattr(each, part).values()]
        said = dict.fromkeys(view.said for view in views)  # several views may look at the same
        kinds = sorted({kind for each in said for kind in each.rejected})
        found.append(
            AnswerCount(
                stage=f"ratings, {part}",
                asked=sum(len(each.ratings) for each in said),
                rejected={k: sum(each.rejected.get(k, 0) for each in said) for k in kinds},
            )
        )
    return found


def _notes(setup: Setup, seeds: Sequence[RatedSeed], tuning: Tuned | None) -> Iterator[str]:
    """What a reader of the table must know."""
    chosen = {str(seed.seed): seed.choices[FULL].arm for seed in seeds}
    left = [seed for seed, arm in chosen.items() if not arm.augmented]
    if not learns(setup.backbone):
        yield GIVEN
    elif not seeds[0].attributes.found:
        yield "No attribute was found, so Llama4Rec and w/o DA are one."
    elif left:
        yield (
            "Validation left the attributes out of Llama4Rec, which is then w/o DA: "
            f"seed {', '.join(left)}."
        )
    if untold := [seed for seed, arm in chosen.items() if not arm.told]:
        yield (
            "Validation left prompt augmentation out of Llama4Rec, which is then w/o PA: "
            f"seed {', '.join(untold)}."
        )
    yield from left_out(seeds[0].attributes)
    yield from on_tuning(seeds, tuning)
    known = setup.split.train
    unmet = (known.popularity[setup.split.test.items] == 0).sum()
    if unmet:
        yield f"{unmet} of {len(setup.split.test)} test items have no rating in training."
    for name, reason in seeds[0].base.model.fields.left_out.items():
        yield f"The column {name} is no field: {reason}."
    yield from _unread(setup, seeds[0])
    if order := setup.split.data.order:
        yield f"{order[0].upper()}{order[1:]}."


def _unread(setup: Setup, seed: RatedSeed) -> Iterator[str]:
    """Attributes that were found, and do not reach the backbone."""
    if seed.augmented is seed.base:
        return
    fields, least = seed.augmented.model.fields, setup.config.fields.least
    for kind in seed.attributes.kinds:
        name = f"item {kind.name}"
        given = sum(bool(each.value) for each in seed.attributes.values[kind.name])
        if name in fields.left_out:
            yield f"The backbone reads no {kind.name}: {fields.left_out[name]}."
        elif (read := fields.told(name)) < given:
            yield (
                f"Of {given:,} items with a {kind.name}, the backbone reads that of {read:,}: what "
                f"fewer than {least} items of training have counts as unknown (fields.least)."
            )


def _stories(setup: Setup, seed: RatedSeed, n: int = 4) -> list[RatingStory]:
    """A few tested pairs, evenly spaced, so that nobody picks the pretty ones."""
    test, catalogue, view = setup.split.test, setup.split.catalogue, seed.view
    weighing, choice = Weighing.of(setup.split.train, setup.config.blend), seed.choices[FULL]
    alpha = weighing.alpha(test.users, choice.arm.order, choice.grid)
    said = view.said.on(choice.calibration, scale_of(setup))
    profiles = profiles_of(setup, None, None, told_past(setup, "test"))

    def story(row: int) -> RatingStory:
        user, item = int(test.users[row]), int(test.items[row])
        told = profiles.facts(user, item).history
        return RatingStory(
            user_id=str(catalogue.user_ids[user]),
            history=[(title, float(rating)) for title, rating in told],
            item=catalogue.titles[item],
            backbone=float(view.backbone.values[row]),
            llm=float(said.values[row]),
            alpha=float(alpha[row]),
            final=float(seed.ratings[FULL].values[row]),
            rating=float(test.ratings[row]),
        )

    return [story(int(row)) for row in np.unique(np.linspace(0, len(test) - 1, n).astype(int))]

"""Llama4Rec for rating prediction, top to bottom: sections III-B3 (attributes), III-C (prompts that
tell the similar user's ratings and the backbone's prediction), III-D (equations 4 to 6).

Base, attributes, the backbone that reads them, ratings by the LLM, calibration, weights, ratings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from tandemrec.aggregate import Grid, blend_ratings, search_ratings
from tandemrec.augment.attributes import Attributes
from tandemrec.data.fields import Fields
from tandemrec.data.interactions import Interactions
from tandemrec.data.scales import Scale
from tandemrec.evaluation.metrics import rating_errors
from tandemrec.llm.answers import AnswerStore, Remembering
from tandemrec.llm.base import LLM
from tandemrec.predicting import predict
from tandemrec.prompts.rated import RatedProfiles
from tandemrec.ranking import similar_users
from tandemrec.rate import Calibration, Said, rate, read_together
from tandemrec.ratings import Ratings
from tandemrec.recipes.arms import ARMS, Arm, Weighing
from tandemrec.recipes.attributing import attributed
from tandemrec.recipes.fitting import fitted, learns
from tandemrec.recipes.llama4rec import told_past
from tandemrec.recipes.setup import ANSWERS, Setup
from tandemrec.report.contents import BASE, FULL

Part = Literal["valid", "test"]
METRIC = "RMSE"
"What weights are chosen by, on validation."


@dataclass(frozen=True)
class RatingView:
    """What a backbone and the LLM say of the held-out pairs of one part of the data."""

    backbone: Ratings
    said: Said


@dataclass(frozen=True)
class RatingChoice:
    """What validation chose for one arm; everything that test and later users need."""

    arm: Arm
    "The arm itself, or the same without an augmentation that it may do without."
    calibration: Calibration
    grid: Grid | None
    "The grid of alphas, for adaptive weights."
    value: float
    "The arm's RMSE on validation."
    compared: Mapping[Arm, float] = field(default_factory=dict)
    "The RMSE on validation of each that it was chosen from, if there were several."


@dataclass(frozen=True)
class RatedSeed:
    """One seed, from the fitted backbones to what validation chose and the ratings on test."""

    seed: int
    llm: LLM  # the tuned one
    base: Any
    augmented: Any  # the backbone that reads the attributes too
    attributes: Attributes
    choices: Mapping[str, RatingChoice]
    valid: Mapping[str, RatingView]
    test: Mapping[str, RatingView]
    ratings: Mapping[str, Ratings]  # "Base" and each arm, on test

    @property
    def backbone(self) -> Any:
        """Llama4Rec's backbone: the one that reads the attributes, unless validation preferred the
        one that does not."""
        return self.augmented if self.choices[FULL].arm.augmented else self.base

    @property
    def view(self) -> RatingView:
        """What Llama4Rec blends on test."""
        return self.test[view_of(self.choices[FULL].arm)]


def one_seed(setup: Setup, llm: LLM, seed: int) -> RatedSeed:
    """All stages of one seed with a tuned `llm`; test is opened last, after every choice."""
    known = attributes_of(setup)
    models = backbones(setup, known, seed)
    weighing = Weighing.of(setup.split.train, setup.config.blend)
    wanted = [option for arm in ARMS.values() for option in options(setup, models, arm)]
    valid = views(setup, llm, models, wanted, seed, "valid")
    choices = {
        name: chosen(setup, options(setup, models, arm), valid, weighing)
        for name, arm in ARMS.items()
    }
    taken = [choice.arm for choice in choices.values()]
    test = views(setup, llm, models, taken, seed, "test")
    ratings = {BASE: predicted(setup, models[False], "test")}
    for name, choice in choices.items():
        ratings[name] = final(setup, test[view_of(choice.arm)], choice, weighing)
    both = models[False], models[True]
    return RatedSeed(seed, llm, *both, known, choices, valid, test, ratings)


def attributes_of(setup: Setup) -> Attributes:
    """What the language model as it came, or a table, adds to the catalogue; asked once for all
    seeds, and not at all for a backbone that cannot learn it."""
    if not learns(setup.backbone):
        return Attributes((), {})
    store = AnswerStore(setup.common.folder / ANSWERS)
    llm = Remembering(setup.llm, store, progress=setup.progress)
    return attributed(setup, llm, as_fields=True)


def backbones(setup: Setup, known: Attributes, seed: int) -> dict[bool, Any]:
    """The backbone without the attributes, and with them; one and the same where there are none,
    or where it cannot learn."""
    base = fitted(setup, seed, "base", fields=fields_of(setup))
    if not (learns(setup.backbone) and known.found):
        return {False: base, True: base}
    return {False: base, True: fitted(setup, seed, "augmented", fields=fields_of(setup, known))}


def fields_of(setup: Setup, known: Attributes | None = None) -> Fields:
    """What a backbone reads: the catalogue's fields, and the attributes where they are given."""
    catalogue, config = setup.split.catalogue, setup.config.fields
    if known is not None:
        catalogue = known.joined(catalogue)
    if known is not None and config.items is not None:  # those that are named, and the new ones
        items = (*config.items, *(kind.name for kind in known.kinds))
        config = config.model_copy(update={"items": items})
    return Fields.of(setup.split.train, catalogue, config)


def options(setup: Setup, models: Mapping[bool, Any], arm: Arm) -> list[Arm]:
    """What validation may choose from: an arm, and the same without data augmentation, without
    prompt augmentation, and without both."""
    more = arm.augmented and models[True] is not models[False]
    augmented = [True, False] if more and setup.config.augment == "validated" else [more]
    told = [True, False] if arm.told and setup.config.tell == "validated" else [arm.told]
    return [replace(arm, augmented=a, told=t) for a in augmented for t in told]


def view_of(arm: Arm) -> str:
    """The view that an arm needs; arms share views."""
    return f"{'augmented' if arm.augmented else 'base'}-{'told' if arm.told else 'plain'}"


def views(
    setup: Setup,
    llm: LLM,
    models: Mapping[bool, Any],
    arms: Sequence[Arm],
    seed: int,
    part: Part,
) -> dict[str, RatingView]:
    """What these arms need of a part: a backbone's ratings, and what the LLM says."""
    found, said = dict[str, RatingView](), dict[str, Said]()
    plain = profiles_of(setup, None, None, told_past(setup, part))
    used = {False, *(arm.augmented for arm in arms)}
    predictions = {augmented: predicted(setup, models[augmented], part) for augmented in used}
    for view, arm in {view_of(arm): arm for arm in arms}.items():
        backbone, profiles = predictions[arm.augmented], plain
        if arm.told:
            similar = similar_users(models[arm.augmented])
            profiles = plain.telling(similar=similar, hints=backbone)
        name = view if arm.told else "plain"
        if name not in said:
            said[name] = setup.run.step(
                f"seed-{seed}/{part}/{name}",
                Said,
                rate,
                pairs=pairs_of(setup, part),
                profiles=profiles,
                llm=llm,
                config=setup.config.rate,
                scale=scale_of(setup),
                fallback=backbone if arm.told else predictions[False],
            )
        found[view] = RatingView(backbone, said[name])
    return found


def pairs_of(setup: Setup, part: Part) -> Interactions:
    """The held-out pairs of a part."""
    return setup.split.valid if part == "valid" else setup.split.test


def predicted(setup: Setup, model: Any, part: Part) -> Ratings:
    """A backbone's ratings of a part's pairs."""
    return predict(model, pairs_of(setup, part))


def scale_of(setup: Setup) -> Scale:
    """The scale of the training ratings, or the one that the settings name."""
    return Scale.of(setup.split.train, setup.config.scale)


def profiles_of(
    setup: Setup, model: Any | None, hints: Ratings | None, past: Interactions | None = None
) -> RatedProfiles:
    """What a prompt may tell: a user's own ratings, of training or of what `past` holds; with a
    `model`, its similar user's ratings of training, and its prediction."""
    own = None if past is setup.split.train else past
    plain = RatedProfiles.of(setup.split, setup.config.rated, own, scale=scale_of(setup))
    if model is None:
        return plain
    return plain.telling(similar=similar_users(model), hints=hints)


def chosen(
    setup: Setup, arms: Sequence[Arm], views: Mapping[str, RatingView], weighing: Weighing
) -> RatingChoice:
    """Calibration, weights, and with or without augmentations, all by RMSE on validation."""
    found = [tried(setup, arm, views[view_of(arm)], weighing) for arm in arms]
    best = min(found, key=lambda choice: choice.value)  # the first of equals
    if len(found) == 1:
        return best
    return replace(best, compared={choice.arm: choice.value for choice in found})


def tried(setup: Setup, arm: Arm, view: RatingView, weighing: Weighing) -> RatingChoice:
    """The line and the weights of one arm, by validation."""
    truth, config = setup.split.valid, setup.config
    fit = Calibration.fit if config.calibrate else Calibration.none
    calibration = fit(view.said.ratings.of(view.said.used), truth.rows(view.said.used))
    grid = None
    if arm.order == "adaptive":
        grid = search_ratings(
            view.backbone,
            view.said.on(calibration, scale_of(setup)),
            weighing.coefficients[truth.users],
            truth,
            config.blend,
            bounds=weighing.bounds,
        )
    choice = RatingChoice(arm, calibration, grid, 0.0)
    value = rating_errors(final(setup, view, choice, weighing), truth).means()[METRIC]
    return replace(choice, value=value)


def final(setup: Setup, view: RatingView, choice: RatingChoice, weighing: Weighing) -> Ratings:
    """The arm's ratings of a part's pairs, with what validation chose."""
    users = view.backbone.users
    said = view.said.on(choice.calibration, scale_of(setup))
    return blend_ratings(view.backbone, said, weighing.alpha(users, choice.arm.order, choice.grid))


def ask_ahead(setups: Sequence[Setup], llm: LLM, seeds: Sequence[int]) -> None:
    """What the runs of several backbones on the same data ask about validation: prompts that begin
    alike are read together, user by user. The runs find the answers in the store that they share;
    test is not looked at."""
    told = [profiles for setup in setups for profiles in _told(setup, seeds)]
    plain = profiles_of(setups[0], None, None)
    pairs = pairs_of(setups[0], "valid")
    read_together(pairs, [plain, *told], llm, setups[0].config.rate, scale=scale_of(setups[0]))


def _told(setup: Setup, seeds: Sequence[int]) -> Iterator[RatedProfiles]:
    """The profiles of all that a run tells about validation."""
    known = attributes_of(setup)
    for seed in seeds:
        models = backbones(setup, known, seed)
        for model in {id(each): each for each in models.values()}.values():
            yield profiles_of(setup, model, predicted(setup, model, "valid"))

"""Data augmentation in a run: a language model's preferences, and the backbone that learnt them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tandemrec.augment.direct import Preferences, preferences
from tandemrec.augment.interactions import Drawn, interactions
from tandemrec.augment.sequential import Insertions, insertions
from tandemrec.backbones.validation import measure_of
from tandemrec.data.interactions import Interactions
from tandemrec.data.tastes import Tastes
from tandemrec.llm.base import LLM
from tandemrec.prompts.passages import Passages
from tandemrec.prompts.profiles import Profiles
from tandemrec.ranking import rank
from tandemrec.recipes.fitting import Learnt, fitted, learns
from tandemrec.recipes.setup import Setup, kind_of


@dataclass(frozen=True, eq=False)
class Augmentation:
    """What a language model preferred, and the backbones that learnt shares of it."""

    preferences: Learnt | None
    "None where nothing could have learnt it, so that nobody was asked."
    trials: Mapping[float, Any]

    @property
    def share(self) -> float:
        """The share that is best on validation; the first of equals."""
        return max(self.trials, key=lambda share: on_validation(self.trials[share]))

    @property
    def model(self) -> Any:
        """The backbone that learnt it."""
        return self.trials[self.share]


def on_validation(model: Any) -> float:
    """What validation gave of a fitted backbone; 0 for one that was not fitted here."""
    return getattr(model, "best_valid", None) or 0.0


def valid_metric(model: Any) -> str:
    """What validation measured of it, or would have."""
    return getattr(model, "valid_metric", None) or measure_of(kind_of(model)).name


def augmentation(
    setup: Setup, llm: LLM, base: Any, profiles: Profiles, seed: int, name: str = "augmented"
) -> Augmentation:
    """Ask `llm` for preferences (section III-B), and fit backbones on shares of them."""
    shares = setup.config.trusted
    if not (learns(setup.backbone) and any(shares)):
        return Augmentation(None, dict.fromkeys(shares, base))
    found = asked(setup, llm, base, profiles, setup.split.train, seed, name)
    return Augmentation(found, {s: taught(setup, seed, base, found, s, name) for s in shares})


def renewed(
    setup: Setup,
    llm: LLM,
    base: Any,
    profiles: Profiles,
    seed: int,
    before: Augmentation,
    name: str = "augmented",
) -> Augmentation:
    """The same again for test, from `profiles` whose histories go on to it: what a user prefers has
    moved on. The share is what validation chose, and so are the epochs."""
    if before.model is base:
        return before
    name, past = f"{name}-at-test", setup.split.before_test
    found = asked(setup, llm, base, profiles, past, seed, name)
    model = taught(setup, seed, base, found, before.share, name, like=before.model)
    return Augmentation(found, {before.share: model})


def asked(
    setup: Setup,
    llm: LLM,
    base: Any,
    profiles: Profiles,
    past: Interactions,
    seed: int,
    name: str,
) -> Learnt:
    """What the language model prefers of items that users have not met in the past."""
    if setup.config.interactions is not None and not setup.sequential:
        return drawn(setup, llm, past, seed, name)
    stage, kind, settings = by_task(setup)
    config = settings.model_copy(update={"seed": seed})
    pool = rank(base, past, np.arange(past.n_users), config.pool) if config.pool else None
    if config.passages:
        profiles = profiles.about_candidates(Passages(setup.split.train), config.passages)
    return setup.run.step(
        f"seed-{seed}/{name}-preferences",
        kind,
        stage,
        past=past,
        profiles=profiles,
        llm=llm,
        config=config,
        pool=pool,
        **({"into": setup.split.train} if setup.sequential else {}),
    )


def drawn(setup: Setup, llm: LLM, past: Interactions, seed: int, name: str) -> Drawn:
    """DALLRec's way: for each item a user who will like it, and one who will not."""
    data, config = setup.split.data, setup.config.interactions
    assert config is not None
    return setup.run.step(
        f"seed-{seed}/{name}-interactions",
        Drawn,
        interactions,
        train=past,
        tastes=Tastes.of(past),
        catalogue=data.catalogue,
        noun=data.noun,
        llm=llm,
        config=config.model_copy(update={"seed": seed}),
    )


def by_task(setup: Setup) -> tuple[Any, Any, Any]:
    """The stage, what it gives, and its settings: pairs join triples, or items join sequences."""
    if setup.sequential:
        return insertions, Insertions, setup.config.insertions
    return preferences, Preferences, setup.config.preferences


def taught(
    setup: Setup,
    seed: int,
    base: Any,
    preferred: Learnt,
    share: float,
    name: str,
    like: Any = None,
) -> Any:
    """The backbone that learnt a share of the preferences besides; `base` if that is none."""
    learnt = preferred.most_decided(share)
    if not len(learnt.users):
        return base
    return fitted(setup, seed, name if share == 1 else f"{name}-{share:g}", learnt, like=like)

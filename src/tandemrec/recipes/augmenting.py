"""Data augmentation in a run: a language model's preferences, and the backbone that learnt them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tandemrec.augment.direct import Preferences, preferences
from tandemrec.llm.base import LLM
from tandemrec.prompts.passages import Passages
from tandemrec.prompts.profiles import Profiles
from tandemrec.ranking import rank
from tandemrec.recipes.fitting import fitted
from tandemrec.recipes.setup import Setup


@dataclass(frozen=True)
class Augmentation:
    """What a language model preferred, and the backbones that learnt shares of it."""

    preferences: Preferences
    trials: Mapping[float, Any]

    @property
    def model(self) -> Any:
        """The backbone that is best on validation; the first of equals."""
        return max(self.trials.values(), key=on_validation)


def on_validation(model: Any) -> float:
    """A fitted backbone's NDCG@10 on validation; 0 for one that was not fitted here."""
    return getattr(model, "best_valid", None) or 0.0


def augmentation(
    setup: Setup, llm: LLM, base: Any, profiles: Profiles, seed: int, name: str = "augmented"
) -> Augmentation:
    """Ask `llm` for preferences (section IV-B), and fit backbones on shares of them."""
    found = asked(setup, llm, base, profiles, seed, name)
    trials = {
        share: taught(setup, seed, base, found, share, name) for share in setup.config.trusted
    }
    return Augmentation(found, trials)


def asked(
    setup: Setup, llm: LLM, base: Any, profiles: Profiles, seed: int, name: str
) -> Preferences:
    """The language model's preferences between items that users have not met."""
    config = setup.config.preferences.model_copy(update={"seed": seed})
    train = setup.split.train
    everybody = np.arange(train.n_users)
    pool = rank(base, train, everybody, config.pool) if config.pool else None
    if config.passages:
        profiles = profiles.about_candidates(Passages(train), config.passages)
    return setup.run.step(
        f"seed-{seed}/{name}-preferences",
        Preferences,
        preferences,
        train=train,
        profiles=profiles,
        llm=llm,
        config=config,
        pool=pool,
    )


def taught(
    setup: Setup, seed: int, base: Any, preferred: Preferences, share: float, name: str
) -> Any:
    """The backbone that learnt a share of the preferences besides; `base` if that is none."""
    learnt = preferred.most_decided(share)
    if not len(learnt.users):
        return base
    return fitted(setup, seed, name if share == 1 else f"{name}-{share:g}", learnt)

"""The backbones of a run, fitted once and loaded ever after."""

from __future__ import annotations

from typing import Any

from tandemrec.augment.direct import Preferences
from tandemrec.augment.interactions import Drawn
from tandemrec.augment.sequential import Insertions
from tandemrec.backbones import Fitted, hyper_of, training_of
from tandemrec.data.content import Content
from tandemrec.data.fields import Fields
from tandemrec.data.interactions import Interactions
from tandemrec.recipes.settings import RecipeConfig
from tandemrec.recipes.setup import Setup
from tandemrec.training import TrainConfig, fit

Learnt = Preferences | Insertions | Drawn
"What a backbone learns from a language model."


def learns(backbone: Any) -> bool:
    """Whether a backbone is fitted here; what only scores is taken as it is."""
    return callable(getattr(backbone, "loss", None))


def fitted(
    setup: Setup[RecipeConfig],
    seed: int,
    name: str,
    learnt: Learnt | None = None,
    train: Interactions | None = None,
    like: Fitted | None = None,
    fields: Fields | None = None,
    content: Content | None = None,
) -> Any:
    """A backbone of the run: on its training data or on `train`, with what the LLM teaches it or
    without; as many epochs as validation says, or as an earlier one was `like`; one of ratings
    reads the `fields`, one of items' content the `content`. What cannot learn is given back as it
    is: nothing changes it."""
    if not learns(setup.backbone):
        return setup.backbone

    config = train_config(setup.backbone, setup.config, seed)
    often = {"checkpoint_every": config.checkpoint_every}
    config = config.model_copy(update={"checkpoint_every": TrainConfig().checkpoint_every})

    def stage(
        preferences: Learnt | None, data: Interactions, config: TrainConfig, **inputs: Any
    ) -> Fitted:
        more = {} if preferences is None else preferences.lessons(data)
        more |= {"checkpoint": setup.run.scratch() / "checkpoint.pt", "progress": setup.progress}
        return fit(data=data, config=config.model_copy(update=often), **inputs, **more)

    if like is not None:
        config = config.model_copy(update={"epochs": like.best_epoch})
    return setup.run.step(
        f"seed-{seed}/{name}",
        Fitted,
        stage,
        backbone=setup.backbone,
        data=setup.split.train if train is None else train,
        valid=setup.split.valid if like is None else None,
        config=config,
        hyper=hyper_of(setup.backbone, quick=setup.config.quick) | setup.config.backbone or None,
        preferences=learnt,
        **({} if fields is None else {"fields": fields}),
        **({} if content is None else {"content": content}),
    )


def train_config(backbone: Any, config: RecipeConfig, seed: int) -> TrainConfig:
    """The backbone's own settings, with the run's on top."""
    own = training_of(backbone, quick=config.quick)
    return TrainConfig.model_validate({**own, **config.training, "seed": seed})

"""A backbone from its class, its settings and what it reads."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from pydantic import BaseModel
from torch import nn

from tandemrec.backbones.base import ContentBackbone, RatingBackbone, SequentialBackbone
from tandemrec.data.content import Content
from tandemrec.data.fields import Fields
from tandemrec.data.interactions import Interactions
from tandemrec.errors import BackboneError, ConfigError


def is_kind(backbone: Any, kind: type) -> bool:
    """Whether it is a class of that kind, not a model."""
    return isinstance(backbone, type) and issubclass(backbone, kind)


def build(
    backbone: Any,
    train: Interactions,
    config: BaseModel | Mapping[str, Any] | None = None,
    seed: int = 0,
    *,
    fields: Fields | None = None,
    content: Content | None = None,
) -> Any:
    """A backbone of that class, its first weights drawn from the seed alone.

    A class with a `Config` is called with (config, train), any other with (train); a rating
    backbone with the `fields` too, one that reads content with the `content`. Raises BackboneError
    if settings are given to a class without `Config`, fields to one that predicts no ratings,
    content to one that reads none, or none to one that does; ConfigError for a wrong setting.
    """
    settings = getattr(backbone, "Config", None)
    if settings is None and config:
        raise BackboneError(
            f"{backbone.__name__} has no `Config`, so it takes no settings. Received: {config}."
        )
    arguments: tuple[Any, ...] = (train,)
    if settings is not None:
        given = _checked(backbone, settings, config)
        arguments = (given, train)
    arguments += _fields(backbone, fields) + _content(backbone, content)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        found = backbone(*arguments)
    if settings is not None:
        found.built_with = given
    return found


def settings_of(model: Any) -> BaseModel | None:
    """What a model of a class with a `Config` was built with, here or by hand (`self.config`); none
    for other classes.

    Raises BackboneError where nobody knows.
    """
    if getattr(type(model), "Config", None) is None:
        return None
    found = getattr(model, "built_with", None) or getattr(model, "config", None)
    if not isinstance(found, BaseModel):
        raise BackboneError(
            f"What this {type(model).__name__} was built with is not known, so it cannot be built "
            "again. Keep its settings, a pydantic model, as `self.config`, or give `fit` the class "
            "and `hyper`."
        )
    return found


def _checked(backbone: Any, kind: Any, config: BaseModel | Mapping[str, Any] | None) -> BaseModel:
    """The settings, if they are of that backbone."""
    found: BaseModel = config if isinstance(config, BaseModel) else kind(**(config or {}))
    if not isinstance(found, kind):
        raise ConfigError(
            f"{backbone.__name__} takes the settings {kind.__name__}. Received: "
            f"{type(found).__name__}."
        )
    return found


def _fields(backbone: Any, fields: Fields | None) -> tuple[Any, ...]:
    if is_kind(backbone, RatingBackbone):
        return (fields,)
    if fields is not None:
        raise BackboneError(f"{backbone.__name__} predicts no ratings, so it reads no fields.")
    return ()


def _content(backbone: Any, content: Content | None) -> tuple[Any, ...]:
    if is_kind(backbone, ContentBackbone):
        if content is None:
            raise BackboneError(
                f"{backbone.__name__} reads the items' content, and there is none. Give "
                "`content=Content.of({'title': ...})`, an array [items, width] for each modality "
                "(tandemrec.data.content)."
            )
        return (content,)
    if content is not None:
        raise BackboneError(
            f"{backbone.__name__} reads no content. Leave `content` out, or take a backbone that "
            "derives from ContentBackbone."
        )
    return ()


def built_from(backbone: Any, train: Interactions, augmented: Interactions | None) -> Interactions:
    """What a backbone is to be built from. A graph has the added edges; a sequential backbone
    keeps each user's own sequence, from which it represents him."""
    fixed = not isinstance(backbone, type) or is_kind(backbone, SequentialBackbone)
    return train if fixed or augmented is None else augmented


def made(
    backbone: Any,
    train: Interactions,
    hyper: Any,
    seed: int,
    *,
    fields: Fields | None,
    content: Content | None,
) -> nn.Module:
    """A model to train: a class is built, a model copied. Raises BackboneError for what cannot be
    trained."""
    if isinstance(backbone, type):
        model = build(backbone, train, hyper, seed, fields=fields, content=content)
    elif hyper or fields or content:
        raise BackboneError(
            "Settings, fields and content go to a backbone class; this model is built."
        )
    else:
        model = _copied(backbone)
    if not (isinstance(model, nn.Module) and callable(getattr(model, "loss", None))):
        raise BackboneError(
            f"{type(model).__name__} cannot be trained: a backbone is an nn.Module with "
            "`loss(batch)`. What only scores goes to `rank` as it is; see docs/add-a-backbone.md."
        )
    return model


def _copied(model: Any) -> Any:
    """A copy with weights of its own; sparse graphs are shared, since torch cannot copy them."""
    buffers = model.buffers() if isinstance(model, nn.Module) else ()
    shared = {id(each): each for each in buffers if each.layout != torch.strided}
    return copy.deepcopy(model, shared)

"""Backbones of a run, fitted once and loaded ever after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tandemrec.augment.direct import Preferences
from tandemrec.data.interactions import Interactions
from tandemrec.training import Fitted, fit, train_config

if TYPE_CHECKING:
    from tandemrec.recipes.llama4rec import Setup

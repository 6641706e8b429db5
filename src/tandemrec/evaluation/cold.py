"""Items that hardly anybody met before: what a model recommends of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tandemrec.data.interactions import Interactions
from tandemrec.errors import ConfigError
from tandemrec.evaluation.full import evaluate
from tandemrec.evaluation.metrics import UserMetrics

MOST = 5
"Training interactions up to which an item is cold."


def is_cold(train: Interactions, held_out: Interactions, most: int = MOST) -> NDArray[np.bool_]:
    """Which held-out rows are of items with at most `most` interactions in training, [N].

    Training is what the model knew: interactions that were made for it (augmentation) are left out
    of `train`, or no item would be cold any more.
    """
    return train.popularity[held_out.items] <= most


def cold(
    model: Any,
    train: Interactions,
    past: Interactions,
    truth: Interactions,
    ks: Sequence[int] = (10, 20, 50),
    metrics: Sequence[str] = ("Recall",),
    *,
    most: int = MOST,
) -> UserMetrics:
    """The metrics of `evaluate` with only the cold items of `truth` held out.

    The whole catalogue is ranked: a cold item has to stand before every other that the user has not
    met in the `past`, warm held-out ones too. Recall@k is the share of the user's cold held-out
    items in the first k places. Users who hold out none are left out, so that two models measured
    on the same data are measured on the same users (`compare.over_users`). Raises what `evaluate`
    raises, and ConfigError where no held-out item is cold.
    """
    rows = is_cold(train, truth, most)
    if not rows.any():
        rarest = int(train.popularity[truth.items].min()) if len(truth) else None
        raise ConfigError(
            f"No held-out item has at most {most} interactions in training; the fewest are "
            f"{rarest}. Raise `most`, or leave cold items out."
        )
    return evaluate(model, past, truth.rows(rows), ks, metrics)

"""How likely a ranking's scores make the held-out items: a smooth measure, for choices."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from tandemrec.data.interactions import Interactions
from tandemrec.rankings import Rankings

SHARPEST = 50.0
"The largest factor that scores, divided by their own spread, are multiplied with."


def log_likelihood(rankings: Rankings, truth: Interactions) -> float:
    """Mean log-probability of held-out items among their user's listed items, in nats.

    A conditional logit (McFadden 1974) whose one parameter, how sharply scores tell, is fitted: the
    scores' scale does not matter, and scores that know nothing give minus the log of a list's
    length. Only held-out items that are listed count; where there is none, the value is 0. A metric
    such as NDCG moves in steps and by few users; this moves with every score, so that weights
    chosen by it are less of a lottery.
    """
    scores = np.where(rankings.items >= 0, rankings.scores, -np.inf).astype(np.float64)  # [U, K]
    rows, places = np.nonzero(rankings.met(truth) & np.isfinite(scores))
    if not len(rows):
        return 0.0
    cases = scores[rows]  # [N, K]
    spread = np.nanstd(np.where(np.isfinite(cases), cases, np.nan), axis=1).mean()
    cases /= spread or 1.0

    def loss(factor: float) -> float:
        return -float(log_softmax(factor * cases, axis=1)[np.arange(len(rows)), places].mean())

    return -float(minimize_scalar(loss, bounds=(0.0, SHARPEST), method="bounded").fun)

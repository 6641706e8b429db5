"""How good rankings and ratings are, whether a difference is luck, what to hold them against."""

from tandemrec.evaluation.compare import Comparison, improvement, over_runs, over_users, paired
from tandemrec.evaluation.controls import PositionBias, echo, oracle, position_bias, random_order
from tandemrec.evaluation.groups import Group, Shelf, by_activity, by_popularity
from tandemrec.evaluation.metrics import LOWER, UserMetrics, per_user, places, rating_errors

__all__ = [
    "LOWER",
    "Comparison",
    "Group",
    "PositionBias",
    "Shelf",
    "UserMetrics",
    "by_activity",
    "by_popularity",
    "echo",
    "improvement",
    "oracle",
    "over_runs",
    "over_users",
    "paired",
    "per_user",
    "places",
    "position_bias",
    "random_order",
    "rating_errors",
]

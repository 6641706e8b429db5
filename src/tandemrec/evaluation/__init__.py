"""How good rankings are, whether a difference is luck, and what to hold a re-ranker against."""

from tandemrec.evaluation.compare import Comparison, improvement, over_runs, over_users, paired
from tandemrec.evaluation.controls import PositionBias, echo, oracle, position_bias, random_order
from tandemrec.evaluation.groups import Group, by_activity
from tandemrec.evaluation.metrics import UserMetrics, per_user, places

__all__ = [
    "Comparison",
    "Group",
    "PositionBias",
    "UserMetrics",
    "by_activity",
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
]

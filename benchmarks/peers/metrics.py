"""Every user's metrics by ranx and by ir-measures: run in an environment that has both.

    python benchmarks/peers/metrics.py LISTS.npz RESULT.npz METRIC ...

LISTS.npz: users [U], items [U, K] best first (-1 is none), test_users and test_items [N]. Metrics
are HR@k, NDCG@k and MRR. RESULT.npz: "ranx METRIC" and "ir-measures METRIC", each a value for every
user with test items, by rising number.
"""

from __future__ import annotations

import sys

import ir_measures
import numpy as np
from ranx import Qrels, Run, evaluate


def main(lists: str, out: str, names: list[str]) -> None:
    with np.load(lists) as file:
        data = dict(file)
    owners = np.unique(data["test_users"])
    truth: dict[str, dict[str, int]] = {str(user): {} for user in owners}
    for user, item in zip(data["test_users"], data["test_items"], strict=True):
        truth[str(user)][str(item)] = 1
    found = {
        str(user): {str(item): float(-place) for place, item in enumerate(row) if item >= 0}
        for user, row in zip(data["users"], data["items"], strict=True)
        if str(user) in truth
    }
    result = {}
    for name in names:
        result[f"ranx {name}"] = by_ranx(truth, found, name)
        result[f"ir-measures {name}"] = by_ir_measures(truth, found, name)
    np.savez(out, **result)


def by_ranx(truth: dict, found: dict, name: str) -> np.ndarray:
    kind, _, k = name.partition("@")
    metric = {"HR": "hit_rate", "NDCG": "ndcg", "MRR": "mrr"}[kind] + (f"@{k}" if k else "")
    run = Run(found)
    evaluate(Qrels(truth), run, metric, make_comparable=True)
    scores = run.scores[metric]
    return np.array([scores[user] for user in sorted(truth, key=int)])


def by_ir_measures(truth: dict, found: dict, name: str) -> np.ndarray:
    kind, _, k = name.partition("@")
    metric = {"HR": "Success", "NDCG": "nDCG", "MRR": "RR"}[kind] + (f"@{k}" if k else "")
    measure = ir_measures.parse_measure(metric)
    values = {each.query_id: each.value for each in ir_measures.iter_calc([measure], truth, found)}
    return np.array([values[user] for user in sorted(truth, key=int)])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])

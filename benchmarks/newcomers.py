"""What somebody new's ratings are worth to the rating that is predicted for him.

    python benchmarks/newcomers.py [--data ml-100k] [--backbone deepfm] [--seeds 3] [--users 200]

Test ratings, everybody's last, are put away. Of each seed, so many users are taken out of the rest
before the backbone learns. Each then comes as somebody new who tells all that is left of him but
the last, or the first five, and the last one's rating is predicted: as the mean of the training
users who met most alike things, or moved by how far he rates above that
(recipes/rating_recommend.py). The language model is not asked. Prints RMSE.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Any

import numpy as np
import torch

import tandemrec as tr
from tandemrec.backbones import get, hyper_of, training_of
from tandemrec.data.scales import Scale
from tandemrec.recipes.rating_recommend import level
from tandemrec.recipes.recommend import by_neighbours


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", default="ml-100k")
    parser.add_argument("--backbone", default="deepfm")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print("| seed | told | mean of those alike | moved | mean of training |\n|---|---|---|---|---|")
    split = tr.leave_last_out(tr.load(options.data))
    for seed in range(options.seeds):
        for told, errors in one_seed(split, options, seed).items():
            found = np.sqrt((np.array(errors) ** 2).mean(0))
            print(f"| {seed} | {told} | {' | '.join(f'{x:.4f}' for x in found)} |", flush=True)


def one_seed(
    split: tr.Split, options: argparse.Namespace, seed: int
) -> dict[str, list[tuple[float, ...]]]:
    """The errors of each way, by what is told."""
    rows = split.before_test
    new = np.random.default_rng(seed).choice(rows.n_users, options.users, replace=False)
    rest = replace(split.data, interactions=rows.rows(~np.isin(rows.users, new)))
    fitted = Learnt(options.backbone, tr.leave_last_out(rest), seed)
    scale, mean = Scale.of(fitted.train), fitted.train.ratings.mean()
    errors: dict[str, list[tuple[float, ...]]] = {"all but the last": [], "the first five": []}
    for user in new:
        items, ratings = rows.of(user), rows.ratings[rows.bounds[user] : rows.bounds[user + 1]]
        for told, n in zip(errors, (len(items) - 1, 5), strict=True):
            _, scores = by_neighbours(fitted, fitted.train, items[:n])
            said = scores[items[-1]], scores[items[-1]] + level(ratings[:n], scores[items[:n]])
            found = [*scale.within(np.nan_to_num(said, neginf=mean)), mean]
            errors[told].append(tuple(found - ratings[-1]))
    return errors


class Learnt:
    """A backbone and what it learnt from, as `by_neighbours` takes them."""

    def __init__(self, name: str, split: tr.Split, seed: int) -> None:
        settings: dict[str, Any] = {**training_of(get(name), quick=True), "seed": seed}
        config, hyper = tr.TrainConfig(**settings), hyper_of(get(name), quick=True)
        self.backbone, self.train = tr.fit(get(name), split, config, hyper=hyper), split.train


if __name__ == "__main__":
    main()

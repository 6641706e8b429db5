"""A transformer of RecTools on a split that is given: run in RecTools' own environment.

    python benchmarks/peers/rectools_fit.py FOLDER JOB.json RESULT.npz

FOLDER/split/split.{train,valid,test}.inter hold pairs of user and item, each user's in order.
JOB.json: model (SASRecModel or BERT4RecModel), epochs, stop (measurements without a new best),
minutes (then the first such measurement ends it), seed, threads, settings. It learns five epochs at
a time; after each the held-out items of validation are looked up in its ten best. RESULT.npz: the
seconds at which each measurement ended and its NDCG@10, and every user's ten best at test [U, 10],
from training and validation, of the best moment.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import rectools.models
import torch
from pytorch_lightning import seed_everything
from rectools.dataset import Dataset

STEP = 5
K = 10


def main(folder: Path, job: dict, out: Path) -> None:
    torch.set_num_threads(job["threads"])
    seed_everything(job["seed"])
    train, valid = (read(folder, part) for part in ("train", "valid"))
    past = pd.concat([train, valid], ignore_index=True)
    past["datetime"] = pd.to_datetime(np.arange(len(past)), unit="s")
    model = getattr(rectools.models, job["model"])(verbose=0, **job["settings"])
    data, later = dataset(train), dataset(past)
    ends, values, best, beside = [], [], None, 0.0
    start = time.process_time()
    for _ in range(job["epochs"] // STEP):
        model.fit_partial(data, min_epochs=STEP, max_epochs=STEP)
        lists = top(model, data, valid)
        values.append(ndcg(lists, valid))
        ends.append(time.process_time() - start - beside)
        print(f"{ends[-1]:.0f} s: {values[-1]:.4f}", file=sys.stderr, flush=True)
        if values[-1] == max(values):
            begun = time.process_time()
            best = top(model, later, valid)  # for test: no part of learning
            beside += time.process_time() - begun
        patience = job["stop"] if ends[-1] < 60 * job["minutes"] else 1
        if len(values) - 1 - int(np.argmax(values)) >= patience:
            break
    users = np.array(sorted(best), dtype=np.int64)
    items = np.full((len(users), K), -1, dtype=np.int64)
    for row, user in enumerate(users):
        items[row, : len(best[user])] = best[user]
    np.savez(out, ends=ends, valid=values, users=users, items=items)


def read(folder: Path, part: str) -> pd.DataFrame:
    rows = pd.read_csv(folder / "split" / f"split.{part}.inter", sep="\t")
    rows.columns = ["user_id", "item_id"]
    rows["weight"] = 1.0
    return rows


def dataset(rows: pd.DataFrame) -> Dataset:
    """Order is told by time, one second a row."""
    rows = rows.copy()
    rows["datetime"] = pd.to_datetime(np.arange(len(rows)), unit="s")
    return Dataset.construct(rows)


def top(model, data: Dataset, valid: pd.DataFrame) -> dict[int, list[int]]:
    """Each user's ten best of what he has not met."""
    found = model.recommend(
        valid["user_id"].unique(), data, k=K, filter_viewed=True, on_unsupported_targets="ignore"
    )
    return found.groupby("user_id")["item_id"].apply(list).to_dict()


def ndcg(lists: dict[int, list[int]], held_out: pd.DataFrame) -> float:
    gains = [
        1 / np.log2(lists[user].index(item) + 2) if item in lists.get(user, []) else 0.0
        for user, item in zip(held_out["user_id"], held_out["item_id"], strict=True)
    ]
    return float(np.mean(gains))


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text()), Path(sys.argv[3]))

"""A model of RecBole 1.2.1 on a split that is given: run in RecBole's own environment.

    python benchmarks/peers/recbole_fit.py FOLDER JOB.json RESULT.npz

FOLDER/split/split.{train,valid,test}.inter are RecBole's atomic files, for direct models; for
sequential ones FOLDER/log/log.inter holds all interactions, with each user's order as timestamp.
JOB.json: model, sequential (whether it is), epochs, stop (evaluations without a new best, or 0 for
none), minutes (then the first such evaluation ends it), seed, threads, and settings of RecBole.
RESULT.npz: seconds of each epoch's training, steps of an epoch, the seconds at which each
validation ended and its NDCG@10, RecBole's own test NDCG@5 and the seconds of that evaluation, and
every user's score of every item [U, I] in our numbers.
"""

from __future__ import annotations

import functools
import json
import logging
import sys
import time
from pathlib import Path

import numpy as np
import torch
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.utils import get_model, get_trainer, init_seed

FIXED = {
    "metrics": ["NDCG"],
    "topk": [5, 10],
    "valid_metric": "NDCG@10",
    "metric_decimal_place": 6,
    "eval_batch_size": 4_000_000,
    "use_gpu": False,
    "show_progress": False,
    "save_dataset": False,
}
DIRECT = {
    "benchmark_filename": ["train", "valid", "test"],
    "load_col": {"inter": ["user_id", "item_id"]},
    "eval_args": {"split": None, "order": "RO", "group_by": "user", "mode": "full"},
    "train_neg_sample_args": {"distribution": "uniform", "sample_num": 1},
}
SEQUENTIAL = {
    "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
    "eval_args": {
        "split": {"LS": "valid_and_test"},
        "order": "TO",
        "group_by": "user",
        "mode": "full",
    },
    "train_neg_sample_args": None,
}


def main(folder: Path, job: dict, out: Path) -> None:
    torch.set_num_threads(job["threads"])
    # RecBole saves its config inside the checkpoint, which torch now refuses to read by default.
    torch.load = functools.partial(torch.load, weights_only=False)
    logging.disable(logging.CRITICAL)
    settings = FIXED | (SEQUENTIAL if job["sequential"] else DIRECT) | job["settings"]
    settings |= {"data_path": str(folder), "seed": job["seed"]}
    settings |= {"epochs": job["epochs"], "stopping_step": job["stop"] or 10**9}
    settings |= {"checkpoint_dir": str(folder / "saved")}
    sys.argv = sys.argv[:1]  # RecBole reads the command line
    name = "log" if job["sequential"] else "split"
    config = Config(model=job["model"], dataset=name, config_dict=settings)
    init_seed(config["seed"], config["reproducibility"])
    train, valid, test = data_preparation(config, create_dataset(config))
    model = get_model(config["model"])(config, train.dataset)
    trainer = get_trainer(config["MODEL_TYPE"], config["model"])(config, model)
    if job["sequential"]:
        # RecBole hides what was met from direct models only; here it is hidden from all.
        met = met_in(folder / "split" / "split.train.inter", train.dataset)
        trainer._valid_epoch = lambda data, **_: measured(model, data, met)
    seconds, ends, values = timed(trainer, 60 * job.get("minutes", 1e6))
    trainer.fit(train, valid if job["stop"] else None, verbose=False, show_progress=False)
    found = {"seconds": seconds, "steps": len(train), "epochs": len(seconds)}
    found |= {"ends": ends, "valid": values}
    if job["stop"]:
        start = time.process_time()
        found["ndcg"] = trainer.evaluate(test, show_progress=False)["ndcg@5"]
        found["evaluation"] = time.process_time() - start
        found["scores"] = scores(model, train.dataset, test, job["sequential"])
    np.savez(out, **found)


def met_in(file: Path, dataset) -> dict[int, np.ndarray]:  # type: ignore[no-untyped-def]
    """The items of each user's training interactions, in RecBole's numbers."""
    users, items = np.loadtxt(file, dtype=str, skiprows=1).T
    users = dataset.token2id("user_id", users)
    items = dataset.token2id("item_id", items)
    return {user: items[users == user] for user in np.unique(users)}


@torch.no_grad()
def measured(model, data, met) -> tuple[float, dict[str, float]]:  # type: ignore[no-untyped-def]
    """NDCG@10 on validation among what was not met in training, as `_valid_epoch` gives it."""
    model.eval()
    gains = []
    for interaction, *_ in data:
        rows = model.full_sort_predict(interaction).view(len(interaction), -1)
        rows[:, 0] = -torch.inf
        pairs = zip(interaction["user_id"].tolist(), interaction["item_id"].tolist(), strict=True)
        for row, (user, item) in zip(rows, pairs, strict=True):
            row[torch.from_numpy(met[user])] = -torch.inf
            rank = int((row > row[item]).sum())
            gains.append(1 / np.log2(rank + 2) if rank < 10 else 0.0)
    return float(np.mean(gains)), {"ndcg@10": float(np.mean(gains))}


def timed(trainer, limit: float) -> tuple[list[float], list[float], list[float]]:  # type: ignore[no-untyped-def]
    """Seconds of each call of the trainer's one-epoch method; after each validation, the seconds
    since the first epoch began, and its NDCG@10. Beyond the limit it has no patience left."""
    seconds: list[float] = []
    ends: list[float] = []
    values: list[float] = []
    epoch, validation = trainer._train_epoch, trainer._valid_epoch
    begun: list[float] = []

    def trained(*args, **options):  # type: ignore[no-untyped-def]
        start = time.process_time()
        begun.append(start)
        result = epoch(*args, **options)
        seconds.append(time.process_time() - start)
        return result

    def validated(*args, **options):  # type: ignore[no-untyped-def]
        result = validation(*args, **options)
        ends.append(time.process_time() - begun[0])
        values.append(float(result[0]))
        if ends[-1] > limit:
            trainer.stopping_step = 0
        print(
            f"{len(seconds)} epochs, {ends[-1]:.0f} s: {values[-1]:.4f}",
            file=sys.stderr,
            flush=True,
        )
        return result

    trainer._train_epoch, trainer._valid_epoch = trained, validated
    return seconds, ends, values


@torch.no_grad()
def scores(model, dataset, test, sequential: bool) -> np.ndarray:  # type: ignore[no-untyped-def]
    """[U, I] in the numbers of the atomic files; RecBole numbers anew, with 0 for padding."""
    model.eval()
    users, items = (
        np.array(dataset.field2id_token[field][1:], dtype=np.int64)
        for field in ("user_id", "item_id")
    )
    table = np.full((dataset.user_num, dataset.item_num), -np.inf, np.float32)
    if sequential:
        for interaction, *_ in test:
            rows = model.full_sort_predict(interaction).view(len(interaction), -1)
            table[interaction["user_id"].numpy()] = rows.numpy()
    else:
        table[1:] = of_every_item(model, torch.arange(1, dataset.user_num), dataset.item_num)
    found = np.full((users.max() + 1, items.max() + 1), -np.inf, np.float32)
    found[np.ix_(users, items)] = table[1:, 1:]
    return found


def of_every_item(model, users: torch.Tensor, n_items: int) -> np.ndarray:  # type: ignore[no-untyped-def]
    """[B, I], user by user where a model only knows pairs (NeuMF)."""
    try:
        return model.full_sort_predict({"user_id": users}).view(len(users), -1).numpy()
    except NotImplementedError:
        items = torch.arange(n_items)
        rows = [{"user_id": user.repeat(n_items), "item_id": items} for user in users]
        return torch.stack([model.predict(row) for row in rows]).numpy()


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text()), Path(sys.argv[3]))

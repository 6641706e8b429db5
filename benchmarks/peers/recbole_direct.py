"""BPR or LightGCN of RecBole 1.2.1 on a split that is given: run in RecBole's own environment.

    python benchmarks/peers/recbole_direct.py FOLDER JOB.json RESULT.npz

FOLDER/split/split.{train,valid,test}.inter are RecBole's atomic files. JOB.json holds model,
epochs, stop (evaluations without a new best, or 0 for none), seed, threads, and settings of
RecBole. RESULT.npz: seconds of each epoch's training, steps of an epoch, RecBole's own test
NDCG@5, and every user's score of every item [U, I] in our numbers.
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
    "benchmark_filename": ["train", "valid", "test"],
    "load_col": {"inter": ["user_id", "item_id"]},
    "eval_args": {"split": None, "order": "RO", "group_by": "user", "mode": "full"},
    "metrics": ["NDCG"],
    "topk": [5, 10],
    "valid_metric": "NDCG@10",
    "metric_decimal_place": 6,
    "eval_batch_size": 4_000_000,
    "train_neg_sample_args": {"distribution": "uniform", "sample_num": 1},
    "use_gpu": False,
    "show_progress": False,
    "save_dataset": False,
}


def main(folder: Path, job: dict, out: Path) -> None:
    torch.set_num_threads(job["threads"])
    # RecBole saves its config inside the checkpoint, which torch now refuses to read by default.
    torch.load = functools.partial(torch.load, weights_only=False)
    logging.disable(logging.CRITICAL)
    settings = FIXED | job["settings"] | {"data_path": str(folder), "seed": job["seed"]}
    settings |= {"epochs": job["epochs"], "stopping_step": job["stop"] or 10**9}
    settings |= {"checkpoint_dir": str(folder / "saved")}
    sys.argv = sys.argv[:1]  # RecBole reads the command line
    config = Config(model=job["model"], dataset="split", config_dict=settings)
    init_seed(config["seed"], config["reproducibility"])
    train, valid, test = data_preparation(config, create_dataset(config))
    model = get_model(config["model"])(config, train.dataset)
    trainer = get_trainer(config["MODEL_TYPE"], config["model"])(config, model)
    seconds = timed(trainer)
    trainer.fit(train, valid if job["stop"] else None, verbose=False, show_progress=False)
    found = {"seconds": seconds, "steps": len(train), "epochs": len(seconds)}
    if job["stop"]:
        found["ndcg"] = trainer.evaluate(test, show_progress=False)["ndcg@5"]
        found["scores"] = scores(model, train.dataset)
    np.savez(out, **found)


def timed(trainer) -> list[float]:  # type: ignore[no-untyped-def]
    """Seconds of each call of the trainer's one-epoch method; evaluation is not in it."""
    seconds: list[float] = []
    epoch = trainer._train_epoch

    def measured(*args, **options):  # type: ignore[no-untyped-def]
        start = time.perf_counter()
        result = epoch(*args, **options)
        seconds.append(time.perf_counter() - start)
        return result

    trainer._train_epoch = measured
    return seconds


@torch.no_grad()
def scores(model, dataset) -> np.ndarray:  # type: ignore[no-untyped-def]
    """[U, I] in the numbers of the atomic files; RecBole numbers anew, with 0 for padding."""
    model.eval()
    users, items = (
        np.array(dataset.field2id_token[field][1:], dtype=np.int64)
        for field in ("user_id", "item_id")
    )
    inside = {"user_id": torch.arange(1, dataset.user_num)}
    table = model.full_sort_predict(inside).view(dataset.user_num - 1, -1)[:, 1:].numpy()
    found = np.full((users.max() + 1, items.max() + 1), -np.inf, np.float32)
    found[np.ix_(users, items)] = table
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text()), Path(sys.argv[3]))

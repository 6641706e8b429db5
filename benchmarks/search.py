"""Settings of a backbone, chosen on validation: a seeded random search; test is not looked at.

    python benchmarks/search.py sasrec [--data ml-100k] [--tries 16] [--seeds 2] [--minutes 30]

Tries settings out of a small space around the published ones; prints the best validation NDCG@10
(ratings: RMSE), epochs and seconds of a fit. What has been tried is kept in
benchmarks/results/search-BACKBONE-DATA.jsonl and not tried again. Ends when the minutes are over.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

import tandemrec as tr
from tandemrec.backbones import RatingBackbone, get

HERE = Path(__file__).parent.absolute()
SMALL = {"batch_size": [1024, 2048, 8192], "learning_rate": [1e-3, 2e-3, 5e-3, 1e-2]}
WINDOWS = {"batch_size": [64, 128, 256], "learning_rate": [1e-3, 2e-3, 4e-3]}
NETWORK = {"width": [64], "heads": [1, 2], "layers": [1, 2], "length": [50, 100]}
EVERY = {"every_window": [False, True]}
LOSSES = {"dropout": [0.2, 0.5], "loss": ["pair", "all"]}
RATED = {
    "batch_size": [256, 512, 1024, 2048],
    "learning_rate": [5e-4, 1e-3, 2e-3],
    "width": [8, 16, 32],
    "decay": [1e-3, 1e-2, 3e-2, 1e-1],
}
DEEP = {**RATED, "hidden": [[64], [128, 64], [256, 128]], "dropout": [0.0, 0.2, 0.5]}
SPACES: dict[str, dict[str, list[Any]]] = {
    "mf": {**SMALL, "decay": [0.0, 1e-3, 1e-2]},
    "lightgcn": {
        "batch_size": [2048, 4096, 8192],
        "learning_rate": [2e-3, 5e-3, 1e-2, 2e-2],
        "decay": [1e-5, 1e-4],
    },
    "neumf": {**SMALL, "decay": [0.0, 1e-3, 1e-2]},
    "ngcf": {**SMALL, "decay": [1e-5, 1e-4, 1e-3], "unit": [False, True]},
    "sgl": {**SMALL, "weight": [0.01, 0.05, 0.1], "temperature": [0.1, 0.2, 0.5]},
    "mixgcf": {**SMALL, "candidates": [16, 32, 64]},
    "sasrec": {**WINDOWS, **NETWORK, **LOSSES, **EVERY},
    "bert4rec": {
        **WINDOWS,
        **NETWORK,
        **EVERY,
        "dropout": [0.1, 0.2, 0.5],
        "hidden": [0.2, 0.4, 0.6],
    },
    "cl4srec": {**WINDOWS, **NETWORK, **LOSSES, **EVERY},
    "deepfm": DEEP,
    "nfm": {**DEEP, "hidden_dropout": [0.0, 0.2, 0.5], "normal": [False, True]},
    "dcn": {**DEEP, "layers": [2, 3, 6], "normal": [False, True]},
    "afm": {**RATED, "attention": [8, 16, 32], "dropout": [0.0, 0.2, 0.5]},
    "xdeepfm": {**DEEP, "cross": [[16, 16], [32, 32], [64, 64]]},
    "autoint": {**DEEP, "layers": [1, 2, 3], "heads": [1, 2]},
}
TRAINING = tr.TrainConfig.model_fields


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("backbone", choices=SPACES)
    parser.add_argument("--data", default="ml-100k")
    parser.add_argument("--tries", type=int, default=16)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="fixed")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    split = tr.leave_last_out(tr.load(options.data))
    file = HERE / "results" / f"search-{options.backbone}-{options.data}.jsonl"
    known = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    fixed = dict(map(given, options.set))
    end = time.monotonic() + 60 * options.minutes
    for settings in drawn(SPACES[options.backbone], options.tries):
        settings |= fixed
        if tried_before(known, settings, options.seeds) or time.monotonic() > end:
            continue
        found = tried(options.backbone, split, settings, options.seeds)
        known.append(found)
        with file.open("a") as out:
            out.write(json.dumps(found) + "\n")
        print(json.dumps(found), flush=True)
    lower = issubclass(get(options.backbone), RatingBackbone)
    for each in sorted(known, key=lambda each: each["valid"], reverse=not lower)[:8]:
        print(
            f"{each['valid']:.4f} {each['seconds']:6.1f} s {each['epochs']:5.0f} {each['settings']}"
        )


def given(pair: str) -> tuple[str, Any]:
    """A setting of the command line: a number, true or false, or else a word."""
    name, _, value = pair.partition("=")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def tried_before(known: list[dict[str, Any]], settings: dict[str, Any], seeds: int) -> bool:
    """Whether these settings were tried with as many seeds."""
    return any(row["settings"] == settings and row.get("seeds", 1) >= seeds for row in known)


def drawn(space: dict[str, list[Any]], tries: int) -> list[dict[str, Any]]:
    """Points of the space, the same ones every time."""
    rng = np.random.default_rng(0)
    return [
        {name: values[rng.integers(len(values))] for name, values in space.items()}
        for _ in range(tries)
    ]


def tried(name: str, split: tr.Split, settings: dict[str, Any], seeds: int) -> dict[str, Any]:
    """Means over the seeds."""
    training = {key: value for key, value in settings.items() if key in TRAINING}
    hyper = {key: value for key, value in settings.items() if key not in TRAINING}
    rows = []
    for seed in range(seeds):
        start = time.process_time()
        every = {"every": 1} if issubclass(get(name), RatingBackbone) else {}
        limits = {"epochs": 300, "patience": 6, **every}
        config = tr.TrainConfig(**{**limits, **training, "seed": seed})
        model = tr.fit(get(name), split, config, hyper=hyper)
        rows.append((model.best_valid, model.best_epoch, time.process_time() - start))
    valid, epochs, seconds = np.mean(rows, axis=0)
    found = {"settings": settings, "seeds": seeds, "valid": valid}
    return found | {"epochs": epochs, "seconds": seconds}


if __name__ == "__main__":
    main()

"""MF and LightGCN on MovieLens-100K: accuracy over seeds, and RecBole's models beside them.

    python benchmarks/backbones.py --accuracy
    python benchmarks/backbones.py --recbole .venvs/recbole/bin/python

Leave-last-out split, full catalogue. Settings were chosen on validation (docs/log.md). Prints
Markdown tables, and writes benchmarks/results/backbones-*.json.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

import tandemrec as tr
from tandemrec.backbones import get, training_of
from tandemrec.evaluation.metrics import per_user

HERE = Path(__file__).parent.absolute()
NAMES = ("mf", "lightgcn")
THEIRS: dict[str, tuple[str, dict[str, Any]]] = {
    "mf": ("BPR", {}),
    "lightgcn": ("LightGCN", {"n_layers": 3, "reg_weight": 1e-4, "require_pow": True}),
}
"RecBole's model of the same name, with LightGCN's settings made ours."
ALIKE: dict[str, dict[str, Any]] = {"mf": {"decay": 0.0}, "lightgcn": {}}
"Ours beside RecBole's, whose BPR has no L2 term."
TARGETS = {"mf": 0.042, "lightgcn": 0.048}
TIMED = {"batch_size": 2048, "learning_rate": 1e-3}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--accuracy", action="store_true", help="all seeds on test")
    parser.add_argument("--recbole", metavar="PYTHON", help="RecBole's interpreter, to compare")
    parser.add_argument("--seeds", type=int, default=5, help="0: only time RecBole")
    parser.add_argument("--rounds", type=int, default=3, help="alternating rounds of timing")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    split = tr.leave_last_out(tr.load("ml-100k"))
    if options.accuracy:
        report("accuracy", [accuracy(split, name, options.seeds) for name in NAMES], options)
    if options.recbole:
        with tempfile.TemporaryDirectory() as folder:
            peer = Peer(str(Path(options.recbole).absolute()), Path(folder), options.threads)
            peer.give(split)
            rows = [pace(split, peer, name, options.rounds) for name in NAMES]
            report("recbole-time", rows, options)
            if options.seeds:
                rows = [beside(split, peer, name, options.seeds) for name in NAMES]
                report("recbole-accuracy", rows, options)


def accuracy(split: tr.Split, name: str, seeds: int) -> dict[str, Any]:
    """Means over the seeds, on test; and what one fit costs."""
    rows = [one_seed(split, name, {}, seed) for seed in range(seeds)]
    found = np.array([row["NDCG@5"] for row in rows])
    return {
        "backbone": name,
        "test NDCG@5": found.mean(),
        "sd": found.std(ddof=1) if seeds > 1 else 0.0,
        "target": TARGETS[name],
        **{f"test {key}": np.mean([row[key] for row in rows]) for key in ("HR@5", "NDCG@10")},
        "valid NDCG@10": np.mean([row["valid"] for row in rows]),
        "epochs": np.mean([row["epochs"] for row in rows]),
        "seconds a fit": np.mean([row["seconds"] for row in rows]),
    }


def one_seed(split: tr.Split, name: str, hyper: dict[str, Any], seed: int) -> dict[str, float]:
    """The metrics on test of the epoch that is best on validation, and the fit's seconds."""
    start = time.perf_counter()
    config = tr.TrainConfig(**training_of(get(name), quick=True), seed=seed)
    fitted = tr.fit(name, split, config, hyper=hyper)
    seconds = time.perf_counter() - start
    found = on_test(fitted, split) | {"valid": fitted.best_valid, "epochs": fitted.best_epoch}
    print(f"{name}, seed {seed}: {json.dumps(found)}", file=sys.stderr, flush=True)
    return found | {"seconds": seconds}


def on_test(model: Any, split: tr.Split) -> dict[str, float]:
    lists = tr.rank(model, split.train, None, 10, exclude=split.valid)
    return per_user(lists, split.test).means()


class Peer:
    """RecBole, in its own environment."""

    def __init__(self, python: str, folder: Path, threads: int) -> None:
        self.python, self.folder, self.threads = python, folder, threads

    def give(self, split: tr.Split) -> None:
        """Write the split as RecBole's atomic files."""
        (self.folder / "split").mkdir()
        for part in ("train", "valid", "test"):
            rows = getattr(split, part)
            pairs = zip(rows.users, rows.items, strict=True)
            lines = ["user_id:token\titem_id:token", *(f"{u}\t{i}" for u, i in pairs)]
            (self.folder / "split" / f"split.{part}.inter").write_text("\n".join(lines) + "\n")

    def train(
        self, name: str, training: dict[str, Any], epochs: int, stop: int, seed: int
    ) -> dict[str, Any]:
        model, settings = THEIRS[name]
        settings = settings | {"eval_step": 5, "train_batch_size": training["batch_size"]}
        settings |= {"learning_rate": training["learning_rate"]}
        job = {"model": model, "epochs": epochs, "stop": stop, "seed": seed}
        job |= {"threads": self.threads, "settings": settings}
        (self.folder / "job.json").write_text(json.dumps(job))
        script, out = HERE / "peers" / "recbole_direct.py", self.folder / "result.npz"
        command = [self.python, "-W", "ignore", script, self.folder, self.folder / "job.json", out]
        # RecBole writes its logs where it is run.
        parts, quiet = [str(part) for part in command], subprocess.DEVNULL
        subprocess.run(parts, check=True, cwd=self.folder, stdout=quiet)
        with np.load(out) as file:
            return dict(file)


def beside(split: tr.Split, peer: Peer, name: str, seeds: int) -> dict[str, Any]:
    """Accuracy with equal settings, batches and stopping rule."""
    mine, yours, own = [], [], []
    for seed in range(seeds):
        mine.append(one_seed(split, name, ALIKE[name], seed)["NDCG@5"])
        result = peer.train(name, training_of(get(name), quick=True), 1000, 10, seed)
        yours.append(on_test(tr.ScoreMatrix(result["scores"]), split)["NDCG@5"])
        own.append(float(result["ndcg"]))
        print(f"RecBole {name}, seed {seed}: {yours[-1]:.4f}", file=sys.stderr, flush=True)
    return {
        "backbone": name,
        "ours, NDCG@5": np.mean(mine),
        "RecBole, NDCG@5": np.mean(yours),
        "its own word": np.mean(own),
        "sd ours": np.std(mine, ddof=1) if seeds > 1 else 0.0,
        "sd RecBole": np.std(yours, ddof=1) if seeds > 1 else 0.0,
    }


def pace(split: tr.Split, peer: Peer, name: str, rounds: int) -> dict[str, Any]:
    """Seconds an epoch of each, in alternating rounds; the medians, and the least ratio."""
    ours, theirs = timing(split, peer, name, rounds)
    return {
        "backbone": name,
        "ours, s/epoch": np.median(ours),
        "RecBole, s/epoch": np.median(theirs),
        "times faster": np.median(theirs) / np.median(ours),
        "least of rounds": min(a / b for a, b in zip(theirs, ours, strict=True)),
    }


def timing(
    split: tr.Split, peer: Peer, name: str, rounds: int, epochs: int = 6
) -> tuple[list[float], list[float]]:
    """The median epoch of each round, without its first; batch 2,048 for both."""
    ours, theirs = [], []
    for _ in range(rounds):
        theirs.append(float(np.median(peer.train(name, TIMED, epochs, 0, 0)["seconds"][1:])))
        ours.append(_seconds(split, name, epochs))
    return ours, theirs


def _seconds(split: tr.Split, name: str, epochs: int) -> float:
    ends: list[float] = []
    config = tr.TrainConfig(**TIMED, epochs=epochs)
    tr.fit(
        name,
        split.train,
        config,
        hyper=ALIKE[name],
        progress=lambda *_: ends.append(time.perf_counter()),
    )
    return float(np.median(np.diff(ends)))


def report(kind: str, rows: list[dict[str, Any]], options: argparse.Namespace) -> None:
    """Print a Markdown table, and write the figures."""
    rows = [{k: v if isinstance(v, str) else float(v) for k, v in row.items()} for row in rows]
    note = {"threads": options.threads, "seeds": options.seeds, "torch": torch.__version__}
    file = HERE / "results" / f"backbones-{kind}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({**note, "rows": rows}, indent=2) + "\n")
    print("| " + " | ".join(rows[0]) + " |")
    print("|---" * len(rows[0]) + "|")
    for row in rows:
        print("| " + " | ".join(_cell(value) for value in row.values()) + " |")


def _cell(value: str | float) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.1f}" if value >= 2 else f"{value:.4f}"


if __name__ == "__main__":
    main()

"""Backbones: accuracy over seeds, and RecBole's models beside them.

    python benchmarks/backbones.py --accuracy [--data ml-100k] [--only mf lightgcn]
    python benchmarks/backbones.py --recbole .venvs/recbole/bin/python [--data ...] [--only ...]
    python benchmarks/backbones.py --pace .venvs/recbole/bin/python

--accuracy: test NDCG@5 over the seeds. --recbole: test NDCG@10 of both on the same split, and the
seconds of each to the best validation NDCG@10 that RecBole reaches. --pace: seconds of an epoch of
direct models at equal batches.

Leave-last-out split, full catalogue. Settings were chosen on validation (docs/log.md, search.py);
RecBole's models keep its own, but for LightGCN's. Every fit beside RecBole is kept in
benchmarks/results/recbole-DATA.jsonl and not made again. Prints Markdown tables, and writes
benchmarks/results/backbones-*.json.
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
PACED = ("mf", "lightgcn", "sgl")
THEIRS: dict[str, tuple[str, dict[str, Any]]] = {
    "mf": ("BPR", {}),
    "lightgcn": ("LightGCN", {"n_layers": 3, "reg_weight": 1e-4, "require_pow": True}),
    "sgl": ("SGL", {"n_layers": 3}),
    "sasrec": ("SASRec", {}),
    "bert4rec": ("BERT4Rec", {}),
}
"RecBole's model of the same name, with LightGCN's settings made ours."
SEQUENTIAL = ("sasrec", "bert4rec", "cl4srec")
OURS = ("mf", "lightgcn", "sgl", "mixgcf", *SEQUENTIAL)
ALIKE: dict[str, dict[str, Any]] = {"mf": {"decay": 0.0}}
"Ours beside RecBole's, whose BPR has no L2 term."
TARGETS = {"mf": 0.042, "lightgcn": 0.048}
TIMED = {"batch_size": 2048, "learning_rate": 1e-3}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--accuracy", action="store_true", help="all seeds on test")
    parser.add_argument("--recbole", metavar="PYTHON", help="RecBole's interpreter, to compare")
    parser.add_argument("--pace", metavar="PYTHON", help="the same, to compare an epoch's time")
    parser.add_argument("--data", default="ml-100k")
    parser.add_argument("--only", nargs="+", choices=OURS)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3, help="alternating rounds of timing")
    parser.add_argument("--epochs", type=int, default=300, help="RecBole's at most")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    split = tr.leave_last_out(tr.load(options.data))
    if options.accuracy:
        rows = [accuracy(split, name, options.seeds) for name in options.only or OURS]
        report(f"accuracy-{options.data}", rows, options)
    with tempfile.TemporaryDirectory() as folder:
        if options.pace:
            peer = Peer(options.pace, Path(folder), options.threads, split)
            names = [name for name in options.only or PACED if name in PACED]
            report("recbole-time", [pace(split, peer, n, options.rounds) for n in names], options)
        if options.recbole:
            peer = Peer(options.recbole, Path(folder), options.threads, split)
            names = [name for name in options.only or THEIRS if name in THEIRS]
            rows = [beside(split, peer, name, options) for name in names]
            report(f"recbole-accuracy-{options.data}", rows, options)


def accuracy(split: tr.Split, name: str, seeds: int) -> dict[str, Any]:
    """Means over the seeds, on test; and what one fit costs."""
    rows = [one_seed(split, name, {}, seed) for seed in range(seeds)]
    found = np.array([row["NDCG@5"] for row in rows])
    return {
        "backbone": name,
        "test NDCG@5": found.mean(),
        "sd": found.std(ddof=1) if seeds > 1 else 0.0,
        "target": TARGETS.get(name, ""),
        **{f"test {key}": np.mean([row[key] for row in rows]) for key in ("HR@5", "NDCG@10")},
        "valid NDCG@10": np.mean([row["valid"] for row in rows]),
        "epochs": np.mean([row["epochs"] for row in rows]),
        "seconds a fit": np.mean([row["seconds"] for row in rows]),
    }


def one_seed(split: tr.Split, name: str, hyper: dict[str, Any], seed: int) -> dict[str, Any]:
    """The metrics on test of the epoch that is best on validation, the fit's seconds, and when
    validation was measured: [seconds, NDCG@10]."""
    config = tr.TrainConfig(**training_of(get(name), quick=True), seed=seed)
    ends: list[float] = []
    start = time.perf_counter()

    def stamp(*_: Any) -> None:
        ends.append(time.perf_counter() - start)

    fitted = tr.fit(name, split, config, hyper=hyper, progress=stamp)
    found = on_test(fitted, split) | {"valid": fitted.best_valid, "epochs": fitted.best_epoch}
    print(f"{name}, seed {seed}: {json.dumps(found)}", file=sys.stderr, flush=True)
    curve = [
        [end, point.valid]
        for end, point in zip(ends, fitted.curve, strict=True)
        if point.valid is not None
    ]
    return found | {"seconds": ends[-1], "curve": curve}


def on_test(model: Any, split: tr.Split) -> dict[str, float]:
    lists = tr.rank(model, split.train, None, 10, exclude=split.valid)
    return per_user(lists, split.test).means()


class Peer:
    """RecBole, in its own environment, on a split."""

    def __init__(self, python: str, folder: Path, threads: int, split: tr.Split) -> None:
        self.python, self.folder, self.threads = str(Path(python).absolute()), folder, threads
        self._give(split)

    def _give(self, split: tr.Split) -> None:
        """Write the split as RecBole's atomic files, and all of it in order."""
        (self.folder / "split").mkdir(exist_ok=True)
        (self.folder / "log").mkdir(exist_ok=True)
        log = ["user_id:token\titem_id:token\ttimestamp:float"]
        for place, part in enumerate(("train", "valid", "test")):
            rows = getattr(split, part)
            pairs = list(zip(rows.users, rows.items, strict=True))
            lines = ["user_id:token\titem_id:token", *(f"{u}\t{i}" for u, i in pairs)]
            (self.folder / "split" / f"split.{part}.inter").write_text("\n".join(lines) + "\n")
            log += [f"{u}\t{i}\t{len(split.train) * place + n}" for n, (u, i) in enumerate(pairs)]
        (self.folder / "log" / "log.inter").write_text("\n".join(log) + "\n")

    def train(
        self, name: str, training: dict[str, Any], epochs: int, stop: int, seed: int
    ) -> dict[str, Any]:
        model, settings = THEIRS[name]
        job = {"model": model, "epochs": epochs, "stop": stop, "seed": seed}
        job |= {"threads": self.threads, "settings": settings | training}
        job |= {"sequential": name in SEQUENTIAL}
        (self.folder / "job.json").write_text(json.dumps(job))
        script, out = HERE / "peers" / "recbole_fit.py", self.folder / "result.npz"
        command = [self.python, "-W", "ignore", script, self.folder, self.folder / "job.json", out]
        # RecBole writes its logs where it is run.
        parts, quiet = [str(part) for part in command], subprocess.DEVNULL
        subprocess.run(parts, check=True, cwd=self.folder, stdout=quiet)
        with np.load(out) as file:
            return dict(file)


def beside(split: tr.Split, peer: Peer, name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Accuracy, each with its own settings; and how long each takes to RecBole's best."""
    rows = [pair(split, peer, name, seed, options) for seed in range(options.seeds)]
    mine, yours = (np.array([row[who]["NDCG@10"] for row in rows]) for who in ("ours", "theirs"))
    reached = [until(row["ours"]["curve"], row["theirs"]["valid"]) for row in rows]
    taken = [until(row["theirs"]["curve"], row["theirs"]["valid"]) for row in rows]
    return {
        "backbone": name,
        "ours, NDCG@10": mine.mean(),
        "RecBole, NDCG@10": yours.mean(),
        "sd ours": mine.std(ddof=1) if len(mine) > 1 else 0.0,
        "sd RecBole": yours.std(ddof=1) if len(yours) > 1 else 0.0,
        "ours, s to its best": np.mean(reached),
        "RecBole, s to its best": np.mean(taken),
        "times faster": np.mean(taken) / np.mean(reached),
        "seeds": len(rows),
    }


def pair(
    split: tr.Split, peer: Peer, name: str, seed: int, options: argparse.Namespace
) -> dict[str, Any]:
    """One seed of both, kept."""
    file = HERE / "results" / f"recbole-{options.data}.jsonl"
    known = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    for row in known:
        if (row["backbone"], row["seed"]) == (name, seed):
            return row
    training = {"eval_step": 5}
    if name not in SEQUENTIAL:
        own = training_of(get(name), quick=True)
        training |= {"train_batch_size": own["batch_size"], "learning_rate": own["learning_rate"]}
    ours = one_seed(split, name, ALIKE.get(name, {}), seed)
    result = peer.train(name, training, options.epochs, 10, seed)
    lists = on_test(tr.ScoreMatrix(result["scores"]), split)
    curve = np.stack([result["ends"], result["valid"]], axis=1).tolist()
    theirs = lists | {"curve": curve, "valid": max(result["valid"]), "own": float(result["ndcg"])}
    theirs |= {"evaluation": float(result["evaluation"])}
    row = {"backbone": name, "seed": seed, "ours": ours, "theirs": theirs}
    with file.open("a") as out:
        out.write(json.dumps(row) + "\n")
    print(f"RecBole {name}, seed {seed}: {lists['NDCG@10']:.4f}", file=sys.stderr, flush=True)
    return row


def until(curve: list[list[float]], quality: float) -> float:
    """Seconds until validation is as good; infinite if it never is."""
    return next((end for end, value in curve if value >= quality), float("inf"))


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
    settings = {"train_batch_size": TIMED["batch_size"], "learning_rate": TIMED["learning_rate"]}
    for _ in range(rounds):
        theirs.append(float(np.median(peer.train(name, settings, epochs, 0, 0)["seconds"][1:])))
        ours.append(_seconds(split, name, epochs))
    return ours, theirs


def _seconds(split: tr.Split, name: str, epochs: int) -> float:
    ends: list[float] = []
    config = tr.TrainConfig(**TIMED, epochs=epochs)
    tr.fit(
        name,
        split.train,
        config,
        hyper=ALIKE.get(name, {}),
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

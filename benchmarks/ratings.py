"""Rating backbones beside deepctr-torch 0.3.0, which is in an environment of its own.

    python benchmarks/ratings.py accuracy .venvs/deepctr/bin/python [--data ml-1m] [--only deepfm]
    python benchmarks/ratings.py pace .venvs/deepctr/bin/python [--batch 1024]

accuracy: RMSE on test of both, on the same leave-last-out split and the same fields, of the epoch
that is best on validation. Ours learn as `quick` says, which was searched on this validation set;
deepctr-torch keeps its own settings, with embeddings as wide as ours; five epochs without a new
best end a fit. Both predictions are cut to the scale. An epoch's seconds here are a fit's by its
epochs, each with its own batches. Every pair of fits is kept in
benchmarks/results/deepctr-DATA.jsonl and not made again. pace: seconds of an epoch at equal
embeddings, layers and batches (deepctr-torch's default is 256), by turns.

Seconds are of the processor. Prints a Markdown table, and writes benchmarks/results/ratings-*.json.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

import tandemrec as tr
from backbones import kept, report
from tandemrec.backbones import get, hyper_of, training_of
from tandemrec.data.fields import Fields
from tandemrec.evaluation.baselines import biases

HERE = Path(__file__).parent.absolute()
LAYERS = (128, 64)
WIDTH = 16
THEIRS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "deepfm": ("DeepFM", {"dnn_hidden_units": LAYERS}, {"hidden": LAYERS, "dropout": 0.0}),
    "nfm": (
        "NFM",
        {"dnn_hidden_units": LAYERS},
        {"hidden": LAYERS, "dropout": 0.0, "hidden_dropout": 0.0, "normal": False},
    ),
    "dcn": (
        "DCN",
        {"dnn_hidden_units": LAYERS, "cross_num": 2},
        {"hidden": LAYERS, "layers": 2, "dropout": 0.0, "normal": False},
    ),
    "afm": ("AFM", {"attention_factor": 8}, {"attention": 8, "dropout": 0.0}),
    "xdeepfm": (
        "xDeepFM",
        {"dnn_hidden_units": LAYERS, "cin_layer_size": LAYERS, "cin_split_half": True},
        {"hidden": LAYERS, "cross": LAYERS, "split_half": True, "dropout": 0.0},
    ),
    "autoint": (
        "AutoInt",
        {"dnn_hidden_units": LAYERS, "att_layer_num": 2, "att_head_num": 2},
        {"hidden": LAYERS, "layers": 2, "heads": 2, "head_width": WIDTH // 2, "dropout": 0.0},
    ),
}
"Its model of the same name, and how it and ours are made alike where epochs are timed."


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", choices=("accuracy", "pace"))
    parser.add_argument("python", help="the interpreter of deepctr-torch's environment")
    parser.add_argument("--data", default="ml-100k")
    parser.add_argument("--only", nargs="+", choices=THEIRS, default=list(THEIRS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3, help="alternating rounds of timing")
    parser.add_argument("--batch", type=int, default=256, help="pace: rows in a step")
    parser.add_argument("--epochs", type=int, default=100, help="deepctr-torch's at most")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    split = tr.leave_last_out(tr.load(options.data))
    note = {"data": options.data, "threads": options.threads}
    with tempfile.TemporaryDirectory() as folder:
        peer = Peer(options.python, Path(folder), options.threads, split)
        if options.what == "pace":
            rows = [pace(split, peer, name, options) for name in options.only]
            return report(f"ratings-pace-{options.data}", rows, note | {"batch": options.batch})
        rows = [accuracy(split, peer, name, options) for name in options.only]
    note |= {"seeds": options.seeds, "biases": error(biases(split.train, split.test).values, split)}
    return report(f"ratings-{options.data}", rows, note)


class Peer:
    """deepctr-torch in its own environment, on a split."""

    def __init__(self, python: str, folder: Path, threads: int, split: tr.Split) -> None:
        self.python, self.folder, self.threads = str(Path(python).absolute()), folder, threads
        self.fields = Fields.of(split.train, split.catalogue)
        rows: dict[str, Any] = {}
        for part in ("train", "valid", "test"):
            inside = getattr(split, part)
            rows[f"{part}.y"] = inside.ratings
            rows |= {f"{part}.{name}": values for name, values in columns(self.fields, inside)}
        np.savez(folder / "rows.npz", **rows)

    def train(self, model: str, settings: dict[str, Any], **job: Any) -> dict[str, Any]:
        """Fit one of its models; gives its arrays."""
        fields = [field._asdict() for field in self.fields.fields]
        job |= {"model": model, "settings": settings, "threads": self.threads, "fields": fields}
        places = [self.folder / name for name in ("rows.npz", "job.json", "result.npz")]
        places[1].write_text(json.dumps(job))
        command = [self.python, "-W", "ignore", HERE / "peers" / "deepctr_fit.py", *places]
        quiet = subprocess.DEVNULL
        subprocess.run([str(part) for part in command], check=True, stdout=quiet)
        with np.load(places[2]) as found:
            return dict(found)


def columns(fields: Fields, rows: tr.Interactions) -> list[tuple[str, Any]]:
    """Each field's numbers, or values, for every row."""
    sides = ((fields.users, rows.users), (fields.items, rows.items))
    slots = np.concatenate([known.slots[numbers] for known, numbers in sides], axis=1)
    weights = np.concatenate([known.weights[numbers] for known, numbers in sides], axis=1)
    found, start = [], 0
    for field in fields.fields:
        part = slice(start, start + field.width)
        numbers = np.maximum(slots[:, part] - field.first, 0)  # what only fills places is below
        values = weights[:, part] * (numbers > 0) if field.kind == "number" else numbers
        found.append((field.name, values if field.kind == "several of" else values[:, 0]))
        start += field.width
    return found


def error(values: Any, split: tr.Split) -> float:
    """RMSE on test."""
    return float(np.sqrt(np.mean((values - split.test.ratings) ** 2)))


def accuracy(split: tr.Split, peer: Peer, name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Means over the seeds."""
    rows = [pair(split, peer, name, seed, options) for seed in range(options.seeds)]
    mine, yours = (np.array([row[who]["RMSE"] for row in rows]) for who in ("ours", "theirs"))
    many = len(rows) > 1

    def spent(what: str) -> dict[str, float]:
        whose = {"ours": "ours", "its": "theirs"}
        return {who: float(np.mean([row[key][what] for row in rows])) for who, key in whose.items()}

    return {
        "backbone": name,
        "ours, RMSE": mine.mean(),
        "its, RMSE": yours.mean(),
        "sd ours": mine.std(ddof=1) if many else 0.0,
        "sd its": yours.std(ddof=1) if many else 0.0,
        **{f"{who}, s a fit": seconds for who, seconds in spent("seconds").items()},
        **{f"{who}, s/epoch": seconds for who, seconds in spent("epoch").items()},
        "seeds": len(rows),
    }


def pair(
    split: tr.Split, peer: Peer, name: str, seed: int, options: argparse.Namespace
) -> dict[str, Any]:
    """One seed of both, kept with all that it was made under."""
    found = hyper_of(get(name), quick=True) | training_of(get(name), quick=True)
    settings = json.loads(json.dumps(found))  # as they are read back: lists, not tuples

    def made() -> dict[str, Any]:
        theirs = its_fit(split, peer, name, seed, options)
        return {"ours": our_fit(split, name, seed), "theirs": theirs}

    asked = {"backbone": name, "seed": seed, "epochs": options.epochs, "settings": settings}
    return kept(f"deepctr-{options.data}", asked, made)


def our_fit(split: tr.Split, name: str, seed: int) -> dict[str, float]:
    """RMSE on test, and the seconds of the fit."""
    config = tr.TrainConfig(**training_of(get(name), quick=True), seed=seed)
    start = time.process_time()
    model = tr.fit(name, split, config, hyper=hyper_of(get(name), quick=True))
    seconds = time.process_time() - start
    found = error(tr.predict(model, split.test).values, split)
    epoch = seconds / len(model.curve)
    return {"RMSE": found, "valid": model.best_valid or 0.0, "seconds": seconds, "epoch": epoch}


def its_fit(
    split: tr.Split, peer: Peer, name: str, seed: int, options: argparse.Namespace
) -> dict[str, float]:
    """The same of deepctr-torch's, with its own settings."""
    width = hyper_of(get(name), quick=True)["width"]
    job = {"embedding": width, "batch_size": 256, "learning_rate": 1e-3, "stop": 5}
    found = peer.train(THEIRS[name][0], {}, **job, epochs=options.epochs, seed=seed)
    scale = split.train.ratings.min(), split.train.ratings.max()
    valid, seconds = float(found["valid"].min()), float(found["ends"][-1])
    off = error(found["test"].clip(*scale), split)
    epoch = seconds / len(found["ends"])
    return {"RMSE": off, "valid": valid, "seconds": seconds, "epoch": epoch}


def pace(split: tr.Split, peer: Peer, name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Seconds of an epoch of each, in alternating rounds; the medians, and the least ratio."""
    rounds = [
        (theirs_paced(peer, name, options.batch), ours_paced(split, name, options.batch))
        for _ in range(options.rounds)
    ]
    yours, mine = np.array(rounds).T
    return {
        "backbone": name,
        "ours, s/epoch": np.median(mine),
        "its, s/epoch": np.median(yours),
        "times faster": np.median(yours) / np.median(mine),
        "least of rounds": (yours / mine).min(),
    }


def theirs_paced(peer: Peer, name: str, batch: int, epochs: int = 4) -> float:
    model, settings, _ = THEIRS[name]
    job = {"embedding": WIDTH, "batch_size": batch, "learning_rate": 1e-3, "stop": 0, "seed": 0}
    return float(np.median(peer.train(model, settings, **job, epochs=epochs)["seconds"][1:]))


def ours_paced(split: tr.Split, name: str, batch: int, epochs: int = 6) -> float:
    ends: list[float] = []
    config = tr.TrainConfig(batch_size=batch, learning_rate=1e-3, epochs=epochs)
    stamp: Any = lambda *_: ends.append(time.process_time())  # noqa: E731
    fields, hyper = Fields.of(split.train, split.catalogue), {"width": WIDTH, **THEIRS[name][2]}
    tr.fit(name, split.train, config, hyper=hyper, fields=fields, progress=stamp)
    return float(np.median(np.diff(ends)))


if __name__ == "__main__":
    main()

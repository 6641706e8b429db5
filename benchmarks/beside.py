"""Backbones beside RecBole's, RecTools' and implicit's, each in an environment of its own.

    python benchmarks/beside.py recbole .venvs/recbole/bin/python [--data ml-1m] [--only sasrec]
    python benchmarks/beside.py rectools .venvs/rectools/bin/python
    python benchmarks/beside.py pace .venvs/recbole/bin/python
    python benchmarks/beside.py implicit .venvs/implicit/bin/python

recbole, rectools: test NDCG@10 of both on the same leave-last-out split, and the seconds of each to
the best validation NDCG@10 that the peer reaches. Ours learn as `quick` says, which was searched on
this validation set. The peers keep their own settings, but for batch size and learning rate of
direct models, which are ours, and LightGCN's; direct models and RecTools'
are measured every fifth epoch, RecBole's sequential ones, whose epochs are long, every epoch; ten
measurements without a new best end a fit. Every pair of fits is kept in
benchmarks/results/PEER-DATA.jsonl and not made again. pace: seconds of an epoch of RecBole's
direct models at equal batches; implicit: the same of its BPR at equal widths, beside our MF as it
is learnt (`quick`).

Seconds are of the processor, so that what else the machine does counts for neither.
Prints a Markdown table, and writes benchmarks/results/beside-*.json.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

import tandemrec as tr
from backbones import kept, on_test, one_seed, report
from tandemrec.backbones import get, hyper_of, training_of
from tandemrec.evaluation.metrics import per_user
from tandemrec.rankings import Rankings

HERE = Path(__file__).parent.absolute()
SEQUENTIAL = ("sasrec", "bert4rec")
PACED = ("mf", "lightgcn", "sgl", "neumf", "ngcf")
FOUR = {"distribution": "uniform", "sample_num": 4}
"Negatives of NeuMF's paper; RecBole predicts its pairs one by one, so fewer at a time."
THEIRS: dict[str, dict[str, tuple[str, dict[str, Any]]]] = {
    "recbole": {
        "mf": ("BPR", {}),
        "lightgcn": ("LightGCN", {"n_layers": 3, "reg_weight": 1e-4, "require_pow": True}),
        "sgl": ("SGL", {"n_layers": 3}),
        "neumf": ("NeuMF", {"train_neg_sample_args": FOUR, "eval_batch_size": 2**17}),
        "ngcf": ("NGCF", {}),
        "sasrec": ("SASRec", {}),
        "bert4rec": ("BERT4Rec", {}),
    },
    "rectools": {"sasrec": ("SASRecModel", {}), "bert4rec": ("BERT4RecModel", {})},
}
"The peer's model of the same name, with LightGCN's settings and NeuMF's sampling made ours."
ALIKE: dict[str, dict[str, Any]] = {"mf": {"decay": 0.0}}
"Ours in an epoch beside RecBole's, whose BPR has no L2 term."
TIMED = {"batch_size": 2048, "learning_rate": 1e-3}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    ways: dict[str, Callable[..., list[dict[str, Any]]]] = {
        "recbole": accuracies,
        "rectools": accuracies,
        "pace": paces,
        "implicit": implicit,
    }
    parser.add_argument("peer", choices=ways)
    parser.add_argument("python", help="the interpreter of its environment")
    parser.add_argument("--data", default="ml-100k")
    parser.add_argument("--only", nargs="+", choices=THEIRS["recbole"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3, help="alternating rounds of timing")
    parser.add_argument("--epochs", type=int, default=300, help="the peer's at most")
    parser.add_argument(
        "--minutes", type=float, default=1e6, help="then it ends when it is no better"
    )
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    able = {"pace": PACED, "implicit": ("mf",)}.get(options.peer) or tuple(THEIRS[options.peer])
    if missing := set(options.only or ()) - set(able):
        parser.error(f"{options.peer} has {', '.join(able)}; received {', '.join(missing)}")
    torch.set_num_threads(options.threads)
    split = tr.leave_last_out(tr.load(options.data))
    with tempfile.TemporaryDirectory() as folder:
        peer = Peer(options.python, Path(folder), options.threads, split)
        rows = ways[options.peer](split, peer, options)
    note = {"data": options.data, "threads": options.threads, "seeds": options.seeds}
    report(f"beside-{options.peer}-{options.data}", rows, note)


class Peer:
    """Another library in its own environment, on a split."""

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
        self, script: str, model: str, settings: dict[str, Any], **job: Any
    ) -> dict[str, Any]:
        """Run one of the scripts in peers/; gives its arrays."""
        job |= {"model": model, "settings": settings, "threads": self.threads}
        (self.folder / "job.json").write_text(json.dumps(job))
        file, out = HERE / "peers" / script, self.folder / "result.npz"
        command = [self.python, "-W", "ignore", file, self.folder, self.folder / "job.json", out]
        # RecBole writes its logs where it is run.
        parts, quiet = [str(part) for part in command], subprocess.DEVNULL
        subprocess.run(parts, check=True, cwd=self.folder, stdout=quiet)
        with np.load(out) as found:
            return dict(found)


def accuracies(split: tr.Split, peer: Peer, options: argparse.Namespace) -> list[dict[str, Any]]:
    names = options.only or THEIRS[options.peer]
    return [accuracy(split, peer, name, options) for name in names]


def accuracy(split: tr.Split, peer: Peer, name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Means over the seeds; and how long each takes to the peer's best."""
    rows = [pair(split, peer, name, seed, options) for seed in range(options.seeds)]
    mine, yours = (np.array([row[who]["NDCG@10"] for row in rows]) for who in ("ours", "theirs"))
    reached = [until(row["ours"]["curve"], row["theirs"]["valid"]) for row in rows]
    taken = [until(row["theirs"]["curve"], row["theirs"]["valid"]) for row in rows]
    return {
        "backbone": name,
        "ours, NDCG@10": mine.mean(),
        "its, NDCG@10": yours.mean(),
        "sd ours": mine.std(ddof=1) if len(mine) > 1 else 0.0,
        "sd its": yours.std(ddof=1) if len(yours) > 1 else 0.0,
        "ours, s to its best": np.mean(reached) if np.isfinite(reached).all() else "not reached",
        "its, s to its best": np.mean(taken),
        "times faster": np.mean(taken) / np.mean(reached) if np.isfinite(reached).all() else "",
        "seeds": len(rows),
    }


def pair(
    split: tr.Split, peer: Peer, name: str, seed: int, options: argparse.Namespace
) -> dict[str, Any]:
    """One seed of both, kept with all that it was made under."""
    limits = {"epochs": options.epochs, "minutes": options.minutes, "threads": options.threads}
    own = {**training_of(get(name), quick=True), **hyper_of(get(name), quick=True)}
    settings = {"ours": own, "theirs": their_settings(name, options)}

    def made() -> dict[str, Any]:
        theirs = one_of_theirs(split, peer, name, seed, options)
        return {"ours": one_seed(split, name, {}, seed), "theirs": theirs}

    asked = {"backbone": name, "seed": seed, **limits, "settings": settings}
    return kept(f"{options.peer}-{options.data}", asked, made)


def their_settings(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """The peer's, with our batches and rate where it is RecBole's direct one."""
    _, settings = THEIRS[options.peer][name]
    if options.peer != "recbole" or name in SEQUENTIAL:
        return dict(settings)
    own = training_of(get(name), quick=True)
    rate = {"train_batch_size": own["batch_size"], "learning_rate": own["learning_rate"]}
    return {"eval_step": 5, **settings, **rate}


def one_of_theirs(
    split: tr.Split, peer: Peer, name: str, seed: int, options: argparse.Namespace
) -> dict[str, Any]:
    """The peer's metrics on test by our measure, and its curve on validation."""
    result = peer.train(
        f"{options.peer}_fit.py",
        THEIRS[options.peer][name][0],
        their_settings(name, options),
        sequential=name in SEQUENTIAL,
        epochs=options.epochs,
        minutes=options.minutes,
        stop=10,
        seed=seed,
    )
    curve = np.stack([result["ends"], result["valid"]], axis=1).tolist()
    if "scores" in result:
        lists = on_test(tr.ScoreMatrix(result["scores"]), split)
    else:
        found = result["items"]
        scores = np.where(found >= 0, -np.arange(found.shape[1]), -np.inf).astype(np.float32)
        lists = per_user(Rankings(result["users"], found, scores), split.test).means()
    return lists | {"curve": curve, "valid": float(max(result["valid"]))}


def until(curve: list[list[float]], quality: float) -> float:
    """Seconds until validation is as good; infinite if it never is."""
    return next((end for end, value in curve if value >= quality), float("inf"))


def paces(split: tr.Split, peer: Peer, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Seconds an epoch of each, in alternating rounds; the medians, and the least ratio."""
    return [
        turns(name, lambda name=name: theirs_paced(peer, name), split, ALIKE.get(name, {}), options)
        for name in options.only or PACED
    ]


def theirs_paced(peer: Peer, name: str, epochs: int = 6) -> float:
    model, settings = THEIRS["recbole"][name]
    settings = settings | {"train_batch_size": TIMED["batch_size"]}
    settings |= {"learning_rate": TIMED["learning_rate"]}
    job = {"sequential": False, "epochs": epochs, "stop": 0, "seed": 0}
    return float(np.median(peer.train("recbole_fit.py", model, settings, **job)["seconds"][1:]))


def implicit(split: tr.Split, peer: Peer, options: argparse.Namespace) -> list[dict[str, Any]]:
    """MF beside implicit's BPR, which learns one triple at a time on all its threads."""

    def theirs() -> float:
        return float(
            np.median(peer.train("implicit_fit.py", "BPR", {"factors": 64})["seconds"][1:])
        )

    return [turns("mf", theirs, split, {}, options, training_of(get("mf"), quick=True))]


def turns(
    name: str,
    theirs: Callable[[], float],
    split: tr.Split,
    hyper: dict[str, Any],
    options: argparse.Namespace,
    training: dict[str, Any] = TIMED,
) -> dict[str, Any]:
    """Both by turns."""
    rounds = [(theirs(), ours_paced(split, name, hyper, training)) for _ in range(options.rounds)]
    yours, mine = np.array(rounds).T
    return {
        "backbone": name,
        "ours, s/epoch": np.median(mine),
        "its, s/epoch": np.median(yours),
        "times faster": np.median(yours) / np.median(mine),
        "least of rounds": (yours / mine).min(),
    }


def ours_paced(
    split: tr.Split, name: str, hyper: dict[str, Any], training: dict[str, Any], epochs: int = 6
) -> float:
    ends: list[float] = []
    config = tr.TrainConfig(**training, epochs=epochs)
    stamp: Any = lambda *_: ends.append(time.process_time())  # noqa: E731
    tr.fit(name, split.train, config, hyper=hyper, progress=stamp)
    return float(np.median(np.diff(ends)))


if __name__ == "__main__":
    main()

"""Time and peak memory against size: synthetic interactions, 1x, 10x and 100x.

    python benchmarks/scaling.py [--interactions 100000 1000000 10000000] [--threads 1]

A hundred interactions a user, 10,000 items with popularities of a power law. Each step of each size
runs in a process of its own: reading and splitting; an epoch of MF, of LightGCN and of SASRec; the
ranking and metrics of all users; the nearest neighbours of 1,000 of them. An epoch of MF and
LightGCN has twelve steps at every size, as ours has with ML-100K, since each step of theirs costs
as much as there are users and items, or edges; what MF's costs in steps of one size stands beside.
The last columns are the largest size beside the smallest, per interaction: 1 is linear. Memory is
what the process takes beyond importing. Prints a Markdown table, and writes
benchmarks/results/scaling.json.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

import tandemrec as tr
from tandemrec.evaluation.metrics import per_user
from tandemrec.ranking import similar_users

HERE = Path(__file__).parent.absolute()
ITEMS = 10_000
EACH = 100
STEPS_AN_EPOCH = 12


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    sizes = [100_000, 1_000_000, 10_000_000]
    parser.add_argument("--interactions", nargs="+", type=int, default=sizes)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--step", help="for this script itself: one step in this process")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.step:
        print(json.dumps(measured(options.step)))
        return
    found: dict[str, list[dict[str, float]]] = {}
    for size in options.interactions:
        with tempfile.TemporaryDirectory() as folder:
            written(size, Path(folder) / "log.parquet")
            for step in STEPS:
                command = [sys.executable, __file__, "--step", step]
                command += ["--threads", str(options.threads)]
                done = subprocess.run(
                    command, check=True, cwd=folder, stdout=subprocess.PIPE, text=True
                )
                found.setdefault(step, []).append(json.loads(done.stdout))
                print(f"{size:,}, {step}: {found[step][-1]}", file=sys.stderr, flush=True)
    report(options.interactions, found)


def written(size: int, file: Path) -> None:
    """Interactions of a power law, each pair once."""
    rng = np.random.default_rng(0)
    users = size // EACH
    chance = 1 / np.arange(1, ITEMS + 1) ** 0.7
    edges = np.cumsum(chance / chance.sum())
    drawn = [
        np.searchsorted(edges, rng.random((part, 3 * EACH)))
        for part in np.diff([*range(0, users, 10_000), users])
    ]
    rows = np.concatenate([np.apply_along_axis(different, 1, part) for part in drawn])
    frame = pl.DataFrame(
        {
            "user": np.repeat(np.arange(users), EACH),
            "item": rows.reshape(-1),
            "timestamp": np.tile(np.arange(EACH), users),
        }
    )
    frame.write_parquet(file)


def different(row: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The first different values of a row."""
    _, first = np.unique(row, return_index=True)
    return row[np.sort(first)[:EACH]]


def prepared() -> tr.Split:
    return tr.leave_last_out(tr.load("log.parquet"))


def epoch(name: str, batch: int | None = None) -> Callable[[tr.Split], float]:
    """The second epoch's seconds: the first loads parts of torch."""

    def run(split: tr.Split) -> float:
        ends: list[float] = []
        size = batch or -(-len(split.train) // STEPS_AN_EPOCH)
        config = tr.TrainConfig(batch_size=size, epochs=2)
        tr.fit(name, split.train, config, progress=lambda *_: ends.append(time.perf_counter()))
        return ends[1] - ends[0]

    return run


def fitted(split: tr.Split) -> Any:
    """Untrained weights will do for a clock."""
    return tr.MF(tr.MF.Config(), split.train)


def evaluated(model: Any, split: tr.Split) -> None:
    lists = tr.rank(model, split.train, None, 50, exclude=split.valid)
    per_user(lists, split.test, (3, 5, 10, 20, 50))


def near(model: Any, split: tr.Split) -> None:
    similar_users(model, np.arange(min(1000, split.train.n_users)))


STEPS: dict[str, tuple[Callable[..., Any] | None, Callable[..., Any]]] = {
    "read and split": (None, prepared),
    "MF, epoch": (prepared, epoch("mf")),
    "MF, epoch in steps of 8,192": (prepared, epoch("mf", batch=8192)),
    "LightGCN, epoch": (prepared, epoch("lightgcn")),
    "SASRec, epoch": (prepared, epoch("sasrec", batch=128)),
    "ranking and metrics": (prepared, lambda split: evaluated(fitted(split), split)),
    "neighbours of 1,000": (prepared, lambda split: near(fitted(split), split)),
}
"What comes before a step, and the step."


def measured(step: str) -> dict[str, float]:
    """Seconds of the step alone, and the process's peak in MB beyond its imports."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    prepare, run = STEPS[step]
    given = (prepare(),) if prepare else ()
    start = time.perf_counter()
    own = run(*given)
    seconds = own if isinstance(own, float) else time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {"seconds": seconds, "MB": peak / 1024}


def report(sizes: list[int], found: dict[str, list[dict[str, float]]]) -> None:
    file = HERE / "results" / "scaling.json"
    file.write_text(json.dumps({"sizes": sizes, "torch": torch.__version__, **found}, indent=2))
    heads = [f"{size:,}" for size in sizes]
    print("| | " + " | ".join(heads) + " | time, per interaction | memory, per interaction |")
    print("|---" * (len(sizes) + 3) + "|")
    for step, rows in found.items():
        cells = [f"{row['seconds']:.2f} s, {row['MB']:,.0f} MB" for row in rows]
        growth = sizes[-1] / sizes[0]
        ratios = [rows[-1][what] / rows[0][what] / growth for what in ("seconds", "MB")]
        print(f"| {step} | {' | '.join(cells)} | " + " | ".join(f"{r:.2f}" for r in ratios) + " |")


if __name__ == "__main__":
    main()

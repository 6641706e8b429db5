"""Time and peak memory against size: 1, 10 and 100 million synthetic interactions.

    nice python benchmarks/scaling.py --folder /scratch [--interactions 1000000 10000000 100000000]

A hundred interactions a user of 100,000 items with popularities of a power law, one half of them
drawn by the taste of one of a hundred groups, in the order of time, so that a user's rows lie all
over the file. Each step of each size runs in a process of its own with one thread, and writes what
it found and made to the folder: a run that was stopped goes on from there.

Steps: reading the file in blocks; loading what that left in the cache, and splitting; `fit` of one
epoch of MF and of LightGCN, with all that it prepares (twelve steps at every size, since a step of
theirs costs as much as there are users and items, or edges); the metrics of 10,000 users among all
items; the nearest of 10,000 users among all, exactly and by faiss. Seconds are of the processor,
and of the clock in parentheses; memory is the process's peak. The last columns are each size beside
the one before, per interaction: 1 is linear. Prints a Markdown table, and writes
benchmarks/results/scaling.json.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import torch

import tandemrec as tr
from tandemrec.data.interactions import Interactions
from tandemrec.errors import DataWarning
from tandemrec.ranking import neighbours

HERE = Path(__file__).parent.absolute()
ITEMS, GROUPS = 100_000, 100
EACH = 102
"Rows a user: one or two of them repeat a pair, and are dropped."
STEPS_AN_EPOCH = 12
ASKED = 10_000
LOG = Path("log.parquet")
Found = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    sizes = [1_000_000, 10_000_000, 100_000_000]
    parser.add_argument("--interactions", nargs="+", type=int, default=sizes)
    parser.add_argument("--folder", type=Path, required=True, help="for 10 GB of files")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--steps", nargs="+", default=list(STEPS), choices=STEPS)
    parser.add_argument("--step", help="for this script itself: one step in this process")
    options = parser.parse_args()
    if options.step:
        print(json.dumps(measured(options.step, options.width)))
        return
    for size in options.interactions:
        folder = options.folder / str(size)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / LOG).exists():
            written(size, folder / LOG)
        for step in options.steps:
            run(step, folder, options.width)
    report(options)


def written(size: int, file: Path) -> None:
    """Interactions in the order of time; each user's n-th is somewhere in the n-th block."""
    rng, users = np.random.default_rng(0), size // 100
    chance = 1 / np.arange(1, ITEMS + 1) ** 0.7
    edges = np.cumsum(chance / chance.sum())
    unfinished = file.with_suffix(".part")
    writer = None
    for turn in range(EACH):
        who = rng.permutation(users)
        items = np.searchsorted(edges, rng.random(users)).clip(max=ITEMS - 1)
        shift = (who % GROUPS) * (ITEMS // GROUPS) * (rng.random(users) < 0.5)
        columns = {"user_id": 7 * who + 13, "item_id": 3 * ((items + shift) % ITEMS) + 5}
        times = turn * users + np.arange(users)
        block = pl.DataFrame({**columns, "timestamp": times}).to_arrow()
        writer = writer or pq.ParquetWriter(unfinished, block.schema)
        writer.write_table(block, row_group_size=2**18)
    assert writer is not None
    writer.close()
    unfinished.rename(file)


def run(step: str, folder: Path, width: int) -> None:
    """A step in a process of its own, unless what it found with that width is there."""
    file = folder / f"{step}.json"
    if file.exists() and json.loads(file.read_text())["width"] == width:
        return
    command = [sys.executable, __file__, "--step", step, "--width", str(width), "--folder", "."]
    single = {**os.environ, "OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
    done = subprocess.run(
        command, check=True, cwd=folder, env=single, stdout=subprocess.PIPE, text=True
    )
    file.write_text(done.stdout)
    print(f"{folder.name}, {step}: {done.stdout.strip()}", file=sys.stderr, flush=True)


def opened() -> tr.Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        return tr.load(LOG, cache="cache", large=0)


def prepared() -> tr.Split:
    return tr.leave_last_out(opened())


def epoch(name: str) -> Callable[[tr.Split, int], Found]:
    """`fit` of one epoch; keeps the embeddings."""

    def learn(split: tr.Split, width: int) -> Found:
        size = -(-len(split.train) // STEPS_AN_EPOCH)
        config = tr.TrainConfig(batch_size=size, epochs=1)
        fitted = tr.fit(name, split.train, config, hyper={"width": width})
        with torch.no_grad():
            users, items = (table.detach().numpy() for table in fitted.model.embed())
        np.savez(f"{name}.npz", users=users, items=items)
        return {"loss": fitted.curve[-1].loss}

    return learn


class Saved:
    """What an epoch left, as a model."""

    def __init__(self, name: str) -> None:
        with np.load(f"{name}.npz") as file:
            self.users, self.items = (torch.from_numpy(file[key]) for key in ("users", "items"))

    def score(self, queries: torch.Tensor) -> torch.Tensor:
        return self.users[queries] @ self.items.T

    def user_embeddings(self) -> torch.Tensor:
        return self.users


def asked(users: int) -> np.ndarray[Any, Any]:
    return np.sort(np.random.default_rng(1).choice(users, min(ASKED, users), replace=False))


def evaluated(split: tr.Split, _: int) -> Found:
    held = split.test.rows(np.isin(split.test.users, asked(split.train.n_users)))
    return tr.evaluate(Saved("lightgcn"), split.before_test, held).means()


def nearest(way: Any) -> Callable[[Saved, int], Found]:
    def find(model: Saved, _: int) -> Found:
        users = asked(len(model.users))
        found = neighbours(model, users, way=way).items[:, 0]
        np.save(f"nearest-{way}.npy", found)
        same = np.load("nearest-exact.npy") == found
        return {"found": float(same.mean())}

    return find


def warmed() -> None:
    """What a first fit loads."""
    users, items = np.divmod(np.arange(300), 10)
    world = Interactions.sorted(users, items, n_users=30, n_items=20)
    for name in ("mf", "lightgcn"):
        tr.fit(name, world, tr.TrainConfig(epochs=1))


STEPS: dict[str, tuple[Callable[[], Any], Callable[[Any, int], Any]]] = {
    "reading in blocks": (lambda: None, lambda *_: opened()),
    "loading and splitting": (lambda: None, lambda *_: prepared()),
    "MF, an epoch": (prepared, epoch("mf")),
    "LightGCN, an epoch": (prepared, epoch("lightgcn")),
    "metrics of 10,000 users": (prepared, evaluated),
    "nearest of 10,000 users, exactly": (lambda: Saved("lightgcn"), nearest("exact")),
    "nearest of 10,000 users, faiss": (lambda: Saved("lightgcn"), nearest("faiss")),
}
"What comes before a step, and the step."


def measured(step: str, width: int) -> Found:
    """Seconds of the step alone, and the process's peak in GB, whole and beyond its imports."""
    torch.set_num_threads(1)
    warmed()
    before = peak()
    prepare, take = STEPS[step]
    given = prepare()
    clock, processor = time.perf_counter(), time.process_time()
    result = take(given, width)
    seconds = {"seconds": time.process_time() - processor, "clock": time.perf_counter() - clock}
    found = result if isinstance(result, dict) else {}
    return {**seconds, "GB": peak(), "GB beyond imports": peak() - before, "width": width, **found}


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def report(options: Any) -> None:
    sizes = options.interactions
    folders = [options.folder / str(size) for size in sizes]
    found = {
        step: [json.loads((folder / f"{step}.json").read_text()) for folder in folders]
        for step in options.steps
    }
    file = HERE / "results" / "scaling.json"
    facts = {"sizes": sizes, "items": ITEMS, "torch": torch.__version__}
    file.write_text(json.dumps({**facts, **found}, indent=2))
    heads = [f"{size:,}" for size in sizes] + ["time, per interaction", "memory, per interaction"]
    print("| | " + " | ".join(heads) + " |")
    print("|---" * (len(heads) + 1) + "|")
    for step, rows in found.items():
        cells = [f"{r['seconds']:.2f} s ({r['clock']:.2f}), {r['GB']:.2f} GB" for r in rows]
        cells += [growth(rows, sizes, key) for key in ("seconds", "GB beyond imports")]
        print(f"| {step} | {' | '.join(cells)} |")


def growth(rows: list[Found], sizes: list[int], key: str) -> str:
    """Each size beside the one before, per interaction."""
    per = [row[key] / size for row, size in zip(rows, sizes, strict=True)]
    return ", ".join(f"{b / a:.2f}" for a, b in pairwise(per))


if __name__ == "__main__":
    main()

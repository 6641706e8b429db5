"""Full-ranking evaluation: how long it takes beside RecBole's, and whether the values are right.

    python benchmarks/evaluation.py --recbole .venvs/recbole/bin/python [--data ml-1m]
    python benchmarks/evaluation.py --ranx .venvs/metrics/bin/python [--data ml-1m]

All users of a leave-last-out split, all items, HR and NDCG at 3, 5, 10, 20, 50 and MRR, of an MF
after three epochs. --recbole: seconds of our `evaluate` beside RecBole's of its BPR of the same
width, with its default batch and with a large one; and of ours, the seconds of CPU beyond scoring.
--ranx: the largest difference to ranx and ir-measures on the same lists. Prints a Markdown table,
and writes benchmarks/results/evaluation.json.
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
from beside import Peer

import tandemrec as tr
from tandemrec.backbones.scoring import blocks, reading, scorer
from tandemrec.evaluation import per_user
from tandemrec.evaluation.full import evaluate

HERE = Path(__file__).parent.absolute()
KS = (3, 5, 10, 20, 50)
BATCHES = {"as it comes": 4096, "best batches": 4_000_000}
"RecBole's scores at a time: its default, one user of MovieLens-1M; and a thousand."


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--recbole", metavar="PYTHON")
    parser.add_argument("--ranx", metavar="PYTHON")
    parser.add_argument("--data", default="ml-1m")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    split = tr.leave_last_out(tr.load(options.data))
    model = tr.fit(tr.MF, split.train, tr.TrainConfig(epochs=3))
    rows: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        if options.recbole:
            peer = Peer(options.recbole, Path(scratch), options.threads, split)
            rows |= timed(split, model, peer, options.rounds)
        if options.ranx:
            rows |= compared(split, model, options.ranx, Path(scratch))
    file = HERE / "results" / "evaluation.json"
    known = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(
        json.dumps(known | {options.data: known.get(options.data, {}) | rows}, indent=2)
    )
    print("| | |\n|---|---|")
    for name, value in rows.items():
        print(f"| {name} | {value:.3g} |")


def evaluated(split: tr.Split, model: Any) -> None:
    evaluate(model, split.before_test, split.test, KS).means()


def scored(split: tr.Split, model: Any) -> None:
    """What no evaluation can do without."""
    inner = model.model
    with reading(inner):
        read = scorer(inner, split.before_test)
        for users in blocks(np.arange(split.train.n_users), 1024):
            read(users)


def timed(split: tr.Split, model: Any, peer: Peer, rounds: int) -> dict[str, float]:
    """Medians; RecBole's of as many models after one epoch."""
    ours = [seconds(time.perf_counter, evaluated, split, model) for _ in range(rounds)]
    whole = [seconds(time.process_time, evaluated, split, model) for _ in range(rounds)]
    alone = [seconds(time.process_time, scored, split, model) for _ in range(rounds)]
    found = {
        "ours, s": float(np.median(ours)),
        "ours, s of CPU beyond scoring": float(np.median(whole) - np.median(alone)),
    }
    for name, size in BATCHES.items():
        theirs = np.median([theirs_timed(peer, size, seed) for seed in range(rounds)])
        found |= {f"RecBole, {name}, s": float(theirs)}
        found |= {f"times faster than RecBole, {name}": float(theirs / np.median(ours))}
    return found


def theirs_timed(peer: Peer, size: int, seed: int) -> float:
    """RecBole's, of so many scores in a batch."""
    asked = {"train_batch_size": 8192, "topk": list(KS), "metrics": ["Hit", "NDCG", "MRR"]}
    job = {"sequential": False, "epochs": 1, "stop": 1, "seed": seed}
    found = peer.train("recbole_fit.py", "BPR", asked | {"eval_batch_size": size}, **job)
    return float(found["evaluation"])


def seconds(clock: Callable[[], float], run: Callable[..., None], *given: Any) -> float:
    start = clock()
    run(*given)
    return clock() - start


def compared(split: tr.Split, model: Any, python: str, folder: Path) -> dict[str, float]:
    """The largest difference of any user's value of any metric."""
    lists = tr.rank(model, split.before_test, None, max(KS))
    ours = per_user(lists, split.test, KS)
    np.savez(
        folder / "lists.npz",
        users=lists.users,
        items=lists.items,
        test_users=split.test.users,
        test_items=split.test.items,
    )
    names = list(ours.values)
    script = HERE / "peers" / "metrics.py"
    command = [python, "-W", "ignore", script, folder / "lists.npz", folder / "out.npz", *names]
    subprocess.run([str(part) for part in command], check=True)
    with np.load(folder / "out.npz") as theirs:
        return {"mean NDCG@10": float(ours.values["NDCG@10"].mean())} | {
            f"largest difference to {peer}": max(
                float(np.abs(theirs[f"{peer} {name}"] - ours.values[name]).max()) for name in names
            )
            for peer in ("ranx", "ir-measures")
        }


if __name__ == "__main__":
    main()

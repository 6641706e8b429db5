"""How threads that wait do it, and what that costs on an idle and on a busy machine.

    python benchmarks/waiting.py [--busy 2] [--rounds 3]

Each way is a new process with two threads, in turns: seconds an epoch (MF, LightGCN) and a user
re-ranked on MovieLens-100K, medians over the rounds. `--busy` other processes that compute
without end run beside it. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time

import numpy as np

WAYS: dict[str, dict[str, str]] = {
    "libgomp's own (spin)": {},
    "sleep at once": {"OMP_WAIT_POLICY": "PASSIVE"},
    **{
        f"spin {count} times": {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": str(count)}
        for count in (2_000, 6_000, 20_000, 100_000)
    },
}
USERS = 16


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--busy", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", action="store_true", help="measure this process (used inside)")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one()))
        return
    others = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(options.busy)
    ]
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    try:
        for _ in range(options.rounds):
            for way, says in WAYS.items():
                found[way].append(measured(says))
    finally:
        for other in others:
            other.kill()
    print("| threads wait by | " + " | ".join(found[next(iter(WAYS))][0]) + " |\n|---|---|---|---|")
    for way, rows in found.items():
        cells = [f"{np.median([row[name] for row in rows]):.3f}" for name in rows[0]]
        print(f"| {way} | {' | '.join(cells)} |")


def measured(says: dict[str, str]) -> dict[str, float]:
    """One new process, whose environment says how to wait."""
    free = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_"))}
    command = [sys.executable, __file__, "--one"]
    done = subprocess.run(command, env=free | says, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def one() -> dict[str, float]:
    """Wall seconds of each kind of work."""
    import torch

    import tandemrec as tr
    from tandemrec.backbones import get, training_of
    from tandemrec.prompts.profiles import Profiles
    from tandemrec.recipes.settings import PLUS
    from tandemrec.rerank import rerank

    torch.set_num_threads(2)
    split = tr.leave_last_out(tr.load("ml-100k"))
    found = {}
    for name in ("mf", "lightgcn"):
        config = tr.TrainConfig(**{**training_of(get(name), quick=True), "epochs": 12})
        ends: list[float] = []
        fitted = tr.fit(
            name, split, config, progress=lambda *_, ends=ends: ends.append(time.perf_counter())
        )
        found[f"{name}, s an epoch"] = float(np.median(np.diff(ends)))
    lists = tr.rank(fitted, split.train, None, 10)
    llm, profiles = tr.llm("smollm2-135m"), Profiles.of(split, PLUS.prompt)
    rerank(lists.of(lists.users < 2), profiles, llm, PLUS.rerank[0])
    start = time.perf_counter()
    rerank(lists.of(lists.users < USERS), profiles, llm, PLUS.rerank[0])
    return found | {"re-ranking, s a user": (time.perf_counter() - start) / USERS}


if __name__ == "__main__":
    main()

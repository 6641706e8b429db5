"""implicit's BPR on interactions that are given: run in implicit's own environment.

    python benchmarks/peers/implicit_fit.py FOLDER JOB.json RESULT.npz

FOLDER/split/split.train.inter holds pairs of user and item. JOB.json: threads, and settings
(factors). RESULT.npz: seconds of each iteration but the first.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
from implicit.bpr import BayesianPersonalizedRanking
from scipy.sparse import csr_matrix


def main(folder: Path, job: dict, out: Path) -> None:
    pairs = np.loadtxt(folder / "split" / "split.train.inter", dtype=np.int64, skiprows=1)
    met = csr_matrix((np.ones(len(pairs), np.float32), (pairs[:, 0], pairs[:, 1])))
    model = BayesianPersonalizedRanking(
        factors=job["settings"]["factors"], iterations=6, num_threads=job["threads"], random_state=0
    )
    ends: list[float] = []
    model.fit(met, show_progress=False, callback=lambda *_: ends.append(time.process_time()))
    np.savez(out, seconds=np.diff(ends))


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text()), Path(sys.argv[3]))

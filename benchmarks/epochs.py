"""Seconds an epoch of DALLRec's seven backbones, on its MovieLens table's data and settings.

    python benchmarks/epochs.py [--only mf lightgcn] [--epochs 3] [--threads 1]

Training interactions of the authors' split, batches as the table's. Content is three modalities of
576 random numbers, as many as SmolLM2-135M gives: what they say takes no time. The median over the
epochs after the first. Prints a Markdown table, and writes benchmarks/results/epochs.json.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import torch

import tandemrec as tr
from backbones import report
from tandemrec.backbones import ContentBackbone, get, hyper_of
from tandemrec.data.content import Content
from tandemrec.data.split import released
from tandemrec.reproduce.dallrec import BACKBONES, TRAINING

MODALITIES, WIDTH = ("title", "attributes", "summary"), 576


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=BACKBONES, default=list(BACKBONES))
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    split = released(tr.load("dallrec-movielens"))
    rows = [{"backbone": name, **timed(name, split, options.epochs)} for name in options.only]
    report("epochs", rows, {"threads": options.threads, "interactions": len(split.train)})


def timed(name: str, split: tr.Split, epochs: int) -> dict[str, Any]:
    """Seconds an epoch, without validation."""
    ends = [time.process_time()]
    config = tr.TrainConfig(**{**TRAINING, "epochs": epochs + 1})
    reads = {"content": invented(split)} if issubclass(get(name), ContentBackbone) else {}
    tr.fit(
        name,
        split.train,
        config,
        hyper=hyper_of(get(name), quick=True),
        progress=lambda *_: ends.append(time.process_time()),
        **reads,
    )
    return {"seconds an epoch": float(np.median(np.diff(ends)[1:]))}


def invented(split: tr.Split) -> Content:
    rng = np.random.default_rng(0)
    size = len(split.catalogue.titles), WIDTH
    return Content({name: rng.standard_normal(size, dtype=np.float32) for name in MODALITIES})


if __name__ == "__main__":
    main()

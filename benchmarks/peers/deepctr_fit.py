"""A model of deepctr-torch 0.3.0 on ratings that are given: run in its own environment.

    python benchmarks/peers/deepctr_fit.py ROWS.npz JOB.json RESULT.npz

ROWS.npz: for each part (train, valid, test) PART.y [N] and PART.FIELD [N] or [N, L], a field's
numbers from 0 ("unknown", or no further value), or its values where it is a number. JOB.json:
model, fields (name, kind, size, width), embedding, settings of the model, batch_size,
learning_rate, epochs, stop (epochs without a new best, or 0 for none), seed, threads. RESULT.npz:
seconds of each epoch's training, RMSE on validation after each, the seconds since the start at
which it was known, and the predictions of test at the best epoch.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from deepctr_torch import models
from deepctr_torch.inputs import DenseFeat, SparseFeat, VarLenSparseFeat


def main(rows: Path, job: dict, out: Path) -> None:
    torch.set_num_threads(job["threads"])
    with np.load(rows) as file:
        parts = {
            part: {f["name"]: file[f"{part}.{f['name']}"] for f in job["fields"]}
            for part in ("train", "valid", "test")
        }
        truth = {part: file[f"{part}.y"] for part in parts}
    columns = [column(field, job["embedding"]) for field in job["fields"]]
    settings = {"task": "regression", "seed": job["seed"], "device": "cpu", **job["settings"]}
    dnn = [each for each in columns if not isinstance(each, DenseFeat) or job["model"] != "AFM"]
    model = getattr(models, job["model"])(columns, dnn, **settings)
    adam = torch.optim.Adam(model.parameters(), lr=job["learning_rate"])
    model.compile(adam, "mse")
    np.random.seed(job["seed"])
    torch.manual_seed(job["seed"])
    seconds, values, ends = [], [], []
    best, test, start = np.inf, None, time.process_time()
    for _ in range(job["epochs"]):
        begun = time.process_time()
        given = {"batch_size": job["batch_size"], "epochs": 1, "verbose": 0, "shuffle": True}
        model.fit(dict(parts["train"]), truth["train"], **given)
        seconds.append(time.process_time() - begun)
        if not job["stop"]:
            continue
        values.append(rmse(model, parts["valid"], truth["valid"]))
        ends.append(time.process_time() - start)
        if values[-1] < best:
            best, test = values[-1], model.predict(dict(parts["test"]), 4096)[:, 0]
        elif len(values) - int(np.argmin(values)) > job["stop"]:
            break
    found = {"seconds": seconds, "valid": values, "ends": ends}
    np.savez(out, **found, **({} if test is None else {"test": test}))


def column(field: dict, embedding: int):  # type: ignore[no-untyped-def]
    """deepctr-torch's description of a field."""
    if field["kind"] == "number":
        return DenseFeat(field["name"], 1)
    sparse = SparseFeat(field["name"], field["size"], embedding_dim=embedding)
    if field["kind"] == "one of":
        return sparse
    return VarLenSparseFeat(sparse, maxlen=field["width"], combiner="mean")


def rmse(model, rows: dict, truth) -> float:  # type: ignore[no-untyped-def]
    """The root of the mean squared error."""
    return float(np.sqrt(np.mean((model.predict(dict(rows), 4096)[:, 0] - truth) ** 2)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text()), Path(sys.argv[3]))

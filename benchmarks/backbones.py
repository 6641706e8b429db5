"""Every backbone's accuracy over seeds, and what a fit costs.

    python benchmarks/backbones.py [--data ml-100k] [--only mf lightgcn] [--seeds 5]

Leave-last-out split, full catalogue, test; beside what Llama4Rec prints for them. Settings were
chosen on validation (docs/log.md, search.py). Seconds are of the processor. Prints a Markdown
table, and writes benchmarks/results/backbones-DATA.json.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

import tandemrec as tr
from tandemrec.backbones import get, hyper_of, training_of
from tandemrec.evaluation.metrics import per_user
from tandemrec.reproduce.papers import PIECES
from tandemrec.reproduce.tables import PaperTable

HERE = Path(__file__).parent.absolute()
OURS = ("mf", "lightgcn", "sgl", "mixgcf", "neumf", "ngcf", "sasrec", "bert4rec", "cl4srec")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", default="ml-100k")
    parser.add_argument("--only", nargs="+", choices=OURS, default=list(OURS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    split = tr.leave_last_out(tr.load(options.data))
    rows = [accuracy(split, options.data, name, options.seeds) for name in options.only]
    note = {"data": options.data, "threads": options.threads, "seeds": options.seeds}
    report(f"backbones-{options.data}", rows, note)


def accuracy(split: tr.Split, data: str, name: str, seeds: int) -> dict[str, Any]:
    """Means over the seeds, on test; and what one fit costs."""
    rows = [one_seed(split, name, {}, seed) for seed in range(seeds)]
    found = np.array([row["NDCG@5"] for row in rows])
    return {
        "backbone": name,
        "test NDCG@5": found.mean(),
        "sd": found.std(ddof=1) if seeds > 1 else 0.0,
        "Llama4Rec's Base": published(data, name),
        **{f"test {key}": np.mean([row[key] for row in rows]) for key in ("HR@5", "NDCG@10")},
        "valid NDCG@10": np.mean([row["valid"] for row in rows]),
        "epochs": np.mean([row["epochs"] for row in rows]),
        "seconds a fit": np.mean([row["seconds"] for row in rows]),
    }


def published(data: str, name: str) -> float | str:
    """NDCG@5 of the backbone alone, as Llama4Rec's tables II and IV print it: the same split and
    full catalogue, settings unknown."""
    for table in (PIECES["llama4rec/table2"], PIECES["llama4rec/table4"]):
        if isinstance(table, PaperTable) and name in table.published.get(data, {}):
            return table.published[data][name]["Base"]["NDCG@5"]
    return ""


def one_seed(split: tr.Split, name: str, hyper: dict[str, Any], seed: int) -> dict[str, Any]:
    """The metrics on test of the epoch that is best on validation, the fit's seconds, and when
    validation was measured: [seconds, NDCG@10]."""
    config = tr.TrainConfig(**training_of(get(name), quick=True), seed=seed)
    hyper = hyper_of(get(name), quick=True) | hyper
    ends: list[float] = []
    start = time.process_time()

    def stamp(*_: Any) -> None:
        ends.append(time.process_time() - start)

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
    """From all that is known before test: a sequence ends with validation's item."""
    lists = tr.rank(model, split.before_test, None, 10)
    return per_user(lists, split.test).means()


def kept(name: str, asked: dict[str, Any], make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The row of results/NAME.jsonl that was made as is `asked` now; else a new one, which is
    added to it."""
    asked = json.loads(json.dumps(asked))  # lists as they are read
    file = HERE / "results" / f"{name}.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    for row in map(json.loads, lines):
        if asked.items() <= row.items():
            return dict(row)
    row = {**asked, **make()}
    with file.open("a") as out:
        out.write(json.dumps(row) + "\n")
    print(f"{name}: {json.dumps(asked)}", file=sys.stderr, flush=True)
    return row


def report(kind: str, rows: list[dict[str, Any]], note: dict[str, Any]) -> None:
    """Print a Markdown table, and write the figures: those of other backbones, made under the same
    conditions before, stay."""
    rows = [{k: v if isinstance(v, str) else float(v) for k, v in row.items()} for row in rows]
    file, note = HERE / "results" / f"{kind}.json", {**note, "torch": torch.__version__}
    before = json.loads(file.read_text()) if file.exists() else {}
    if note.items() <= before.items() and list(before["rows"][0]) == list(rows[0]):
        rows = list({row["backbone"]: row for row in [*before["rows"], *rows]}.values())
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

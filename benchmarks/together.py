"""Several backbones together: is what they gain more than luck?

    python benchmarks/together.py benchmarks/results/llama4rec/table[24]/ml-100k/*/seeds-*

Folders of finished runs on the same data, or of some of their seeds. A user's metric is averaged
over seeds and then over backbones; a paired t-test over users compares each row with Base.

Prints a Markdown table, and how much each backbone gains.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tandemrec.evaluation.compare import paired
from tandemrec.recipes.users import FILE

ROWS = ("IFT", "Llama4Rec", "w/o DA", "w/o PA", "w/o AA", "counting")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--metric", default="NDCG@5")
    options = parser.parse_args()
    found = pl.concat(of_run(folder, options.metric) for folder in options.runs)
    names = found["backbone"].unique().sort().to_list()
    each = found.group_by("backbone", "method", "user_id").agg(pl.col("value").mean())
    users = each.group_by("method", "user_id").agg(pl.col("value").mean(), pl.len().alias("n"))
    if users.filter(pl.col("n") != len(names))["method"].is_in(["Base", *ROWS]).any():
        raise SystemExit("The runs do not have the same users and rows.")
    print(f"| {len(names)} backbones | {options.metric} | gain | p | {' | '.join(names)} |")
    print("|---" * (4 + len(names)) + "|")
    base = of_method(users, "Base")
    for name in ROWS:
        row = of_method(users, name)
        test = paired(row, base)
        own = [of_method(each.filter(pl.col("backbone") == b), name).mean() for b in names]
        gain = f"{100 * test.mean_difference / base.mean():+.1f} %"
        values = " | ".join(f"{value:.4f}" for value in own)
        print(f"| {name} | {row.mean():.4f} | {gain} | {test.p_value:.3f} | {values} |")
    print(f"\nBase {base.mean():.4f}, {len(base)} users")


def of_run(folder: Path, metric: str) -> pl.DataFrame:
    """backbone, method, user_id, value: a row for each seed, method and user."""
    backbone = json.loads((folder / "report.json").read_text())["backbone"]
    frame = pl.read_parquet(folder / FILE)
    return frame.select(pl.lit(backbone).alias("backbone"), "method", "user_id", value=metric)


def of_method(frame: pl.DataFrame, name: str) -> NDArray[np.float64]:
    """A row's values, by user in order, [U]."""
    return frame.filter(pl.col("method") == name).sort("user_id")["value"].to_numpy()


if __name__ == "__main__":
    main()

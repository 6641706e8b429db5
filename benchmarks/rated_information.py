"""Do the language model's ratings say anything that the last ratings themselves do not?

    python benchmarks/rated_information.py runs/ratings

Of a finished rating run (its first seed), on validation: the held-out rating by least squares from
the backbone's rating, then also from the means of the user's last 1, 5 and 20 ratings, which every
prompt tells and no backbone knows, then also from what the language model said, with and without
prompt augmentation. The F-test says whether the last columns add anything. Test is not looked at.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from tandemrec.evaluation.baselines import recent_mean
from tandemrec.recipes.arms import ARMS
from tandemrec.recipes.execute import finished
from tandemrec.recipes.finished import Finished
from tandemrec.recipes.rating import pairs_of, predicted, view_of

Floats = NDArray[np.float64]
LAST = (1, 5, 20)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("run", type=Path, nargs="+", help="folders of finished rating runs")
    for folder in parser.parse_args().run:
        run = finished(folder)
        known, truth = columns(run)
        print(f"{folder}, seed {run.seeds[0].seed}, {len(truth)} ratings of validation")
        recent = ["backbone", *(name for name in known if name.startswith("last"))]
        for names, more in (
            (["backbone"], recent[1:]),
            (["backbone"], ["LLM"]),
            (recent, ["LLM"]),
            (recent, ["LLM, told"]),
        ):
            print(added(known, truth, names, more), flush=True)


def columns(run: Finished) -> tuple[dict[str, Floats], Floats]:
    """What each says of the held-out ratings of validation, [N], and these."""
    setup, seed = run.setup, run.seeds[0]
    pairs, train = pairs_of(setup, "valid"), setup.split.train
    mean = float(train.ratings.mean())
    found = {"backbone": predicted(setup, seed.base, "valid").values}
    found |= {f"last {n}": recent_mean(train, pairs, n, mean).values for n in LAST}
    told = view_of(ARMS["w/o DA"])
    found["LLM"] = seed.valid[view_of(ARMS["IFT"])].said.ratings.values
    found["LLM, told"] = seed.valid[told].said.ratings.values
    return found, pairs.ratings.astype(np.float64)


def added(known: Mapping[str, Floats], truth: Floats, names: list[str], more: list[str]) -> str:
    """What more columns add to these: the errors of both fits, and the F-test of nested models."""
    before, after = (squares(known, truth, each) for each in (names, names + more))
    left = len(truth) - 1 - len(names) - len(more)
    p = stats.f.sf((before - after) / len(more) / (after / left), len(more), left)
    one, other = (np.sqrt(each / len(truth)) for each in (before, after))
    return f"{', '.join(names)}: {one:.4f}; with {', '.join(more)}: {other:.4f}, p = {p:.2g}"


def squares(known: Mapping[str, Floats], truth: Floats, names: list[str]) -> float:
    """The squared errors of least squares from these columns, added up."""
    table = np.column_stack([np.ones(len(truth)), *(known[name] for name in names)])
    weights = np.linalg.lstsq(table, truth)[0]
    return float(((truth - table @ weights) ** 2).sum())


if __name__ == "__main__":
    main()

"""Do preferences grow old? Asked at t, or asked again at t + 1, and measured one step further.

    python benchmarks/renewal.py [--seeds 2] [--backbones mf lightgcn] [--until valid]

On training data alone: each user's last two training interactions stand for validation (t + 1) and
test (t + 2). With `--until valid`, validation stands for test; `--until test` is test itself, for
looking at what was found there, not for choosing anything. Preferences are counts of the items in
passages, as the control `counting` takes them, so no language model is asked. The backbone that
learns renewed preferences is trained as long as the one before it was.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np

import tandemrec as tr
from tandemrec.augment.direct import Preferences, preferences
from tandemrec.backbones import get, training_of
from tandemrec.data.interactions import Interactions
from tandemrec.evaluation.metrics import per_user
from tandemrec.llm.fake import CountingLLM
from tandemrec.prompts.passages import Passages
from tandemrec.prompts.profiles import Profiles
from tandemrec.recipes.settings import PLUS
from tandemrec.tuning.examples import hold_out


class Steps:
    """Data up to training's, validation's or test's interactions, cut twice."""

    def __init__(self, until: str) -> None:
        split = tr.leave_last_out(tr.load("ml-100k"))
        whole = {
            "train": split.train,
            "valid": split.before_test,
            "test": split.before_test.with_rows(split.test),
        }
        later = hold_out(whole[until], 1)
        sooner = hold_out(later.seen, 1)
        self.past, self.next, self.last = sooner.seen, sooner.targets, later.targets
        self.until_next = later.seen
        self.split = replace(split, train=self.past)

    def asked(self, own: Interactions, model: object) -> Preferences:
        """Counted preferences of users whose own histories are these."""
        plain = Profiles.of(self.split, PLUS.prompt, own.histories)
        config = PLUS.preferences
        told = plain.about_candidates(Passages(self.past), config.passages)
        pool = tr.rank(model, own, None, config.pool or 40)
        found = preferences(own, told, CountingLLM(), config, pool)
        return found.most_decided(PLUS.trusted[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--backbones", nargs="+", default=["mf", "lightgcn"])
    parser.add_argument("--until", choices=("train", "valid", "test"), default="train")
    given = parser.parse_args()
    steps = Steps(given.until)
    print("| backbone | preferences | NDCG@5 at t + 1 | NDCG@5 at t + 2 |\n|---|---|---|---|")
    for backbone in given.backbones:
        rows = [one_seed(steps, backbone, seed) for seed in range(given.seeds)]
        for name in rows[0]:
            one, two = np.mean([row[name] for row in rows], axis=0)
            print(f"| {backbone} | {name} | {one:.4f} | {two:.4f} |", flush=True)


def one_seed(steps: Steps, backbone: str, seed: int) -> dict[str, tuple[float, float]]:
    """NDCG@5 at both steps of the backbone without preferences, with old and with new ones."""
    kind = get(backbone)
    config = tr.TrainConfig(**training_of(kind, quick=True), **PLUS.training, seed=seed)
    base = tr.fit(kind, steps.past, config, valid=steps.next)
    old = steps.asked(steps.past, base)
    new = steps.asked(steps.until_next, base)
    aged = tr.fit(kind, steps.past, config, valid=steps.next, extra_triples=old.triples)
    as_long = config.model_copy(update={"epochs": aged.best_epoch})
    renewed = tr.fit(kind, steps.past, as_long, extra_triples=new.triples)
    models = {"none": base, "asked at t": aged, "asked again at t + 1": renewed}
    return {name: measured(steps, model) for name, model in models.items()}


def measured(steps: Steps, model: object) -> tuple[float, float]:
    lists = tr.rank(model, steps.past, np.unique(steps.next.users), 10)
    later = tr.rank(model, steps.past, np.unique(steps.last.users), 10, exclude=steps.next)
    found = per_user(lists, steps.next).means(), per_user(later, steps.last).means()
    return found[0]["NDCG@5"], found[1]["NDCG@5"]


if __name__ == "__main__":
    main()

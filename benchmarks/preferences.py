"""What data augmentation gives a backbone, by what the language model is told; on validation.

    python benchmarks/preferences.py [--llm smollm2-135m] [--seeds 2] [--backbones mf lightgcn]

The model is asked for preferences between items of LightGCN's best forty, once from the user's
history alone and once from a prompt that quotes passages of other users' histories about these
items. Each backbone then learns all of them, or the more decided half. Beside them stands a count
of the items in the same prompts, without any language model, and how often the model agrees with
it. Test is not looked at.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping

import numpy as np

import tandemrec as tr
from tandemrec.augment.direct import Preferences, preferences
from tandemrec.backbones import get, training_of
from tandemrec.cli.progress import bars
from tandemrec.evaluation.metrics import per_user
from tandemrec.llm.answers import AnswerStore, Remembering
from tandemrec.llm.fake import CountingLLM
from tandemrec.progress import Progress
from tandemrec.prompts.passages import Passages
from tandemrec.prompts.profiles import Profiles
from tandemrec.recipes.settings import PLUS

PRIORS = (0.0, 0.25, 0.5)
METRICS = ("NDCG@5", "NDCG@10", "HR@10")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--llm", default="smollm2-135m")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--backbones", nargs="+", default=["mf", "lightgcn"])
    parser.add_argument("--store", default="runs/preferences.sqlite")
    given = parser.parse_args()
    with bars() as progress:
        split = tr.leave_last_out(tr.load("ml-100k", progress=progress))
        llm = Remembering(
            tr.llm(given.llm, progress=progress), AnswerStore(given.store), progress=progress
        )
        found = asked(split, llm, fit(split, "lightgcn", 0, None, progress))
        tell(found)
        print(f"\n| {' | '.join(['backbone', 'has learnt', *METRICS])} |\n|---|---|---|---|---|")
        for backbone in given.backbones:
            for name, learnt in (("nothing", None), *parts(found)):
                rows = [
                    validated(split, fit(split, backbone, seed, learnt, progress))
                    for seed in range(given.seeds)
                ]
                shown = " | ".join(f"{value:.4f}" for value in np.mean(rows, axis=0))
                print(f"| {backbone} | {name} | {shown} |", flush=True)


def asked(split: tr.Split, llm: Remembering, model: object) -> dict[str, Preferences]:
    """Preferences by who was asked and what was told; of seed 0's pairs."""
    pool = tr.rank(model, split.train, None, PLUS.preferences.pool or 40)
    plain = Profiles.of(split, PLUS.prompt)
    told = plain.about_candidates(Passages(split.train), PLUS.preferences.passages)

    def ask(who: object, profiles: Profiles, prior: float) -> Preferences:
        config = PLUS.preferences.model_copy(update={"prior": prior})
        return preferences(split.train, profiles, who, config, pool)

    found = {"counted in passages": ask(CountingLLM(), told, 0.0)}
    for prior in PRIORS:
        found[f"read in passages, prior {prior}"] = ask(llm, told, prior)
    found["read in histories, prior 0.5"] = ask(llm, plain, 0.5)
    return found


def parts(found: Mapping[str, Preferences]) -> Iterator[tuple[str, Preferences]]:
    """All of them, and the more decided half."""
    for name, each in found.items():
        yield name, each
        yield f"{name}, half", each.most_decided(0.5)


def tell(found: Mapping[str, Preferences]) -> None:
    """How often each agrees with counting, where counting is decided."""
    named = dict(parts(found))
    counted = chosen(named.pop("counted in passages"))
    for name, each in named.items():
        mine = chosen(each)
        both = [pair for pair in mine if pair in counted]
        alike = np.mean([mine[pair] == counted[pair] for pair in both])
        print(f"{name}: {len(mine)} pairs; {alike:.1%} of {len(both)} as counting has it")


def chosen(found: Preferences) -> dict[tuple[int, int, int], int]:
    """The preferred item of each user's pair."""
    rows = np.stack(found.triples).T.tolist()
    return {(user, min(one, two), max(one, two)): one for user, one, two in rows}


def fit(
    split: tr.Split, backbone: str, seed: int, learnt: Preferences | None, progress: Progress
) -> object:
    kind = get(backbone)
    config = tr.TrainConfig(**training_of(kind, quick=True), **PLUS.training, seed=seed)
    triples = None if learnt is None else learnt.triples
    return tr.fit(
        kind, split.train, config, valid=split.valid, extra_triples=triples, progress=progress
    )


def validated(split: tr.Split, model: object) -> list[float]:
    lists = tr.rank(model, split.train, np.unique(split.valid.users), 10)
    means = per_user(lists, split.valid).means()
    return [means[name] for name in METRICS]


if __name__ == "__main__":
    main()

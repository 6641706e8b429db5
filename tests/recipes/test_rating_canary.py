"""What prompts and instructions of a rating run may know: no held-out rating."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recipes.hidden_kinds import CONFIG, FAST
from tandemrec.augment.attributes import AttributesConfig
from tandemrec.backbones import DeepFM
from tandemrec.data.catalogue import Catalogue, Dataset
from tandemrec.data.interactions import Interactions
from tandemrec.data.split import Split, leave_last_out
from tandemrec.llm.fake import FakeLLM
from tandemrec.progress import silent
from tandemrec.rate import RateConfig
from tandemrec.recipes.execute import llama4rec
from tandemrec.recipes.rating_tuning import rating_examples
from tandemrec.recipes.settings import PAPER, PLUS, Llama4RecConfig
from tandemrec.recipes.setup import Setup
from tandemrec.runs import Run


def canaries() -> Split:
    """Everybody's last two items are his alone, and only they are rated 4."""
    rng = np.random.default_rng(0)
    rows = []
    for user in range(24):
        items = [*rng.permutation(16)[:7], 16 + 2 * user, 17 + 2 * user]
        stars = [*rng.choice([1, 2, 3, 5], 7), 4, 4]
        rows += [
            (user, item, star, n) for n, (item, star) in enumerate(zip(items, stars, strict=True))
        ]
    users, items, stars, times = np.array(rows).T
    interactions = Interactions.sorted(
        users, items, stars.astype(np.float32), times, n_users=24, n_items=64
    )
    titles = [f"Film {n:02d}" for n in range(16)]
    titles += [f"{'Last Canary' if n % 2 else 'Canary'} {n:02d}" for n in range(16, 64)]
    return leave_last_out(
        Dataset("c", interactions, Catalogue(range(24), range(64), titles), "film")
    )


@pytest.mark.parametrize("preset", [PAPER, PLUS], ids=["paper", "plus"])
@pytest.mark.parametrize("chosen", ["newest", "alike"])
def test_no_prompt_knows_a_held_out_rating(
    preset: Llama4RecConfig, chosen: str, tmp_path: Path
) -> None:
    """Told are only items of training: a canary is what is asked about, and nothing else."""
    llm = FakeLLM()
    config = preset.model_copy(
        update={
            "training": {**FAST, "epochs": 2},
            "attributes": AttributesConfig(source="none"),
            "history_at_test": "train",
            "rate": RateConfig(answer="expected"),
            "rated": preset.rated.model_copy(update={"chosen": chosen}),
        }
    )
    llama4rec(canaries(), backbone=DeepFM, llm=llm, config=config, out=tmp_path)
    told = [line for prompt, _ in llm.log for line in prompt.user.splitlines()]
    assert any("similar user" in line for line in told)
    assert any("recommender predicts" in line for line in told)
    asked = [line for line in told if "Canary" in line]
    assert asked and all(line.startswith("Film to rate: ") for line in asked)
    assert not any(line.startswith("- ") and line.endswith(": 4") for line in told)


@pytest.mark.parametrize("out_of_fold", [True, False])
def test_no_instruction_knows_its_own_answer(out_of_fold: bool, tmp_path: Path) -> None:
    """The targets are of training, and no prompt tells a rating of the item that it asks about."""
    ratings = PLUS.ratings.model_copy(update={"out_of_fold": out_of_fold})
    config = CONFIG.model_copy(update={"ratings": ratings, "training": {**FAST, "epochs": 2}})
    setup = Setup(canaries(), DeepFM, FakeLLM(), config, Run(tmp_path), silent)
    found = rating_examples(setup, setup, 0)
    assert len(found) > 50
    for prompt, answer in found:
        lines = prompt.user.splitlines()
        asked = next(line for line in lines if " to rate: " in line).partition(": ")[2]
        own = lines[: next(n for n, line in enumerate(lines) if " to rate: " in line)]
        assert "Canary" not in prompt.user
        assert not any(line.startswith(f"- {asked}:") for line in own)
        assert answer in ("1", "2", "3", "5")


def other_targets(split: Split, targets: int) -> Split:
    """The fold's held-out ratings of training are others."""
    stars = split.train.ratings.copy()
    ends = split.train.bounds[1:]
    last = (ends[:, None] - 1 - np.arange(targets)).ravel()
    stars[last] = np.select([stars[last] == star for star in (1, 2, 3, 5)], [5, 3, 2, 1])
    return replace(split, train=replace(split.train, ratings=stars))


@pytest.mark.parametrize("out_of_fold", [True, False])
def test_hints_and_similar_users_of_instructions_know_what_the_fold_shows(
    out_of_fold: bool, tmp_path: Path
) -> None:
    """Other ratings of the targets change the answers, and the prompts only in sample."""
    update = {"out_of_fold": out_of_fold, "targets": 3, "augmented": 1.0}
    ratings = PLUS.ratings.model_copy(update=update)
    config = CONFIG.model_copy(update={"ratings": ratings, "training": {**FAST, "epochs": 4}})
    found = []
    for n, split in enumerate((canaries(), other_targets(canaries(), 3))):
        setup = Setup(split, DeepFM, FakeLLM(), config, Run(tmp_path / str(n)), silent)
        found.append(rating_examples(setup, setup, 0))
    one, other = ([each.prompt for each in examples] for examples in found)
    assert all("recommender predicts" in each.user and "similar" in each.user for each in one)
    assert (one == other) is out_of_fold
    assert found[0] != found[1]

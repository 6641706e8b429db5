"""What DALLRec tells of a user is training's: no held-out item but the one that is asked about."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recipes.parity import LITTLE
from tandemrec.augment.interactions import InteractionsConfig, Threshold, ThresholdConfig
from tandemrec.backbones import MF
from tandemrec.data.catalogue import Catalogue, Dataset
from tandemrec.data.interactions import Interactions
from tandemrec.data.split import Split, leave_last_out
from tandemrec.data.tastes import Tastes
from tandemrec.llm.base import Prompt
from tandemrec.llm.fake import FakeLLM
from tandemrec.progress import silent
from tandemrec.prompts.interactions import TasteProfiles, like
from tandemrec.recipes.dallrec_settings import PAPER, PLUS, DALLRecConfig
from tandemrec.recipes.dallrec_tuning import instruction_set
from tandemrec.recipes.execute import dallrec
from tandemrec.recipes.finished import Finished
from tandemrec.recipes.setup import DALLRecSetup
from tandemrec.runs import Run

N_USERS, N_ITEMS = 40, 16
CANARY, QUESTION = "Canary", "Will this user like"
SETTINGS = {**LITTLE, "strategies": ("interactions",)}


def split() -> Split:
    """Everybody likes and dislikes some of the same films; his last two are his alone, a Canary for
    validation and a Last Canary for test, liked by one half and disliked by the other."""
    rng = np.random.default_rng(0)
    rows = []
    for user in range(N_USERS):
        films = [(item, 1 + 4 * (item % 2)) for item in rng.permutation(N_ITEMS)[:6]]
        own = [(N_ITEMS + 2 * user + n, 1 + 4 * (user % 2)) for n in range(2)]
        rows += [(user, item, rating, time) for time, (item, rating) in enumerate(films + own)]
    users, items, ratings, times = np.array(rows).T
    total = N_ITEMS + 2 * N_USERS
    sizes = {"n_users": N_USERS, "n_items": total}
    met = Interactions.sorted(users, items, ratings.astype(np.float32), times, **sizes)
    titles = [f"Film {n:02d}" for n in range(N_ITEMS)]
    titles += [f"{'Last ' * (n % 2)}{CANARY} {n:02d}" for n in range(2 * N_USERS)]
    return leave_last_out(Dataset("canaries", met, Catalogue(range(N_USERS), range(total), titles)))


def told(prompts: Iterable[Prompt]) -> list[str]:
    """What questions about likes tell of a user."""
    return [prompt.user.partition(QUESTION)[0] for prompt in prompts if QUESTION in prompt.user]


def config(preset: DALLRecConfig) -> DALLRecConfig:
    more = {"interactions": InteractionsConfig(draws=3, liked=20, disliked=20), "tune": None}
    if preset.threshold is not None:
        more["threshold"] = ThresholdConfig(sample=30)
    return preset.model_copy(update={**SETTINGS, **more})


def pairs(done: Finished) -> set[tuple[int, int]]:
    """The users and items by whose answers the threshold was chosen."""
    found = Threshold.load(done.setup.common.places["threshold"])
    return set(zip(found.users, found.items, strict=True))


@pytest.mark.parametrize("preset", [PAPER, PLUS], ids=["paper", "plus"])
def test_no_question_tells_a_held_out_item(preset: DALLRecConfig, tmp_path: Path) -> None:
    llm = FakeLLM()
    dallrec(split(), backbone=MF, llm=llm, config=config(preset), out=tmp_path)
    prompts = [prompt for prompt, _ in llm.log]
    assert any(CANARY in prompt.user for prompt in prompts)  # one is asked about
    assert len(told(prompts)) > 100 and all("Film" in text for text in told(prompts))
    assert not [text for text in told(prompts) if CANARY in text]


def test_the_threshold_is_chosen_on_validation(tmp_path: Path) -> None:
    data = split()
    done = dallrec(data, backbone=MF, llm=FakeLLM(), config=config(PLUS), out=tmp_path)
    assert len(pairs(done)) == 30
    assert pairs(done) <= set(zip(data.valid.users, data.valid.items, strict=True))


def test_no_example_tells_a_held_out_item_or_asks_about_one(tmp_path: Path) -> None:
    setup = DALLRecSetup(split(), MF, FakeLLM(), config(PLUS), Run(tmp_path), silent)
    found = instruction_set("interactions", setup, 0).examples
    assert len(found) >= 30
    assert not [each for each in found if CANARY in each.prompt.user]


def test_a_planted_leak_is_found(tmp_path: Path) -> None:
    """Tastes of all interactions instead of training ones."""
    data, settings = split(), config(PLUS).interactions
    tastes = Tastes.of(data.data.interactions)
    leaky = TasteProfiles.of(tastes, data.catalogue, "item", settings)
    prompts = [like(leaky.facts(user, 0)) for user in range(N_USERS)]
    assert len([text for text in told(prompts) if CANARY in text]) == N_USERS


def test_a_planted_exchange_of_parts_is_found(tmp_path: Path) -> None:
    """Test in the place of validation."""
    data = split()
    wrong = replace(data, valid=data.test)
    done = dallrec(wrong, backbone=MF, llm=FakeLLM(), config=config(PLUS), out=tmp_path)
    assert not pairs(done) & set(zip(data.valid.users, data.valid.items, strict=True))

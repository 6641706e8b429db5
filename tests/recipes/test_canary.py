"""No held-out item stands in any prompt except as a candidate; a planted leak is found."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from tandemrec.backbones import MF, SASRec
from tandemrec.data.catalogue import Catalogue, Dataset
from tandemrec.data.interactions import Interactions
from tandemrec.data.split import Split, leave_last_out
from tandemrec.llm.base import Prompt
from tandemrec.llm.fake import FakeLLM
from tandemrec.progress import silent
from tandemrec.recipes.execute import llama4rec
from tandemrec.recipes.llama4rec import plain_profiles
from tandemrec.recipes.settings import PAPER, PLUS, Llama4RecConfig
from tandemrec.recipes.setup import Setup
from tandemrec.recipes.tuning import instruction_set
from tandemrec.rerank import RerankConfig, rerank
from tandemrec.runs import Run

N_USERS, N_ITEMS = 24, 16
CANARY, LAST = "Canary", "Last Canary"
WAYS = tuple(RerankConfig(way=way) for way in ("listwise", "pointwise", "likelihood"))
FAST = {"epochs": 2, "every": 1, "batch_size": 64}


def split() -> Split:
    """Everybody's last two items are his alone: a Canary for validation, a Last Canary for test."""
    rng = np.random.default_rng(0)
    rows = []
    for user in range(N_USERS):
        items = [*rng.permutation(N_ITEMS)[:7], N_ITEMS + 2 * user, N_ITEMS + 2 * user + 1]
        rows += [(user, item, time) for time, item in enumerate(items)]
    users, items, times = np.array(rows).T
    total = N_ITEMS + 2 * N_USERS
    interactions = Interactions.sorted(users, items, times=times, n_users=N_USERS, n_items=total)
    titles = [f"Film {n:02d}" for n in range(N_ITEMS)]
    titles += [f"{LAST if n % 2 else CANARY} {n:02d}" for n in range(N_ITEMS, total)]
    catalogue = Catalogue(list(range(N_USERS)), list(range(total)), titles)
    return leave_last_out(Dataset("canaries", interactions, catalogue, "film"))


def told(prompt: Prompt) -> str:
    """What a prompt tells of anybody's history: all but the hint and the candidates."""
    lines, kept = prompt.user.splitlines(), True
    words = []
    for line in lines:
        if line in ("Candidates:", "Which would the user prefer?") or line.startswith(
            ("Would the", "Is ")
        ):
            break
        if line.endswith(":"):
            kept = line != "A recommender suggests:"
        words += [line] * kept
    return "\n".join(words)


def leaks(prompts: Iterable[Prompt], canary: str = CANARY) -> list[str]:
    return [told(prompt) for prompt in prompts if canary in told(prompt)]


def config(preset: Llama4RecConfig) -> Llama4RecConfig:
    change = {"rerank": WAYS, "ask": "all", "training": FAST, "candidates": 10}
    prompt = preset.prompt.model_copy(update={"similar": 5, "hint": 3, "passages": 3})
    return preset.model_copy(update={**change, "prompt": prompt})


@pytest.mark.parametrize(("backbone", "question"), [(MF, "Would the"), (SASRec, "the next film")])
@pytest.mark.parametrize("preset", [PAPER, PLUS], ids=["paper", "plus"])
def test_no_prompt_of_a_run_knows_a_held_out_item(
    preset: Llama4RecConfig, backbone: type, question: str, tmp_path: Path
) -> None:
    llm, strict = FakeLLM(), config(preset).model_copy(update={"history_at_test": "train"})
    llama4rec(split(), backbone=backbone, llm=llm, config=strict, out=tmp_path)
    prompts = [prompt for prompt, _ in llm.log]
    sections = "\n".join(prompt.user for prompt in prompts)
    for part in ("similar user", "recommender suggests", "Other users", "Candidates", question):
        assert part in sections  # otherwise the test looks at nothing
    assert any(CANARY in text for _, options in llm.log for text in options)
    assert leaks(prompts) == []


def test_only_ones_own_validation_item_is_past_at_test(tmp_path: Path) -> None:
    """Test prompts may go on to it; validation prompts and everybody else's never know it."""
    llm = FakeLLM()
    llama4rec(split(), backbone=MF, llm=llm, config=config(PLUS), out=tmp_path)
    prompts = [prompt for prompt, _ in llm.log]
    assert leaks(prompts, LAST) == []
    found = leaks(prompts)
    assert found
    for text in found:
        before, _, own = text.partition("this user enjoyed, in order:\n")
        assert CANARY not in before
        assert own.count(CANARY) == 1 and own.splitlines()[-1].startswith(CANARY)
    first = next(n for n, prompt in enumerate(prompts) if leaks([prompt]))
    assert first > len(prompts) / 3  # data augmentation and validation come before


@pytest.mark.parametrize("out_of_fold", [True, False])
def test_no_instruction_knows_a_held_out_item(out_of_fold: bool, tmp_path: Path) -> None:
    examples = PLUS.examples.model_copy(
        update={
            "instructions": 200,
            "sequences": 100,
            "ways": ("listwise", "pointwise", "likelihood"),
            "out_of_fold": out_of_fold,
        }
    )
    whole = config(PLUS).model_copy(update={"examples": examples})
    setup = Setup(split(), MF, FakeLLM(), whole, Run(tmp_path), silent)
    found = instruction_set(setup, 0).examples
    assert len(found) > 100
    assert leaks(example.prompt for example in found) == []
    assert not any(CANARY in example.answer for example in found)


def test_a_planted_leak_is_found(tmp_path: Path) -> None:
    """Histories of all interactions instead of training ones."""
    data, llm = split(), FakeLLM()
    setup = Setup(data, MF, llm, config(PLUS), Run(tmp_path), silent)
    leaky = plain_profiles(setup, data.data.interactions)
    candidates = _anything(data)
    for way in WAYS:
        rerank(candidates, leaky, llm, way)
    assert len(leaks(prompt for prompt, _ in llm.log)) >= len(llm.log) - 1


def _anything(data: Split):  # type: ignore[no-untyped-def]
    from tandemrec.rankings import Rankings

    users = np.arange(N_USERS)
    items = np.tile(np.arange(5), (N_USERS, 1))
    return Rankings(users, items, np.zeros(items.shape, np.float32))

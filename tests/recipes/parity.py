"""A small world where parity decides who likes a film, and DALLRec runs in it."""

import math
import re
from pathlib import Path
from typing import Any

import numpy as np

from tandemrec.backbones import MF
from tandemrec.data.catalogue import Catalogue, Dataset
from tandemrec.data.interactions import Interactions
from tandemrec.data.split import Split, ratio_split
from tandemrec.llm.base import Prompt
from tandemrec.llm.embedding import WordEmbedder
from tandemrec.llm.fake import FakeLLM, FollowingLLM
from tandemrec.recipes.dallrec_settings import PLUS
from tandemrec.recipes.execute import dallrec
from tandemrec.recipes.finished import Finished

N_USERS, N_ITEMS = 90, 60
FAST = {"epochs": 30, "every": 2, "patience": 5, "batch_size": 128, "learning_rate": 1e-2}
LITTLE = {"training": FAST, "backbone": {"width": 8}}
CONFIG = PLUS.model_copy(update={**LITTLE, "tune": None})
EVERY = ("Base", "DALLRec", "random users")


def world(seed: int = 0, n_users: int = N_USERS, n_items: int = N_ITEMS) -> Split:
    """Users like the films of their own parity, of which they met eight, and disliked another."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(n_users):
        liked = rng.permutation(np.arange(user % 2, n_items, 2))[:8]
        rows += [(user, item, 5) for item in liked]
        rows.append((user, int(rng.choice(np.arange(1 - user % 2, n_items, 2))), 1))
    users, items, ratings = np.array(rows).T
    interactions = Interactions.sorted(
        users, items, ratings.astype(np.float32), n_users=n_users, n_items=n_items
    )
    titles = [f"Film {n:02d}" for n in range(n_items)]
    catalogue = Catalogue(range(n_users), range(n_items), titles)
    return ratio_split(Dataset("parity", interactions, catalogue, "movie"), by_time=False)


def answer(prompt: Prompt, option: str) -> float:
    """Yes where the film's parity is that of the first liked one."""
    liked, _, rest = prompt.user.partition("disliked:")
    known = [int(n) for n in re.findall(r"Film (\d\d)", liked)]
    if option not in ("Yes", "No"):
        return FakeLLM("lists").logprob(prompt, option)
    asked = int(re.findall(r"Film (\d\d)", rest)[-1])
    yes = 0.9 if known and known[0] % 2 == asked % 2 else 0.2
    return math.log(yes if option == "Yes" else 1 - yes)


def written(prompt: Prompt) -> str:
    """Attributes and summaries that tell the parity and nothing else."""
    kind = "even" if int(re.findall(r"Film (\d\d)", prompt.user)[-1]) % 2 == 0 else "odd"
    if "sentence" in prompt.user + prompt.system:
        return f"A story about {kind} people and their {kind} days. They stay {kind} to the end."
    return f"{kind} one, {kind} two, {kind} three"


KNOWING = FollowingLLM(answer, written, "knowing")


def run(out: Path, backbone: Any = MF, llm: Any = None, **change: Any) -> Finished:
    config = CONFIG.model_copy(update=change)
    return dallrec(
        world(),
        backbone=backbone,
        llm=llm or KNOWING,
        embedder=WordEmbedder(),
        config=config,
        out=out,
    )


def recall(done: Finished, method: str, k: int = 10) -> float:
    return next(row.metrics[f"Recall@{k}"] for row in done.contents.rows if row.method == method)

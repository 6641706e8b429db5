"""A small world for whole runs: 40 users, 30 films with titles of their own."""

from pathlib import Path

import numpy as np

from tandemrec.data.catalogue import Catalogue, Dataset
from tandemrec.data.interactions import Interactions
from tandemrec.data.split import Split, leave_last_out

N_USERS, N_ITEMS = 40, 30


def write_log(folder: Path, n_users: int) -> Path:
    """A log as CSV: each user's eight of 25 items, in an order of his own."""
    rng = np.random.default_rng(0)
    rows = [
        f"u{user},i{item},{time}"
        for user in range(n_users)
        for time, item in enumerate(rng.permutation(25)[:8])
    ]
    file = folder / "log.csv"
    file.write_text("user_id,item_id,timestamp\n" + "\n".join(rows) + "\n")
    return file


def small(seed: int = 0, titles: list[str] | None = None) -> Split:
    """Users of two tastes; item n is called Film nn."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(N_USERS):
        liked = np.arange(user % 2, N_ITEMS, 2)
        chosen = rng.permutation(liked)[: rng.integers(5, 12)]
        rows += [(user, item, time) for time, item in enumerate(chosen)]
    users, items, times = np.array(rows).T
    interactions = Interactions.sorted(users, items, times=times, n_users=N_USERS, n_items=N_ITEMS)
    names = titles or [f"Film {n:02d}" for n in range(N_ITEMS)]
    catalogue = Catalogue(list(range(N_USERS)), list(range(N_ITEMS)), names)
    return leave_last_out(Dataset("small", interactions, catalogue, "film"))

"""A small split with all that a backbone reads, what is told besides, and small settings."""

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from backbones.kinds import RATING, SEQUENTIAL, rated
from tandemrec.augment.sequential import Insertions
from tandemrec.backbones import BACKBONES
from tandemrec.data.catalogue import Catalogue, Dataset
from tandemrec.data.fields import Fields
from tandemrec.data.interactions import Interactions
from tandemrec.data.split import Split, leave_last_out
from tandemrec.data.worlds import clubs

Numbers = NDArray[np.int64]
SMALL = {"width": 8}
PAIRS = np.array([7, 7, 7]), np.array([1, 3, 5]), np.array([0, 2, 4])
"Item 7 is for odd users, here said to be for users 1, 3, 5 and not for 0, 2, 4."


def a_split() -> Split:
    rows, names = rated(clubs()), [str(n) for n in range(60)]
    rows = replace(rows, context={"hour": np.where(rows.items % 2, "day", "night")})
    kinds = pl.DataFrame({"kind": [["a", "b"], ["b"], [], ["a"]] * 10})
    ages = pl.DataFrame({"age": np.arange(60)})
    known = Catalogue(names, names[:40], names[:40], kinds, ages)
    return leave_last_out(Dataset("clubs", rows, known))


def added(train: Interactions, users: Numbers, items: Numbers) -> Interactions:
    """The same, and these users met these items too."""
    users, items = np.append(train.users, users), np.append(train.items, items)
    return Interactions.sorted(users, items, n_users=60, n_items=40)


def with_more(train: Interactions) -> Interactions:
    """The same, and user u meets item u % 40 for every third user."""
    users = np.arange(0, 60, 3)
    return added(train, users, users % 40)


def lessons(name: str, train: Interactions) -> dict[str, Any]:
    """What a language model said, as the backbone takes it."""
    columns = np.array([1]), np.array([2]), np.array([3])
    if name in RATING:
        said = pl.DataFrame({"star": ["x", "y"] * 20})
        return {"fields": Fields.of(train, Catalogue([], [], [], items=said))}
    if name in SEQUENTIAL:
        return Insertions(*columns, np.ones(1), 1).lessons(train)
    return {"extra_triples": columns}


def tiny(name: str) -> dict[str, Any]:
    """Settings for few users; what is drawn in a pass stays."""
    if name in RATING:
        wanted = {"hidden": (8,), "cross": (4, 4), "split_half": True, "dropout": 0.2}
        known = BACKBONES[name].Config.model_fields
        return SMALL | {key: value for key, value in wanted.items() if key in known}
    return SMALL | ({"length": 6, "heads": 2} if name in SEQUENTIAL else {})

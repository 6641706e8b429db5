"""users.parquet: every user's metrics, for tests of one's own and for reports that are joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tandemrec.data.split import Split
from tandemrec.errors import RunError
from tandemrec.evaluation.metrics import UserMetrics
from tandemrec.oneline import short
from tandemrec.writing import explained, whole

FILE = "users.parquet"
_KEYS = {"seed": pl.Int64, "method": pl.String, "user_id": pl.String, "trained": pl.Int64}


@dataclass(frozen=True, eq=False)
class UserTable:
    """Every user's metrics on test, of each method and seed; of ratings, a user has a row for each
    that he holds out, and RMSE's values are squared errors."""

    seeds: list[int]
    measured: Mapping[str, Sequence[UserMetrics]]
    "Method -> one for each seed, all of the same users."
    ids: NDArray[np.str_]
    "The user's id in each row, [N]."
    trained: NDArray[np.int64]
    "How many interactions training has of that user, [N]."

    @classmethod
    def of(
        cls, split: Split, seeds: Sequence[int], measured: Mapping[str, Sequence[UserMetrics]]
    ) -> Self:
        """Of what was measured on a split's test interactions."""
        users = next(iter(measured.values()))[0].users
        ids = np.array(split.catalogue.user_ids, dtype=np.str_)[users]
        return cls(list(seeds), measured, ids, split.train.counts[users])

    def save(self, folder: Path) -> None:
        """Write the file, whole or not at all: seed, method, user_id, trained, a column for each
        metric."""
        parts = [
            {"seed": seed, "method": method, "user_id": self.ids, "trained": self.trained}
            | dict(runs[n].values)
            for n, seed in enumerate(self.seeds)
            for method, runs in self.measured.items()
        ]
        frame = pl.concat(pl.DataFrame(part, schema_overrides=_KEYS) for part in parts)
        with explained(folder), whole(folder / FILE) as fresh:
            frame.write_parquet(fresh)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """What `save` wrote; users have numbers of their own. Raises RunError for a folder without
        the file, or a damaged one."""
        file = folder / FILE
        try:
            frame = pl.read_parquet(file)
            keys = frame.select(pl.col(name).cast(kind) for name, kind in _KEYS.items())
            return cls._from(keys, frame.drop(*_KEYS))
        except FileNotFoundError:
            raise RunError(
                f"{folder} holds no {FILE}, so it cannot be joined. Do its run again with "
                "`tandemrec run`; what is equal is loaded."
            ) from None
        except (pl.exceptions.PolarsError, OSError, ValueError, IndexError) as error:
            raise RunError(
                f"{file} is damaged ({short(error, 160)}). Do its run again; what is equal is "
                "loaded."
            ) from None

    @classmethod
    def _from(cls, keys: pl.DataFrame, values: pl.DataFrame) -> Self:
        """Of rows that stand as `save` wrote them. Raises ValueError for others."""
        seeds, methods = (list(dict.fromkeys(keys[name])) for name in ("seed", "method"))
        pieces = len(seeds) * len(methods)
        n = len(keys) // max(pieces, 1)
        ids = keys["user_id"].to_numpy().astype(np.str_)
        wanted = np.repeat(seeds, len(methods) * n)
        named = np.tile(np.repeat(np.arange(len(methods)), n), len(seeds))
        if (
            not len(keys)
            or len(keys) != n * pieces
            or (keys["seed"].to_numpy() != wanted).any()
            or (keys["method"].to_list() != [methods[place] for place in named])
            or (ids.reshape(pieces, n) != ids[:n]).any()
        ):
            raise ValueError("not the same users for each method and seed")
        users = np.unique(ids[:n], return_inverse=True)[1]
        table = {name: values[name].to_numpy().reshape(pieces, n) for name in values.columns}
        measured = {
            method: [
                UserMetrics(users, {name: each[row] for name, each in table.items()})
                for row in range(place, pieces, len(methods))
            ]
            for place, method in enumerate(methods)
        }
        return cls(seeds, measured, ids[:n], keys["trained"].to_numpy()[:n])

"""One report of several: seeds of one run that were made apart, on as many machines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from tandemrec.config import differing
from tandemrec.errors import RunError
from tandemrec.evaluation.metrics import UserMetrics
from tandemrec.oneline import counted, listed, short
from tandemrec.recipes.entrance import check_folder
from tandemrec.recipes.measuring import UNVARIED, activity, tests, unvaried
from tandemrec.recipes.record import RECORD, Record, counting, is_joined
from tandemrec.recipes.users import FILE, UserTable
from tandemrec.report import write
from tandemrec.report.contents import AnswerCount, Contents, GroupRow
from tandemrec.runs import NOTE as STAGE
from tandemrec.writing import explained

_JOINED = "Joined from "
"How the note begins that says so."


@dataclass(frozen=True, eq=False)
class Part:
    """A finished run, or what was joined before."""

    folder: Path
    contents: Contents
    record: Record
    table: UserTable

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Of a run's folder. Raises RunError where something is missing or damaged."""
        told, table = Contents.load(folder), UserTable.load(folder)
        means = {
            (seed, method): runs[n].means()
            for n, seed in enumerate(table.seeds)
            for method, runs in table.measured.items()
        }
        if means != {(row.seed, row.method): row.metrics for row in told.rows}:
            raise RunError(
                f"{folder / FILE} is not of the report beside it. Do its run again; what is equal "
                "is loaded."
            )
        return cls(folder, told, Record.load(folder), table)

    @property
    def facts(self) -> dict[str, Any]:
        """What has to be the same in all parts."""
        told, spec = self.contents, self.record.spec
        return {
            "recipe": told.recipe,
            "task": told.task,
            "data": dict(told.what),
            "split": spec.split,
            "core": spec.core,
            "noun": spec.noun,
            "context": list(spec.context),
            "backbone": told.backbone,
            "llm": told.llm,
            "adapter": spec.adapter and Path(spec.adapter).name,
            "embedder": spec.embedder and Path(spec.embedder).name,
            "settings": counting(told.config),
            "attributes": [f"{row.kind}, {row.source}: {row.items}" for row in told.attributes],
            "rows": list(self.table.measured),
            "metrics": told.metrics,
        }


def join(folders: Sequence[Path], out: Path, *, command: str = "") -> Contents:
    """Write one report of all seeds of these runs to `out`, with users.parquet and run.json.

    Tables, tests and groups are those of one run of all seeds; stories, curves and maps of the
    first. What was asked stands there, but not how the answers came about, which is each part's.
    Raises RunError for a folder without a finished run, for runs that differ in more than seeds,
    for a seed that two have, and for a folder `out` that holds a run; ConfigError where somebody
    else's files would be replaced.
    """
    parts = sorted(map(Part.load, folders), key=lambda part: part.contents.seeds[0])
    _check_alike(parts)
    _check_free(out, folders)
    first, table = parts[0].contents, _table(parts)
    shown = list(dict.fromkeys(row.method for row in first.groups))
    found = first.model_copy(
        update={
            "seeds": table.seeds,
            "command": command,
            "rows": _by_seed(parts, "rows"),
            "tests": tests(table.measured),
            "selection": _by_seed(parts, "selection"),
            "groups": activity(table, shown),
            "item_groups": list(_item_groups(parts)),
            "answers": list(_answers(parts)),
            "account": {},
            "timings": {k: v for part in reversed(parts) for k, v in part.contents.timings.items()},
            "notes": [*_notes(parts), *unvaried(table, first.primary)],
        }
    )
    with explained(out):
        out.mkdir(parents=True, exist_ok=True)
        (out / RECORD).unlink(missing_ok=True)
    table.save(out)
    write(found, out)
    _record(parts, table.seeds, out).save(out)
    return found


def _check_alike(parts: Sequence[Part]) -> None:
    first = parts[0]
    owners: dict[int, Part] = {}
    for part in parts:
        found = [
            f"{name} is {short(here, 60)}, not {short(there, 60)}"
            for name, here, there in differing(part.facts, first.facts)
        ]
        same = all(
            np.array_equal(getattr(part.table, name), getattr(first.table, name))
            for name in ("ids", "trained")
        )
        found += [] if same else ["it was measured on other users"]
        found += [OTHER[name] for name in OTHER if _other(part, first, name)]
        if found:
            raise RunError(
                f"{part.folder} cannot be joined to {first.folder}: {'; '.join(found)}. Only seeds "
                "may differ."
            )
        for seed in part.contents.seeds:
            if seed in owners:
                raise RunError(
                    f"Seed {seed} is in {owners[seed].folder} and in {part.folder}. Leave one out."
                )
            owners[seed] = part


OTHER = {
    "data": "its data or split are of another content",
    "llm": "its language model has other weights, another adapter or another number format",
    "embedder": "its embedder has other weights",
    "content": "the content of its items is another",
}
"What is said where two runs read another thing of one name."


def _other(part: Part, first: Part, name: str) -> bool:
    """Whether two runs are known to have read different things; older records do not say."""
    here, there = (each.record.read for each in (part, first))
    return bool(here) and bool(there) and here.get(name) != there.get(name)


def _check_free(out: Path, folders: Sequence[Path]) -> None:
    """Whether a joined report may be written there: in the place of another one, but not of a run
    or of its stages."""
    check_folder(out)
    own = (out / RECORD).exists() or next(out.rglob(STAGE), None) is not None
    if out.absolute() in [each.absolute() for each in folders] or (own and not is_joined(out)):
        raise RunError(f"{out} holds a run of its own. Name another folder with --out.")


def _table(parts: Sequence[Part]) -> UserTable:
    """Every user's metrics, of all seeds in order."""
    rows = {seed: (part, n) for part in parts for n, seed in enumerate(part.table.seeds)}
    seeds, first = sorted(rows), parts[0].table

    def runs(method: str) -> list[UserMetrics]:
        return [part.table.measured[method][n] for part, n in map(rows.__getitem__, seeds)]

    measured = {method: runs(method) for method in first.measured}
    return UserTable(seeds, measured, first.ids, first.trained)


def _by_seed(parts: Sequence[Part], name: str) -> list[Any]:
    """What each seed has of its own."""
    every = (row for part in parts for row in getattr(part.contents, name))
    return sorted(every, key=lambda row: row.seed)


def _item_groups(parts: Sequence[Part]) -> Iterator[GroupRow]:
    """Means over all seeds, of means over those of each part."""
    weights = [len(part.contents.seeds) for part in parts]
    for rows in zip(*(part.contents.item_groups for part in parts), strict=True):
        metrics = {
            name: float(np.average([row.metrics[name] for row in rows], weights=weights))
            for name in rows[0].metrics
        }
        yield rows[0].model_copy(update={"metrics": metrics})


def _answers(parts: Sequence[Part]) -> Iterator[AnswerCount]:
    """What was asked for each seed, added up; what was asked for all of them, as it is."""
    for counts in zip(*(part.contents.answers for part in parts), strict=True):
        first = counts[0]
        if first.once:
            yield first
            continue
        kinds = sorted({kind for each in counts for kind in each.rejected})
        yield first.model_copy(
            update={
                "asked": sum(each.asked for each in counts),
                "rejected": {k: sum(each.rejected.get(k, 0) for each in counts) for k in kinds},
            }
        )


def _notes(parts: Sequence[Part]) -> Iterator[str]:
    """That it was joined; what all parts' readers must know, and what some parts'."""
    told = "; ".join(_named(part) for part in parts)
    yield f"{_JOINED}{counted(len(parts), 'report')} of the same run: {told}."
    notes = dict.fromkeys(note for part in parts for note in part.contents.notes)
    codes = {part.record.code for part in parts if part.record.code}
    if len(codes) > 1:
        yield f"They were made by {len(codes)} states of tandemrec's code."
    firsts, untuned = _firsts(parts), any("was not tuned" in note for note in notes)
    if len(firsts) > 1 and parts[0].contents.config.get("tune") is not None and not untuned:
        yield f"The LLM was tuned {len(firsts)} times, with seeds {listed([*map(str, firsts)])}."
    for note in (each for each in notes if not each.startswith((_JOINED, UNVARIED))):
        having = [part for part in parts if note in part.contents.notes]
        whose = "" if len(having) == len(parts) else f" ({'; '.join(map(_named, having))}.)"
        yield f"{note}{whose}"


def _firsts(parts: Sequence[Part]) -> tuple[int, ...]:
    """The seeds with which the language model was made ready."""
    every = (part.record.firsts or (part.record.spec.seed,) for part in parts)
    return tuple(sorted({seed for each in every for seed in each}))


def _named(part: Part) -> str:
    seeds = part.contents.seeds
    return f"seed{'' if len(seeds) == 1 else 's'} {', '.join(map(str, seeds))}"


def _record(parts: Sequence[Part], seeds: list[int], out: Path) -> Record:
    """As of one run of all these seeds, with what it was joined from."""
    first = parts[0].record
    n = seeds[-1] - seeds[0] + 1
    some = () if len(seeds) == n else tuple(seeds)
    own = {"out": out, "seed": seeds[0], "seeds": n, "only_seeds": some}
    folders = (part.record.parts or (str(part.folder),) for part in parts)
    return first.model_copy(
        update={
            "spec": first.spec.model_copy(update=own),
            "parts": tuple(folder for each in folders for folder in each),
            "firsts": _firsts(parts),
        }
    )

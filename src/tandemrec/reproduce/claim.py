"""reproduce.json: what the runs of a folder have in common, so that it does not mix others in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from pydantic import TypeAdapter

from tandemrec.config import Settings, differing
from tandemrec.errors import RunError
from tandemrec.oneline import short
from tandemrec.recipes.record import RECORD, Record
from tandemrec.recipes.spec import RunSpec
from tandemrec.reproduce.found import loaded, run_folders
from tandemrec.reproduce.piece import Piece
from tandemrec.writing import explained, whole

FILE = "reproduce.json"


class Claim(Settings):
    """What was asked for."""

    paper: str
    piece: str
    llm: str | None
    """None where each run names its own."""
    embedder: str | None = None
    preset: str
    seed: int
    seeds: int
    settings: dict[str, Any]
    """What differs from the preset."""

    @classmethod
    def of(cls, piece: Piece, spec: RunSpec) -> Self:
        """By this piece and what its runs have in common."""
        known = Record.of(spec).spec  # a model's folder from the root
        names = {"llm", "embedder", "preset", "seed", "seeds", "settings"}
        values = known.model_dump(include=names)
        values |= {} if piece.one_llm else {"llm": None}
        return cls(paper=piece.paper, piece=piece.key, **values)

    @property
    def name(self) -> str:
        """As the command line takes it."""
        return f"{self.paper}/{self.piece}"

    @property
    def spec(self) -> RunSpec:
        """Its preset and settings, as a run has them."""
        asked = {"recipe": self.paper, "preset": self.preset, "settings": self.settings}
        return RunSpec.model_validate(asked)


CLAIM = TypeAdapter(Claim)


def check_claim(piece: Piece, spec: RunSpec) -> Claim:
    """That the folder is this piece's, and its runs are as asked for now; only seeds may be more.

    A folder without a finished run is anybody's; one without the file, this piece's. Raises
    RunError, which names what differs.
    """
    asked, file = Claim.of(piece, spec), spec.out / FILE
    if (spec.out / RECORD).exists():
        raise RunError(f"{spec.out} is the folder of a single run. {ANOTHER}.")
    if not file.exists() or not run_folders(spec.out):
        return asked
    there = loaded(file, CLAIM)
    if there.name != asked.name:
        raise RunError(f"{spec.out} holds runs of {there.name}, not of {asked.name}. {ANOTHER}.")
    if found := "; ".join(_changed(asked, there)):
        raise RunError(
            f"{spec.out} holds runs of {there.name} with other options: {found}. {ANOTHER}, or "
            "give the same options; only --seeds may be more."
        )
    return asked


ANOTHER = "Name another folder with --out"


def claim(out: Path, asked: Claim) -> None:
    """Write the file. Raises RunError where that is not possible."""
    with explained(out):
        out.mkdir(parents=True, exist_ok=True)
        with whole(out / FILE) as fresh:
            fresh.write_text(asked.model_dump_json(indent=2), encoding="utf-8")


def _changed(asked: Claim, there: Claim) -> Iterator[str]:
    for name in ("llm", "embedder", "preset", "seed"):
        here, before = getattr(asked, name), getattr(there, name)
        if here != before:
            yield f"{name} {before}, not {here}"
    if asked.seeds < there.seeds:
        yield f"seeds {there.seeds}, not {asked.seeds}"
    if asked.preset == there.preset:
        now, then = (each.spec.config.model_dump() for each in (asked, there))
        for name, here, before in differing(now, then):
            yield f"{name} {short(before, 60)}, not {short(here, 60)}"

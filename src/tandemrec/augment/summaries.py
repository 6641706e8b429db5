"""Data augmentation by summaries: two sentences about every item, from a language model.

DALLRec's third strategy; the summaries become content of the items, for backbones that read it.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pydantic import PositiveInt

from tandemrec.config import Settings
from tandemrec.data.catalogue import Catalogue
from tandemrec.llm.base import LLM
from tandemrec.llm.costs import tokens_since
from tandemrec.prompts import summaries as prompts
from tandemrec.prompts.described import described

FILE = "summaries.json"


class SummariesConfig(Settings):
    """How items are summarized."""

    longest: PositiveInt = 96
    """Tokens of an answer; a sentence that they cut off is left out."""
    genres: bool = True
    """Whether the question tells an item's genres, where the catalogue has them, besides title,
    year and author; the paper tells the title alone."""


@dataclass(frozen=True, eq=False)
class Summaries:
    """A text for every item, "" where there is none."""

    texts: tuple[str, ...]  # [I]
    rejected: Mapping[str, int]
    "How many of the model's answers could not be used, by reason."
    asked: int
    tokens: int | None = None
    "Of questions and answers; none where the model does not count them."

    @property
    def found(self) -> int:
        """How many items have a summary."""
        return sum(map(bool, self.texts))

    @cached_property
    def fingerprint(self) -> str:
        note = json.dumps([self.texts, dict(self.rejected), self.asked])
        return hashlib.sha256(note.encode("utf-8", "surrogatepass")).hexdigest()

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        note = json.dumps([self.texts, dict(self.rejected), self.asked, self.tokens])
        (folder / FILE).write_text(note, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Summaries:
        texts, *others = json.loads((folder / FILE).read_text(encoding="utf-8"))
        return cls(tuple(texts), *others)


def summaries(catalogue: Catalogue, noun: str, llm: LLM, config: SummariesConfig) -> Summaries:
    """Two sentences about every item, one greedy answer each; what is no summary is refused and
    counted. A language model that remembers its answers goes on where it was killed."""
    items = described(catalogue, year=True, genres=config.genres)
    asked, before = [prompts.summary(noun, item) for item in items], tokens_since(llm)
    answers = llm.generate(asked, max_tokens=config.longest)
    found = [prompts.parse(text, noun, item) for text, item in zip(answers, items, strict=True)]
    n = Counter(read.rejected for read in found)
    rejected = {reason: n[reason] for reason in prompts.REASONS if n[reason]}
    texts, tokens = tuple(read.text for read in found), tokens_since(llm, before)
    return Summaries(texts, rejected, len(items), tokens)

"""What questions to a server cost: requests, tokens, and money where prices are known."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields
from typing import Any

NAMES = ("requests", "retries", "tokens read", "tokens cached", "tokens written")
"Of a `Usage`'s numbers, in an account."
COST = "cost"
"Beside them."


@dataclass(frozen=True)
class Usage:
    """Counts of requests and tokens; `+` adds them up."""

    calls: int = 0
    """Requests sent, retries among them."""
    retries: int = 0
    """Those that repeat one that failed."""
    tokens_in: int = 0
    """Tokens that were read."""
    cached: int = 0
    """Those of them that the server knew from before."""
    tokens_out: int = 0
    """Tokens that were written."""

    def __add__(self, other: Usage) -> Usage:
        return Usage(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Usage)))

    def __sub__(self, other: Usage) -> Usage:
        return Usage(*(getattr(self, f.name) - getattr(other, f.name) for f in fields(Usage)))

    def cost(self, price_in: float | None, price_out: float | None) -> float | None:
        """By prices of a million tokens; None where neither is known."""
        if price_in is None and price_out is None:
            return None
        return (self.tokens_in * (price_in or 0) + self.tokens_out * (price_out or 0)) / 1e6

    def named(self, price_in: float | None, price_out: float | None) -> Counter[str]:
        """For people and accounts, what is more than nothing; the cost too, where a price is
        known."""
        cost: Any = self.cost(price_in, price_out) or 0
        return +Counter({**dict(zip(NAMES, astuple(self), strict=True)), COST: cost})

    @classmethod
    def told(cls, reply: Mapping[str, Any]) -> Usage:
        """The tokens that a server's reply counts, in OpenAI's or llama.cpp's form."""
        said = reply.get("usage")
        if not isinstance(said, dict):
            return cls(
                tokens_in=_count(reply.get("tokens_evaluated")),
                tokens_out=_count(reply.get("tokens_predicted")),
            )
        details = said.get("prompt_tokens_details")
        cached = details.get("cached_tokens") if isinstance(details, dict) else 0
        return cls(
            tokens_in=_count(said.get("prompt_tokens")),
            tokens_out=_count(said.get("completion_tokens")),
            cached=_count(cached),
        )


def tokens_since(llm: Any, before: int | None = 0) -> int | None:
    """The tokens that a model has counted (`Remembering.tokens`), less those of before; None where
    it counts none."""
    now: int | None = getattr(llm, "tokens", None)
    return None if now is None or before is None else now - before


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0


class Meter:
    """Adds up what all threads use."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._total = self._taken = Usage()

    def add(self, used: Usage) -> None:
        """One more."""
        with self._lock:
            self._total += used

    def take(self) -> Usage:
        """What was used since the last call of this."""
        with self._lock:
            found, self._taken = self._total - self._taken, self._total
            return found

    @property
    def total(self) -> Usage:
        """Everything so far."""
        with self._lock:
            return self._total

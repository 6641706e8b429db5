"""What goes to a server for one question, and what is read out of its reply."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tandemrec.llm.abilities import Abilities, url
from tandemrec.llm.base import REJECTED, Choice
from tandemrec.llm.retrying import Call, Caller, Fault
from tandemrec.llm.tokens import Encoder

LETTERS = 4
"Of one token, about: for limits and estimates where nobody counts tokens."


class Asking(NamedTuple):
    """Whom to ask, and how."""

    caller: Caller
    abilities: Abilities
    encoder: Encoder | None
    probing: bool = False

    def ask(self, path: str, body: Mapping[str, Any], read: Callable[[dict[str, Any]], Any]) -> Any:
        """One request."""
        size = len(json.dumps(body, ensure_ascii=False)) // LETTERS
        call = Call(url(self.caller.address, path), body, tokens=size, probing=self.probing)
        return self.caller.ask(call, read)


def scored(values: Sequence[float], tokens: Sequence[int], way: str, missing: float = 0) -> Choice:
    """A question's options with their log-probabilities."""
    return Choice(np.array(values, np.float32), np.array(tokens, np.int64), way, missing)


def rejected(options: Sequence[str], way: str = REJECTED) -> Choice:
    """An answer that is of no use: no number for any option."""
    return scored([math.nan] * len(options), [1] * len(options), way)


def text(reply: dict[str, Any]) -> str:
    """What the one answer says."""
    (choice,) = choices(reply, 1)
    message = choice.get("message")
    said = choice["text"] if message is None else message.get("content")
    return said if isinstance(said, str) else ""


def choices(reply: Mapping[str, Any], wanted: int) -> list[dict[str, Any]]:
    """A reply's answers, in the order they were asked for. Raises Fault for another number."""
    found = sorted(reply["choices"], key=lambda choice: choice.get("index", 0))
    if [choice.get("index", 0) for choice in found] != list(range(wanted)):
        raise Fault(f"{len(found)} answers came where {wanted} were asked for")
    return found


def number(value: float | None) -> float:
    """A log-probability; JSON has no minus infinity, and servers say null."""
    return -math.inf if value is None else float(value)

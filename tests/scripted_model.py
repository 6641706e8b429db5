"""The made-up model of the scripted server.

A letter is a token. What it thinks of the next one is drawn from a hash of all before it.
"""

import hashlib
import math
from string import ascii_letters
from typing import Any

LETTERS = f"{ascii_letters} 0123456789\n"


def shares(before: str) -> dict[str, float]:
    """The probability of each letter after a text."""
    digest = hashlib.sha512(before.encode()).digest()
    weights = {letter: 1 + digest[n] ** 2 for n, letter in enumerate(LETTERS)}
    weights |= {label: weights[label] + 60_000 for label in "ABCDE"}
    total = sum(weights.values())
    return {letter: weight / total for letter, weight in weights.items()}


def logprob(before: str, text: str) -> float:
    """What the model thinks of a text after another."""
    return sum(math.log(shares(before + text[:n])[text[n]]) for n in range(len(text)))


def chat_text(messages: list[dict[str, str]]) -> str:
    return "".join(f"[{each['role']}]{each['content']}" for each in messages) + "[assistant]"


def top(before: str, many: int) -> list[dict[str, Any]]:
    best = sorted(shares(before).items(), key=lambda pair: -pair[1])[:many]
    return [{"token": letter, "logprob": math.log(share)} for letter, share in best]

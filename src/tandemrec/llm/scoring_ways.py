"""The ways to score options on a server, from exact log-probabilities to a parsed answer.

Each gives a `Choice`, or None where it cannot serve the question, so that the next way is taken.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from tandemrec.llm import abilities as asked
from tandemrec.llm.abilities import Abilities, is_plain, neutral
from tandemrec.llm.base import CONSTRAINED, SAMPLED, TOP, Choice, Prompt
from tandemrec.llm.exact_scoring import exact
from tandemrec.llm.replies import Asking, choices, number, rejected, scored, text

LOSER = -20.0
"The log-probability of options of which only is known that another was chosen."


def top(to: Asking, prompt: Prompt, options: Sequence[str]) -> Choice | None:
    """The log-probabilities of labels among the likeliest first tokens.

    A label that is not among them has less than the last of these, and no more than what they all
    leave; it gets that bound. None where a label may be more than one token.
    """
    labels = [text.strip() for text in options]
    if not (to.abilities.tops(prompt) and are_labels(labels)):
        return None
    told = first_tokens(to, prompt)
    if any(_is_cut(label, labels, told) for label in labels):
        return None
    shares = [told.get(label, 0.0) for label in labels]
    if not any(shares):
        return None
    rest = 1 - sum(told.values())
    bound = max(min(rest, *told.values()), 1e-9)
    values = [math.log(share or bound) for share in shares]
    return scored(values, [1] * len(values), TOP, max(0.0, 1 - sum(shares)))


def are_labels(labels: Sequence[str]) -> bool:
    """Whether each may be one token, and none is another."""
    short = all(len(text) <= 12 and " " not in text for text in labels)
    return short and len(set(labels)) == len(labels)


def _is_cut(label: str, labels: Sequence[str], told: Mapping[str, float]) -> bool:
    """Whether the label is not there but may be behind a token that begins it."""
    return label not in told and any(token and label.startswith(token) for token in told)


def first_tokens(to: Asking, prompt: Prompt) -> dict[str, float]:
    """The probability of the likeliest first tokens; spaces around them do not count."""
    if is_plain(prompt):
        text, many = neutral(prompt.user), to.abilities.plain_top
        body = asked.plain_body(to.abilities, text, 1, logprobs=many)
        return to.ask("/v1/completions", body, lambda reply: _shares(choices(reply, 1)[0]))
    body = asked.chat_body(to.abilities, prompt, 1, logprobs=True, top_logprobs=to.abilities.top)
    return to.ask("/v1/chat/completions", body, lambda reply: _shares(choices(reply, 1)[0]))


def _shares(choice: Mapping[str, Any]) -> dict[str, float]:
    """Both of OpenAI's forms, the old one and that of messages; the latter comes from llama.cpp
    for texts too."""
    told = choice["logprobs"]
    if "content" in told:
        pairs = [(each["token"], each["logprob"]) for each in told["content"][0]["top_logprobs"]]
    else:
        pairs = list(told["top_logprobs"][0].items())
    found: dict[str, float] = {}
    for token, logprob in pairs:
        found[token.strip()] = found.get(token.strip(), 0.0) + math.exp(number(logprob))
    return found


def constrained(to: Asking, prompt: Prompt, options: Sequence[str]) -> Choice | None:
    """The server is held to the options: the winner is known, and of the others nothing."""
    labels = [text.strip() for text in options]
    if not to.abilities.constraint or len(set(labels)) < len(labels) or "" in labels:
        return None
    shown = [neutral(label) for label in labels]
    body = asked.chat_body(to.abilities, prompt, held_to(shown), **constraint(to.abilities, shown))
    said = to.ask("/v1/chat/completions", body, text)
    if to.abilities.constraint == "json_schema":
        said = _answer_in(said)
    return _won(said.strip(), shown, CONSTRAINED) or rejected(options)


def held_to(labels: Sequence[str]) -> int:
    """The most tokens of an answer that is one of these, with what a format puts around it."""
    return 16 + max(map(len, labels))


def is_held(to: Asking, prompt: Prompt, options: Sequence[str]) -> bool:
    """Whether the server keeps to options that nobody would choose."""
    found = constrained(to, prompt, options)
    return found is not None and found.way == CONSTRAINED


def constraint(can: Abilities, labels: Sequence[str]) -> dict[str, Any]:
    """What a request says of the answers that are allowed."""
    match can.constraint:
        case "structured_outputs":
            return {"structured_outputs": {"choice": list(labels)}}
        case "guided_choice":
            return {"guided_choice": list(labels)}
        case "grammar":
            ways = " | ".join(json.dumps(label) for label in labels)
            return {"grammar": f"root ::= {ways}"}
    schema = {
        "type": "object",
        "properties": {"answer": {"type": "string", "enum": list(labels)}},
        "required": ["answer"],
        "additionalProperties": False,
    }
    named = {"name": "answer", "strict": True, "schema": schema}
    return {"response_format": {"type": "json_schema", "json_schema": named}}


def _answer_in(said: str) -> str:
    """The answer inside the JSON text; nothing where that is cut off."""
    try:
        return str(json.loads(said)["answer"])
    except (ValueError, KeyError, TypeError):
        return ""


def sampled(to: Asking, prompt: Prompt, options: Sequence[str]) -> Choice:
    """The answer is written freely, and the option that it is or begins with has won."""
    labels = [text.strip() for text in options]
    said = written(to, prompt, free_to(labels)).strip()
    return _won(_parsed(said, labels), labels, SAMPLED) or rejected(options)


def free_to(labels: Sequence[str]) -> int:
    """The most tokens of an answer that ought to begin with one of these."""
    return 8 + max(map(len, labels), default=0) // 2


def _parsed(said: str, labels: Sequence[str]) -> str:
    """The one label that the answer is, or begins with as a word; the longest, if there are
    several."""
    first = said.strip().lstrip("\"'*([").rstrip("\"'*)].")
    begun = [label for label in labels if label and first.startswith(label)]
    whole = [label for label in begun if not first[len(label) : len(label) + 1].isalnum()]
    return max(whole, key=len, default="")


def _won(winner: str, labels: Sequence[str], way: str) -> Choice | None:
    if winner not in labels:
        return None
    values = [0.0 if label == winner else LOSER for label in labels]
    return scored(values, [1] * len(values), way)


def written(to: Asking, prompt: Prompt, most: int) -> str:
    """A free answer of at most so many tokens."""
    if is_plain(prompt) and to.abilities.plain:
        body = asked.plain_body(to.abilities, neutral(prompt.user), most)
        return to.ask("/v1/completions", body, text)
    return to.ask("/v1/chat/completions", asked.chat_body(to.abilities, prompt, most), text)


WAYS_DOWN = (exact, top, constrained, sampled)
"From the best."

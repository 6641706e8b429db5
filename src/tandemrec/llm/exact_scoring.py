"""The exact log-probability of options, from servers that tell it of tokens that they are given."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tandemrec.llm import abilities as asked
from tandemrec.llm.abilities import neutral
from tandemrec.llm.base import EXACT, Choice, Prompt
from tandemrec.llm.replies import Asking, choices, number, scored
from tandemrec.llm.retrying import Fault


def exact(to: Asking, prompt: Prompt, options: Sequence[str]) -> Choice | None:
    """The model's own log-probability of every option."""
    if not to.abilities.exactly(prompt):
        return None
    if to.abilities.exact == "echo_text":
        return _echoed_text(to, prompt, options)
    assert to.encoder is not None
    start = to.encoder.prompt(prompt)
    rows = [to.encoder.text(text) for text in options]
    if to.abilities.exact == "forced":
        values = _forced(to, start, rows)
    else:
        values = _echoed(to, start, rows)
    return scored(values, [len(row) for row in rows], EXACT)


def _echoed(to: Asking, start: list[int], rows: Sequence[list[int]]) -> list[float]:
    """Prompt and option as tokens, one row for each option in one request; the server repeats them
    with the log-probability of each."""
    prompts = [[*start, *row] for row in rows]
    of_prompt = to.abilities.exact == "prompt_logprobs"
    how = {"prompt_logprobs": 0} if of_prompt else {"echo": True, "logprobs": 1}
    body = asked.plain_body(to.abilities, prompts, 1, **how)

    def read(reply: dict[str, Any]) -> list[float]:
        each = zip(choices(reply, len(rows)), prompts, strict=True)
        values = [_prompt_logprobs(one, ids) if of_prompt else _echo(one, ids) for one, ids in each]
        return [_summed(value[len(start) :]) for value in values]

    return to.ask("/v1/completions", body, read)


def _prompt_logprobs(choice: Mapping[str, Any], ids: Sequence[int]) -> list[float | None]:
    """vLLM's form: for each token of the prompt, log-probabilities by token."""
    told = choice["prompt_logprobs"]
    if len(told) != len(ids):
        raise Fault(f"{len(told)} prompt_logprobs came for {len(ids)} tokens")
    pairs = zip(told, ids, strict=True)
    return [None if each is None else each[str(token)]["logprob"] for each, token in pairs]


def _echo(choice: Mapping[str, Any], ids: Sequence[int]) -> list[float | None]:
    """OpenAI's old form: log-probabilities of the prompt's tokens, and of those written."""
    told = choice["logprobs"]["token_logprobs"]
    if len(told) not in (len(ids), len(ids) + 1):
        raise Fault(f"{len(told)} log-probabilities came for {len(ids)} tokens")
    return list(told[: len(ids)])


def _summed(values: Sequence[float | None]) -> float:
    return float(sum(-math.inf if value is None else value for value in values))


def _echoed_text(to: Asking, prompt: Prompt, options: Sequence[str]) -> Choice | None:
    """The same with texts, where nobody tells tokens; nothing where a token has a part in prompt
    and option, so that its probability is not the option's."""
    start = neutral(prompt.user)
    body = asked.plain_body(
        to.abilities, [start + neutral(text) for text in options], 1, echo=True, logprobs=1
    )

    def read(reply: dict[str, Any]) -> list[list[float] | None]:
        pairs = zip(choices(reply, len(options)), options, strict=True)
        return [_behind(each["logprobs"], len(start), len(neutral(text))) for each, text in pairs]

    found = to.ask("/v1/completions", body, read)
    if any(row is None for row in found):
        return None
    return scored([sum(row) for row in found], [len(row) for row in found], EXACT)


def _behind(told: Mapping[str, Any], start: int, length: int) -> list[float] | None:
    """The log-probabilities of tokens that stand behind a place in the text."""
    places = told["text_offset"]
    if start not in places:
        return None
    pairs = zip(places, told["token_logprobs"], strict=True)
    return [float(value) for place, value in pairs if start <= place < start + length]


def _forced(to: Asking, start: list[int], rows: Sequence[list[int]]) -> list[float]:
    """llama.cpp: one token at a time is forced, and the server tells its own log-probability of it
    and of the likeliest others. Options that begin alike share requests; the prompt is cached."""
    known: dict[tuple[int, ...], float] = {(): 0.0}
    for row in rows:
        for length in range(1, len(row) + 1):
            path = tuple(row[:length])
            if path not in known:
                told = _force(to, [*start, *path[:-1]], path[-1])
                known |= {(*path[:-1], token): value for token, value in told.items()}
    return [sum(known[tuple(row[:n])] for n in range(1, len(row) + 1)) for row in rows]


def _force(to: Asking, before: list[int], token: int) -> dict[int, float]:
    """Log-probabilities after these tokens: of the one, and of the likeliest."""
    body = {
        "prompt": before,
        "n_predict": 1,
        "n_probs": 20,
        "logit_bias": [[token, 1e6]],
        "temperature": 0,
        "cache_prompt": True,
    }

    def read(reply: dict[str, Any]) -> dict[int, float]:
        (told,) = reply["completion_probabilities"]
        if told["id"] != token:
            raise Fault(f"token {told['id']} came where {token} was forced")
        every = [*told["top_logprobs"], told]
        return {int(each["id"]): number(each["logprob"]) for each in every}

    return to.ask("/completion", body, read)

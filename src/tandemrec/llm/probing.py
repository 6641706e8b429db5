"""What a server can do: asked once for each server and model, by tiny questions.

Servers differ, and many pass over what they do not know without a word: so nothing is believed
that a reply does not show. A constraint must bring an answer that nobody would give.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from tandemrec.errors import LLMError
from tandemrec.llm import abilities as asked
from tandemrec.llm import exact_scoring, scoring_ways, server_tokens
from tandemrec.llm.abilities import Abilities, url
from tandemrec.llm.addresses import Address
from tandemrec.llm.base import Prompt
from tandemrec.llm.replies import Asking
from tandemrec.llm.retrying import Call, Caller, Refused
from tandemrec.oneline import short

HELLO = Prompt("", "Say hello to all who are here today, please, and to nobody else but them.")
ODD = ("zq7", "qz4")
"What nobody says who is not held to it."
TOP = (20, 5)
"How many likeliest tokens are asked for: OpenAI's bounds for messages and for texts."
_HIDDEN = (401, 403)
_known: dict[tuple[str, ...], Abilities] = {}
_lock = threading.Lock()


def abilities(caller: Caller) -> Abilities:
    """What this server can do with this model; asked at the first call in this process.

    Raises LLMError where there is no server, no such model, or no access.
    """
    address = caller.address
    key = (address.url, address.model, address.tokenizer or "")
    with _lock:
        if key not in _known:
            _known[key] = probe(caller)
        return _known[key]


def forget() -> None:
    """Ask every server again: for one that was started anew with other options."""
    with _lock:
        _known.clear()


def probe(caller: Caller) -> Abilities:
    """Ask what the server can do, whatever is known of it."""
    before = caller.meter.total.calls
    found = Abilities(caller.address.model or _only_model(caller))
    found = _writing(caller, found)
    found = replace(found, tokens=_tokens(caller, found))
    found = replace(found, exact=_exact(caller, found))
    found = replace(found, top=_top(caller, found), plain_top=_plain_top(caller, found))
    found = replace(found, constraint=_constraint(caller, found))
    cache = caller.meter.total.cached > 0
    return replace(found, prefix_cache=cache, asked=caller.meter.total.calls - before)


def _only_model(caller: Caller) -> str:
    """The one model that the server has. Raises LLMError where there are more."""

    def read(reply: dict[str, Any]) -> list[str]:
        return [str(each["id"]) for each in reply["data"]]

    call = Call(url(caller.address, "/v1/models"), None, free=True, probing=True)
    names = _reached(caller, call, read)
    if len(names) != 1:
        some = ", ".join(names[:10]) or "none"
        raise LLMError(
            f"Name a model of {caller.address.url} behind #, such as {caller.address.url}#"
            f"{names[0] if names else 'my-model'}. It has: {short(some, 400)}."
        )
    return names[0]


def _reached(caller: Caller, call: Call, read: Any) -> Any:
    """What the server says to the first request. Raises LLMError that says what to look at."""
    try:
        return caller.ask(call, read)
    except Refused as error:
        raise _explained(error, caller.address) from error


def _explained(error: Refused, address: Address) -> LLMError:
    if error.status in _HIDDEN:
        return LLMError(f"{error} The API key is read from ${address.key}; is it set, and right?")
    return LLMError(f"{error} Is {address.url} an OpenAI-compatible server with that model?")


def _tried(caller: Caller, found: Abilities, prompt: Prompt) -> Refused | None:
    """Why the server does not answer so; None where it does."""
    try:
        scoring_ways.written(Asking(caller, found, None, True), prompt, 16)
    except Refused as error:
        if error.status in _HIDDEN:
            raise _explained(error, caller.address) from error
        return error
    return None


def _writing(caller: Caller, found: Abilities) -> Abilities:
    """Messages and texts, and the names and bounds that the server wants."""
    refusal: Refused | None = None
    for limit in ("max_tokens", "max_completion_tokens"):
        for warm in (True, False):
            chat = replace(found, chat=True, limit=limit, temperature=warm)
            refusal = _tried(caller, chat, HELLO)
            if refusal is None:
                return replace(chat, plain=_plain(caller, chat))
            if refusal.status == 404:
                break
    only_plain = replace(found, plain=True)
    if _tried(caller, only_plain, Prompt("", HELLO.user, chat=False)) is None:
        return only_plain
    assert refusal is not None
    raise _explained(refusal, caller.address) from refusal


def _plain(caller: Caller, found: Abilities) -> bool:
    to = Asking(caller, replace(found, plain=True), None, True)
    text = Prompt("", HELLO.user, chat=False)
    return _works(lambda: (scoring_ways.written(to, text, 16), True))


def _tokens(caller: Caller, found: Abilities) -> asked.Tokens:
    """Who makes tokens of texts: a tokenizer that is named, or the server, in two dialects."""
    if caller.address.tokenizer is not None:
        return "local"
    ours: dict[asked.Tokens, dict[str, Any]] = {
        "llamacpp": {"content": "a b", "add_special": False},
        "vllm": {"model": found.model, "prompt": "a b", "add_special_tokens": False},
    }
    for dialect, body in ours.items():
        call = Call(url(caller.address, "/tokenize"), body, free=True, probing=True)
        if _works(lambda call=call: caller.ask(call, lambda reply: len(reply["tokens"]) > 0)):
            return dialect
    return ""


def _works(attempt: Any) -> bool:
    """Whether an attempt gives something, and the server does not refuse or pass over it. One that
    is not there just now is an error: nothing is known of it then."""
    try:
        return bool(attempt())
    except Refused:
        return False


def _exact(caller: Caller, found: Abilities) -> asked.Exact:
    """The first way that gives numbers for two options of a text."""
    with_tokens: tuple[asked.Exact, ...] = ("prompt_logprobs", "echo")
    if found.tokens == "llamacpp":
        with_tokens = ("forced", *with_tokens)
    tokens = server_tokens.encoder(caller, found)
    ways = with_tokens if tokens else ("echo_text",)
    question = Prompt("", "One, two, three, four,", chat=False)
    for way in ways if found.plain or "forced" in ways else ():
        to = Asking(caller, replace(found, exact=way), tokens, True)
        if _works(lambda to=to: _is_exact(exact_scoring.exact(to, question, [" five", " six"]))):
            return way
    return ""


def _is_exact(choice: Any) -> bool:
    return choice is not None and all(-200 < value < 0 for value in choice.logprobs)


def _top(caller: Caller, found: Abilities) -> int:
    if not found.chat:
        return 0
    return _first(TOP, lambda many: _many(caller, replace(found, top=many), HELLO))


def _plain_top(caller: Caller, found: Abilities) -> int:
    if not found.plain:
        return 0
    text = Prompt("", HELLO.user, chat=False)
    return _first(TOP, lambda many: _many(caller, replace(found, plain_top=many), text))


def _first(values: Iterable[int], works: Any) -> int:
    return next((value for value in values if _works(lambda value=value: works(value))), 0)


def _many(caller: Caller, found: Abilities, prompt: Prompt) -> bool:
    """Whether the likeliest first tokens come; servers may tell fewer than they are asked for."""
    return len(scoring_ways.first_tokens(Asking(caller, found, None, True), prompt)) > 1


def _constraint(caller: Caller, found: Abilities) -> asked.Constraint:
    kinds: tuple[asked.Constraint, ...] = (
        "structured_outputs",
        "guided_choice",
        "json_schema",
        "grammar",
    )
    for kind in kinds if found.chat else ():
        to = Asking(caller, replace(found, constraint=kind), None, True)
        if _works(lambda to=to: scoring_ways.is_held(to, HELLO, ODD)):
            return kind
    return ""

"""What a server can do, and how it wants to be asked: found out once, by `probing`."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal

from tandemrec.llm.addresses import Address
from tandemrec.llm.base import Prompt

Exact = Literal["", "prompt_logprobs", "echo", "echo_text", "forced"]
Tokens = Literal["", "local", "llamacpp", "vllm"]
Constraint = Literal["", "structured_outputs", "guided_choice", "json_schema", "grammar"]
CONTINUE = "Continue the user's text. Answer with the continuation alone."
"Said to servers that only chat, where a text is to be continued."


@dataclass(frozen=True)
class Abilities:
    """What a server understands of what we ask, for one of its models."""

    model: str
    chat: bool = False
    """It answers messages."""
    plain: bool = False
    """It continues texts."""
    limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """What it calls the bound of an answer."""
    temperature: bool = True
    """Whether it lets us say that the likeliest token is wanted."""
    tokens: Tokens = ""
    """Who turns texts into its tokens."""
    exact: Exact = ""
    """How it tells the log-probability of a given answer."""
    top: int = 0
    """How many of the likeliest first tokens of a message it tells."""
    plain_top: int = 0
    """The same of a text's continuation."""
    constraint: Constraint = ""
    """How it is held to a list of answers, in messages."""
    prefix_cache: bool = False
    """Whether it was seen to know a prompt's beginning from before."""
    asked: int = 0
    """Requests that finding out took."""

    @property
    def ways(self) -> list[str]:
        """How it can score options, by an address's `way`, the best first; it always writes."""
        able = {"exact": self.exact, "top": self.top or self.plain_top}
        return [way for way, there in (able | {"constrained": self.constraint}).items() if there]

    def down_to(self, way: str) -> Abilities:
        """The same without what is better than this way."""
        less = self if way == "exact" else replace(self, exact="")
        less = less if way in ("exact", "top") else replace(less, top=0, plain_top=0)
        return replace(less, constraint="") if way == "sampled" else less

    def exactly(self, prompt: Prompt) -> bool:
        """Whether the answers to this prompt are scored exactly."""
        return bool(self.exact) and (self.exact != "echo_text" or is_plain(prompt))

    def tops(self, prompt: Prompt) -> int:
        """How many of the likeliest first tokens of an answer to this prompt it tells."""
        return self.plain_top if is_plain(prompt) else self.top

    @property
    def independent(self) -> bool:
        """Whether every option of every question is scored for itself."""
        return bool(self.exact) and self.exact != "echo_text"

    def told(self) -> str:
        """In a line: for people."""
        best = self.exact or (f"top-{self.top}" if self.top else self.constraint) or "sampled"
        cache = ", prefix cache" if self.prefix_cache else ""
        return f"{self.model}: {best}, constraint {self.constraint or 'none'}{cache}"


def is_plain(prompt: Prompt) -> bool:
    """Whether it is the beginning of a text, with nothing around it."""
    return not prompt.chat and not prompt.system


def chat_body(abilities: Abilities, prompt: Prompt, most: int, **more: Any) -> dict[str, Any]:
    """A request for an answer to messages, of `most` tokens."""
    return _body(abilities, most) | {"messages": messages(prompt)} | more


def plain_body(abilities: Abilities, text: Any, most: int, **more: Any) -> dict[str, Any]:
    """A request for the continuation of a text, or of tokens; its limit has one name everywhere."""
    body = _body(abilities, most)
    body.pop("max_completion_tokens", None)
    return body | {"prompt": text, "max_tokens": most} | more


def _body(abilities: Abilities, most: int) -> dict[str, Any]:
    body: dict[str, Any] = {"model": abilities.model, abilities.limit: most}
    return body | {"temperature": 0} if abilities.temperature else body


def messages(prompt: Prompt) -> list[dict[str, str]]:
    """The prompt as a conversation."""
    system = CONTINUE if is_plain(prompt) else prompt.system
    told = [{"role": "system", "content": neutral(system)}] if system else []
    return [*told, {"role": "user", "content": neutral(prompt.user)}]


_SPECIAL = re.compile(r"<(?=[|/]?[^\s<>]{1,40}>)|\[(?=/?[A-Z_]{3,20}\])")
"Where something begins that a tokenizer may take for a sign of its template."


def neutral(text: str) -> str:
    """The text with a space inside whatever looks like a template's own sign, as `<|im_end|>`: a
    server reads those even in a title."""
    return _SPECIAL.sub(lambda found: f"{found[0]} ", text)


def pieces(text: str) -> list[str]:
    """The text cut inside whatever looks like a template's own sign: nothing is lost or added."""
    cuts = [0, *(found.end() for found in _SPECIAL.finditer(text)), len(text)]
    return [text[a:b] for a, b in pairwise(cuts) if a < b]


def url(address: Address, path: str) -> str:
    """/v1/... below the address, and what begins otherwise beside it."""
    return (
        f"{address.url}{path.removeprefix('/v1')}"
        if path.startswith("/v1/")
        else (f"{address.root}{path}")
    )

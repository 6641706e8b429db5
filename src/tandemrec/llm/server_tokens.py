"""The tokens of a server's model: by its own tokenizer, or by one that is here.

`Encoder` joins prompt and option from parts that are tokenised apart; these stand in the place of
its tokenizer, so a server reads the same tokens as a model in this process would.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jinja2 import TemplateError

from tandemrec.llm.abilities import Abilities, pieces, url
from tandemrec.llm.retrying import Call, Caller, Refused, Unanswered
from tandemrec.llm.tokens import Encoder

KEPT = 100_000
"Texts whose tokens are remembered: options and instructions come again and again."


class ServerTokenizer:
    """What `Encoder` asks of a tokenizer, answered by a server."""

    chat_template = "the server's own"

    def __init__(
        self,
        plain: Callable[[str], list[int]],
        template: Callable[[list[dict[str, str]]], str],
        special: Callable[[str, bool], list[int]],
    ) -> None:
        self._plain, self._template, self._special = plain, template, special
        self._known: dict[str, list[int]] = {}

    def __call__(self, texts: Sequence[str], **options: Any) -> dict[str, list[list[int]]]:
        """Tokens of texts in which no template's sign is read."""
        return {"input_ids": [self._tokens(text) for text in texts]}

    def _tokens(self, text: str) -> list[int]:
        found = self._known.get(text)
        if found is None:
            found = self._plain(text)
            if len(self._known) < KEPT and len(text) < 400:
                self._known[text] = found
        return found

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        """Tokens of a text of the template, whose signs are read."""
        return self._special(text, add_special_tokens)

    def apply_chat_template(self, messages: list[dict[str, str]], **options: Any) -> str:
        """The template's text around messages. Raises TemplateError where it takes no such ones."""
        try:
            return self._template(messages)
        except (Refused, Unanswered) as error:
            raise TemplateError(str(error)) from error


def llamacpp(caller: Caller) -> ServerTokenizer:
    """By llama.cpp's /tokenize and /apply-template."""
    tokenize = url(caller.address, "/tokenize")

    def ask(text: str, **how: bool) -> list[int]:
        call = Call(tokenize, {"content": text, **how}, free=True)
        return caller.ask(call, lambda reply: _ids(reply["tokens"]))

    def template(messages: list[dict[str, str]]) -> str:
        call = Call(url(caller.address, "/apply-template"), {"messages": messages}, free=True)
        text = caller.ask(call, lambda reply: str(reply["prompt"]))
        bare, full = (ask(text, add_special=add, parse_special=True) for add in (False, True))
        return text if bare[:1] == full[:1] else f"{spoken(full[0])}{text}"

    def spoken(token: int) -> str:
        """The first token's text: llama.cpp leaves it out of templates and adds it to prompts."""
        call = Call(url(caller.address, "/detokenize"), {"tokens": [token]}, free=True)
        return caller.ask(call, lambda reply: str(reply["content"]))

    return ServerTokenizer(
        lambda text: ask(text, add_special=False, parse_special=False),
        template,
        lambda text, start: ask(text, add_special=start, parse_special=True),
    )


def vllm(caller: Caller, model: str) -> ServerTokenizer:
    """By vLLM's /tokenize and /detokenize, which always read a template's signs: texts are cut
    inside what looks like one."""
    tokenize, detokenize = (url(caller.address, f"/{name}tokenize") for name in ("", "de"))

    def ask(**what: Any) -> list[int]:
        call = Call(tokenize, {"model": model, **what}, free=True)
        return caller.ask(call, lambda reply: _ids(reply["tokens"]))

    def template(messages: list[dict[str, str]]) -> str:
        tokens = ask(messages=messages, add_generation_prompt=True)
        call = Call(detokenize, {"model": model, "tokens": tokens}, free=True)
        return caller.ask(call, lambda reply: str(reply["prompt"]))

    def plain(text: str) -> list[int]:
        parts = [ask(prompt=part, add_special_tokens=False) for part in pieces(text)]
        return [token for part in parts for token in part]

    return ServerTokenizer(
        plain, template, lambda text, start: ask(prompt=text, add_special_tokens=start)
    )


def local(name: str) -> Encoder:
    """By the tokenizer of a model folder or of the hub."""
    from tandemrec.llm.hub import snapshot
    from tandemrec.llm.network import load_tokenizer

    folder = Path(name).expanduser()
    return Encoder(load_tokenizer(folder if folder.is_dir() else snapshot(name)))


def encoder(caller: Caller, abilities: Abilities) -> Encoder | None:
    """What makes tokens of texts; nothing where nobody does."""
    if abilities.tokens == "local":
        return local(caller.address.tokenizer or "")
    if abilities.tokens == "llamacpp":
        return Encoder(llamacpp(caller))
    return Encoder(vllm(caller, abilities.model)) if abilities.tokens == "vllm" else None


def _ids(values: Sequence[Any]) -> list[int]:
    return [int(value) for value in values]

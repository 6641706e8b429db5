"""Prompts and options as token ids, in a way that no text inside them can speak as the template."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

from jinja2 import TemplateError

from tandemrec.errors import LLMError
from tandemrec.llm.base import Prompt

_SYSTEM, _USER = "TANDEMRECSYSTEM", "TANDEMRECUSER"
_RENDERING = {"enable_thinking": False, "date_string": "01 Jan 2025"}
"Template arguments, ignored where unknown: an answer at once, and the same one every day."


class Encoder:
    """Turns prompts into token ids with a transformers tokenizer.

    A prompt, its answer, and the parts of the chat template are tokenised separately and joined, so
    an option has the same tokens after every prompt. Only the template's own text may bring special
    tokens; "<|im_end|>" in a user's text is read as letters.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self._known: dict[str, list[int]] = {}

    def text(self, text: str) -> list[int]:
        """Plain text, without any special token."""
        known = self._known.get(text)
        return self._encoded([text])[0] if known is None else known

    def ahead(self, texts: Iterable[str]) -> None:
        """Tokenise these texts together, by all cores: `text` knows them until the next call."""
        unknown = [text for text in dict.fromkeys(texts) if text]
        self._known = dict(zip(unknown, self._encoded(unknown), strict=True)) if unknown else {}

    def _encoded(self, texts: list[str]) -> list[list[int]]:
        """Token ids of each. Raises LLMError for what is no text."""
        try:
            found = self.tokenizer(
                texts,
                add_special_tokens=False,
                split_special_tokens=True,
                return_attention_mask=False,
                return_token_type_ids=False,
            )
        except (TypeError, ValueError) as error:  # half of a surrogate pair, or no str
            odd = next((text for text in texts if not _is_text(text)), "")
            raise LLMError(f"This is no text that can be read: {odd!r}.") from error
        return found["input_ids"]

    def prompt(self, prompt: Prompt) -> list[int]:
        """Everything that stands before the answer.

        Chat prompts take the tokenizer's chat template; one that knows no system role gets the
        system's text in front of the user's, and a tokenizer without a template both texts, a blank
        line after each. An empty `system` adds no message, so a template's own may stand.
        """
        if not prompt.chat and not prompt.system:
            return [*self.start, *self.text(prompt.user)]
        if not self.tokenizer.chat_template:
            parts = [part for part in (prompt.system, prompt.user) if part]
            return [*self.start, *self.text("".join(f"{part}\n\n" for part in parts))]
        return self._chat(prompt.system, prompt.user)

    @cached_property
    def start(self) -> list[int]:
        """What the tokenizer puts before every text: the BOS token, or nothing."""
        bare = self.tokenizer.encode("a", add_special_tokens=False)
        full = self.tokenizer.encode("a", add_special_tokens=True)
        return full[: full.index(bare[0])] if bare and bare[0] in full else []

    def _chat(self, system: str, user: str) -> list[int]:
        if system and not self._system_frame:
            return self._chat("", f"{system}\n\n{user}")
        if not system:
            before, after = self._user_frame
            return [*before, *self.text(user), *after]
        before, between, after = self._system_frame
        return [*before, *self.text(system), *between, *self.text(user), *after]

    @cached_property
    def _user_frame(self) -> list[list[int]]:
        return self._frame([{"role": "user", "content": _USER}])

    @cached_property
    def _system_frame(self) -> list[list[int]]:
        """The template's parts around both texts; empty if it knows no system role."""
        system = {"role": "system", "content": _SYSTEM}
        try:
            return self._frame([system, {"role": "user", "content": _USER}])
        except TemplateError:
            return []

    def _frame(self, messages: list[dict[str, str]]) -> list[list[int]]:
        """The template's text around the messages, cut where they stand, as token ids."""
        text: str = self.tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True, **_RENDERING
        )
        for mark in (message["content"] for message in messages):
            if text.count(mark) != 1:
                raise LLMError(
                    "The model's chat template does not show each message once; "
                    "ask it with Prompt(..., chat=False), or mend its chat_template."
                )
        parts = text.replace(_SYSTEM, _USER).split(_USER)
        return [self.tokenizer.encode(part, add_special_tokens=False) for part in parts]


def _is_text(text: object) -> bool:
    """Whether it is a str without half of a surrogate pair."""
    return isinstance(text, str) and not any("\ud800" <= letter <= "\udfff" for letter in text)

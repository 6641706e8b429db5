"""A language model behind an OpenAI-compatible server: vLLM, llama.cpp, SGLang, Ollama, OpenAI."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from hashlib import sha256
from typing import TypeVar

from tandemrec.errors import LLMError
from tandemrec.llm import probing, server_tokens
from tandemrec.llm.abilities import Abilities
from tandemrec.llm.addresses import Address
from tandemrec.llm.base import UNANSWERED, Choice, Prompt
from tandemrec.llm.costs import Usage
from tandemrec.llm.estimating import letters
from tandemrec.llm.http import Http, Wire
from tandemrec.llm.parallel import as_they_come
from tandemrec.llm.replies import Asking, rejected
from tandemrec.llm.retrying import Caller, Refused, Stopped, Unanswered
from tandemrec.llm.scoring_ways import WAYS_DOWN, written
from tandemrec.progress import Progress, silent

R = TypeVar("R")
T = TypeVar("T")
FATAL = (401, 403, 404, 405)
"Statuses that tell of a wrong key, model or address, not of one question."


class ServerLLM:
    """One model of a server, asked by several threads at a time.

    What the server can do is found out at the first question (`abilities`); options are scored in
    the best way that it can, and each `Choice` tells its way. A question that the server refuses,
    or that all attempts fail on, is no error: it is `unanswered`, and asked for again next time.
    So many of them in succession that the server or the account must be the reason, are an
    LLMError. `usage` counts requests and tokens. `wire`: how requests get there, for tests and for
    servers in this process.
    """

    def __init__(
        self,
        address: Address | str,
        *,
        wire: Callable[[], Wire] | None = None,
        progress: Progress = silent,
    ) -> None:
        self.address = Address.parse(address) if isinstance(address, str) else address
        secret = self.address.secret
        self._caller = Caller(
            self.address, wire or (lambda: Http(secret, self.address.concurrency)), secret
        )
        self.progress = progress
        self.chunk = self.address.concurrency
        self._lock, self._in_vain = threading.Lock(), 0

    @property
    def name(self) -> str:
        """The model, and where it runs."""
        return self.address.label if self.address.model else f"a model at {self.address.url}"

    @cached_property
    def abilities(self) -> Abilities:
        """What the server can do, less the ways that are better than the address wants; found out
        once. Raises LLMError where it cannot be asked, or cannot do what the address wants."""
        found, way = probing.abilities(self._caller), self.address.way
        if way not in ("auto", "sampled", *found.ways):
            raise LLMError(
                f"{self.address.url} cannot score options by way={way}. It can "
                f"{', '.join(found.ways) or 'only write'}. Take way=auto."
            )
        return found if way == "auto" else found.down_to(way)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the address (or `stored_as`), the model, and the way options are scored. What
        weights are behind an address, nobody tells: name another one where they change."""
        can, address = self.abilities, self.address
        best = (can.exact, can.tokens, str(can.top), str(can.plain_top), can.constraint)
        parts = ["server 1", address.stored_as or address.url, can.model, address.way, *best]
        return sha256("\0".join([*parts, address.tokenizer or ""]).encode()).hexdigest()

    @property
    def whole(self) -> bool:
        """Whether a question's options must be asked about together, as one names the winner."""
        return not self.abilities.independent

    @property
    def usage(self) -> Usage:
        """What was used so far, by what the server's replies say; the probe's requests too."""
        return self._caller.meter.total

    @property
    def cost(self) -> float | None:
        """In the currency of the prices; None where none is given."""
        return self.usage.cost(self.address.price_in, self.address.price_out)

    def spent(self) -> Counter[str]:
        """What was used since this was last asked for, by name, and what it cost."""
        address = self.address
        return self._caller.meter.take().named(address.price_in, address.price_out)

    def tokens_of(self, prompt: Prompt) -> int:
        """How many tokens a prompt has; by its letters, where only the server could count them."""
        tokens = self._asks.encoder if self.abilities.tokens == "local" else None
        return letters(prompt) if tokens is None else len(tokens.prompt(prompt))

    def generate(self, prompts: Sequence[Prompt], *, max_tokens: int) -> list[str]:
        """See `LLM.generate`; an answer that did not come is empty."""
        found: dict[int, str] = {}
        for part in self.writing(prompts, max_tokens=max_tokens):
            found |= {place: text or "" for place, text in part}
        return [found[place] for place in range(len(prompts))]

    def choose(self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]]) -> list[Choice]:
        """See `LLM.choose`; what did not come or is of no use has no number for any option."""
        found: dict[int, Choice] = {}
        for part in self.choosing(prompts, options):
            found |= dict(part)
        return [found[place] for place in range(len(prompts))]

    def writing(
        self, prompts: Sequence[Prompt], *, max_tokens: int
    ) -> Iterator[list[tuple[int, str | None]]]:
        """Answers with their places, in parts, as they come; None for one that did not."""
        if max_tokens < 1:
            raise LLMError(f"An answer has at least one token. Received: max_tokens={max_tokens}.")
        to = self._asking()
        return self._each(list(prompts), lambda prompt: written(to, prompt, max_tokens))

    def choosing(
        self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]]
    ) -> Iterator[list[tuple[int, Choice]]]:
        """The same of choices; `unanswered` for one that did not come."""
        to, rows = self._asking(), list(zip(prompts, map(tuple, options), strict=True))
        for part in self._each(rows, lambda row: self._choose(to, *row)):
            yield [
                (place, choice or rejected(rows[place][1], UNANSWERED)) for place, choice in part
            ]

    def _choose(self, to: Asking, prompt: Prompt, options: Sequence[str]) -> Choice:
        """By the best way that serves this question."""
        for way in WAYS_DOWN:
            found = way(to, prompt, options)
            if found is not None:
                return found
        return rejected(options)

    @cached_property
    def _asks(self) -> Asking:
        found = self.abilities
        return Asking(self._caller, found, server_tokens.encoder(self._caller, found))

    def _asking(self) -> Asking:
        self._caller.resume()
        return self._asks

    def _each(
        self, rows: Sequence[R], ask: Callable[[R], T]
    ) -> Iterator[list[tuple[int, T | None]]]:
        """What `ask` gives for each row, by several threads; nothing where it gets no answer."""

        def one(row: R) -> T | None:
            try:
                found = ask(row)
            except (Refused, Unanswered) as error:
                self._missed(error)
                return None
            with self._lock:
                self._in_vain = 0
            return found

        done = 0
        for part in as_they_come(rows, one, self.address.concurrency, self._caller):
            yield part
            done += len(part)
            self.progress("asking", done, len(rows))

    def _missed(self, error: Refused | Unanswered) -> None:
        """One more question without an answer. Raises LLMError where no other is likely to get one,
        so that a run does not go through all of them in vain."""
        if isinstance(error, Refused) and error.status in FATAL:
            raise error
        most = 10 + 2 * self.address.concurrency
        with self._lock:
            self._in_vain += 1
            if self._in_vain < most:
                return
            self._in_vain = 0
        raise Stopped(
            f"{most} questions in succession got no answer. The last: {error} What was answered is "
            "stored: run again to go on.",
            retryable=True,
        ) from error

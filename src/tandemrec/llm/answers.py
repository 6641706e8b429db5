"""A store of answers, so that no question is asked twice, not even by the run after a kill."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import sqlite3
import struct
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from tandemrec.errors import LLMError
from tandemrec.llm.base import EXACT, LLM, UNANSWERED, WAYS, WRITTEN, Choice, Prompt
from tandemrec.progress import Progress, silent

CHUNK = 64
"Questions that are asked and stored together: a kill loses at most so many answers."

_EXACT = struct.Struct("<fI")  # an option's log-probability, and its tokens
_VALUE = struct.Struct("<fIBf")  # the same, the answer's way, and what is missing


class AnswerStore:
    """Answers by the hash of their question, in one SQLite file (WAL) that many may read.

    Whatever was put is on its way to the disk when `put` returns, so a killed process loses none of
    it. Raises LLMError where the file is damaged, locked or cannot be written.
    """

    def __init__(self, path: str | Path, *, wait: float = 30.0) -> None:
        self.path = Path(path)
        with self._explained():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._base = sqlite3.connect(self.path, timeout=wait, isolation_level=None)
            self._base.execute("PRAGMA journal_mode=WAL")
            self._base.execute("PRAGMA synchronous=NORMAL")
            self._base.execute(
                "CREATE TABLE IF NOT EXISTS answers (key BLOB PRIMARY KEY, value BLOB NOT NULL) "
                "WITHOUT ROWID"
            )
            self._base.execute(
                "CREATE TABLE IF NOT EXISTS account (name TEXT PRIMARY KEY, number REAL NOT NULL)"
            )

    def __len__(self) -> int:
        with self._explained():
            return int(self._base.execute("SELECT count(*) FROM answers").fetchone()[0])

    def get(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """What is known of the keys."""
        found: dict[bytes, bytes] = {}
        with self._explained():
            for start in range(0, len(keys), 500):
                part = keys[start : start + 500]
                marks = ",".join("?" * len(part))
                query = f"SELECT key, value FROM answers WHERE key IN ({marks})"
                found.update(self._base.execute(query, part).fetchall())
        return found

    @property
    def account(self) -> dict[str, float]:
        """How the answers came about, by `base.WAYS` (those to questions without options are
        `base.WRITTEN`), and what a server used for them, by the names of `Usage.named`."""
        with self._explained():
            return dict(self._base.execute("SELECT name, number FROM account").fetchall())

    def put(self, answers: dict[bytes, bytes], told: Mapping[str, float] | None = None) -> None:
        """Store all of them and add what is told of them to the account, or nothing at all."""
        with self._explained():
            self._base.execute("BEGIN IMMEDIATE")
            try:
                rows = answers.items()
                self._base.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?)", rows)
                self._base.executemany(_ADD, (told or {}).items())
                self._base.execute("COMMIT")
            except BaseException:
                if self._base.in_transaction:  # SQLite has rolled back by itself on a full disk
                    self._base.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Let go of the file."""
        self._base.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            remedy = _FULL if _is_full(error) else _OTHERWISE
            problem = f"The store of answers {self.path} cannot be used: {error}."
            raise LLMError(f"{problem} {remedy}") from error


_ADD = (
    "INSERT INTO account VALUES (?, ?) "
    "ON CONFLICT (name) DO UPDATE SET number = number + excluded.number"
)
_FULL = "Make room on the disk and run again; what was answered before is kept."
_OTHERWISE = (
    "If another run has it, wait for that one; if it is damaged, delete it, and all questions are "
    "asked again."
)


def _is_full(error: sqlite3.Error | OSError) -> bool:
    """Whether the disk takes no more: the file itself is sound then, and must not be deleted."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return getattr(error, "sqlite_errorname", "") in _NO_ROOM


_NO_ROOM = ("SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_FSYNC", "SQLITE_IOERR_SHMSIZE")


class Remembering:
    """A language model that looks its answers up first, and stores each new one before it is used.

    It is an `LLM` itself. Options are remembered one by one, so lists of candidates that overlap
    share answers; those of a model that answers about all together (`whole`) with their list.
    `asked` counts the distinct questions (a prompt with its options that were not known) put to the
    model, `remembered` those that were known whole, and `ways` how the choices that were given came
    about, by `base.WAYS`; the store's `account` sums up the questions of all that ever asked.
    `tokens` are those of all distinct questions and their answers, asked now or known, if
    `counting` is wanted and the model can count them (`tokens_of`); else None.
    Questions are put `chunk` at a time, which a model may name itself: a kill loses one chunk at
    most. Of a model that gives answers as they come (`choosing`, `writing`, see `ServerLLM`), each
    is stored when it comes. What it left unanswered is not stored.
    """

    def __init__(
        self,
        llm: LLM,
        store: AnswerStore,
        *,
        progress: Progress = silent,
        counting: bool = False,
    ) -> None:
        self.llm, self.store, self.progress = llm, store, progress
        self.chunk = getattr(llm, "chunk", CHUNK)
        self.asked = self.remembered = 0
        self.tokens = 0 if counting and hasattr(llm, "tokens_of") else None
        self.ways: Counter[str] = Counter()

    @property
    def name(self) -> str:
        """The model's."""
        return self.llm.name

    @property
    def fingerprint(self) -> str:
        """The model's."""
        return self.llm.fingerprint

    def generate(self, prompts: Sequence[Prompt], *, max_tokens: int) -> list[str]:
        """As `LLM.generate`."""
        keys = {prompt: self._key(prompt, f"write {max_tokens}") for prompt in prompts}
        known = self.store.get(list(keys.values()))
        missing = [prompt for prompt, key in keys.items() if key not in known]
        self._count(len(keys), len(missing))
        done = 0
        with self._accounted():
            for part in _written(self.llm, missing, max_tokens, self.chunk):
                said = {keys[missing[n]]: _bytes(text) for n, text in part if text is not None}
                ways = [UNANSWERED if text is None else WRITTEN for _, text in part]
                self._keep(said, known, ways)
                done += len(part)
                self.progress("asking", done, len(missing))
        texts = {prompt: known.get(key, b"").decode() for prompt, key in keys.items()}
        if self.tokens is not None:
            answers = (Prompt("", text, chat=False) for text in texts.values() if text)
            self.tokens += self._tokens([*texts, *answers])
        return [texts[prompt] for prompt in prompts]

    def choose(self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]]) -> list[Choice]:
        """As `LLM.choose`."""
        whole = getattr(self.llm, "whole", False)
        rows = [
            (prompt, tuple(texts) if whole else (), texts)
            for prompt, texts in zip(prompts, options, strict=True)
        ]
        wanted: dict[Question, dict[str, bytes]] = {}
        for prompt, together, texts in rows:
            keys = wanted.setdefault((prompt, together), {})
            keys |= {text: self._key(prompt, f"choose {text}", *together) for text in texts}
        known = self.store.get([key for keys in wanted.values() for key in keys.values()])
        missing: dict[Question, list[str]] = {}
        for question, keys in wanted.items():
            if unknown := [text for text, key in keys.items() if key not in known]:
                missing[question] = list(question[1]) or unknown
        self._count(len(wanted), len(missing))
        with self._accounted():
            self._ask(missing, wanted, known)
        found = [_choice([known[wanted[row[:2]][text]] for text in row[2]]) for row in rows]
        self.ways.update(choice.way for choice in found)
        if self.tokens is not None:
            chosen = {
                row[:2]: int(choice.tokens.sum()) for row, choice in zip(rows, found, strict=True)
            }
            self.tokens += self._tokens([prompt for prompt, _ in chosen]) + sum(chosen.values())
        return found

    def _tokens(self, prompts: Iterable[Prompt]) -> int:
        size: Any = self.llm
        return sum(size.tokens_of(prompt) for prompt in prompts)

    def _ask(
        self,
        missing: dict[Question, list[str]],
        wanted: dict[Question, dict[str, bytes]],
        known: dict[bytes, bytes],
    ) -> None:
        """Ask part by part; each is stored before the next is asked."""
        questions, done = list(missing), 0
        for part in _chosen(self.llm, missing, self.chunk):
            new: dict[bytes, bytes] = {}
            for place, choice in part:
                keys, texts = wanted[questions[place]], missing[questions[place]]
                values = dict(zip((keys[text] for text in texts), _packed(choice), strict=True))
                (known if choice.way == UNANSWERED else new).update(values)
            self._keep(new, known, [choice.way for _, choice in part])
            done += len(part)
            self.progress("asking", done, len(missing))

    def _keep(self, new: dict[bytes, bytes], known: dict[bytes, bytes], ways: list[str]) -> None:
        self.store.put(new, Counter(ways) + self._spent())
        known.update(new)

    def _spent(self) -> Counter[str]:
        """What the model used and nobody has accounted for yet, where it tells."""
        return self.llm.spent() if hasattr(self.llm, "spent") else Counter()

    @contextlib.contextmanager
    def _accounted(self) -> Iterator[None]:
        """What is used in vain is accounted for too: requests after the last answer that came."""
        try:
            yield
        finally:
            if spent := self._spent():
                self.store.put({}, spent)

    def _count(self, questions: int, missing: int) -> None:
        self.asked += missing
        self.remembered += questions - missing

    def _key(self, prompt: Prompt, question: str, *more: str) -> bytes:
        """Of the model, the prompt and the question; lengths keep neighbouring texts apart."""
        digest = hashlib.sha256()
        told = (prompt.system, prompt.user, str(prompt.chat))
        for text in (self.fingerprint, *told, question, *more):
            part = text.encode()
            digest.update(len(part).to_bytes(8, "little") + part)
        return digest.digest()[:16]


Question = tuple[Prompt, tuple[str, ...]]
"A prompt, and the options that are asked about together; none where each is for itself."


def _written(
    llm: Any, prompts: Sequence[Prompt], most: int, chunk: int
) -> Iterator[Sequence[tuple[int, str | None]]]:
    """Answers with their places, as they come, or chunk by chunk."""
    if hasattr(llm, "writing"):
        yield from llm.writing(prompts, max_tokens=most)
        return
    for start in range(0, len(prompts), chunk):
        part = prompts[start : start + chunk]
        texts = llm.generate(part, max_tokens=most)
        yield [(start + n, text) for n, (_, text) in enumerate(zip(part, texts, strict=True))]


def _chosen(
    llm: Any, missing: Mapping[Question, Sequence[str]], chunk: int
) -> Iterator[Sequence[tuple[int, Choice]]]:
    """The same of choices."""
    prompts, options = [prompt for prompt, _ in missing], list(missing.values())
    if hasattr(llm, "choosing"):
        yield from llm.choosing(prompts, options)
        return
    for start in range(0, len(prompts), chunk):
        part = prompts[start : start + chunk]
        choices = llm.choose(part, options[start : start + chunk])
        yield [(start + n, choice) for n, (_, choice) in enumerate(zip(part, choices, strict=True))]


def _packed(choice: Choice) -> list[bytes]:
    """A value for each option; how it came about only where that is not the common way."""
    pairs = zip(choice.logprobs, choice.tokens, strict=True)
    if choice.way == EXACT:
        return [_EXACT.pack(float(logprob), int(tokens)) for logprob, tokens in pairs]
    how = (WAYS.index(choice.way), choice.missing)
    return [_VALUE.pack(float(logprob), int(tokens), *how) for logprob, tokens in pairs]


def _choice(values: Sequence[bytes]) -> Choice:
    """One choice; of options that were asked about apart, the lowest of their ways."""
    rows = [
        (*_EXACT.unpack(value), 0, 0.0) if len(value) == _EXACT.size else _VALUE.unpack(value)
        for value in values
    ]
    logprobs = np.array([row[0] for row in rows], dtype=np.float32)
    tokens = np.array([row[1] for row in rows], dtype=np.int64)
    way = WAYS[max((row[2] for row in rows), default=0)]
    return Choice(logprobs, tokens, way, max((row[3] for row in rows), default=0.0))


def _bytes(text: str) -> bytes:
    """An answer as it is kept; half a surrogate, which a server may send, is no sign of a text."""
    return text.encode(errors="replace")

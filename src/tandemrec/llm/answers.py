"""A store of answers, so that no question is asked twice, not even by the run after a kill."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import sqlite3
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from tandemrec.errors import LLMError
from tandemrec.llm.base import LLM, Choice, Prompt
from tandemrec.progress import Progress, silent

CHUNK = 64
"Questions that are asked and stored together: a kill loses at most so many answers."

_VALUE = struct.Struct("<fI")  # an option's log-probability, and its tokens


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

    def put(self, answers: dict[bytes, bytes]) -> None:
        """Store all of them, or none."""
        with self._explained():
            self._base.execute("BEGIN IMMEDIATE")
            try:
                rows = answers.items()
                self._base.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?)", rows)
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
    share answers. `asked` counts the distinct questions (a prompt with its options that were not
    known) put to the model, `remembered` those that were known whole. Questions are put `chunk` at
    a time, which a model may name itself; a kill loses one chunk at most.
    """

    def __init__(self, llm: LLM, store: AnswerStore, *, progress: Progress = silent) -> None:
        self.llm, self.store, self.progress = llm, store, progress
        self.chunk = getattr(llm, "chunk", CHUNK)
        self.asked = self.remembered = 0

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
        for start in range(0, len(missing), self.chunk):
            part = missing[start : start + self.chunk]
            texts = self.llm.generate(part, max_tokens=max_tokens)
            new = {keys[prompt]: text.encode() for prompt, text in zip(part, texts, strict=True)}
            self._keep(new, known)
            self.progress("asking", start + len(part), len(missing))
        return [known[keys[prompt]].decode() for prompt in prompts]

    def choose(self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]]) -> list[Choice]:
        """As `LLM.choose`."""
        wanted: dict[Prompt, dict[str, bytes]] = {}
        for prompt, texts in zip(prompts, options, strict=True):
            keys = wanted.setdefault(prompt, {})
            keys |= {text: self._key(prompt, f"choose {text}") for text in texts}
        known = self.store.get([key for keys in wanted.values() for key in keys.values()])
        missing = {
            prompt: [text for text, key in keys.items() if key not in known]
            for prompt, keys in wanted.items()
        }
        missing = {prompt: texts for prompt, texts in missing.items() if texts}
        self._count(len(wanted), len(missing))
        self._ask(missing, wanted, known)
        return [
            _choice([known[wanted[prompt][text]] for text in texts])
            for prompt, texts in zip(prompts, options, strict=True)
        ]

    def _ask(
        self,
        missing: dict[Prompt, list[str]],
        wanted: dict[Prompt, dict[str, bytes]],
        known: dict[bytes, bytes],
    ) -> None:
        """Ask chunk by chunk; each is stored before the next is asked."""
        for start in range(0, len(missing), self.chunk):
            prompts = list(missing)[start : start + self.chunk]
            texts = [missing[prompt] for prompt in prompts]
            new = {}
            for prompt, row, choice in zip(
                prompts, texts, self.llm.choose(prompts, texts), strict=True
            ):
                for text, logprob, tokens in zip(row, choice.logprobs, choice.tokens, strict=True):
                    new[wanted[prompt][text]] = _VALUE.pack(float(logprob), int(tokens))
            self._keep(new, known)
            self.progress("asking", start + len(prompts), len(missing))

    def _keep(self, new: dict[bytes, bytes], known: dict[bytes, bytes]) -> None:
        self.store.put(new)
        known.update(new)

    def _count(self, questions: int, missing: int) -> None:
        self.asked += missing
        self.remembered += questions - missing

    def _key(self, prompt: Prompt, question: str) -> bytes:
        """Of the model, the prompt and the question; lengths keep neighbouring texts apart."""
        digest = hashlib.sha256()
        for text in (self.fingerprint, prompt.system, prompt.user, str(prompt.chat), question):
            part = text.encode()
            digest.update(len(part).to_bytes(8, "little") + part)
        return digest.digest()[:16]


def _choice(values: Sequence[bytes]) -> Choice:
    pairs = [_VALUE.unpack(value) for value in values]
    logprobs = np.array([logprob for logprob, _ in pairs], dtype=np.float32)
    return Choice(logprobs, np.array([tokens for _, tokens in pairs], dtype=np.int64))

"""A run: a folder that holds every stage's artefact, and what it was made from."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

import numpy as np
from filelock import FileLock, Timeout
from pydantic import BaseModel

from tandemrec.code import code_of, sources, version
from tandemrec.errors import RunError, TandemrecError
from tandemrec.oneline import short
from tandemrec.progress import Progress, silent
from tandemrec.writing import explained

NOTE = "stage.json"


class Artefact(Protocol):
    """Anything a stage makes: it can be named by its content, saved and loaded."""

    @property
    def fingerprint(self) -> str: ...
    def save(self, folder: Path) -> None: ...
    @classmethod
    def load(cls, folder: Path) -> Self: ...


A = TypeVar("A", bound=Artefact)


class Run:
    """The folder of one run. A stage done once from equal inputs is loaded, never made again.

    Of a `closed` one, stages are loaded only: one that would have to be made is a RunError. In a
    `common` one several runs keep what they have in common: each stage's folder is named by what it
    is made from too, so that no run replaces another's, and one process at a time makes stages; one
    that waits for another tells `progress`.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        closed: bool = False,
        common: bool = False,
        progress: Progress = silent,
    ) -> None:
        self.folder, self.closed, self.common = Path(folder), closed, common
        self.progress = progress
        self.made: list[str] = []
        "The stages that this process made; the others were loaded."
        self.places: dict[str, Path] = {}
        "The folders of the stages that this process made or loaded."
        self.doing = ""
        "The stage that is being made."
        if not closed:
            self._open()

    def _open(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=self.folder).close()
        except (FileExistsError, NotADirectoryError):
            file = next(each for each in (self.folder, *self.folder.parents) if each.exists())
            raise RunError(f"{file} is a file; a run needs a folder of its own.") from None
        except OSError as error:
            option = "--shared" if self.common else "--out"
            raise RunError(
                f"{self.folder} cannot be written: {error.strerror}. Name another with {option}."
            ) from None

    def step(self, name: str, kind: type[A], stage: Callable[..., A], **inputs: Any) -> A:
        """The stage's artefact: loaded if it was made here from equal inputs, else made now.

        The artefact is written beside its place and moved there whole, so a killed run leaves
        either all of it or nothing. Raises RunError if it would have to be made in a closed run.
        """
        record = {"stage": f"{stage.__module__}.{stage.__qualname__}", "tandemrec": version()}
        record |= {key: describe(value) for key, value in inputs.items()}
        place = f"{name}-{_short(record)}" if self.common else name
        folder = self.places[name] = self.folder / place
        known = _recorded(folder)
        if known == record:
            return _loaded(kind, folder)
        if self.closed:
            raise RunError(_differs(folder, known, record))
        with self._waiting(".lock") if self.common else nullcontext():
            if self.common and _recorded(folder) == record:  # made while this one waited
                return _loaded(kind, folder)
            return self._made(name, place, stage, record, inputs)

    def alone(self) -> AbstractContextManager[None]:
        """Wait until no other process works in the folder, and keep others from it."""
        return self._waiting(".run.lock")

    @contextmanager
    def _waiting(self, name: str) -> Iterator[None]:
        """Hold a lock of the folder; who waits for it tells `progress`."""
        lock = FileLock(self.folder / name)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            waiting = f"waiting for another process, which works in {self.folder}"
            self.progress(waiting, 0, 1)
            lock.acquire()
            self.progress(waiting, 1, 1)
        try:
            yield
        finally:
            lock.release()

    def _made(
        self,
        name: str,
        place: str,
        stage: Callable[..., A],
        record: dict[str, Any],
        inputs: dict[str, Any],
    ) -> A:
        start = time.perf_counter()
        outer, self.doing = self.doing, place
        try:
            artefact = stage(**inputs)
        finally:
            self.doing = outer
        self._put(self.folder / place, artefact, record, time.perf_counter() - start)
        shutil.rmtree(self._scratch(place), ignore_errors=True)
        self.made.append(name)
        return artefact

    def telling(self, progress: Progress) -> Progress:
        """The same progress, with the name of the stage that is being made before each line."""

        def tell(stage: str, done: float, total: float, note: str = "") -> None:
            progress(f"{self.doing}, {stage}" if self.doing else stage, done, total, note)

        return tell

    def scratch(self) -> Path:
        """A folder for what the stage that is being made saves on the way, so that it can go on
        after a kill; gone once the stage is there."""
        folder = self._scratch(self.doing)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _scratch(self, place: str) -> Path:
        return self.folder / ".scratch" / place

    @property
    def seconds(self) -> dict[str, float]:
        """How long each stage that was asked for here took when it was made, by name. Raises
        RunError for a damaged note."""
        return {name: _read(self.places[name], "seconds", float) for name in sorted(self.places)}

    @property
    def older(self) -> list[str]:
        """The stages that were asked for here and that another state of the code made."""
        names = sorted(self.places)
        return [name for name in names if _code(self.places[name]) != sources()]

    def _put(self, folder: Path, artefact: A, record: dict[str, Any], seconds: float) -> None:
        fresh = folder.with_name(f".{folder.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        with explained(folder):
            fresh.mkdir(parents=True)
            artefact.save(fresh)
            note = {"inputs": record, "seconds": round(seconds, 3), "made": artefact.fingerprint}
            note["code"] = sources()
            (fresh / NOTE).write_text(json.dumps(note, indent=2))
            shutil.rmtree(folder, ignore_errors=True)
            os.replace(fresh, folder)


def _loaded(kind: type[A], folder: Path) -> A:
    """The artefact in a folder. Raises RunError for a damaged one."""
    try:
        return kind.load(folder)
    except TandemrecError:
        raise
    except Exception as error:  # each kind of file raises its own, and anything may be cut short
        reason = short(error, 160).rstrip(".") or type(error).__name__
        raise RunError(f"{folder} is damaged ({reason}); delete it and run again.") from error


def _short(record: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()[:8]


def _code(folder: Path) -> str:
    """The state of the code that made a stage; older notes do not tell."""
    note = json.loads((folder / NOTE).read_bytes())
    return str(note.get("code", ""))


def _recorded(folder: Path) -> dict[str, Any] | None:
    return _read(folder, "inputs", dict) if (folder / NOTE).exists() else None


def _read(folder: Path, what: str, kind: Callable[[Any], Any]) -> Any:
    """A part of the note that stands in a stage's folder."""
    try:
        return kind(json.loads((folder / NOTE).read_bytes())[what])
    except (ValueError, KeyError, TypeError):
        raise RunError(f"{folder / NOTE} is damaged; delete {folder} and run again.") from None


def _differs(folder: Path, known: dict[str, Any] | None, record: dict[str, Any]) -> str:
    """Why a closed run has no use for what is in a stage's folder."""
    if known is None:
        reason = "it is missing"
    else:
        names = [n for n in (known | record) if known.get(n) != record.get(n)]
        reason = f"it was made from another {' and another '.join(names)}"
    return (
        f"{folder} is not what the finished run made: {reason}. Another run was begun in this "
        "folder, or files or code have changed since. Do the run again: what is equal is loaded."
    )


def describe(value: Any) -> Any:
    """A value as JSON that is equal for equal inputs: settings whole, artefacts by fingerprint.

    A class by its name and its code (`code_of`, which tells what is not seen).
    """
    match value:
        case None | bool() | int() | float() | str():
            return value
        case BaseModel():
            return value.model_dump(mode="json")
        case type():
            return f"{value.__module__}.{value.__qualname__}, {code_of(value)}"
        case _ if hasattr(value, "fingerprint"):
            return value.fingerprint
        case np.ndarray():
            digest = hashlib.sha256(f"{value.dtype.str}{value.shape}".encode())
            digest.update(np.ascontiguousarray(value).tobytes())
            return digest.hexdigest()
        case list() | tuple():
            return [describe(part) for part in value]
        case dict():
            return {str(key): describe(part) for key, part in value.items()}
        case _:
            raise TypeError(f"A stage's input must have a fingerprint. Received: {type(value)}.")

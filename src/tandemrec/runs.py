"""A run: a folder that holds every stage's artefact, and what it was made from."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

import numpy as np
from pydantic import BaseModel

from tandemrec.errors import RunError
from tandemrec.progress import Progress

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
    """The folder of one run. A stage done once from equal inputs is loaded, never made again."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=self.folder).close()
        except (FileExistsError, NotADirectoryError):
            raise RunError(f"{self.folder} is a file; a run needs a folder of its own.") from None
        except OSError as error:
            raise RunError(
                f"{self.folder} cannot be written: {error.strerror}. Name another with --out."
            ) from None
        self.made: list[str] = []
        "The stages that this process made; the others were loaded."
        self.doing = ""
        "The stage that is being made."

    def step(self, name: str, kind: type[A], stage: Callable[..., A], **inputs: Any) -> A:
        """The stage's artefact: loaded if it was made here from equal inputs, else made now.

        The artefact is written beside its place and moved there whole, so a killed run leaves
        either all of it or nothing.
        """
        folder = self.folder / name
        record = {"stage": f"{stage.__module__}.{stage.__qualname__}"}
        record |= {key: describe(value) for key, value in inputs.items()}
        if _recorded(folder) == record:
            return kind.load(folder)
        start = time.perf_counter()
        outer, self.doing = self.doing, name
        try:
            artefact = stage(**inputs)
        finally:
            self.doing = outer
        self._put(folder, artefact, record, time.perf_counter() - start)
        self.made.append(name)
        return artefact

    def telling(self, progress: Progress) -> Progress:
        """The same progress, with the name of the stage that is being made before each line."""

        def tell(stage: str, done: float, total: float, note: str = "") -> None:
            progress(f"{self.doing}, {stage}" if self.doing else stage, done, total, note)

        return tell

    def scratch(self, name: str) -> Path:
        """A folder for what a long stage saves on the way, so that it can go on after a kill."""
        folder = self.folder / ".scratch" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def clear(self, name: str) -> None:
        """Drop the stage's scratch folder."""
        shutil.rmtree(self.folder / ".scratch" / name, ignore_errors=True)

    @property
    def seconds(self) -> dict[str, float]:
        """How long each stage took when it was made."""
        notes = sorted(self.folder.glob(f"**/{NOTE}"))
        return {
            str(note.parent.relative_to(self.folder)): json.loads(note.read_text())["seconds"]
            for note in notes
        }

    def _put(self, folder: Path, artefact: A, record: dict[str, Any], seconds: float) -> None:
        fresh = folder.with_name(f".{folder.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        artefact.save(fresh)
        note = {"inputs": record, "seconds": round(seconds, 3), "made": artefact.fingerprint}
        (fresh / NOTE).write_text(json.dumps(note, indent=2))
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(fresh, folder)


def _recorded(folder: Path) -> dict[str, Any] | None:
    try:
        return json.loads((folder / NOTE).read_text())["inputs"]
    except FileNotFoundError:
        return None
    except (json.JSONDecodeError, KeyError):
        raise RunError(f"{folder / NOTE} is damaged; delete {folder} and run again.") from None


def describe(value: Any) -> Any:
    """A value as JSON that is equal for equal inputs: settings whole, artefacts by fingerprint."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case BaseModel():
            return value.model_dump(mode="json")
        case _ if hasattr(value, "fingerprint"):
            return value.fingerprint
        case np.ndarray():
            return hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        case list() | tuple():
            return [describe(part) for part in value]
        case dict():
            return {str(key): describe(part) for key, part in value.items()}
        case type():
            return f"{value.__module__}.{value.__qualname__}"
        case _:
            raise TypeError(f"A stage's input must have a fingerprint. Received: {type(value)}.")

"""What tuning leaves behind: a model or an adapter in a folder, and how its loss fell."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tandemrec.errors import LLMError
from tandemrec.llm.local import LocalLLM

NOTE = "tuned.json"


@dataclass(frozen=True, eq=False)
class Tuned:
    """A tuned model: a whole model's folder, or an adapter's with the model it belongs to."""

    folder: Path
    base: Path  # the model that was tuned
    method: str
    curve: tuple[tuple[int, float], ...]  # (tokens read, loss of the batch)
    fingerprint: str

    @property
    def model(self) -> Path:
        """The model folder to load."""
        return self.base if self.method == "lora" else self.folder

    @property
    def adapter(self) -> Path | None:
        """The adapter to load with it, or none."""
        return self.folder if self.method == "lora" else None

    def llm(self, name: str, **options: Any) -> LocalLLM:
        """The tuned model, ready to be asked; options as of `LocalLLM`."""
        return LocalLLM(self.model, name=name, adapter=self.adapter, **options)

    def save(self, folder: Path) -> None:
        """The files in another folder: as links where the disk can, else copied."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True, copy_function=_link)

    @classmethod
    def load(cls, folder: Path) -> Tuned:
        """What `save` or `tune` wrote."""
        try:
            note = json.loads((folder / NOTE).read_text())
            curve = tuple((int(tokens), float(loss)) for tokens, loss in note["curve"])
            return cls(folder, Path(note["base"]), note["method"], curve, note["fingerprint"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise LLMError(
                f"{folder} holds no tuned model: {NOTE} is missing or damaged. Delete it and tune "
                "again."
            ) from error


def _link(source: str, target: str) -> None:
    """A second name for a file, or a copy where the disk has no links."""
    Path(target).unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)

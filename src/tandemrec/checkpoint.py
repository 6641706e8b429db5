"""The file by which a killed training goes on: written whole or not at all."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tandemrec.errors import RunError


@dataclass(frozen=True)
class Checkpoint:
    """A file that holds a state, and a hash of what it was made from."""

    file: Path
    made_from: str

    def save(self, state: dict[str, Any]) -> None:
        """Replace the file. Raises RunError if that cannot be done."""
        content = io.BytesIO()
        torch.save({"made_from": self.made_from, **state}, content)
        fresh = self.file.with_name(f".{self.file.name}.new")
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_bytes(content.getbuffer())
            os.replace(fresh, self.file)
        except OSError as error:
            raise RunError(f"The checkpoint {self.file} cannot be written: {error}.") from None

    def load(self) -> dict[str, Any] | None:
        """The state, or None if there is none that was made from the same.

        Only tensors and plain values are read, never code. Raises RunError for a damaged file.
        """
        if not self.file.exists():
            return None
        try:
            state: dict[str, Any] = torch.load(self.file, map_location="cpu", weights_only=True)
        except Exception as error:
            raise RunError(
                f"The checkpoint {self.file} is damaged ({type(error).__name__}); delete it and "
                "start again."
            ) from None
        return state if state.get("made_from") == self.made_from else None

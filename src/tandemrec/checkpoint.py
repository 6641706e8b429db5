"""The file by which a killed training goes on: written whole or not at all."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tandemrec.errors import RunError
from tandemrec.writing import explained, whole


@dataclass(frozen=True)
class Checkpoint:
    """A file that holds a state, and a hash of what it was made from."""

    file: Path
    made_from: str

    def save(self, state: dict[str, Any]) -> None:
        """Replace the file. Raises RunError if that cannot be done."""
        content = io.BytesIO()
        torch.save({"made_from": self.made_from, **state}, content)
        with explained(f"The checkpoint {self.file}"):
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with whole(self.file) as fresh:
                fresh.write_bytes(content.getbuffer())

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

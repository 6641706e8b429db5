"""run.json: what the report in a run's folder describes, so that it can be loaded again."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field

from tandemrec.code import sources, version
from tandemrec.config import Settings
from tandemrec.data.sources import SOURCES
from tandemrec.errors import ConfigError, RunError
from tandemrec.llm import known, known_embedders
from tandemrec.oneline import short
from tandemrec.recipes.dallrec_settings import DALLRecConfig
from tandemrec.recipes.settings import Llama4RecConfig
from tandemrec.recipes.spec import RunSpec
from tandemrec.writing import explained, whole

if TYPE_CHECKING:
    from tandemrec.recipes.inputs import Inputs

RECORD = "run.json"
"""Written after the report and taken away before another is written: where it stands, the report
beside it is of this run, and whole."""


class Record(Settings):
    """A finished run as it was asked for, for any working directory of this machine."""

    tandemrec: str
    """The version that made it."""
    code: str = ""
    """The state of its code (`code.sources`); older records do not say."""
    spec: RunSpec
    """What was asked for, with absolute paths."""
    config: Llama4RecConfig | DALLRecConfig
    """All settings as they were, whatever the preset of that name says later."""
    read: dict[str, str] = Field(default_factory=dict)
    """Fingerprints of the split data and of the models."""
    parts: tuple[str, ...] = ()
    """The folders of the reports that were joined here; empty for a run."""
    firsts: tuple[int, ...] = ()
    """Of a joined report: the seeds with which its parts made the language model ready."""

    @classmethod
    def of(cls, spec: RunSpec) -> Self:
        """The record of a spec, here and now."""
        return cls(tandemrec=version(), code=sources(), spec=rooted(spec), config=spec.config)

    def reading(self, given: Inputs) -> Self:
        """The same, with what its run reads; the embedder, where it is not the language model."""
        named: dict[str, Any] = {"data": given.split, "llm": given.llm}
        named |= {"embedder": given.embedder, "content": given.content}
        read = {name: each.fingerprint for name, each in named.items() if each is not None}
        if read.get("embedder") == read["llm"]:
            del read["embedder"]
        return self.model_copy(update={"read": read})

    def save(self, folder: Path) -> None:
        """Write it, whole or not at all."""
        with explained(folder), whole(folder / RECORD) as file:
            file.write_text(self.model_dump_json(indent=2), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The record of a finished run. Raises RunError for a folder without, or of a version of
        tandemrec that may compute otherwise."""
        file = folder / RECORD
        try:
            found = cls.model_validate_json(file.read_bytes())
        except FileNotFoundError:
            raise RunError(
                f"{folder} holds no {RECORD}: its run was stopped before its end, or was made from "
                "Python. Do it again with `tandemrec run`; what is equal is loaded."
            ) from None
        except (ValueError, ConfigError) as error:
            reason = short(error, 160)
            raise RunError(
                f"{file} cannot be read by tandemrec {version()} ({reason}). Do the run again; "
                "what is equal is loaded."
            ) from None
        if found.tandemrec != version():
            raise RunError(
                f"{folder} was made by tandemrec {found.tandemrec}; this is {version()}, which may "
                "compute otherwise. Do the run again (what is equal is loaded), or install "
                f"tandemrec=={found.tandemrec}."
            )
        return found


def counting(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings without those that change no result: where a file lies, how work is spread, how
    often it is saved."""
    found: dict[str, Any] = {**settings}
    for room, names in SPREADING.items():
        if isinstance(held := found.get(room), Mapping):
            found[room] = {name: value for name, value in held.items() if name not in names}
    if (attributes := found.get("attributes")) and attributes.get("table") is not None:
        found["attributes"] = {**attributes, "table": Path(attributes["table"]).name}
    return found


SPREADING = {"tune": ("parallel", "checkpoint_seconds"), "training": ("checkpoint_every",)}
"The settings that change no result."


def is_joined(folder: Path) -> bool:
    """Whether the report there was joined, by whatever version, and the folder holds no stages."""
    with suppress(OSError, ValueError):
        found = json.loads((folder / RECORD).read_bytes())
        return isinstance(found, dict) and bool(found.get("parts"))
    return False


def rooted(spec: RunSpec) -> RunSpec:
    """The spec for any working directory of this machine: its files from their root."""
    paths: dict[str, Any] = {
        "data": _absolute(spec.data, SOURCES),
        "items": _absolute(spec.items),
        "users": _absolute(spec.users),
        "content": tuple(_absolute(file) for file in spec.content),
        "llm": _absolute(spec.llm, known()),
        "adapter": _absolute(spec.adapter),
        "embedder": _absolute(spec.embedder, known_embedders()),
        "shared": spec.shared and spec.shared.absolute(),
    }
    return spec.model_copy(update=paths)


def _absolute(name: str | None, names: Container[str] = ()) -> str | None:
    """A path on this machine from its root; a name as it is."""
    if name is None or name.partition(":")[0] in names:
        return name
    path = Path(name).expanduser()
    return str(path.absolute()) if path.exists() else name

"""What a model's files are: checksums, remembered where files are large."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from tandemrec.writing import whole


def sha256(file: Path, cache: Path) -> str:
    """The file's SHA-256; that of a large file is remembered in the cache by size and time."""
    stat = file.stat()
    if stat.st_size < 10_000_000:
        return _digest(file)
    note = cache / "checksums" / f"{hashlib.sha256(str(file.resolve()).encode()).hexdigest()}.json"
    seal = [stat.st_size, stat.st_mtime_ns]
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # no note, or a damaged one
        known = json.loads(note.read_text())
        if known["seal"] == seal:
            return str(known["sha256"])
    digest = _digest(file)
    with contextlib.suppress(OSError):  # a cache that cannot be written costs a second next time
        note.parent.mkdir(parents=True, exist_ok=True)
        write(note, json.dumps({"seal": seal, "sha256": digest}))
    return digest


def write(file: Path, text: str) -> None:
    """Write a file whole or not at all."""
    with whole(file) as fresh:
        fresh.write_text(text)


def fingerprint(parts: Iterable[str], folders: Iterable[Path], cache: Path) -> str:
    """A hash of words, and of the names and contents of the models in the folders."""
    digest = hashlib.sha256("\0".join(parts).encode())
    for folder in folders:
        for file in sorted({file for name in _READ for file in folder.glob(name)}):
            digest.update(f"\0{file.name}\0{sha256(file, cache)}".encode())
    return digest.hexdigest()


_READ = ("*.safetensors", "*config.json", "tokenizer*", "chat_template*", "*tokens.json")
"Files that an answer may depend on."


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()

"""What a class's code is known by, so that what was made by other code is not taken for its own."""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path


def code_of(kind: type) -> str:
    """What changes when a class's code does: the source of the class, of its bases and of its
    `Config`, by hash; tandemrec's version for those that are ours.

    Not seen are functions and modules that the class calls, values that they hold, installed
    libraries, and a class typed in where Python keeps no source (a prompt, `exec`).
    """
    kinds = list(dict.fromkeys((*kind.__mro__, *getattr(_config_of(kind), "__mro__", ()))))
    roots = {each: each.__module__.partition(".")[0] for each in kinds}
    parts = [f"tandemrec {version()}"] if "tandemrec" in roots.values() else []
    own = [each for each in kinds if roots[each] not in _NOT_READ]
    if found := list(_sources(own)):
        parts.append(f"source {hashlib.sha256(''.join(found).encode()).hexdigest()[:16]}")
    return ", ".join(parts) or "source unknown"


_NOT_READ = {"tandemrec", "torch", "pydantic", *sys.stdlib_module_names} - {"__main__"}
"Packages whose classes are known by a version, or are not looked at."


def _config_of(kind: type) -> type | None:
    config = getattr(kind, "Config", None)
    return config if isinstance(config, type) else None


def _sources(kinds: list[type]) -> Iterator[str]:
    for kind in kinds:
        try:
            yield inspect.getsource(kind)
        except (OSError, TypeError):  # no file behind it
            continue


@cache
def sources() -> str:
    """The state of tandemrec's own code: a hash of its Python files, [12 letters]. Between two
    versions it changes often."""
    root, digest = Path(__file__).parent, hashlib.sha256()
    for file in sorted(root.rglob("*.py")):
        digest.update(file.relative_to(root).as_posix().encode() + b"\0")
        digest.update(file.read_bytes().replace(b"\r\n", b"\n") + b"\0")
    return digest.hexdigest()[:12]


def version() -> str:
    """tandemrec's version, as it is installed."""
    try:
        return metadata.version("tandemrec")
    except metadata.PackageNotFoundError:
        return "not installed"

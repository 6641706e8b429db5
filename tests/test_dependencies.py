"""The core install stays small: an engineer's image should not grow by a hundred packages."""

import re
from importlib.metadata import PackageNotFoundError, requires

from packaging.requirements import Requirement

MOST = 45


def test_the_core_install_is_small() -> None:
    brought = installed_with("tandemrec") - installed_with("torch") - {"tandemrec"}
    assert {"transformers", "polars", "pydantic"} <= brought  # the walk found something
    assert len(brought) <= MOST, sorted(brought)


def installed_with(package: str) -> set[str]:
    """The package and all that it needs, without extras, on this machine."""
    seen: set[str] = set()
    waiting = [package]
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        try:
            needs = [] if name in seen else requires(name) or []
        except PackageNotFoundError:  # its marker is of another machine
            continue
        seen.add(name)
        needed = map(Requirement, needs)
        waiting += [r.name for r in needed if not r.marker or r.marker.evaluate({"extra": ""})]
    return seen

"""Items' attributes as a stage of both recipes."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from tandemrec.augment.attributes import Attributes, attributes
from tandemrec.errors import RunError
from tandemrec.llm.base import LLM
from tandemrec.recipes.setup import Setup


def attributed(setup: Setup[Any], llm: LLM | None, *, as_fields: bool = False) -> Attributes:
    """What the language model, or a table, says of the items of the catalogue; made once for all
    runs that share a folder. `as_fields`, columns of the catalogue are not looked for again."""
    config = setup.config.attributes
    if setup.common.closed and config.table is not None and not Path(config.table).is_file():
        raise RunError(
            f"{config.table} is not there any more, of which the run read attributes. Put it back."
        )
    return setup.common.step(
        "attributes",
        Attributes,
        _attributes,
        catalogue=setup.split.catalogue,
        noun=setup.split.data.noun,
        llm=llm,
        config=config,
        as_fields=as_fields,
        **_content(config.table),
    )


def _attributes(content: str = "", **inputs: Any) -> Attributes:
    """`augment.attributes.attributes`; the content of its table is looked at to know it again."""
    return attributes(**inputs)


def left_out(known: Attributes) -> Iterator[str]:
    """A note for each reason why kinds of attributes were left out."""
    for why in dict.fromkeys(known.left_out.values()):
        names = [name for name, reason in known.left_out.items() if reason == why]
        yield f"Attributes left out: {', '.join(names)}; {why}."


def _content(table: str | None) -> dict[str, str]:
    """A hash of a table's content, so that another one under the same name is read again."""
    if table is None or not Path(table).is_file():
        return {}  # that it is missing is told where it is read
    return {"content": sha256(Path(table).read_bytes()).hexdigest()}

"""Items' attributes as a stage of both recipes."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

from tandemrec.augment.attributes import Attributes, attributes
from tandemrec.llm.base import LLM
from tandemrec.recipes.setup import Setup


def attributed(setup: Setup[Any], llm: LLM | None) -> Attributes:
    """What the language model, or a table, says of the items of the catalogue; made once for all
    runs that share a folder."""
    config = setup.config.attributes
    return setup.common.step(
        "attributes",
        Attributes,
        _attributes,
        catalogue=setup.split.catalogue,
        noun=setup.split.data.noun,
        llm=llm,
        config=config,
        **_content(config.table),
    )


def _attributes(content: str = "", **inputs: Any) -> Attributes:
    """`augment.attributes.attributes`; the content of its table is looked at to know it again."""
    return attributes(**inputs)


def _content(table: str | None) -> dict[str, str]:
    """A hash of a table's content, so that another one under the same name is read again."""
    if table is None or not Path(table).is_file():
        return {}  # that it is missing is told where it is read
    return {"content": sha256(Path(table).read_bytes()).hexdigest()}

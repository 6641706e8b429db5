"""Items' texts as content: what backbones with side information read.

DALLRec: attributes and summaries that a language model wrote become features of items. Each is a
modality of its own, beside the title and the user's own arrays.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from tandemrec.config import Settings
from tandemrec.data.attributes import Attributes
from tandemrec.data.catalogue import Catalogue
from tandemrec.data.codings import lists_of, texts_of
from tandemrec.data.content import Content, Missing
from tandemrec.errors import ConfigError, DataError, DataWarning
from tandemrec.llm.embedding import Embedder, Vectors
from tandemrec.prompts.described import described
from tandemrec.prompts.titles import neutral

Modality = Literal["title", "attributes", "summary"]
LONGEST = 1000
"Characters of a text; two sentences have a third of it."


class ContentConfig(Settings):
    """Which texts of items become modalities, and how."""

    modalities: tuple[Modality, ...] = ("title", "attributes", "summary")
    """The title with what the catalogue says in words, the attributes and the summary that a
    language model wrote; what nobody made is left out."""
    columns: tuple[str, ...] | None = None
    """Columns of the table of items that are told behind the title; none takes all that hold words,
    such as genres."""
    missing: Missing = "refuse"
    """What becomes of an item that a file of one's own arrays lacks: the file is refused, or the
    item gets the mean of the others."""
    centred: bool = False
    """Take each modality's mean from its vectors and put them at length one (ours): most of a
    language model's vector is the same for every text."""


def content(
    catalogue: Catalogue,
    embedder: Embedder,
    config: ContentConfig,
    attributes: Attributes | None = None,
    summaries: Sequence[str] | None = None,
    arrays: Mapping[str, ArrayLike] | None = None,
) -> Content:
    """A modality for each kind of text that there is, and the user's own arrays [I, W] by name.

    An item without a text gets the mean of the others' vectors, and a DataWarning says how many do;
    a modality without any text is left out, with a DataWarning too. Raises ConfigError for a column
    that is not there, a name used twice, or an embedder that is none; DataError where nothing is
    left, or the arrays are of other items.
    """
    own = dict(arrays or {})
    check_content(catalogue, embedder, config, own)
    found: dict[str, ArrayLike] = {}
    for name, texts in item_texts(catalogue, config, attributes, summaries).items():
        vectors = embedder.embed(texts)  # [I, W]
        known = np.asarray(vectors.any(axis=1))
        _tell(name, known)
        if known.any():
            found[name] = _filled(vectors, known, config.centred)
    return Content.of({**found, **own})


def check_content(
    catalogue: Catalogue, embedder: Any, config: ContentConfig, arrays: Mapping[str, ArrayLike]
) -> None:
    """Whether content can be made so, before any text is there. Raises ConfigError and DataError as
    `content` does."""
    if not hasattr(embedder, "embed"):
        raise ConfigError(
            f"{getattr(embedder, 'name', embedder)!r} makes no vectors of texts. Name an embedder, "
            'such as "minilm-l6", or "words", which needs no weights.'
        )
    _columns(catalogue.items, config.columns)
    if twice := [name for name in config.modalities if name in arrays]:
        raise ConfigError(
            f"There are an array and a text called {twice[0]!r}. Give the array another name, or "
            "leave the text out (content.modalities)."
        )
    if arrays:
        _refuse_other_items(Content.of(arrays), catalogue)


def item_texts(
    catalogue: Catalogue,
    config: ContentConfig,
    attributes: Attributes | None = None,
    summaries: Sequence[str] | None = None,
) -> dict[Modality, list[str]]:
    """What is read of every item, by modality, each [I]; "" where there is nothing.

    Chat-template tokens are neutralised. Raises ConfigError for a column that is not there, or
    attributes or summaries of other items.
    """
    found: dict[Modality, list[str]] = {}
    for name in config.modalities:
        if name == "title":
            found[name] = _titles(catalogue, config.columns)
        elif name == "attributes" and attributes is not None and attributes.kinds:
            found[name] = _said(attributes)
        elif name == "summary" and summaries is not None:
            found[name] = list(summaries)
    for name, texts in found.items():
        if len(texts) != len(catalogue.titles):
            raise ConfigError(
                f"The modality {name!r} has {len(texts)} texts, the catalogue "
                f"{len(catalogue.titles)} items. Make it of this catalogue."
            )
    return {name: [_safe(text) for text in texts] for name, texts in found.items()}


def _titles(catalogue: Catalogue, columns: Sequence[str] | None) -> list[str]:
    """Every item as a prompt names it, and what its columns say: "Heat (1995). Genres: Crime"."""
    parts = [described(catalogue, year=True, genres=False)]
    parts += [_column(catalogue.items, name) for name in _columns(catalogue.items, columns)]
    return [_joined(texts) for texts in zip(*parts, strict=True)]


def _columns(items: pl.DataFrame, wanted: Sequence[str] | None) -> list[str]:
    """The columns to be told; the author and the year stand beside the title already."""
    if wanted is None:
        words = [name for name, kind in items.schema.items() if _in_words(kind)]
        return [name for name in words if name not in ("author", "year")]
    if missing := [name for name in wanted if name not in items.columns]:
        raise ConfigError(
            f"The table of items has no column {missing[0]!r} (content.columns). Known: "
            f"{', '.join(items.columns) or 'none'}."
        )
    return list(wanted)


def _in_words(kind: pl.DataType) -> bool:
    inner = kind.inner if isinstance(kind, pl.List | pl.Array) else kind
    return inner in (pl.String, pl.Categorical, pl.Enum)


def _column(items: pl.DataFrame, name: str) -> list[str]:
    rows = lists_of(items[name]) or [[cell] for cell in items[name].to_list()]
    return [_labelled(name, texts_of(row)) for row in rows]


def _said(attributes: Attributes) -> list[str]:
    """What is known of every item: "Director: Michael Mann. Star: Al Pacino, Val Kilmer"."""
    columns = [
        [_labelled(kind.name, each.value) for each in attributes.values[kind.name]]
        for kind in attributes.kinds
    ]
    return [_joined(texts) for texts in zip(*columns, strict=True)]


def _labelled(name: str, values: Sequence[str]) -> str:
    return f"{name.replace('_', ' ').capitalize()}: {', '.join(values)}" if values else ""


def _joined(texts: Sequence[str]) -> str:
    return ". ".join(text for text in texts if text)


def _safe(text: str) -> str:
    """A text of any length, word by word as a title is made safe."""
    words = (neutral(word) for word in text[: 2 * LONGEST].split())
    return " ".join(word for word in words if word)[:LONGEST]


def _tell(name: str, known: NDArray[np.bool_]) -> None:
    """Say how many items have nothing that could be read."""
    absent = len(known) - int(known.sum())
    if absent == len(known):
        text = f"No item has a text for the modality {name!r}: it is left out."
    else:
        text = (
            f"{absent} of {len(known)} items have no text for the modality {name!r}: they get the "
            "mean of the others' vectors."
        )
    if absent:
        warnings.warn(text, DataWarning, stacklevel=3)


def _filled(vectors: Vectors, known: NDArray[np.bool_], centred: bool) -> Vectors:
    """Every item's vector, [I, W], which is the others' mean where there was nothing to read.

    Zeros would be far from all other vectors, and alike for no reason.
    """
    there = _centred(vectors[known]) if centred else vectors[known]
    found = np.tile(there.mean(axis=0), (len(known), 1))
    found[known] = there
    return found


def _centred(vectors: Vectors) -> Vectors:
    """Vectors about their mean, at length one."""
    moved = vectors - vectors.mean(axis=0)
    return moved / np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-12)


def _refuse_other_items(made: Content, catalogue: Catalogue) -> None:
    if made.n_items != len(catalogue.titles):
        raise DataError(
            f"The array {next(iter(made.arrays))!r} has {made.n_items} rows, the catalogue "
            f"{len(catalogue.titles)} items.",
            remedy="Give a row for every item in the catalogue's order (Content.read sorts by id).",
        )

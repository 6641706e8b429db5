"""What a run is made of, from its spec: the split data, the language model, what reads texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tandemrec.data.catalogue import Catalogue, Dataset
from tandemrec.data.content import Content
from tandemrec.data.sources import SOURCES, load
from tandemrec.data.split import (
    PART,
    Split,
    k_core,
    leave_last_out,
    ratio_split,
    released,
)
from tandemrec.errors import DataError
from tandemrec.llm import embedder as named_embedder
from tandemrec.llm import llm as named_llm
from tandemrec.llm.base import LLM
from tandemrec.llm.embedding import Embedder
from tandemrec.progress import Progress, silent
from tandemrec.recipes.dallrec_settings import DALLRecConfig
from tandemrec.recipes.entrance import check_sizes
from tandemrec.recipes.spec import RunSpec


@dataclass(frozen=True)
class Inputs:
    """The data and the models of a run."""

    split: Split
    llm: LLM
    embedder: Embedder | None = None
    "What makes numbers of texts; none takes the language model itself."
    content: Content | None = None
    "Items' content of one's own."


def inputs(spec: RunSpec, progress: Progress) -> Inputs:
    """Everything that a spec names; files of one's own are read before anything is fetched."""
    own = spec.items or spec.users or spec.context or spec.content
    split = None if spec.data in SOURCES and not own else split_of(spec, progress)
    model = model_of(spec, progress)
    reader = named_embedder(spec.embedder, progress=progress) if spec.embedder else None
    split = split or split_of(spec, progress)
    return Inputs(split, model, reader, _content(spec, split.catalogue))


def _content(spec: RunSpec, catalogue: Catalogue) -> Content | None:
    """The modalities of all files. Raises DataError for two of one name."""
    found, config = dict[str, Any](), spec.config
    if not isinstance(config, DALLRecConfig):
        return None
    for file in spec.content:
        fresh = Content.read(file, catalogue, config.content.missing).arrays
        if twice := sorted(found.keys() & fresh.keys()):
            raise DataError(f"the modality {twice[0]!r} is in another file too.", file=file)
        found |= fresh
    return Content.of(found) if found else None


def model_of(spec: RunSpec, progress: Progress) -> LLM:
    """The language model by its name."""
    model: Any = named_llm(spec.llm, adapter=spec.adapter, progress=progress)
    model.progress = silent  # fetching is told by it, asking by the store of answers
    found: LLM = model
    return found


def split_of(spec: RunSpec, progress: Progress) -> Split:
    """The data, less what is no core, as the spec or the recipe's paper splits them."""
    data = load(
        spec.data,
        items=spec.items,
        users=spec.users,
        context=spec.context,
        noun=spec.noun,
        progress=progress,
    )
    if spec.core:
        data = k_core(data, spec.core, spec.core)
    split = _cut(data, spec)
    check_sizes(split)
    return split


def _cut(data: Dataset, spec: RunSpec) -> Split:
    way = spec.split
    if way is None and PART in data.interactions.context:
        way = "released"
    if way is None:
        way = "ratio" if spec.recipe == "dallrec" else "last"
    if way == "released":
        return released(data)
    return leave_last_out(data) if way == "last" else ratio_split(data, by_time=False)

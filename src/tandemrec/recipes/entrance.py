"""What a run looks at before it computes anything, so that a mistake is told at once."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from tandemrec import backbones
from tandemrec.augment.attributes import check_attributes
from tandemrec.augment.content import check_content
from tandemrec.augment.interactions import held_out
from tandemrec.backbones import ContentBackbone, RatingBackbone, SequentialBackbone
from tandemrec.backbones.validation import measure_of
from tandemrec.data.content import Content
from tandemrec.data.fields import Fields
from tandemrec.data.further import chosen
from tandemrec.data.odd_ratings import check_scale
from tandemrec.data.split import Split
from tandemrec.data.tastes import Tastes
from tandemrec.errors import BackboneError, ConfigError, DataError, DataWarning, RunError
from tandemrec.prompts.kinds import NAMED
from tandemrec.recipes.dallrec_settings import DALLRecConfig
from tandemrec.recipes.fitting import learns, train_config
from tandemrec.recipes.record import RECORD, Record, is_joined
from tandemrec.recipes.settings import Llama4RecConfig, RecipeConfig
from tandemrec.recipes.setup import kind_of
from tandemrec.report.contents import FILES, Contents
from tandemrec.runs import NOTE as STAGE
from tandemrec.tuning.fewshot import likers, pairs_of, told_of


def backbone_of(given: Any) -> Any:
    """The class of that name; a class, or what scores already, as it is.

    Raises UnknownName, or BackboneError for what a run cannot use.
    """
    found = backbones.get(given) if isinstance(given, str) else given
    kind = found if isinstance(found, type) else type(found)
    if not callable(getattr(found, "score", None)):
        raise BackboneError(
            f"{kind.__name__} has no method `score(users)`, so it is no backbone. Give a name, a "
            "class with `loss` and `score`, a ScoreMatrix or an ImplicitModel; see "
            "docs/add-a-backbone.md."
        )
    if learns(found) and not isinstance(found, type):
        raise BackboneError(
            f"This {kind.__name__} is built already; a run fits several, each on other data. Give "
            f"the class (backbone={kind.__name__}), or, to take this one as it is, what "
            "`tr.fit` made of it."
        )
    if isinstance(found, type) and not learns(found):
        raise BackboneError(
            f"The class {kind.__name__} has no `loss(batch)`, so it cannot be fitted. Add it, or "
            f"give an instance that scores already: backbone={kind.__name__}(...)."
        )
    return found


def check_settings(backbone: Any, config: RecipeConfig) -> None:
    """The names and values in `backbone` and `training`, which only the backbone knows.

    Raises ConfigError, which guesses what was meant.
    """
    kind = getattr(backbone, "Config", None) if learns(backbone) else None
    if config.backbone and kind is None:
        name = getattr(backbone, "__name__", type(backbone).__name__)
        given = ", ".join(config.backbone)
        raise ConfigError(f"{name} takes no settings (it has no `Config`). Received: {given}.")
    if kind is not None:
        kind(**config.backbone)
    if learns(backbone):
        measure_of(kind_of(backbone), train_config(backbone, config, 0).valid_metric)
    if isinstance(config, Llama4RecConfig) and config.examples.backbone is not None:
        check_teacher(backbone, config.examples.backbone)
    refuse_seeds(config.model_dump(exclude={"backbone"}))


def check_teacher(backbone: Any, teacher: str) -> None:
    """Whether a backbone can make the examples of a run with another. Raises UnknownName and
    ConfigError."""
    rates, reads = (
        issubclass(kind_of(backbone_of(teacher)), kind)
        for kind in (RatingBackbone, ContentBackbone)
    )
    wanted = issubclass(kind_of(backbone), RatingBackbone)
    if reads or rates != wanted:
        needed = "predicts ratings" if wanted else "ranks items, and reads no content"
        raise ConfigError(
            f"examples.backbone = {teacher!r} cannot make the examples of this run: it needs one "
            f"that {needed}. Name another, or leave it out."
        )


def refuse_seeds(settings: Mapping[str, Any], path: str = "") -> None:
    """Every part of a run draws by the run's own seed. Raises ConfigError for one of its own."""
    for name, value in settings.items():
        if name == "seed" and value:
            raise ConfigError(
                f"{path}seed = {value} would say nothing: all parts of a run draw by the run's "
                "own. Give --seed (in Python, seeds) instead."
            )
        for part in value if isinstance(value, list | tuple) else (value,):
            if isinstance(part, Mapping):
                refuse_seeds(part, f"{path}{name}.")


def check_task(
    split: Split,
    backbone: Any,
    config: RecipeConfig,
    embedder: Any = None,
    content: Content | None = None,
) -> None:
    """Whether the recipe can teach the backbone, and the data have what it reads; `embedder` is
    what turns texts into vectors, `content` what the user knows of items.

    Raises DataError, ConfigError, and BackboneError for a kind that the recipe does not take.
    """
    kind = kind_of(backbone)
    if isinstance(config, DALLRecConfig):
        check_dallrec(kind, config)
        if issubclass(kind, ContentBackbone):
            own = {} if content is None else content.arrays
            check_content(split.catalogue, embedder, config.content, own)
            if "attributes" in config.strategies:
                check_attributes(split.catalogue, split.data.noun, config.attributes)
    elif issubclass(kind, ContentBackbone):
        raise BackboneError(
            f"{kind.__name__} reads items' content, which Llama4Rec does not make. Take the recipe "
            "dallrec, or a backbone that reads none."
        )
    if isinstance(config, Llama4RecConfig):
        check_mixed(kind, config)
        if issubclass(kind, RatingBackbone):
            check_ratings(split, backbone, config)


def check_mixed(kind: type[Any], config: Llama4RecConfig) -> None:
    """DALLRec's interactions have no time and no rating. Raises ConfigError."""
    if config.interactions is not None and issubclass(kind, SequentialBackbone | RatingBackbone):
        raise ConfigError(
            f"interactions would do nothing: {kind.__name__} reads orders or ratings, which "
            "DALLRec's interactions have none of. Leave them out (interactions=none), or take a "
            "direct backbone; see `tandemrec list backbones`."
        )


def check_likes(split: Split, llm: Any, config: DALLRecConfig) -> None:
    """Whether there are likes and dislikes, from which the first strategy learns what a yes is and
    takes its threshold. Raises DataError, with all that would have to be left out."""
    if "interactions" not in config.strategies:
        return
    with warnings.catch_warnings():  # the stage says it
        warnings.simplefilter("ignore", DataWarning)
        tastes = Tastes.of(split.train, config.liked_above)
    found, without = [], []
    sides = likers(tastes)
    learns_here = config.tune is not None and hasattr(llm, "folder")
    if learns_here and config.examples.released is None and not pairs_of(sides):
        found.append(told_of(sides))
        without.append("--set tune=none")
    held = held_out(split.valid, split.train, tastes)
    if config.threshold is not None and not min(map(len, held)):
        found.append(f"validation has {len(held[0])} likes and {len(held[1])} dislikes")
        without.append("--set threshold=none")
    if found:
        raise DataError(
            f"DALLRec's interactions need likes and dislikes: {'; '.join(found)}.",
            column="rating",
            remedy=f"Give ratings of both (liked_above says where likes begin), or do without what "
            f"is learnt from them: {' '.join(without)}.",
        )


def check_dallrec(kind: type[Any], config: DALLRecConfig) -> None:
    """DALLRec adds interactions without a time, and content."""
    if issubclass(kind, SequentialBackbone | RatingBackbone) or not learns(kind):
        raise BackboneError(
            f"DALLRec teaches direct backbones, which recommend from who met what. {kind.__name__} "
            "is none that is fitted here; see `tandemrec list backbones`."
        )
    reads = issubclass(kind, ContentBackbone)
    if not config.reaching(reads):
        why, remedy = (
            ("content.modalities leaves it out", "Name it there")
            if reads
            else ("it reads no items' content", "Take mmgcn, grcn or mmssl")
        )
        raise ConfigError(
            f"Nothing of {' and '.join(config.strategies)} reaches {kind.__name__}: {why}. "
            f"{remedy}, or add interactions to strategies."
        )


def _check_names(split: Split, config: Llama4RecConfig) -> None:
    """Columns whose numbers are to be names may be of any table, or attributes to come."""
    tables = (split.catalogue.users.columns, split.catalogue.items.columns, split.train.context)
    kinds = (*NAMED, *(kind.name for kind in config.attributes.kinds or ()))
    there = [name for names in tables for name in names]
    given = [name for name in config.fields.names if name not in kinds]
    chosen("user, item or context", there, given)


def check_ratings(split: Split, backbone: Any, config: Llama4RecConfig) -> None:
    """A backbone of ratings needs ratings that differ, the fields that it is told to read, and the
    table of attributes where one is named. Raises DataError; warns of odd ratings."""
    Fields.of(split.train, split.catalogue, config.fields)
    _check_names(split, config)
    if learns(backbone):
        check_attributes(split.catalogue, split.data.noun, config.attributes, as_fields=True)
    ratings = split.train.ratings
    if ratings.min() == ratings.max():
        found, remedy = (
            (f"every training rating is {ratings[0]:g}", "Give ratings that differ")
            if split.data.rated
            else (f"{split.data.name} has no column of them", "Name it `rating`")
        )
        raise DataError(
            f"{kind_of(backbone).__name__} predicts ratings, and {found}.",
            remedy=f"{remedy}, or take a backbone that ranks.",
        )
    check_scale(split, config.scale)


def check_folder(folder: Path) -> None:
    """Whether a run may write its report there: nobody else's of these names would be replaced.
    Raises ConfigError."""
    there = [name for name in (*FILES, RECORD) if (folder / name).exists()]
    if there and not _of_a_run(folder) and next(folder.rglob(STAGE), None) is None:
        raise ConfigError(
            f"{folder} holds {there[0]}, which no run has made. Name a folder for this run alone."
        )


def check_joined(folder: Path) -> None:
    """Whether there is no report that was joined of other runs, which would be lost. Raises
    ConfigError."""
    if is_joined(folder):
        raise ConfigError(
            f"{folder} holds a report that was joined, which a run would replace. Name another "
            "folder."
        )


def _of_a_run(folder: Path) -> bool:
    """Whether a run's report or record is there; one of them may be damaged."""
    for kind in (Contents, Record):
        with suppress(RunError):
            kind.load(folder)
            return True
    return False


def check_config(config: Any) -> None:
    """Whether these are a recipe's settings. Raises ConfigError."""
    if not isinstance(config, RecipeConfig):
        raise ConfigError(
            "config takes settings of a recipe, such as recipes.settings.PLUS.model_copy("
            f"update={{...}}). Received: {type(config).__name__}."
        )


def check_split(split: Any) -> None:
    """Whether this is one. Raises DataError."""
    if not isinstance(split, Split):
        raise DataError(
            f"a run takes split data. Received: {type(split).__name__}.",
            remedy="Give tr.leave_last_out(data), tr.ratio_split(data) or tr.released(data).",
        )


def check_seeds(seeds: Sequence[int]) -> None:
    """There is one, none twice and none below 0. Raises ConfigError."""
    if not isinstance(seeds, Sequence):
        raise ConfigError(f"seeds takes a list, such as seeds=(0, 1, 2). Received: {seeds!r}.")
    if not seeds or len(set(seeds)) < len(seeds) or min(seeds) < 0:
        raise ConfigError(
            f"seeds must be one or more different numbers from 0 on. Received: {list(seeds)}."
        )


def check_sizes(split: Split) -> None:
    """Whether there is enough to learn, to choose and to test on. Raises DataError."""
    if not len(split.train):
        raise DataError("There are no training interactions.", remedy="Give a longer log.")
    if not len(split.valid):
        raise DataError(
            "Nobody has a validation interaction, and every choice of a run is made on validation.",
            remedy="Use leave_last_out (--split last), or ratio_split with a larger share `valid`.",
        )
    tested = len(np.unique(split.test.users))
    if tested < 2:
        raise DataError(
            f"A paired test of significance needs at least two tested users. Received: {tested}.",
            remedy="Give the interactions of more users, three or more of each.",
        )

"""What a run is asked to be: a command line or a TOML file, checked before anything is computed."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, ValidationInfo, field_validator

from tandemrec.config import Settings
from tandemrec.errors import ConfigError, UnknownName
from tandemrec.llm.addresses import Address
from tandemrec.recipes.dallrec_settings import PRESETS as DALLREC
from tandemrec.recipes.settings import PRESETS as LLAMA4REC
from tandemrec.recipes.settings import RecipeConfig

RECIPES: dict[str, Mapping[str, RecipeConfig]] = {"llama4rec": LLAMA4REC, "dallrec": DALLREC}
"The presets of each paper."


class RunSpec(Settings):
    """A whole run in one value; `tandemrec run FILE.toml` reads it from a file."""

    recipe: Literal["llama4rec", "dallrec"] = "llama4rec"
    """The paper."""
    data: str = "ml-100k"
    """A data set's name, or a file of your own interactions."""
    items: str | None = None
    """A file of your own items: id and title."""
    users: str | None = None
    """A file of your own users: id, and what describes them."""
    context: tuple[str, ...] = ()
    """Columns of your own interactions that rating backbones read, such as device."""
    noun: str | None = None
    """What one of your items is called in a prompt: movie, book, item."""
    split: Literal["last", "ratio", "released"] | None = None
    """last: each user's last interaction is test, the one before it validation. ratio: 8:1:1 of
    each user's interactions, drawn at random. released: by the data's own column `part`. None takes
    the data's own where it has one, else what the recipe's paper has: last (Llama4Rec), ratio
    (DALLRec)."""
    core: NonNegativeInt = 0
    """Users and items with fewer interactions are dropped before the split."""
    content: tuple[str, ...] = ()
    """Files of your own arrays of what items consist of, a vector for each item id."""
    backbone: str = "lightgcn"
    """The conventional recommender."""
    llm: str = "smollm2-135m"
    """A language model's name, folder or hub id."""
    adapter: str | None = None
    """A LoRA adapter's folder."""
    embedder: str | None = None
    """What makes numbers of texts: a sentence encoder's name, folder or hub id; none takes the
    language model itself."""
    preset: str = "plus"
    """paper: as published. plus: ours."""
    out: Path = Path("runs/first")
    """The run folder; the same folder again goes on where it was."""
    shared: Path | None = None
    """A folder for what several runs on the same data have in common: the tuned model (with
    examples.backbone named) and the answers. None keeps them in the run folder."""
    seed: int = Field(default=0, ge=0)
    """The first seed."""
    seeds: PositiveInt = 1
    """How many runs, with seeds seed, seed + 1, ..."""
    only_seeds: tuple[NonNegativeInt, ...] = ()
    """Of these seeds, those that are made here; the others are made elsewhere, and their reports
    joined. Empty: all."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """What differs from the preset: nested tables of Llama4RecConfig or DALLRecConfig."""

    @field_validator("llm")
    @classmethod
    def _holds_no_key(cls, name: str) -> str:
        """An address is read before it stands in any file, log or tracker."""
        if name.startswith(("http:", "https:")):
            Address.parse(name)
        return name

    @field_validator("out", "shared", mode="before")
    @classmethod
    def _is_named(cls, folder: Any) -> Any:
        """An empty shell variable would be the working directory."""
        if folder == "":
            raise ValueError("the name of a folder is empty; . is the working directory")
        return folder

    @field_validator("embedder", "content")
    @classmethod
    def _is_read(cls, given: Any, info: ValidationInfo) -> Any:
        """Llama4Rec reads no items' content, so what makes it would say nothing."""
        if given and info.data.get("recipe") == "llama4rec":
            raise ValueError("only the recipe dallrec reads items' content; leave it out")
        return given

    @field_validator("only_seeds")
    @classmethod
    def _are_some(cls, some: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        """Of the run's own, each once."""
        first, n = info.data.get("seed", 0), info.data.get("seeds", 1)
        if len(set(some)) < len(some) or any(not first <= seed < first + n for seed in some):
            raise ValueError(
                f"of seeds {first} to {first + n - 1}, name some, each once; --seed and --seeds "
                "tell all of them"
            )
        return some

    @property
    def config(self) -> RecipeConfig:
        """The preset with this run's settings on top."""
        presets = RECIPES[self.recipe]
        if self.preset not in presets:
            raise UnknownName("preset", self.preset, presets)
        preset = presets[self.preset]
        return type(preset).model_validate(merged(preset.model_dump(), self.settings))

    @property
    def all_seeds(self) -> list[int]:
        """Every seed of the run."""
        return list(range(self.seed, self.seed + self.seeds))

    @property
    def made_seeds(self) -> list[int]:
        """Those that are made here."""
        return sorted(self.only_seeds) or self.all_seeds


def spec_of(what: str, given: Mapping[str, Any]) -> RunSpec:
    """A recipe's name or a TOML file; what is `given` on the command line wins."""
    if what in RECIPES:
        return RunSpec.model_validate({"recipe": what, **given})
    if not what.endswith(".toml"):
        raise UnknownName("recipe", what, RECIPES)
    table = _read(Path(what))
    known = {name for presets in RECIPES.values() for name in type(presets["paper"]).model_fields}
    for name in table.keys() & (known - RunSpec.model_fields.keys()):
        raise ConfigError(
            f"{what}: {name!r} is a setting of the recipe; it stands below [settings]."
        )
    return RunSpec.model_validate(merged(table, given))


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ConfigError(f"There is no run file {str(file)!r}.") from None
    except OSError as error:
        raise ConfigError(
            f"The run file {str(file)!r} cannot be read: {error.strerror}. Give a TOML file."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is no valid TOML: {error}.") from None


def parse_settings(pairs: Sequence[str]) -> dict[str, Any]:
    """`["blend.alpha1=0.5"]` as nested tables; values are TOML, or text where they are not."""
    settings: dict[str, Any] = {}
    for pair in pairs:
        path, equals, text = pair.partition("=")
        if not equals or not path.strip():
            raise ConfigError(f"--set takes NAME=VALUE, such as blend.constant=0.3. Got: {pair!r}.")
        nested: Any = _value(text.strip())
        for part in reversed(path.strip().split(".")):
            nested = {part: nested}
        settings = merged(settings, nested)
    return settings


def _value(text: str) -> Any:
    if text in ("none", "None"):
        return None
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Nested tables, those `above` winning."""
    whole = dict(below)
    for key, value in above.items():
        old = whole.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            whole[key] = merged(old, value)
        else:
            whole[key] = value
    return whole

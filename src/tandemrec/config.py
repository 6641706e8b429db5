"""What every stage's settings are made of: frozen, documented, and strict about names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, NamedTuple, Self, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator

from tandemrec.errors import ConfigError
from tandemrec.oneline import listed


class Settings(BaseModel):
    """The base of every config.

    The docstring below a field becomes its description. Unknown names and values out of range
    raise ConfigError, which guesses the name that was meant.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    def __init__(self, /, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise explain(error, type(self)) from None

    # Says to pydantic that nested settings need not go through __init__, so that an error inside
    # one of them is reported with its whole path.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    @field_validator("*", mode="before")
    @classmethod
    def _is_no_truth(cls, value: Any, info: ValidationInfo) -> Any:
        """`seeds = true` is a slip, which pydantic would read as 1."""
        if isinstance(value, bool):
            kinds = set(_kinds(cls.model_fields[str(info.field_name)].annotation))
            if kinds & {int, float} and bool not in kinds:
                raise ValueError("expected a number, not a truth value")
        return value

    @classmethod
    def model_validate(cls, obj: Any, **options: Any) -> Self:
        """As pydantic's, but raising ConfigError."""
        try:
            return super().model_validate(obj, **options)
        except ValidationError as error:
            raise explain(error, cls) from None


def describe_fields(model: type[BaseModel]) -> dict[str, str]:
    """Each field's name and the docstring below it."""
    return {name: field.description or "" for name, field in model.model_fields.items()}


class Setting(NamedTuple):
    """One setting, by its dotted name; inside a list, `[]` stands for each entry."""

    name: str
    value: Any
    about: str


def every(settings: BaseModel, prefix: str = "") -> Iterator[Setting]:
    """All settings with their values here and the docstrings below their fields."""
    for name, about in describe_fields(type(settings)).items():
        value = getattr(settings, name)
        nested = value[0] if isinstance(value, tuple) and value else value
        if isinstance(nested, BaseModel):
            mark = "" if nested is value else "[]"
            yield from every(nested, f"{prefix}{name}{mark}.")
        else:
            yield Setting(f"{prefix}{name}", value, about)


def differing(
    here: Mapping[str, Any], there: Mapping[str, Any], above: str = ""
) -> Iterator[tuple[str, Any, Any]]:
    """What is not the same in two nested tables: its dotted name, here and there; None stands for
    what one of them lacks."""
    for name in dict.fromkeys((*there, *here)):
        one, other, path = here.get(name), there.get(name), f"{above}{name}"
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            yield from differing(one, other, f"{path}.")
        elif one != other:
            yield path, one, other


def explain(error: ValidationError, model: type[BaseModel] | None = None) -> ConfigError:
    """Pydantic's report as one line; with the `model`, the nearest name is guessed."""
    details: list[dict[str, Any]] = [dict(detail) for detail in error.errors()]
    wrong = [each["loc"] for each in details]
    told = [each for each in details if not _follows(each, wrong)]
    return ConfigError(" ".join(_sentence(each, model, error.title) for each in told))


def _follows(detail: dict[str, Any], wrong: list[tuple[int | str, ...]]) -> bool:
    """Whether a list is too short only since entries of it are wrong, which is told already."""
    loc = detail["loc"]
    within = any(each[: len(loc)] == loc and len(each) > len(loc) for each in wrong)
    return detail["type"] == "too_short" and within


def _kinds(annotation: Any) -> Iterator[Any]:
    """What a field takes, of each part of `A | B`: without bounds."""
    if get_origin(annotation) in (Annotated, Union, UnionType):
        parts = get_args(annotation)
        for part in parts[:1] if get_origin(annotation) is Annotated else parts:
            yield from _kinds(part)
    else:
        yield annotation


def _sentence(detail: dict[str, Any], model: type[BaseModel] | None, title: str) -> str:
    *above, last = detail["loc"] or (title,)
    path = ".".join(map(str, (*above, last)))
    if detail["type"] == "extra_forbidden":
        return _unknown(path, str(last), _walk(model, above), title)
    if detail["type"] == "missing":
        return f"Setting {path!r} of {title} is missing."
    wanted = detail["msg"].replace("Input should be", "expected").removeprefix("Value error, ")
    wanted = wanted.replace("a valid tuple", "a list")
    return f"Setting {path!r} of {title}: {wanted}. Received: {_short(detail['input'])}."


def _unknown(path: str, name: str, model: type[BaseModel] | None, title: str) -> str:
    known = sorted(model.model_fields) if model else []
    above = path.rpartition(".")[0]
    deeper = [f"{above}.{each}".lstrip(".") for each in _below(model) if each.endswith(f".{name}")]
    close = deeper[:3] or get_close_matches(name, known, n=1, cutoff=0.5)
    guess = f" Did you mean {listed([repr(each) for each in close], 'or')}?" if close else ""
    allowed = f" Known: {', '.join(known)}." if known else ""
    return f"There is no setting {path!r} in {title}.{guess}{allowed}"


def _below(model: type[BaseModel] | None) -> Iterator[str]:
    """The dotted names of all settings of a class."""
    for name, field in model.model_fields.items() if model else ():
        yield name
        yield from (f"{name}.{each}" for each in _below(_model_in(field.annotation)))


def _walk(model: type[BaseModel] | None, path: list[int | str]) -> type[BaseModel] | None:
    """The settings that a path of field names leads to."""
    for step in path:
        field = model.model_fields.get(str(step)) if model else None
        if field is not None:
            model = _model_in(field.annotation)
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The settings class inside an annotation such as `Inner | None` or `list[Inner]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."

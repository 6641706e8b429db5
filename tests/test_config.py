from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, PositiveInt

from tandemrec.config import Settings, describe_fields, every
from tandemrec.errors import ConfigError


class Inner(Settings):
    alpha: float = Field(default=0.5, ge=0, le=1)
    """The weight."""
    form: Literal["inside", "outside"] = "inside"


class Outer(Settings):
    blend: Inner = Inner()
    extra: Inner | None = None
    needed: int
    """Has no default."""


def test_a_docstring_below_a_field_describes_it():
    assert describe_fields(Outer) == {"blend": "", "extra": "", "needed": "Has no default."}


def test_every_setting_is_told_with_its_path_and_value():
    given = Outer(blend=Inner(alpha=0.2), needed=3)
    assert list(every(given)) == [
        ("blend.alpha", 0.2, "The weight."),
        ("blend.form", "inside", ""),
        ("extra", None, ""),
        ("needed", 3, "Has no default."),
    ]


def test_an_unknown_name_is_guessed():
    with pytest.raises(ConfigError, match=r"no setting 'alpa' in Inner\. Did you mean 'alpha'\?"):
        Inner(alpa=1)


def test_an_unknown_name_inside_is_guessed_with_its_path():
    for field in ("blend", "extra"):
        with pytest.raises(ConfigError, match=rf"'{field}\.frm' in Outer\. Did you mean 'form'\?"):
            Outer(**{field: {"frm": "inside"}}, needed=1)


def test_a_name_of_a_level_below_is_guessed_with_its_path():
    with pytest.raises(ConfigError, match=r"Did you mean 'blend\.alpha' or 'extra\.alpha'\?"):
        Outer(alpha=0.5, needed=1)


def test_a_wrong_entry_of_a_list_is_told_once():
    class Many(Settings):
        shares: tuple[Annotated[float, Field(le=1)], ...] = Field(default=(1.0,), min_length=1)

    with pytest.raises(ConfigError) as told:
        Many(shares=(1.5,))
    assert str(told.value) == (
        "Setting 'shares.0' of Many: expected less than or equal to 1. Received: 1.5."
    )
    with pytest.raises(ConfigError, match=r"'shares' of Many: .* at least 1 item"):
        Many(shares=())


def test_a_value_out_of_range_says_what_is_allowed_and_what_came():
    with pytest.raises(ConfigError, match=r"'blend.alpha'.*less than or equal to 1.*Received: 3"):
        Outer.model_validate({"blend": {"alpha": 3}, "needed": 1})
    with pytest.raises(ConfigError, match=r"expected 'inside' or 'outside'\. Received: 'both'"):
        Inner(form="both")


def test_a_missing_value_is_named():
    with pytest.raises(ConfigError, match="'needed' of Outer is missing"):
        Outer()


def test_the_error_is_one_line():
    with pytest.raises(ConfigError) as caught:
        Outer(blend={"alpha": "x" * 1000, "zzz": 1}, typo=2)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_settings_are_frozen_and_copied_with_changes():
    settings = Inner(alpha=0.25)
    with pytest.raises(Exception, match="frozen"):
        settings.alpha = 1.0
    assert settings.model_copy(update={"alpha": 0.75}).alpha == 0.75


class Numbers(Settings):
    plain: int = 1
    bounded: PositiveInt | None = None
    switch: bool | int = True
    free: Any = None


@pytest.mark.parametrize("name", ["plain", "bounded"])
@pytest.mark.parametrize("value", [True, False])
def test_a_truth_value_is_no_number(name, value):
    with pytest.raises(ConfigError, match=rf"'{name}'.*expected a number, not a truth value"):
        Numbers(**{name: value})
    assert Numbers(switch=value, free=value).switch is value
    assert Numbers(plain=0, bounded=1) == Numbers(plain=0, bounded=1, switch=True)

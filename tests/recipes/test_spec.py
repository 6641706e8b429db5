import codecs
from pathlib import Path

import pytest

from tandemrec.errors import ConfigError, LLMError, UnknownName
from tandemrec.recipes.settings import PAPER, PRESETS, preset_of
from tandemrec.recipes.spec import RunSpec, parse_settings, spec_of


def test_settings_from_the_command_line_are_nested() -> None:
    pairs = ["blend.constant=0.3", "blend.form=outside", "tune=none", "prompt.history=5"]
    assert parse_settings(pairs) == {
        "blend": {"constant": 0.3, "form": "outside"},
        "tune": None,
        "prompt": {"history": 5},
    }


def test_they_go_on_top_of_the_preset() -> None:
    spec = RunSpec(preset="paper", settings=parse_settings(["blend.constant=0.3", "tune=none"]))
    assert spec.config.blend.constant == 0.3
    assert spec.config.blend.utility == "rank"
    assert spec.config.tune is None


def test_one_value_stands_for_a_grid_of_one() -> None:
    assert RunSpec(settings=parse_settings(["blend.alpha1=0.5"])).config.blend.alpha1 == (0.5,)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        (["blend.alpah1=0.5"], "Did you mean 'alpha1'"),
        (["blend.constant=2"], "less than or equal to 1"),
        (["blend"], "NAME=VALUE"),
        (["prompt.history=many"], "integer"),
    ],
)
def test_bad_settings_are_refused(settings: list[str], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        _ = RunSpec(settings=parse_settings(settings)).config


def test_a_file_is_read_and_the_command_line_wins(tmp_path: Path) -> None:
    file = tmp_path / "my.toml"
    file.write_text('backbone = "mf"\nseeds = 3\n[settings.blend]\nconstant = 0.2\n')
    spec = spec_of(str(file), {"seeds": 2, "settings": {"blend": {"form": "outside"}}})
    assert (spec.backbone, spec.all_seeds) == ("mf", [0, 1])
    assert (spec.config.blend.constant, spec.config.blend.form) == (0.2, "outside")
    file.write_bytes(codecs.BOM_UTF8 + file.read_bytes())  # as some editors write it
    assert spec_of(str(file), {}).all_seeds == [0, 1, 2]
    file.write_text('context = "device"')
    with pytest.raises(ConfigError, match=r"'context' of RunSpec: expected a list\. Received"):
        spec_of(str(file), {})


def test_bad_files_and_names_are_refused(tmp_path: Path) -> None:
    broken = tmp_path / "my.toml"
    broken.write_text("seeds = = 3")
    with pytest.raises(ConfigError, match=r"my.toml is no valid TOML"):
        spec_of(str(broken), {})
    with pytest.raises(ConfigError, match="There is no run file"):
        spec_of(str(tmp_path / "none.toml"), {})
    (tmp_path / "d.toml").mkdir()
    with pytest.raises(ConfigError, match=r"d\.toml' cannot be read: Is a directory\. Give a TOML"):
        spec_of(str(tmp_path / "d.toml"), {})
    with pytest.raises(UnknownName, match="Did you mean 'llama4rec'"):
        spec_of("lama4rec", {})
    with pytest.raises(UnknownName, match="Did you mean 'paper'"):
        _ = RunSpec(preset="papr").config
    with pytest.raises(ConfigError, match="Did you mean 'backbone'"):
        spec_of("llama4rec", {"bakbone": "mf"})


def test_settings_are_called_by_the_nearest_preset() -> None:
    assert [preset_of(each) for each in PRESETS.values()] == list(PRESETS)
    changed = RunSpec(settings=parse_settings(["blend.constant=0.3", "training.epochs=9"]))
    assert preset_of(changed.config) == "plus, but for training.epochs, blend.constant"
    assert preset_of(PAPER.model_copy(update={"tune": None})) == "paper, but for tune"


def test_a_key_in_an_address_is_refused_before_anything_is_written() -> None:
    with pytest.raises(LLMError, match="TANDEMREC_LLM_KEY") as caught:
        spec_of("llama4rec", {"llm": "https://api.example.org/v1?api_key=sk-12345#m"})
    assert "12345" not in str(caught.value)
    assert spec_of("llama4rec", {"llm": "https://host/v1?key=MY_KEY#m"}).llm.endswith("#m")

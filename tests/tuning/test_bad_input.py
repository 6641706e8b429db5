"""What cannot be tuned, or not be written, ends in one clear line."""

import json

import pytest

from tandemrec.config import ConfigError
from tandemrec.errors import LLMError, RunError
from tandemrec.llm.base import Prompt
from tandemrec.tuning import tune as tuning
from tandemrec.tuning.examples import Example
from tandemrec.tuning.tune import TuneConfig, Tuned, tune
from tuning_lessons import FAST, LORA, OPENING

EXAMPLES = [Example(OPENING, "Star Wars\nFargo\nAlien\n" * (1 + n % 4)) for n in range(16)]


def test_what_cannot_be_tuned_is_one_clear_line(base, tmp_path):
    with pytest.raises(LLMError, match="no examples"):
        tune([], base, TuneConfig(), tmp_path)
    with pytest.raises(LLMError, match="is no language model"):
        tune(EXAMPLES, tmp_path, TuneConfig(), tmp_path)
    with pytest.raises(ConfigError, match="trainable_layers is 9; the model has 3"):
        tune(EXAMPLES, base, TuneConfig(**FAST, trainable_layers=9), tmp_path / "a")
    with pytest.raises(ConfigError, match="LoRA does not fit this model: it has no none_such"):
        tune(EXAMPLES, base, TuneConfig(**LORA, targets=("q_proj", "none_such")), tmp_path / "b")
    with pytest.raises(ConfigError, match="layers has 3; the model's go from 0 to 2"):
        tune(EXAMPLES, base, TuneConfig(**LORA, layers=(0, 3)), tmp_path / "c")
    for settings in ({**FAST, "layers": (1,)}, {**LORA, "layers": (1,), "trainable_layers": 1}):
        with pytest.raises(ConfigError, match="layers names the layers of a LoRA adapter"):
            tune(EXAMPLES, base, TuneConfig(**settings), tmp_path / "d")
    with pytest.raises(LLMError, match="Example 1 is empty"):
        nothing = Example(Prompt("", "", chat=False), "")
        tune([EXAMPLES[0], nothing], base, TuneConfig(**FAST), tmp_path / "e")
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="cannot be written"):
        tune(EXAMPLES, base, TuneConfig(**FAST), tmp_path / "file")


@pytest.mark.parametrize(
    ("settings", "size", "said"),
    [
        ({"checkpoint_seconds": 0}, 8_000, "A checkpoint in .*"),  # the weights
        ({"checkpoint_seconds": 0}, 50_000, "A checkpoint in .*"),  # the optimizer
        ({"keep_frozen": True}, 8_000, ".*frozen.f32"),
        ({}, 50_000, ""),  # the tuned model
    ],
)
def test_a_full_disk_is_one_clear_line(base, tmp_path, disk_for, settings, size, said):
    config = TuneConfig(**{**FAST, "keep_frozen": False, **settings}, trainable_layers=1, steps=2)
    match = rf"^{said}.*cannot be written: .*Is the disk full\?"
    with disk_for(size), pytest.raises(RunError, match=match):
        tune(EXAMPLES, base, config, tmp_path / "out")
    assert not (tmp_path / "out" / "tuned.json").exists()


def test_a_folder_without_a_tuned_model_says_so(tmp_path):
    with pytest.raises(LLMError, match="holds no tuned model"):
        Tuned.load(tmp_path)
    (tmp_path / tuning.NOTE).write_text(json.dumps({"base": "x"}))
    with pytest.raises(LLMError, match="damaged"):
        Tuned.load(tmp_path)

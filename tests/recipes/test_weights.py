"""A language model that cannot be read is told of before anything is fitted."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

import tandemrec as tr
from recipes.worlds import small
from tandemrec.errors import ConfigError, LLMError
from tandemrec.recipes.settings import PLUS
from tandemrec.recipes.weights import check_model
from tandemrec.tuning.tune import TuneConfig
from tiny_llm import tiny_folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tiny_folder(tmp_path / "model")


def truncated(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def nonsense(file: Path) -> None:
    file.write_text(json.dumps({"model_type": ["llama"], "num_hidden_layers": None}))


def other_type(file: Path) -> None:
    file.write_text(json.dumps({"model_type": "no such type"}))


@pytest.mark.parametrize(
    ("name", "break_it", "says"),
    [
        ("model.safetensors", truncated, r"cannot be loaded: model\.safetensors: "),
        ("model.safetensors", empty, r"cannot be loaded: model\.safetensors: "),
        ("config.json", truncated, r"cannot be loaded: config\.json: "),
        ("config.json", other_type, r"cannot be loaded: config\.json: "),
        ("config.json", nonsense, r"cannot be loaded: config\.json: "),
        ("tokenizer.json", truncated, "model cannot be loaded"),
    ],
)
def test_a_broken_folder_stops_a_run_before_it_begins(
    model: Path, name: str, break_it, says: str, tmp_path: Path
) -> None:  # type: ignore[no-untyped-def]
    break_it(model / name)
    with pytest.raises(LLMError, match=says) as error:
        tr.llama4rec(small(), backbone="mf", llm=tr.llm(model), out=tmp_path / "run")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()


def test_a_missing_part_of_the_weights_is_named(model: Path) -> None:
    parts = {"weight_map": {"a": "model.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (model / "model.safetensors.index.json").write_text(json.dumps(parts))
    with pytest.raises(LLMError, match=r"loaded: model-00002-of-00002\.safetensors: "):
        check_model(tr.llm(model), None)
    (model / "model.safetensors.index.json").write_text("{")
    with pytest.raises(LLMError, match=r"loaded: model\.safetensors\.index\.json: "):
        check_model(tr.llm(model), None)


def test_a_broken_adapter_is_named(model: Path, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text("{}")
    (adapter / "adapter_model.safetensors").write_bytes(b"short")
    with pytest.raises(LLMError, match=r"loaded: adapter_model\.safetensors: "):
        check_model(tr.llm(model, adapter=adapter), None)


def test_more_layers_than_there_are_cannot_be_tuned(model: Path, tmp_path: Path) -> None:
    assert PLUS.tune is not None and PLUS.tune.trainable_layers == 10
    with pytest.raises(ConfigError, match=r"trainable_layers is 10; the model in .* has 3 layers"):
        tr.llama4rec(small(), backbone="mf", llm=tr.llm(model), out=tmp_path / "run")
    check_model(tr.llm(model), TuneConfig(trainable_layers=3))


def test_a_whole_folder_and_a_model_without_one_pass(model: Path) -> None:
    check_model(tr.llm(model), TuneConfig())
    check_model(tr.llm("fake"), TuneConfig())
    check_model(SimpleNamespace(name="somebody's own"), None)

"""Instruction sets as files: LLaMA-Factory reads what we learn, and all is written or nothing."""

import json
from pathlib import Path
from typing import Any

import pytest

from tandemrec.errors import ConfigError, RunError, UnknownName
from tandemrec.llm.base import Prompt
from tandemrec.tuning.examples import Example
from tandemrec.tuning.export import Exported, Sets, export
from tandemrec.tuning.llamafactory import LlamaFactoryConfig
from tandemrec.tuning.settings import TuneConfig
from tuning.llamafactory_rules import Seen, seen, training

HOSTILE = 'Amélie — "[/x]" \\ {{content}}\n\u2028 日本 ${HOME}: no\t|'
CHAT = [
    Example(Prompt("Answer Yes or No.", f"Liked: {HOSTILE}\nWill he like Heat?"), "Yes"),
    Example(Prompt("", "What is Heat about?"), "A cop.\nA thief."),
    Example(Prompt("Continue.", "said with a system's text", chat=False), "all the same"),
]
PLAIN = [Example(Prompt("", "movies\nHeat\n", chat=False), "Fargo\n")]
MODEL = "meta-llama/Meta-Llama-3-8B-Instruct"


def written(out: Path, sets: Sets, **settings: Any) -> Exported:
    config = LlamaFactoryConfig(**{"model": MODEL, "template": "llama3", **settings})
    return export(sets, out, "llamafactory", config)


def as_seen(examples: list[Example], template: str | None) -> list[Seen]:
    return [Seen(e.prompt.system, e.prompt.user, e.answer, template) for e in examples]


@pytest.mark.parametrize("layout", ["alpaca", "sharegpt"])
def test_what_is_read_is_what_was_written(tmp_path: Path, layout: str) -> None:
    sets = {"interactions": CHAT[:2], "summaries": CHAT[2:]}
    found = written(tmp_path / "out", sets, layout=layout, together=True)
    assert found.counts == {"interactions": 2, "summaries": 1}
    assert seen(tmp_path / "out", "train.yaml") == as_seen(CHAT, "llama3")
    assert sorted(found.files) == sorted((tmp_path / "out").iterdir())


def test_plain_text_has_a_training_of_its_own_that_goes_on(tmp_path: Path) -> None:
    written(tmp_path, {"one": [*PLAIN, *CHAT], "two": PLAIN}, together=True)
    assert seen(tmp_path, "train.yaml") == as_seen(CHAT, "llama3")
    assert seen(tmp_path, "train_plain.yaml") == as_seen(PLAIN * 2, "empty")
    first, second = (training(tmp_path, name) for name in ("train.yaml", "train_plain.yaml"))
    assert second["adapter_name_or_path"] == first["output_dir"] != second["output_dir"]
    assert "adapter_name_or_path" not in first


def test_every_set_has_an_adapter_of_its_own(tmp_path: Path) -> None:
    written(tmp_path, {"one": [*CHAT, *PLAIN], "two": CHAT[:1], "three": []})
    names = ["train-one.yaml", "train-one_plain.yaml", "train-two.yaml"]
    read = {name: training(tmp_path, name) for name in names}
    assert sorted(read) == sorted(file.name for file in tmp_path.glob("*.yaml"))
    assert seen(tmp_path, "train-two.yaml") == as_seen(CHAT[:1], "llama3")
    assert len({settings["output_dir"] for settings in read.values()}) == 3
    adapters = [settings.get("adapter_name_or_path") for settings in read.values()]
    assert adapters == [None, read["train-one.yaml"]["output_dir"], None]


def test_plain_text_alone_is_one_training(tmp_path: Path) -> None:
    written(tmp_path, {"one": PLAIN})
    assert seen(tmp_path, "train.yaml") == as_seen(PLAIN, "empty")
    assert not (tmp_path / "train_plain.yaml").exists()


def test_every_setting_arrives(tmp_path: Path) -> None:
    settings = {"rank": 7, "alpha": 9, "dropout": 0.25, "learning_rate": 2e-5, "epochs": 30}
    written(tmp_path, {"a": CHAT * 20}, **settings, cutoff=99, quantization=4, batch=2, seed=5)
    read = training(tmp_path, "train.yaml")
    assert (read["lora_rank"], read["lora_alpha"], read["lora_dropout"]) == (7, 9, 0.25)
    assert (read["learning_rate"], read["num_train_epochs"]) == (2e-5, 30.0)
    assert (read["cutoff_len"], read["quantization_bit"], read["seed"]) == (99, 4, 5)
    assert (read["per_device_train_batch_size"], read["gradient_accumulation_steps"]) == (2, 2)
    assert read["warmup_steps"] == 60 * 30 // 4 // 10
    assert read["model_name_or_path"] == MODEL and read["bf16"] is True


@pytest.mark.parametrize(
    ("precision", "keys"), [("float16", {"fp16"}), ("float32", set()), ("bfloat16", {"bf16"})]
)
def test_one_precision_at_most(tmp_path: Path, precision: str, keys: set[str]) -> None:
    written(tmp_path, {"a": CHAT}, precision=precision, template=None)
    read = training(tmp_path, "train.yaml")
    assert read.keys() & {"fp16", "bf16"} == keys
    assert "template" not in read  # LLaMA-Factory reads the model's own


def test_equal_sets_give_equal_bytes_and_a_seed_others(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        written(tmp_path / name, {"one": [*CHAT, *PLAIN]}, seed=seed)
    a, b, c = (
        {file.name: file.read_bytes() for file in (tmp_path / name).iterdir()} for name in "abc"
    )
    assert a == b
    assert {name for name in a if a[name] != c[name]} == {"train.yaml", "train_plain.yaml"}
    assert "日本" in a["one.json"].decode()


def test_an_empty_set_is_left_out(tmp_path: Path) -> None:
    found = written(tmp_path, {"interactions": CHAT, "summaries": []})
    assert found.counts == {"interactions": 3, "summaries": 0}
    assert list(json.loads((tmp_path / "dataset_info.json").read_text())) == ["interactions"]
    assert len(seen(tmp_path, "train.yaml")) == 3


@pytest.mark.parametrize(
    ("sets", "says"),
    [
        ({"a": [], "b": []}, "every instruction set is empty"),
        ({"../a": CHAT}, r"a set's name becomes a file's.*'\.\./a'"),
        ({"a,b": CHAT}, "'a,b'"),
        ({"a": [*CHAT, *PLAIN], "a_plain": CHAT}, r"two files would be called a_plain\.json"),
        ({"dataset_info": CHAT}, r"two files would be called dataset_info\.json"),
        ({"a": [Example(Prompt("", "half \ud83d of a pair"), "x")]}, r"no text.*\\ud83d"),
    ],
)
def test_what_cannot_be_written_is_named_and_leaves_nothing(
    tmp_path: Path, sets: Sets, says: str
) -> None:
    with pytest.raises(ConfigError, match=f"(?i){says}"):
        written(tmp_path / "out", sets)
    assert not (tmp_path / "out").exists()


def test_a_full_disk_leaves_the_earlier_export(tmp_path: Path, disk_for) -> None:
    written(tmp_path, {"one": PLAIN})
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    with disk_for(4_000), pytest.raises(RunError, match="disk full"):
        written(tmp_path, {"small": PLAIN, "one": CHAT * 100})
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_an_unknown_format_and_a_file_for_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="Did you mean 'llamafactory'"):
        export({"a": CHAT}, tmp_path, "llama-factory", LlamaFactoryConfig(model=MODEL))
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="is a file"):
        written(tmp_path / "file", {"a": CHAT})


def test_settings_are_near_to_a_tuning_of_ours() -> None:
    lora = TuneConfig(
        method="lora", rank=4, alpha=8, learning_rate=3e-4, epochs=2, seed=3, precision="float32"
    )
    near = LlamaFactoryConfig.of("HuggingFaceTB/SmolLM2-135M-Instruct", lora, {"batch": 1})
    assert (near.template, near.rank, near.alpha, near.learning_rate) == ("smollm2", 4, 8, 3e-4)
    assert (near.epochs, near.seed, near.batch, near.cutoff) == (2, 3, 1, lora.context)
    assert near.precision == "float32"
    whole = LlamaFactoryConfig.of("my/model", TuneConfig(learning_rate=2e-5), {})
    assert whole.learning_rate == 1e-4 and whole.template is None
    assert LlamaFactoryConfig.of(MODEL, lora, {"template": "x"}).template == "x"
    with pytest.raises(ConfigError, match="Did you mean 'layout'"):
        LlamaFactoryConfig.of(MODEL, lora, {"layuot": "alpaca"})

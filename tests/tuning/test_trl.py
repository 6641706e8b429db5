"""Instruction sets for TRL: its rules hold, `tandemrec tune` reads them back, and so does TRL."""

from pathlib import Path
from typing import Any

import pytest

from tandemrec.errors import ConfigError, DataError
from tandemrec.llm.base import Prompt
from tandemrec.tuning import trl
from tandemrec.tuning.examples import Example
from tandemrec.tuning.export import Sets, export
from tandemrec.tuning.settings import TuneConfig
from tuning.test_export import CHAT, PLAIN
from tuning.trl_rules import Seen, seen, training

MODEL = "HuggingFaceTB/SmolLM2-135M-Instruct"


def written(out: Path, sets: Sets, **settings: Any) -> Path:
    export(sets, out, "trl", trl.TrlConfig(**{"model": MODEL, **settings}))
    return out


def as_seen(examples: list[Example], *, chat: bool) -> list[Seen]:
    return [Seen(e.prompt.system, e.prompt.user, e.answer, chat) for e in examples]


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    sets = {"one": [*PLAIN, *CHAT], "two": CHAT[:1], "three": []}
    written(tmp_path, sets, together=True)
    assert seen(tmp_path, "sft.yaml") == as_seen([*CHAT, CHAT[0]], chat=True)
    assert seen(tmp_path, "sft_plain.yaml") == as_seen(PLAIN, chat=False)
    names = {"one.jsonl", "one_plain.jsonl", "two.jsonl", "sft.yaml", "sft_plain.yaml"}
    assert {file.name for file in tmp_path.iterdir()} == names


def test_every_set_has_an_adapter_of_its_own(tmp_path: Path) -> None:
    written(tmp_path, {"one": CHAT, "two": PLAIN})
    assert seen(tmp_path, "sft-one.yaml") == as_seen(CHAT, chat=True)
    assert seen(tmp_path, "sft-two.yaml") == as_seen(PLAIN, chat=False)
    places = {training(tmp_path, f"sft-{name}.yaml")["output_dir"] for name in ("one", "two")}
    assert len(places) == 2


def test_every_setting_arrives(tmp_path: Path) -> None:
    settings = {"rank": 7, "alpha": 9, "dropout": 0.25, "learning_rate": 2e-5, "epochs": 30}
    settings |= {"cutoff": 99, "quantization": 4, "batch": 2, "seed": 5, "precision": "float16"}
    read = training(written(tmp_path, {"a": CHAT * 20}, **settings), "sft.yaml")
    assert (read["lora_r"], read["lora_alpha"], read["lora_dropout"]) == (7, 9, 0.25)
    assert (read["learning_rate"], read["num_train_epochs"]) == (2e-5, 30.0)
    assert (read["max_length"], read["load_in_4bit"], read["seed"]) == (99, True, 5)
    assert (read["per_device_train_batch_size"], read["gradient_accumulation_steps"]) == (2, 2)
    assert read["warmup_steps"] == 60 * 30 // 4 // 10
    assert (read["bf16"], read["fp16"]) == (False, True)
    assert read["completion_only_loss"] is True and read["model_name_or_path"] == MODEL


def test_settings_are_near_to_a_tuning_of_ours() -> None:
    lora = TuneConfig(method="lora", rank=4, alpha=8, learning_rate=3e-4, seed=3)
    near = trl.TrlConfig.of(MODEL, lora, {"batch": 1})
    assert (near.rank, near.alpha, near.learning_rate, near.seed) == (4, 8, 3e-4, 3)
    assert (near.model, near.batch, near.cutoff) == (MODEL, 1, lora.context)
    with pytest.raises(ConfigError, match="Did you mean 'rank'"):
        trl.TrlConfig.of(MODEL, lora, {"rnak": 4})


def test_two_files_of_one_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Two files would be called a_plain\.jsonl"):
        written(tmp_path, {"a": [*CHAT, *PLAIN], "a_plain": CHAT})


def test_tandemrec_reads_both_kinds_back(tmp_path: Path) -> None:
    written(tmp_path, {"one": [*CHAT, *PLAIN]})
    asked = [Example(Prompt(e.prompt.system, e.prompt.user), e.answer) for e in CHAT]
    assert trl.read(tmp_path / "one.jsonl") == asked
    assert trl.read(tmp_path / "one_plain.jsonl") == PLAIN
    both = (tmp_path / "one.jsonl").read_text() + "\n" + (tmp_path / "one_plain.jsonl").read_text()
    (tmp_path / "both.jsonl").write_text(both)
    assert trl.read(tmp_path / "both.jsonl") == [*asked, *PLAIN]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "has no examples"),
        ("{", "line 1: .*This one is not: Expecting"),
        ('\n{"prompt": "a"}', "line 2: .*is neither of the two"),
        ('{"prompt": "a", "completion": 1}', "is neither of the two"),
        ('{"prompt": [], "completion": [{"role": "assistant", "content": "x"}]}', "not a user's"),
        ('{"messages": [{"role": "user", "content": "a"}]}', "--instructions trl"),
        ("[1]", "is neither of the two"),
    ],
)
def test_another_file_is_named_with_its_line(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "mine.jsonl").write_text(text)
    with pytest.raises(DataError, match=rf"mine\.jsonl.*{says}"):
        trl.read(tmp_path / "mine.jsonl")


def test_no_text_and_no_file(tmp_path: Path) -> None:
    (tmp_path / "bytes.jsonl").write_bytes(b"\xff\xfe")
    for name in ("bytes.jsonl", "missing.jsonl"):
        with pytest.raises(DataError, match=rf"{name}: cannot be read"):
            trl.read(tmp_path / name)


def test_trl_itself_reads_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real: Any = pytest.importorskip("trl")
    from trl.data_utils import is_conversational

    written(tmp_path, {"one": [*CHAT, *PLAIN]}, rank=7, precision="float32")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    kinds = (real.ScriptArguments, real.SFTConfig, real.ModelConfig, real.DatasetMixtureConfig)
    for name, examples in (("sft.yaml", CHAT), ("sft_plain.yaml", PLAIN)):
        words = ["--config", name]
        _, training, model, mixture = real.TrlParser(kinds).parse_args_and_config(words)
        rows = list(real.get_dataset(mixture)["train"])
        assert is_conversational(rows[0]) is (examples is CHAT)
        answers = [row["completion"] for row in rows]
        texts = [each if isinstance(each, str) else each[0]["content"] for each in answers]
        assert texts == [example.answer for example in examples]
        assert real.get_peft_config(model).r == 7 and training.completion_only_loss is True

"""`tandemrec export`: what a finished run tuned on, fitted and tuned, for programs elsewhere."""

import contextlib
import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

import tandemrec as tr
from recipes.worlds import write_log
from tandemrec.backbones.export import load
from tandemrec.cli import main
from tandemrec.llm import network
from tandemrec.llm.base import Prompt
from tandemrec.ranking import rank
from tandemrec.recipes import exports, instructions
from tandemrec.recipes.execute import execute, finished
from tandemrec.recipes.spec import RunSpec
from tandemrec.report.contents import Contents
from tandemrec.tuning.examples import Example
from tandemrec.tuning.tune import tune
from tiny_llm import tiny_folder
from tuning import trl_rules
from tuning.llamafactory_rules import seen, training
from tuning.openai_rules import requests

Call = Callable[..., tuple[int, str, list[str]]]
TUNE = {"trainable_layers": 2, "steps": 2, "context": 1900}


def run(folder: Path, llm: str, adapter: Path | None = None, **settings: Any) -> Path:
    """A small finished run on a log of one's own."""
    titles = [f"i{n},Film {n:02d}" for n in range(25)]
    (folder / "items.csv").write_text("item_id,title\n" + "\n".join(titles) + "\n")
    out = folder / "run"
    fast = {"training": {"epochs": 3, "every": 1, "batch_size": 64}, "tune": TUNE}
    spec = {"data": str(write_log(folder, 20)), "items": str(folder / "items.csv"), "llm": llm}
    spec |= {} if adapter is None else {"adapter": str(adapter)}
    settings = {**fast, **settings}
    execute(RunSpec.model_validate({**spec, "backbone": "mf", "out": out, "settings": settings}))
    return out


LORA = TUNE | {"method": "lora", "rank": 2, "learning_rate": 1e-2}
LEARNT: list[list[Example]] = []
"What the tuning was given."


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the preset `plus` with a tiny language model."""
    folder = tmp_path_factory.mktemp("world")
    tiny_folder(folder / "model", context=2048)

    def noting(examples: list[Example], *more: Any, **options: Any) -> Any:
        LEARNT.append(list(examples))
        return tune(examples, *more, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tandemrec.recipes.tuning.tune", noting)
        return run(folder, str(folder / "model"))


@pytest.fixture(scope="module")
def adapted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with a LoRA adapter."""
    folder = tmp_path_factory.mktemp("adapted")
    return run(folder, str(tiny_folder(folder / "model", context=2048)), tune=LORA)


@pytest.fixture(scope="module")
def elsewhere(adapted: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the command says of all of it at once, into folders of their own."""
    out, said = tmp_path_factory.mktemp("elsewhere"), io.StringIO()
    words = ["--instructions", "trl", "--out", out / "trl", "--backbone", out / "backbone"]
    with contextlib.redirect_stdout(said):
        code = main(
            ["export", *map(str, [adapted, *words, "--adapter", out / "adapter", "--json"])]
        )
    assert code == 0
    return {"out": out, **json.loads(said.getvalue())}


def test_a_run_gives_the_examples_that_it_tuned_on(tuned: Path, call: Call) -> None:
    code, out, _ = call("export", tuned, "--instructions", "llamafactory", "--json")
    assert code == 0
    found = json.loads(out)
    (own,) = LEARNT
    assert found["counts"] == {"instructions": len(own)} and len(own) > 5
    assert Path(found["files"][0]) == tuned / "llamafactory" / "instructions.json"
    read = seen(tuned / "llamafactory", "train.yaml")
    assert [(row.user, row.answer) for row in read] == [(e.prompt.user, e.answer) for e in own]
    settings = training(tuned / "llamafactory", "train.yaml")
    assert settings["model_name_or_path"] == str(tuned.parent / "model")
    assert (settings["cutoff_len"], settings["template"]) == (1900, "empty")


def test_settings_and_another_folder(tuned: Path, tmp_path: Path, call: Call) -> None:
    words = ["export", tuned, "--instructions", "llamafactory", "--out", tmp_path / "a"]
    code, out, err = call(*words, "--set", "layout=sharegpt", "--set", "rank=3")
    assert code == 0
    assert [Path(line).name for line in out.splitlines()] == [
        "instructions.json",
        "dataset_info.json",
        "train.yaml",
    ]
    assert any("instructions: " in line and "examples" in line for line in err)
    assert training(tmp_path / "a", "train.yaml")["lora_rank"] == 3
    assert "conversations" in (tmp_path / "a" / "instructions.json").read_text()


def test_trl_and_openai_get_the_same_examples(tuned: Path, tmp_path: Path, call: Call) -> None:
    (own,) = LEARNT
    assert call("export", tuned, "--instructions", "trl")[0] == 0
    read = trl_rules.seen(tuned / "trl", "sft.yaml")
    assert [(row.user, row.answer) for row in read] == [(e.prompt.user, e.answer) for e in own]
    words = ["export", tuned, "--instructions", "openai-batch", "--out", tmp_path / "a"]
    assert call(*words, "--set", "model=gpt-x", "--set", "max_tokens=9")[0] == 0
    asked = requests(tmp_path / "a" / "instructions.jsonl")
    assert [each["body"]["prompt"] for each in asked] == [example.prompt.user for example in own]
    assert {each["body"]["model"] for each in asked} == {"gpt-x"}
    code, _, err = call("export", tuned, "--instructions", "openai-tuning")
    assert code == 2 and "OpenAI tunes chat models" in err[-1]


def test_exporting_twice_gives_the_same_and_makes_nothing(tuned: Path, call: Call) -> None:
    words = ["export", tuned, "--instructions", "llamafactory"]
    call(*words)
    before = state(tuned)
    assert call(*words)[0] == 0
    assert state(tuned) == before
    assert finished(tuned).setup.run.made == []


def test_all_is_written_where_it_was_told_to(elsewhere: dict[str, Any]) -> None:
    files = [Path(file) for file in elsewhere["files"]]
    assert sorted(files) == sorted(file for file in elsewhere["out"].rglob("*") if file.is_file())
    names = {"adapter_config.json", "adapter_model.safetensors", "README.md"}
    assert {file.name for file in (elsewhere["out"] / "adapter").iterdir()} == names
    assert elsewhere["counts"]["instructions"] > 5


def test_the_backbone_ranks_elsewhere_as_in_the_run(
    adapted: Path, elsewhere: dict[str, Any]
) -> None:
    ours, again = finished(adapted), load(elsewhere["out"] / "backbone")
    one = rank(ours.seeds[0].backbone, ours.setup.split.train, None, 5)
    two = rank(again.fitted, again.fitted.train, None, 5)
    assert (one.items == two.items).all() and (one.scores == two.scores).all()
    assert again.catalogue.item_ids[3] == ours.setup.split.data.catalogue.item_ids[3]
    card = (elsewhere["out"] / "backbone" / "README.md").read_text()
    assert "| Base |" in card and "| training.epochs | 3 |" in card


def test_the_adapter_is_pefts_and_gives_the_same_logits(
    adapted: Path, elsewhere: dict[str, Any]
) -> None:
    base, out = adapted.parent / "model", elsewhere["out"] / "adapter"
    told = json.loads((out / "adapter_config.json").read_text())
    assert told["base_model_name_or_path"] == str(base) and told["r"] == 2
    tokens = AutoTokenizer.from_pretrained(base)("Film 03\n", return_tensors="pt").input_ids
    plain = AutoModelForCausalLM.from_pretrained(base).eval()
    place, cpu = adapted / "tuned", torch.device("cpu")
    ours = network.load(base, dtype=torch.float32, device=cpu, adapter=place)
    with torch.no_grad():
        bare = plain(tokens).logits
        theirs = PeftModel.from_pretrained(plain, out).eval()(tokens).logits
        own = ours.read(ours.texts(tokens[0], [tokens.shape[1]]))
    torch.testing.assert_close(theirs[0], own, atol=1e-5, rtol=1e-5)
    assert (theirs - bare).abs().max() > 1e-3


def test_the_python_on_an_adapters_card_runs(adapted: Path, elsewhere: dict[str, Any]) -> None:
    card = (elsewhere["out"] / "adapter" / "README.md").read_text()
    assert card.startswith('---\nlibrary_name: "peft"\nbase_model: ')
    (code,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    known: dict[str, Any] = {}
    exec(code.replace("FOLDER", str(elsewhere["out"] / "adapter")), known)
    asked = [Prompt("", "movies\nFilm 03\n", chat=False)], [["Film 04\n", "Film 05\n"]]
    (with_it,) = known["llm"].choose(*asked)
    (without,) = tr.llm(str(adapted.parent / "model")).choose(*asked)
    assert (with_it.logprobs != without.logprobs).all()


def test_an_adapter_comes_back_into_another_run(
    adapted: Path, elsewhere: dict[str, Any], tmp_path: Path
) -> None:
    base = adapted.parent / "model"
    out = run(tmp_path, str(base), elsewhere["out"] / "adapter", tune=None)
    found = finished(out).setup.llm
    assert found.adapter == elsewhere["out"] / "adapter"
    assert Contents.load(out).llm == "model with adapter adapter"
    assert found.fingerprint != tr.llm(str(base)).fingerprint


def test_the_python_of_the_page_runs(
    adapted: Path,
    elsewhere: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "export.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    monkeypatch.chdir(elsewhere["out"])
    shutil.copytree(adapted.parent / "model", "model", dirs_exist_ok=True)
    user = load("backbone").catalogue.user_ids[0]
    known: dict[str, Any] = {"run": finished(adapted)}
    for block in blocks:
        exec(block.replace("u17", str(user)), known)
    assert len(blocks) == 4 and len(known["names"]) == 5
    assert known["names"][0] == known["item_ids"][int(known["scores"].argmax())]
    assert "loss" in capsys.readouterr().out


def test_several_adapters_have_folders_of_their_names(
    adapted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = finished(adapted)
    place = found.setup.common.places["tuned"]
    shutil.copytree(place, tmp_path / "more")
    monkeypatch.setitem(found.setup.common.places, "tuned-more", tmp_path / "more")
    monkeypatch.setattr(exports, "finished", lambda *given: found)
    files = exports.export_adapter(adapted, tmp_path / "out")
    assert {file.parent.name for file in files} == {"tuned", "tuned-more"}
    assert all(file.exists() for file in files) and len(files) == 6


def test_a_run_that_tuned_whole_weights_has_no_adapter(
    tuned: Path, tmp_path: Path, call: Call
) -> None:
    code, _, err = call("export", tuned, "--adapter", tmp_path / "out")
    assert code == 2 and "lies whole in" in err[-1] and "tune.method=lora" in err[-1]
    (tmp_path / "file").write_text("")
    for option in ("--backbone", "--adapter"):
        code, _, err = call("export", tuned, option, tmp_path / "file")
        assert code == 2 and "is a file" in err[-1]
    assert not (tmp_path / "out").exists()


def state(folder: Path) -> dict[str, bytes]:
    files = [file for file in folder.rglob("*") if file.is_file()]
    kept = [file for file in files if not file.name.startswith("answers.sqlite")]
    return {str(file.relative_to(folder)): file.read_bytes() for file in kept}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--instructions", "llamafactry"], "Did you mean 'llamafactory'"),
        (["--instructions", "llamafactory", "--set", "rnak=3"], "Did you mean 'rank'"),
        (["--instructions", "llamafactory", "--set", "rank"], "--set takes NAME=VALUE"),
        ([], "Missing option"),
        (["--backbone", "there", "--set", "layot=sharegpt"], "--set is of --instructions"),
        (["--backbone", "there", "--out", "nowhere"], "--out is of --instructions"),
    ],
)
def test_a_wrong_word_is_one_line(tuned: Path, call: Call, words: list[str], says: str) -> None:
    code, out, err = call("export", tuned, *words)
    assert (code, out) == (2, "")
    assert says in err[-1]


def test_a_run_without_tuning_says_so(tmp_path: Path, call: Call) -> None:
    folder = run(tmp_path, "fake")
    code, _, err = call("export", folder, "--instructions", "llamafactory")
    assert code == 2 and "tuned no language model" in err[-1]
    assert not (folder / "llamafactory").exists()
    code, _, err = call("export", folder, "--adapter", tmp_path / "out")
    assert code == 2 and "it tuned no language model" in err[-1]


def test_a_folder_without_a_run_says_so(tmp_path: Path, call: Call) -> None:
    code, _, err = call("export", tmp_path, "--instructions", "llamafactory")
    assert code == 2 and "finish the run first" in err[-1]


@pytest.mark.parametrize(
    ("llm", "name"),
    [
        ("smollm2-135m", "HuggingFaceTB/SmolLM2-135M-Instruct"),
        ("smollm2-135m:15", "/cache/cut"),
        ("org/name", "org/name"),
    ],
)
def test_a_model_is_named_as_anybody_can_fetch_it(llm: str, name: str) -> None:
    assert instructions.model_name(llm, Path("/cache/cut")) == name

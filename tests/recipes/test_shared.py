"""Runs of several backbones on the same data that share a tuned model and its answers."""

from pathlib import Path

import pytest

from recipes.worlds import small
from tandemrec.backbones import MF, LightGCN, SASRec
from tandemrec.errors import UnknownName
from tandemrec.llm import Prompt, llm
from tandemrec.llm.fake import FakeLLM
from tandemrec.progress import silent
from tandemrec.recipes import execute, inputs
from tandemrec.recipes.execute import llama4rec
from tandemrec.recipes.finished import Finished
from tandemrec.recipes.settings import PAPER, PLUS, Llama4RecConfig
from tandemrec.recipes.setup import Setup
from tandemrec.recipes.spec import RunSpec
from tandemrec.recipes.tuning import instruction_set
from tandemrec.runs import Run
from tandemrec.tuning.tune import TuneConfig
from tiny_llm import tiny_folder


def taught(name: str | None) -> Llama4RecConfig:
    return PLUS.model_copy(
        update={
            "training": {"epochs": 2, "batch_size": 64},
            "tune": TuneConfig(trainable_layers=2, learning_rate=1e-3, steps=3),
            "examples": PLUS.examples.model_copy(update={"backbone": name}),
        }
    )


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tiny_folder(tmp_path / "model", context=1024)


def run(
    tmp_path: Path,
    model: Path,
    backbone: type,
    out: str,
    config: Llama4RecConfig = taught("mf"),  # noqa: B008  never changed
) -> Finished:
    return llama4rec(
        small(),
        backbone=backbone,
        llm=llm(model, dtype="float32"),
        config=config,
        out=tmp_path / out,
        shared=tmp_path / "common",
    )


def test_a_second_backbone_tunes_nothing(tmp_path: Path, model: Path) -> None:
    first = run(tmp_path, model, MF, "mf")
    assert set(first.setup.common.made) == {"seed-0/fold", "tuned"}
    assert (tmp_path / "common" / "answers.sqlite").exists()
    assert not (tmp_path / "mf" / "tuned").exists()
    config = taught("mf")
    assert config.tune is not None
    spread = config.tune.model_copy(update={"parallel": "fsdp2"})  # how it is spread is no matter
    config = config.model_copy(update={"tune": spread})
    second = run(tmp_path, model, LightGCN, "lightgcn", config)
    assert second.setup.common.made == []
    assert first.seeds[0].llm.fingerprint == second.seeds[0].llm.fingerprint


def test_other_training_settings_make_another_teacher_and_harm_nobody(
    tmp_path: Path, model: Path
) -> None:
    first = run(tmp_path, model, MF, "mf")
    config = taught("mf").model_copy(update={"training": {"epochs": 3, "batch_size": 64}})
    other = run(tmp_path, model, LightGCN, "lightgcn", config)
    assert set(other.setup.common.made) == {"seed-0/fold", "tuned"}
    assert run(tmp_path, model, MF, "mf").setup.common.made == []
    again = run(tmp_path, model, LightGCN, "lightgcn", config)
    assert again.setup.common.made == [] == again.setup.run.made
    assert first.contents.timings.keys() >= {"shared/tuned", "shared/seed-0/fold"}


def test_a_teacher_in_sample_is_not_the_runs_own_base(tmp_path: Path, model: Path) -> None:
    config = taught("mf")
    examples = config.examples.model_copy(update={"out_of_fold": False})
    config = config.model_copy(update={"examples": examples})
    for made in ({"seed-0/teacher", "seed-0/base"}, set()):
        done = llama4rec(
            small(),
            backbone=LightGCN,
            llm=llm(model, dtype="float32"),
            config=config,
            out=tmp_path / "alone",
        )
        assert made <= set(done.setup.run.made)
    assert done.setup.run.made == []


@pytest.mark.parametrize("backbone", [SASRec, MF])
def test_a_set_is_worded_as_the_run_asks_whoever_teaches(tmp_path: Path, backbone: type) -> None:
    examples = PAPER.examples.model_copy(update={"backbone": "mf", "instructions": 8})
    config = PAPER.model_copy(update={"training": {"epochs": 1}, "examples": examples})
    setup = Setup(small(), backbone, FakeLLM(), config, Run(tmp_path), silent)
    texts = [str(each.prompt) for each in instruction_set(setup, 0).examples]
    assert texts
    assert {"next" in text for text in texts} == {backbone is SASRec}


def test_what_one_run_asked_another_knows(tmp_path: Path) -> None:
    asked = []
    for out in ("one", "two"):
        fake = FakeLLM()
        common = tmp_path / "common"
        llama4rec(
            small(), backbone=MF, llm=fake, config=taught("mf"), out=tmp_path / out, shared=common
        )
        asked.append(fake.asked)
    assert asked[0] > 0 == asked[1]


class Noting(FakeLLM):
    """Notes each prompt that it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.prompts: list[Prompt] = []

    def choose(self, prompts, options):  # type: ignore[no-untyped-def]
        self.prompts += prompts
        return super().choose(prompts, options)


def test_what_runs_ask_alike_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "load", lambda name, **_: small().data)
    noting = Noting()
    monkeypatch.setattr(inputs, "named_llm", lambda name, **_: noting)
    settings = {"training": {"epochs": 2, "batch_size": 64}, "tune": None}
    specs = {
        out: RunSpec(
            backbone=name,
            seeds=2,
            out=tmp_path / out,
            shared=tmp_path / (out if out == "alone" else "common"),
            settings=settings,
        )
        for out, name in (("mf", "mf"), ("sasrec", "sasrec"), ("alone", "sasrec"))
    }
    execute.ask_ahead([specs["mf"], specs["sasrec"]])
    ahead = set(noting.prompts)
    assert ahead and len(ahead) == len(noting.prompts)  # each history once
    noting.prompts.clear()
    for name in ("mf", "sasrec"):
        execute.execute(specs[name])
    told_again = [prompt for prompt in noting.prompts if prompt in ahead]
    noting.prompts.clear()
    execute.execute(specs["alone"])
    assert len(told_again) < len([prompt for prompt in noting.prompts if prompt in ahead])
    scores = [(tmp_path / out / "scores.json").read_bytes() for out in ("sasrec", "alone")]
    assert scores[0] == scores[1]


def test_an_unknown_teacher_is_told_before_anything_is_done(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="lightgcn"):
        llama4rec(small(), backbone=MF, llm=FakeLLM(), config=taught("lightgc"), out=tmp_path / "x")
    assert not (tmp_path / "x").exists()

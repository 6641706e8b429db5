"""What processes that tune together agree on: who learns which lesson, and what a launcher said."""

import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch.utils.data import DataLoader
from transformers import set_seed

from tandemrec.errors import ConfigError, UnknownName
from tandemrec.llm.network import Network
from tandemrec.llm.tokens import Encoder
from tandemrec.tuning import launchers, learner, loop, ranks, spread
from tandemrec.tuning import tune as tuning
from tandemrec.tuning.learner import Learner
from tandemrec.tuning.loop import Loop
from tandemrec.tuning.plan import Plan, dealt, lessons
from tandemrec.tuning.tune import TuneConfig
from tuning.torchrun_script import EXAMPLES
from tuning_lessons import FAST


def test_lessons_are_dealt_evenly_and_each_once() -> None:
    lengths = [int(n) for n in np.random.default_rng(0).integers(1, 40, 60)]
    batch = [int(n) for n in np.random.default_rng(1).permutation(60)[:31]]
    for processes in (1, 2, 5):
        shares = dealt(batch, lengths, processes)
        assert sorted(n for share in shares for n in share) == sorted(batch)
        tokens = [sum(lengths[n] for n in share) for share in shares]
        assert max(tokens) - min(tokens) <= max(lengths)
        assert all(share == [n for n in batch if n in share] for share in shares)
    assert dealt([3], lengths, 2) == [[3], []]


def test_the_mean_is_over_all_answers_not_over_processes(
    net: Network, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = lessons(EXAMPLES, Encoder(net.tokenizer), 200)
    places = [3, 10, 11, 0]  # long answers and short ones
    plan, cpu = Plan([places], [1]), torch.device("cpu")
    learner = Learner(net)

    def of_rank() -> Loop:
        steps: Any = None
        config = TuneConfig(**FAST)
        return Loop(steps, plan, made, config, cpu, torch.float32, tmp_path, lambda *call: None)

    def gradient(losses: list[torch.Tensor]) -> tuple[float, torch.Tensor]:
        net.model.zero_grad()
        total = torch.stack(losses).mean()  # what DDP and FSDP do with gradients
        total.backward()
        return float(total.detach()), net.model.model.layers[0].mlp.up_proj.weight.grad.clone()

    whole = gradient([learner(**of_rank().batch(0))["loss"]])
    for processes in (2, 3, 6):  # of six, two get nothing
        monkeypatch.setattr(ranks, "size", lambda processes=processes: processes)
        losses = []
        for rank in range(processes):
            monkeypatch.setattr(ranks, "rank", lambda rank=rank: rank)
            losses.append(learner(**of_rank().batch(0))["loss"])
        loss, slope = gradient(losses)
        assert loss == pytest.approx(whole[0], abs=1e-6)
        torch.testing.assert_close(slope, whole[1], atol=1e-6, rtol=1e-4)


def test_a_launcher_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert spread.way_of(TuneConfig()) == spread.way_of(TuneConfig(parallel="fsdp2")) == "one"
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert spread.way_of(TuneConfig()) == "ddp"
    assert spread.way_of(TuneConfig(parallel="zero3")) == "zero3"
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    monkeypatch.setenv("FSDP_VERSION", "2")
    assert spread.way_of(TuneConfig()) == "fsdp2"
    assert spread.way_of(TuneConfig(parallel="ddp")) == "ddp"
    monkeypatch.setenv("FSDP_VERSION", "1")
    with pytest.raises(ConfigError, match=r"fsdp_version must be 2.*FSDP_VERSION=1"):
        spread.way_of(TuneConfig())
    monkeypatch.delenv("FSDP_VERSION")
    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
    assert spread.way_of(TuneConfig()) == "zero3"
    monkeypatch.setenv("ACCELERATE_DEEPSPEED_ZERO_STAGE", "2")
    with pytest.raises(ConfigError, match="zero_stage must be 3"):
        spread.way_of(TuneConfig())


@pytest.mark.parametrize("name", list(launchers.CONFIGS))
def test_accelerate_understands_the_settings_that_we_bring(name: str) -> None:
    from accelerate.commands.config.config_args import load_config_from_file
    from accelerate.commands.launch import launch_command_parser

    file = launchers.file_of(name)
    config = load_config_from_file(str(file))  # raises for a key that it does not know
    kind = {"ddp": "MULTI_GPU", "fsdp2": "FSDP", "zero3": "DEEPSPEED"}[name]
    assert config.distributed_type.value == kind and not config.use_cpu
    told = yaml.safe_load(file.read_text())
    known = {action.dest for action in launch_command_parser()._actions}
    nested = {**told.get("fsdp_config", {}), **told.get("deepspeed_config", {})}
    assert set(nested) <= known
    if name == "fsdp2":
        assert nested["fsdp_version"] == 2
    if name == "zero3":
        assert nested["zero_stage"] == 3


def test_no_settings_of_another_name() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'fsdp2'"):
        launchers.file_of("fsdp3")
    assert all(launchers.file_of(name).is_file() for name in launchers.CONFIGS)
    assert len(list(launchers.FOLDER.iterdir())) == len(launchers.CONFIGS)


def test_dropout_is_drawn_as_by_transformers_trainer(monkeypatch: pytest.MonkeyPatch) -> None:
    with learner.drawn_from(0):
        set_seed(7)
        iter(DataLoader([1]))  # type: ignore[arg-type]
        wanted = torch.rand(3)
        loop._draw_apart(7)
        assert torch.equal(torch.rand(3), wanted)
        monkeypatch.setattr(ranks, "rank", lambda: 1)
        loop._draw_apart(7)
        assert not torch.equal(torch.rand(3), wanted)


PAGE = Path(__file__).parents[2] / "docs" / "many-gpus.md"
STARTED = re.findall(r"^((?:torchrun|accelerate launch) .*)$", PAGE.read_text(), re.MULTILINE)


@pytest.mark.parametrize("line", STARTED)
def test_the_launches_of_the_page_are_understood(line: str) -> None:
    from accelerate.commands.launch import launch_command_parser
    from torch.distributed.run import get_args_parser

    file = str(launchers.file_of("fsdp2"))
    words = shlex.split(re.sub(r"\$\(tandemrec tune --launcher \w+\)", file, line))
    torchrun = words[0] == "torchrun"
    parser = get_args_parser() if torchrun else launch_command_parser()
    given = parser.parse_args(words[1 if torchrun else 2 :])
    assert given.module and given.training_script == "tandemrec"
    assert given.training_script_args[0] == "tune"


def test_the_settings_of_the_page_exist() -> None:
    own = set(re.findall(r"--set (\w+)=", PAGE.read_text())) - {"tune"}
    assert own <= set(TuneConfig.model_fields) and len(own) > 3
    assert len(STARTED) == 3


def test_what_is_cut_into_parts_is_proved_on_the_cpu(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It need not fit on one GPU."""
    seen: list[str] = []

    def noting(model_base: Path, config: TuneConfig, *more: Any, **options: Any) -> Network:
        seen.append(config.device)
        return tuning_loaded(model_base, config.model_copy(update={"device": "cpu"}), *more)

    tuning_loaded = tuning._loaded
    monkeypatch.setattr(tuning, "_loaded", noting)
    monkeypatch.setattr(spread, "way_of", lambda config: "fsdp2")
    monkeypatch.setattr(spread, "_shard", lambda *given: None)
    settings = {**FAST, "device": "auto", "steps": 2}
    tuning.tune(EXAMPLES, base, TuneConfig(**settings), tmp_path / "out")
    assert seen == ["auto", "cpu", "cpu", "cpu"]

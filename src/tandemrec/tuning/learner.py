"""A model that learns: which of its weights do, its loss, and transformers' Trainer around it."""

from __future__ import annotations

import contextlib
import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.utils.data import DataLoader
from transformers import PrinterCallback, Trainer, TrainerCallback

from tandemrec.errors import ConfigError
from tandemrec.llm.network import Network
from tandemrec.progress import Progress
from tandemrec.tuning.frozen import Kept
from tandemrec.tuning.loss import HeadLoss
from tandemrec.tuning.plan import Lesson, Plan, collate
from tandemrec.writing import explained

WEIGHTS = "learnt.safetensors"
COMPLETE = "complete"


class Learner(nn.Module):
    """A causal language model whose forward pass is the loss of the answers."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.model = network.model
        self.network = network

    def forward(self, tokens: Tensor, labels: Tensor, lengths: Tensor) -> dict[str, Tensor]:
        """Mean cross-entropy of the answers' tokens (Llama4Rec, equation 7).

        tokens, labels [N], of examples of these lengths [B], none of which sees another; the head
        is computed only where a label is. For an upper part of a network, what its lower part gave
        stands in the tokens' place, [N, D].
        """
        hidden = self.network.texts(tokens, lengths.tolist())  # [N, D]
        learnt = labels >= 0
        return {"loss": self._loss(hidden[learnt], labels[learnt])}

    def _loss(self, hidden: Tensor, wanted: Tensor) -> Tensor:
        if self.network.plain_head is not None:
            return HeadLoss.apply(hidden, self.network.plain_head, wanted)  # type: ignore[no-untyped-call]
        return nn.functional.cross_entropy(self.network.read(hidden).float(), wanted)

    def learnt(self) -> dict[str, Tensor]:
        """The weights that learn, by name."""
        return {name: p for name, p in self.model.named_parameters() if p.requires_grad}


def only_top(network: Network, layers: int | None) -> None:
    """Let only the top layers and the last norm learn; None lets all weights learn.

    Nothing is kept for a backward pass below the lowest layer that learns, embeddings included.
    """
    if layers is None:
        return
    network.model.requires_grad_(False)
    for part in [*_stack(network)[-layers:], getattr(network.model.base_model, "norm", None)]:
        if part is not None:
            part.requires_grad_(True)


def with_adapter(network: Network, settings: dict[str, Any], layers: list[int] | None) -> Any:
    """Put LoRA into some of the network's layers, or all; gives peft's model, which saves it.

    Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", ICLR 2022.
    """
    from peft import LoraConfig, get_peft_model

    known = _linears(_stack(network)[0])
    if unknown := set(settings["target_modules"]) - set(known):
        raise ConfigError(
            f"LoRA does not fit this model: it has no {', '.join(sorted(unknown))}. Its layers "
            f"have {', '.join(known)}."
        )
    settings = {**settings, "target_modules": settings["target_modules"] or known}
    config = LoraConfig(task_type="CAUSAL_LM", layers_to_transform=layers, **settings)
    try:
        return get_peft_model(network.model, config)
    except ValueError as error:
        raise ConfigError(
            f"LoRA does not fit this model: {' '.join(str(error).split())}"
        ) from error


def _linears(layer: nn.Module) -> list[str]:
    """The names that the linear parts of a layer have."""
    parts = layer.named_modules()
    return sorted({name.split(".")[-1] for name, part in parts if isinstance(part, nn.Linear)})


def _stack(network: Network) -> nn.ModuleList:
    """The model's layers, lowest first."""
    lists = (part for part in network.model.base_model.modules() if isinstance(part, nn.ModuleList))
    return next(part for part in lists if len(part) == network.layers)


class AnswerTrainer(Trainer):  # type: ignore[misc]
    """transformers' Trainer over a plan; its checkpoints hold the weights that learn, no others."""

    def __init__(
        self,
        learner: Learner,
        plan: Plan,
        lessons: list[Lesson],
        arguments: Any,
        kept: Kept | None,
    ) -> None:
        super().__init__(model=learner, args=arguments, train_dataset=range(len(lessons)))
        self.plan, self.lessons, self.kept = plan, lessons, kept
        self.remove_callback(PrinterCallback)

    def get_train_dataloader(self) -> Any:
        """The plan's batches, in the plan's order."""
        loader = DataLoader(
            self.train_dataset, batch_sampler=self.plan.batches, collate_fn=self._batch
        )
        return self.accelerator.prepare(loader)

    def _save_checkpoint(self, *state: Any, **options: Any) -> None:
        with explained(f"A checkpoint in {self.args.output_dir}"):
            super()._save_checkpoint(*state, **options)

    def _batch(self, places: list[int]) -> dict[str, Tensor]:
        batch = collate([self.lessons[place] for place in places])
        return batch if self.kept is None else batch | {"tokens": self.kept.of(places)}

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        folder = Path(output_dir or self.args.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        save_file({name: p.detach() for name, p in self.model.learnt().items()}, folder / WEIGHTS)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        saved = load_file(Path(resume_from_checkpoint) / WEIGHTS)
        with torch.no_grad():
            for name, parameter in self.model.learnt().items():
                parameter.copy_(saved[name])


class Reporter(TrainerCallback):  # type: ignore[misc]
    """Tells progress with loss and rate, and has a checkpoint written every few seconds."""

    def __init__(self, plan: Plan, progress: Progress, seconds: float) -> None:
        self.plan, self.progress, self.seconds = plan, progress, seconds
        self.saved = self.start = time.monotonic()
        self.before = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        self.saved = self.start = time.monotonic()
        self.before = self.plan.tokens[state.global_step - 1] if state.global_step else 0

    def on_log(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        if "loss" not in others["logs"]:  # the Trainer's farewell
            return
        done = self.plan.tokens[state.global_step - 1]
        rate = (done - self.before) / (time.monotonic() - self.start)
        note = f"loss {others['logs']['loss']:.3f}, {rate:.0f} tokens/s"
        self.progress("tuning", done, self.plan.tokens[-1], note)

    def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        last = state.global_step == len(self.plan.batches)
        control.should_save = not last and time.monotonic() - self.saved >= self.seconds

    def on_save(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        self.saved = time.monotonic()
        (Path(args.output_dir) / f"checkpoint-{state.global_step}" / COMPLETE).touch()


def train(
    learner: Learner,
    plan: Plan,
    lessons: list[Lesson],
    arguments: Any,
    seconds: float,
    progress: Progress,
    kept: Kept | None = None,
) -> list[tuple[int, float]]:
    """Learn the plan, from the last whole checkpoint if there is one; gives (tokens, loss) pairs.

    A checkpoint is written every few `seconds`. `kept` holds the frozen layers' outputs, where the
    learner is only what stands above them.
    """
    trainer = AnswerTrainer(learner, plan, lessons, arguments, kept)
    trainer.add_callback(Reporter(plan, progress, seconds))
    trainer.train(resume_from_checkpoint=_last_whole(Path(arguments.output_dir)))
    logs = (entry for entry in trainer.state.log_history if "loss" in entry)
    return [(plan.tokens[entry["step"] - 1], float(entry["loss"])) for entry in logs]


def _last_whole(folder: Path) -> str | None:
    """The newest checkpoint that was written to its end; others are deleted."""
    found = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    for path in found:
        if not (path / COMPLETE).exists():
            shutil.rmtree(path)
    return next((str(path) for path in reversed(found) if path.exists()), None)


@contextlib.contextmanager
def drawn_from(seed: int) -> Iterator[None]:
    """Global generators start from the seed inside, and go on as before outside."""
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)

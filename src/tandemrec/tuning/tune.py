"""Instruction tuning: a language model learns the answers of examples."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor

from tandemrec.cache import cache_folder
from tandemrec.config import Settings
from tandemrec.errors import ConfigError, LLMError
from tandemrec.llm import files, network
from tandemrec.llm.network import Network
from tandemrec.llm.tokens import Encoder
from tandemrec.progress import Progress, silent
from tandemrec.tuning.examples import Example
from tandemrec.tuning.plan import Lesson, Plan, lessons, plan
from tandemrec.tuning.tuned import NOTE, Tuned
from tandemrec.writing import explained

__all__ = ["TuneConfig", "Tuned", "tune"]

REQUEST, CHECKPOINTS = "request.txt", "checkpoints"


class TuneConfig(Settings):
    """How a language model is tuned; defaults are Llama4Rec's (section V-A) where it names one."""

    method: Literal["full", "lora"] = "full"
    """All weights learn, or a LoRA adapter beside them."""
    trainable_layers: PositiveInt | None = None
    """Only so many of the top layers learn, and embeddings do not; none means all learn. On a CPU,
    a third of the layers halves the time."""
    learning_rate: PositiveFloat = 2e-5
    """The highest rate; LoRA and few layers want more, such as 3e-4."""
    warmup_steps: NonNegativeInt = 50
    """Steps in which the rate rises to its highest, at most a tenth of all; a cosine follows."""
    epochs: PositiveInt = 3
    """How often every example is learnt."""
    steps: PositiveInt | None = None
    """At most so many steps."""
    max_tokens: PositiveInt | None = None
    """At most so many tokens are read, prompts included: a bound on the time."""
    batch_tokens: PositiveInt = 2048
    """Tokens of a batch, on each device: examples stand one behind the other, without padding."""
    context: PositiveInt = 2048
    """The longest example, in tokens."""
    weight_decay: NonNegativeFloat = 0.0
    """AdamW's."""
    clip: PositiveFloat = 1.0
    """The largest norm of a step's gradient."""
    rank: PositiveInt = 16
    """LoRA: the width of the adapter."""
    alpha: PositiveFloat = 32
    """LoRA: its scale, divided by the rank."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """LoRA: dropout before the adapter."""
    targets: tuple[str, ...] = ()
    """LoRA: names of the linear layers that get an adapter; empty means all of them."""
    keep_frozen: bool | None = None
    """Where only top layers learn: read the frozen ones once, and keep what they give in a file of
    four bytes a token and unit while the tuning lasts. None does so for several epochs on a CPU."""
    checkpointing: bool = False
    """Compute layers again in the backward pass, instead of keeping what they gave: less memory, a
    third more time."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """The number format of products; auto is bfloat16 where the hardware computes in it."""
    device: str = "auto"
    """cpu, cuda, or auto: the GPU where there is one."""
    checkpoint_seconds: NonNegativeFloat = 120
    """How often the state is saved, so that a killed tuning goes on from there."""
    seed: int = 0
    """Draws the order of the examples and the adapter's first values."""


def tune(
    examples: Sequence[Example],
    model_folder: str | Path,
    config: TuneConfig,
    out: str | Path,
    *,
    progress: Progress = silent,
) -> Tuned:
    """Tune the model on the examples' answers; the result is written to `out`.

    Checkpoints are in `out` too while it lasts: called again with equal arguments after a kill, it
    goes on and ends with the same weights; called once more, it gives what is there. The saved
    model is loaded back, and must be the tuned one and not the old. Raises LLMError, and RunError
    where the disk takes no more.
    """
    base, out = network.is_model(Path(model_folder)), Path(out)
    if not examples:
        raise LLMError("There are no examples to tune on; the instruction set is empty.")
    if _begun(out, _request(examples, base, config)) and (out / NOTE).exists():
        return Tuned.load(out)
    from tandemrec.tuning import learner

    with learner.drawn_from(config.seed), network.quiet():
        return _tune(examples, base, config, out, progress)


def _request(examples: Sequence[Example], base: Path, config: TuneConfig) -> str:
    """A hash of what the result depends on."""
    settings = config.model_dump_json(exclude={"checkpoint_seconds"})
    text = json.dumps([[*example.prompt, example.answer] for example in examples])
    return files.fingerprint(["tune 1", settings, text], [base], cache_folder())


def _begun(out: Path, request: str) -> bool:
    """Whether the folder belongs to this request; one of another request is cleared."""
    seal = out / REQUEST
    if seal.exists():
        if seal.read_text() == request:
            return True
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)
    files.write(seal, request)
    return False


def _tune(
    examples: Sequence[Example], base: Path, config: TuneConfig, out: Path, progress: Progress
) -> Tuned:
    from tandemrec.tuning import frozen, learner

    net = _loaded(base, config)
    made = lessons(examples, Encoder(net.tokenizer), min(config.context, net.context))
    order = _plan(made, config)
    before = _logits(net, made[0])
    saved = net.model
    if config.method == "lora":
        saved = learner.with_adapter(net, _lora(config), _top(net, config))
    else:
        learner.only_top(net, _top(net, config))
    if config.checkpointing:
        net.model.gradient_checkpointing_enable()
    learns, kept = net, None
    if _keeps(net, config):
        parts = frozen.cut(net, config.trainable_layers or net.layers)
        folder, budget = out / CHECKPOINTS, config.batch_tokens
        kept, learns = frozen.keep(parts.lower, made, folder, budget, progress), parts.upper
    settings = _arguments(config, order, out, net)
    seconds = config.checkpoint_seconds
    curve = learner.train(learner.Learner(learns), order, made, settings, seconds, progress, kept)
    net.model.gradient_checkpointing_disable()
    _write(saved, net, base, out)
    _prove(before, _logits(net, made[0]), _again(base, config, out), made[0])
    return _finished(base, config, out, curve)


def _loaded(base: Path, config: TuneConfig, adapter: Path | None = None) -> Network:
    """The model as it is tuned: weights that learn are float32, a frozen base under LoRA is not."""
    device = network.pick_device(config.device)
    dtype = network.pick_dtype(config.precision, device)
    weights = dtype if config.method == "lora" else torch.float32
    net = network.load(base, dtype=weights, device=device, adapter=adapter)
    net.check()
    return net


def _again(base: Path, config: TuneConfig, out: Path) -> Network:
    if config.method == "lora":
        return _loaded(base, config, adapter=out)
    return _loaded(out, config)


def _plan(made: Sequence[Lesson], config: TuneConfig) -> Plan:
    return plan(
        [len(lesson.tokens) for lesson in made],
        epochs=config.epochs,
        batch_tokens=config.batch_tokens,
        seed=config.seed,
        steps=config.steps,
        max_tokens=config.max_tokens,
    )


def _top(net: Network, config: TuneConfig) -> int | None:
    if config.trainable_layers is not None and config.trainable_layers > net.layers:
        raise ConfigError(
            f"trainable_layers is {config.trainable_layers}; the model has {net.layers} layers."
        )
    return config.trainable_layers


def _keeps(net: Network, config: TuneConfig) -> bool:
    """Whether the frozen layers are read once."""
    if config.trainable_layers in (None, net.layers):
        return False
    worth = config.epochs > 1 and net.device.type == "cpu"
    return worth if config.keep_frozen is None else config.keep_frozen


def _lora(config: TuneConfig) -> dict[str, Any]:
    return {
        "r": config.rank,
        "lora_alpha": config.alpha,
        "lora_dropout": config.dropout,
        "target_modules": list(config.targets),
    }


def _arguments(config: TuneConfig, order: Plan, out: Path, net: Network) -> Any:
    from transformers import TrainingArguments

    dtype = network.pick_dtype(config.precision, net.device)
    return TrainingArguments(
        output_dir=str(out / CHECKPOINTS),
        num_train_epochs=1,  # the plan holds all epochs
        learning_rate=config.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=min(config.warmup_steps, len(order.batches) // 10),
        weight_decay=config.weight_decay,
        max_grad_norm=config.clip,
        optim="adamw_torch_fused",
        bf16=dtype is torch.bfloat16,
        use_cpu=net.device.type == "cpu",
        seed=config.seed,
        save_strategy="no",
        save_total_limit=2,
        logging_strategy="steps",
        logging_steps=1,
        logging_nan_inf_filter=False,
        report_to=[],
        disable_tqdm=True,
        remove_unused_columns=False,
        log_level="error",
        log_level_replica="error",
    )


@torch.no_grad()
def _logits(net: Network, lesson: Lesson) -> Tensor:
    """The logits after every token of a lesson, [T, V]."""
    net.model.eval()
    tokens = torch.tensor(lesson.tokens, device=net.device)
    return net.read(net.texts(tokens, [len(tokens)])).float()


def _write(model: Any, net: Network, base: Path, out: Path) -> None:
    """A whole model with its tokenizer, or an adapter that names its model without a path."""
    if model is not net.model:
        model.peft_config["default"].base_model_name_or_path = base.name
    with explained(out):
        if model is net.model:
            net.tokenizer.save_pretrained(out)
        model.save_pretrained(out)
    (out / "README.md").unlink(missing_ok=True)  # peft's, an empty form


def _prove(before: Tensor, tuned: Tensor, saved: Network, lesson: Lesson) -> None:
    """What was saved must be nearer to the tuned model than to the model as it was before."""
    if not torch.isfinite(tuned).all():
        raise LLMError("The tuning diverged: logits are no numbers. Lower learning_rate.")
    after = _logits(saved, lesson)
    still = (tuned - before).norm() <= 1e-5 * before.norm()  # no more than rounding
    if still or (after - tuned).norm() > (after - before).norm() / 2:
        raise LLMError(
            "The saved model, loaded back, does not answer as the tuned one: nothing was learnt or "
            "not everything was saved. Raise learning_rate or steps, or take precision float32."
        )


def _finished(
    base: Path, config: TuneConfig, out: Path, curve: Sequence[tuple[int, float]]
) -> Tuned:
    """Write the note that says that all is there, and drop the checkpoints."""
    whole = files.fingerprint(["tuned 1"], [out], cache_folder())
    if config.method == "lora":
        whole = files.fingerprint(["adapter 1", whole], [base], cache_folder())
    note = {"base": str(base.resolve()), "method": config.method, "fingerprint": whole}
    files.write(out / NOTE, json.dumps(note | {"curve": curve}))
    shutil.rmtree(out / CHECKPOINTS, ignore_errors=True)
    return Tuned.load(out)

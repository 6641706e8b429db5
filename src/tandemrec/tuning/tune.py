"""Instruction tuning: a language model learns the answers of examples."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tandemrec.cache import cache_folder
from tandemrec.errors import LLMError
from tandemrec.llm import files, network
from tandemrec.llm.network import Network
from tandemrec.llm.tokens import Encoder
from tandemrec.progress import Progress, silent
from tandemrec.tuning import frozen, layers, learner, ranks, spread
from tandemrec.tuning.examples import Example
from tandemrec.tuning.loop import Loop
from tandemrec.tuning.plan import Lesson, Plan, lessons, plan
from tandemrec.tuning.settings import TuneConfig
from tandemrec.tuning.tuned import NOTE, Tuned
from tandemrec.writing import explained

__all__ = ["TuneConfig", "Tuned", "tune"]

REQUEST, CHECKPOINTS = "request.txt", "checkpoints"


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
    model is loaded back, and must be the tuned one and not the old. Processes that `torchrun` or
    `accelerate launch` started tune together, each with the same call and one `out`; the first
    tells progress and writes. Raises LLMError, and RunError where the disk takes no more.
    """
    base, out = network.is_model(Path(model_folder)), Path(out)
    if not examples:
        raise LLMError(
            "There are no examples to tune on: the instruction set is empty. Give longer "
            "histories, or leave the language model as it is with tune=none."
        )
    ranks.start(config.device)
    request = ranks.first(lambda: _request(examples, base, config))
    if not ranks.first(lambda: _begun(out, request) and (out / NOTE).exists()):
        with learner.drawn_from(config.seed), network.quiet():
            _tune(examples, base, config, out, progress)
    return Tuned.load(out)


def _request(examples: Sequence[Example], base: Path, config: TuneConfig) -> str:
    """A hash of what the result depends on."""
    device = network.pick_device(config.device)
    found = {"device": device.type, "precision": str(network.pick_dtype(config.precision, device))}
    settings = config.model_copy(update=found).model_dump_json(
        exclude={"checkpoint_seconds", "parallel"}
    )
    text = json.dumps([[*example.prompt, example.answer] for example in examples])
    return files.fingerprint(["tune 3", settings, text], [base], cache_folder())


def _begun(out: Path, request: str) -> bool:
    """Whether the folder belongs to this request; one of another request is cleared."""
    seal = out / REQUEST
    if seal.exists():
        if seal.read_text() == request:
            return True
        shutil.rmtree(out)
    with explained(out):
        out.mkdir(parents=True, exist_ok=True)
    files.write(seal, request)
    return False


def _tune(
    examples: Sequence[Example], base: Path, config: TuneConfig, out: Path, progress: Progress
) -> None:
    way = spread.way_of(config)
    net = _loaded(base, config, on_cpu=way in spread.SHARDED)
    made = lessons(examples, Encoder(net.tokenizer), min(config.context, net.context))
    order, device = _plan(made, config), network.pick_device(config.device)
    dtype, folder = network.pick_dtype(config.precision, device), out / CHECKPOINTS
    saved, chosen = _learning(net, config)
    learns, kept = net, None
    if (parts := layers.parts(net, config, chosen, order, made, way)) is not None:
        used = {place: made[place] for place in sorted({n for row in order.batches for n in row})}
        kept = frozen.keep(parts.lower, used, folder, config.batch_tokens, dtype, progress)
        learns = parts.upper
    steps = spread.steps(learner.Learner(learns), config, device, dtype, way)
    curve = Loop(steps, order, made, config, device, dtype, folder, progress, kept).run()
    weights = steps.weights() if way in spread.SHARDED else None
    # What was cut into parts need not fit on one GPU.
    last = config if weights is None else config.model_copy(update={"device": "cpu"})

    def finish() -> None:
        whole, model = (net, saved) if weights is None else _rebuilt(base, last, weights)
        _write(model, whole, base, out)
        _prove(whole, base, last, out, made[0])
        _finished(base, config, out, curve)

    ranks.first(finish)


def _learning(net: Network, config: TuneConfig) -> tuple[Any, list[int] | None]:
    """Set which weights learn: what is to be saved, and the layers, or None for all."""
    chosen = layers.chosen(net, config)
    saved = net.model
    if config.method == "lora":
        saved = learner.with_adapter(net, _lora(config), chosen)
    else:
        learner.only_top(net, None if chosen is None else len(chosen))
    if config.checkpointing:
        net.model.gradient_checkpointing_enable()
    return saved, chosen


@torch.no_grad()
def _rebuilt(base: Path, config: TuneConfig, weights: spread.Full) -> tuple[Network, Any]:
    """The tuned model in one piece, from what learnt in many."""
    net = _loaded(base, config)
    saved, _ = _learning(net, config)
    for name, weight in learner.Learner(net).learnt().items():
        weight.copy_(weights[name])
    return net, saved


def _loaded(
    base: Path, config: TuneConfig, adapter: Path | None = None, *, on_cpu: bool = False
) -> Network:
    """The model as it is tuned: weights that learn are float32, a frozen base under LoRA is not.
    One that is to be cut into parts need not fit on a GPU."""
    device = network.pick_device("cpu" if on_cpu else config.device)
    dtype = network.pick_dtype(config.precision, network.pick_device(config.device))
    weights = dtype if config.method == "lora" else torch.float32
    return network.load(base, dtype=weights, device=device, adapter=adapter)


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


def _lora(config: TuneConfig) -> dict[str, Any]:
    return {
        "r": config.rank,
        "lora_alpha": config.alpha,
        "lora_dropout": config.dropout,
        "target_modules": list(config.targets),
    }


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


def _prove(net: Network, base: Path, config: TuneConfig, out: Path, lesson: Lesson) -> None:
    """What was saved must be nearer to the tuned model than to the model as it was before; all in
    float32, since in bfloat16 a short tuning moves logits less than rounding does."""
    net.model.float()
    tuned = _logits(net, lesson)
    if not torch.isfinite(tuned).all():
        raise LLMError("The tuning diverged: logits are no numbers. Lower learning_rate.")
    exact = config.model_copy(update={"precision": "float32"})
    before = _logits(_loaded(base, exact), lesson)
    after = _logits(_again(base, exact, out), lesson)
    still = (tuned - before).norm() <= 1e-5 * before.norm()  # no more than rounding
    if still or (after - tuned).norm() > (after - before).norm() / 2:
        raise LLMError(
            "The saved model, loaded back, does not answer as the tuned one: nothing was learnt or "
            "not everything was saved. Raise learning_rate or steps."
        )


def _finished(
    base: Path, config: TuneConfig, out: Path, curve: Sequence[tuple[int, float]]
) -> None:
    """Write the note that says that all is there, and drop the checkpoints."""
    whole = files.fingerprint(["tuned 1"], [out], cache_folder())
    if config.method == "lora":
        whole = files.fingerprint(["adapter 1", whole], [base], cache_folder())
    note = {"base": str(base.resolve()), "method": config.method, "fingerprint": whole}
    files.write(out / NOTE, json.dumps(note | {"curve": curve}))
    shutil.rmtree(out / CHECKPOINTS, ignore_errors=True)

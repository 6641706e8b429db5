"""The settings of a tuning."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from tandemrec.config import Settings


class TuneConfig(Settings):
    """How a language model is tuned; defaults are Llama4Rec's (IV-A5) where it names one."""

    method: Literal["full", "lora"] = "full"
    """All weights learn, or a LoRA adapter beside them."""
    trainable_layers: PositiveInt | None = None
    """Only so many of the top layers learn, and embeddings do not; none means all learn. On a CPU,
    a third of the layers halves the time."""
    layers: tuple[NonNegativeInt, ...] = ()
    """LoRA: numbers of the layers that get an adapter, 0 the lowest; empty means the top
    `trainable_layers`."""
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
    """Tokens of a step: examples stand one behind the other, without padding. Where processes tune
    together, each reads its share of them, so that their number does not change what is learnt."""
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
    """Where the lowest layers do not learn: read them once, and keep what they give while the
    tuning lasts, in a file of four bytes a token and unit of width (SmolLM2-135M: 2.3 GB for a
    million tokens). None does so on a CPU where examples are learnt more than once."""
    checkpointing: bool = False
    """Compute layers again in the backward pass, instead of keeping what they gave: less memory,
    more time."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """The number format of products; auto is bfloat16 on a GPU and on a CPU with AMX."""
    device: str = "auto"
    """cpu, cuda, or auto: the GPU where there is one."""
    parallel: Literal["auto", "ddp", "fsdp2", "zero3"] = "auto"
    """How processes that a launcher has started tune together. ddp: each holds the whole model;
    fsdp2: each holds a part of every layer (PyTorch); zero3: the same by DeepSpeed. Auto is what
    `accelerate launch` was told, or else ddp."""
    checkpoint_seconds: NonNegativeFloat = 120
    """How often the state is saved, so that a killed tuning goes on from there."""
    seed: int = 0
    """Draws the order of the examples and the adapter's first values."""

"""Which layers of a model learn, and whether those below are read only once."""

from __future__ import annotations

from collections.abc import Sequence

from tandemrec.errors import ConfigError
from tandemrec.llm.network import Network
from tandemrec.tuning import frozen
from tandemrec.tuning.frozen import Cut
from tandemrec.tuning.plan import Lesson, Plan
from tandemrec.tuning.settings import TuneConfig
from tandemrec.tuning.spread import SHARDED, Way


def chosen(net: Network, config: TuneConfig) -> list[int] | None:
    """The numbers of the layers that learn, rising; None where all do."""
    if config.layers and (config.method == "full" or config.trainable_layers is not None):
        raise ConfigError(
            "tune.layers names the layers of a LoRA adapter: it takes method='lora', and no "
            "trainable_layers."
        )
    if config.layers:
        if max(config.layers) >= net.layers:
            raise ConfigError(
                f"layers has {max(config.layers)}; the model's go from 0 to {net.layers - 1}."
            )
        return sorted(set(config.layers))
    if config.trainable_layers is None:
        return None
    if config.trainable_layers > net.layers:
        raise ConfigError(
            f"trainable_layers is {config.trainable_layers}; the model has {net.layers} layers."
        )
    return list(range(net.layers - config.trainable_layers, net.layers))


def parts(
    net: Network,
    config: TuneConfig,
    learns: list[int] | None,
    order: Plan,
    made: Sequence[Lesson],
    way: Way = "one",
) -> Cut | None:
    """The network in two where its frozen layers are read once; None where they are not."""
    if way in SHARDED:
        if config.keep_frozen:
            raise ConfigError(
                "keep_frozen=true needs the whole model in one process; tune with parallel=ddp."
            )
        return None
    below = learns[0] if learns else 0
    if not below:
        if config.keep_frozen:
            raise ConfigError("keep_frozen=true needs lowest layers that do not learn.")
        return None
    again = order.tokens[-1] > sum(len(lesson.tokens) for lesson in made)
    if config.keep_frozen is False or (config.keep_frozen is None and not again):
        return None
    if config.keep_frozen is None and net.device.type != "cpu":
        return None
    try:
        return frozen.cut(net, below)
    except ConfigError:
        if config.keep_frozen:
            raise
        return None  # a model that cannot be cut is read whole

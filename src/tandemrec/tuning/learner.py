"""A model that learns: which of its weights do, and its loss."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tandemrec.errors import ConfigError
from tandemrec.llm.network import Network
from tandemrec.tuning.loss import HeadLoss


class Learner(nn.Module):
    """A causal language model whose forward pass is the loss of the answers."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.model = network.model
        self.network = network

    def forward(
        self, tokens: Tensor, labels: Tensor, lengths: Tensor, share: float = 1.0
    ) -> dict[str, Tensor]:
        """Mean cross-entropy of the answers' tokens (Llama4Rec, equation 7), times `share`.

        tokens, labels [N], of examples of these lengths [B], none of which sees another; the head
        is computed only where a label is. For an upper part of a network, what its lower part gave
        stands in the tokens' place, [N, D].
        """
        hidden = self.network.texts(tokens, lengths.tolist())  # [N, D]
        learnt = labels >= 0
        return {"loss": self._loss(hidden[learnt], labels[learnt]) * share}

    def _loss(self, hidden: Tensor, wanted: Tensor) -> Tensor:
        """Without any answer, 0: a process may have nothing to learn of a batch."""
        if self.network.plain_head is not None:
            return HeadLoss.apply(hidden, self.network.plain_head, wanted)  # type: ignore[no-untyped-call]
        logits = self.network.read(hidden).float()
        total = nn.functional.cross_entropy(logits, wanted, reduction="sum")
        return total / max(len(wanted), 1)

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
    """The whole model's layers, lowest first."""
    lists = (part for part in network.model.base_model.modules() if isinstance(part, nn.ModuleList))
    return next(part for part in lists if len(part) == network.layers)


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

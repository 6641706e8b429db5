"""Attention over sequences of items, for the sequential backbones."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from tandemrec.errors import ConfigError


class Attention(nn.Module):
    """Several heads of scaled dot-product attention: Vaswani et al., NeurIPS 2017, section 3.2.

    Raises ConfigError for a width that is no multiple of the heads.
    """

    def __init__(self, width: int, heads: int, dropout: float, *, mixed: bool) -> None:
        super().__init__()
        if width % heads:
            raise ConfigError(
                f"The width must be a multiple of the heads. Received: width={width}, "
                f"heads={heads}."
            )
        self.heads, self.dropout = heads, dropout
        self.asks, self.holds = (nn.Linear(width, n * width, bias=mixed) for n in (1, 2))
        self.mix = nn.Linear(width, width) if mixed else nn.Identity()

    def forward(
        self, signal: Tensor, mask: Tensor | None = None, asking: Tensor | None = None
    ) -> Tensor:
        """[B, T, D] -> [B, T, D]; each place sees those before it and itself, or, with a mask
        [B, T], all places of its row where the mask is true. With `asking` [B, Q, D], what these
        see under the mask, [B, Q, D]."""
        query = self.asks(signal if asking is None else asking)
        parts = query, *self.holds(signal).chunk(2, dim=2)
        query, key, value = (self._heads(part) for part in parts)
        found = scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=None if mask is None else mask[:, None, None, :],
            dropout_p=self.dropout if self.training else 0.0,
            is_causal=mask is None,
        )
        return self.mix(found.transpose(1, 2).flatten(2))

    def _heads(self, part: Tensor) -> Tensor:
        """[B, T, D] -> [B, H, T, D / H]."""
        return part.unflatten(2, (self.heads, -1)).transpose(1, 2)


class Dropout(nn.Module):
    """Srivastava et al., JMLR 2014. torch's own draws one by one, which on a CPU takes four times
    as long as a block of uniform numbers, and a sixth of an epoch."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, signal: Tensor) -> Tensor:
        """[...] -> [...]; in training, that share is 0 and the rest is as much larger."""
        if not (self.training and self.share):
            return signal
        return signal * (torch.rand_like(signal) >= self.share) / (1 - self.share)


def from_the_end(items: Tensor, given: Tensor, length: int) -> Tensor:
    """The place of each item of [B, T], counted so that every row's last item has the same place,
    `length` - 1; what is not given has place 0."""
    place = torch.arange(items.shape[1], device=items.device)
    return torch.where(given, place + length - given.sum(1, keepdim=True), 0)


def at(signal: Tensor, places: Tensor) -> Tensor:
    """One place [B] of each row of [B, T, D], [B, 1, D]."""
    return signal.gather(1, places[:, None, None].expand(-1, 1, signal.shape[2]))

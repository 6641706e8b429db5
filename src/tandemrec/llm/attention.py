"""Many texts in one row of tokens: attention in which each text sees itself and no other.

A row has no padding, so every product of the network is over useful tokens alone. A text may
branch: its stem is read by the causal kernel, only what follows needs a mask.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from tandemrec.errors import LLMError

NAME = "tandemrec"
"What transformers knows this attention as; without segments it is transformers' own `sdpa`."


class Segment(NamedTuple):
    """One text's place in the row."""

    start: int
    stem: int
    "Where its stem ends: tokens [start, stem) see all before them in the text."
    stop: int
    seen: Tensor | None = None
    "What each token [stem, stop) sees, to be added to its scores, [stop - stem, stop - start]."


def chains(lengths: Sequence[int]) -> list[Segment]:
    """Texts that do not branch, one behind the other."""
    found, start = [], 0
    for length in lengths:
        found.append(Segment(start, start + length, start + length))
        start += length
    return found


def register() -> None:
    """Make the attention known to transformers."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, sdpa_mask)


def attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    segments: Sequence[Segment] | None = None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **others: Any,
) -> tuple[Tensor, None]:
    """Attention of queries [1, H, N, D] over keys and values [1, G, N, D], G dividing H, segment by
    segment: [1, N, H, D].

    The signature is that of transformers' attention functions.
    """
    if segments is None:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        return sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, dropout=dropout, **others
        )
    if others.get("softcap") is not None:
        raise LLMError(
            "Models with a soft cap on attention scores (Gemma 2) cannot be scored here."
        )
    groups = query.shape[1] // key.shape[1]
    key, value = (part.repeat_interleave(groups, dim=1) for part in (key, value))
    found = []
    for start, stem, stop, seen in segments:
        keys, values = key[:, :, start:stop], value[:, :, start:stop]
        kept = stem - start
        found.append(
            scaled_dot_product_attention(
                query[:, :, start:stem],
                keys[:, :, :kept],
                values[:, :, :kept],
                dropout_p=dropout,
                is_causal=True,
                scale=scaling,
            )
        )
        if seen is not None:
            found.append(
                scaled_dot_product_attention(
                    query[:, :, stem:stop],
                    keys,
                    values,
                    attn_mask=seen[None, None],
                    dropout_p=dropout,
                    scale=scaling,
                )
            )
    return torch.cat(found, dim=2).transpose(1, 2).contiguous(), None

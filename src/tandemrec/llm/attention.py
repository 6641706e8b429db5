"""Many texts in one row of tokens: attention in which each text sees itself and no other.

A row has no padding, so every product of the network is over useful tokens alone. A text may
branch: its stem is read by a causal kernel, only what follows needs a mask.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from inspect import signature
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


class Row:
    """The texts of one row, and what a kernel that takes them all at once must know of them."""

    def __init__(self, segments: Sequence[Segment], device: torch.device) -> None:
        self.segments, self.device = segments, device

    @classmethod
    def of(cls, lengths: Sequence[int], device: torch.device) -> Row:
        """Texts that do not branch, one behind the other."""
        found, start = [], 0
        for length in lengths:
            found.append(Segment(start, start + length, start + length))
            start += length
        return cls(found, device)

    @cached_property
    def bounds(self) -> Tensor:
        """Where texts begin, and the end of the last, [B + 1]."""
        stops = [0, *(segment.stop for segment in self.segments)]
        return torch.tensor(stops, dtype=torch.int32, device=self.device)

    @cached_property
    def longest(self) -> int:
        """Tokens of the longest text."""
        return max(segment.stop - segment.start for segment in self.segments)

    def dense(self, dtype: torch.dtype) -> Tensor:
        """The whole row's mask, to be added to scores, [1, 1, N, N]: for a model that passes rows
        on to nobody."""
        size = self.segments[-1].stop
        mask = torch.full((size, size), torch.finfo(dtype).min, dtype=dtype, device=self.device)
        for start, stem, stop, seen in self.segments:
            mask[start:stem, start:stem] = mask[start:stem, start:stem].triu(1)
            if seen is not None:
                mask[stem:stop, start:stop] = seen
        return mask[None, None]

    @cached_property
    def branched(self) -> Branches | None:
        """What stands behind the stems; None where no text branches."""
        found = [segment for segment in self.segments if segment.seen is not None]
        return Branches.of(found, self.device) if found else None


class Branches(NamedTuple):
    """What stands behind the stems of some texts, padded to the largest: S texts, at most T tokens
    behind a stem and L in all."""

    queries: Tensor  # [S, T], places in the row
    keys: Tensor  # [S, L], places in the row
    seen: Tensor  # [S, 1, T, L], to be added to scores
    real: Tensor  # [S, T], what is not padding

    @classmethod
    def of(cls, segments: Sequence[Segment], device: torch.device) -> Branches:
        behind = max(segment.stop - segment.stem for segment in segments)
        longest = max(segment.stop - segment.start for segment in segments)
        starts = torch.tensor([segment.start for segment in segments], device=device)[:, None]
        stems = torch.tensor([segment.stem for segment in segments], device=device)[:, None]
        last = torch.tensor([segment.stop - 1 for segment in segments], device=device)[:, None]
        queries = stems + torch.arange(behind, device=device)
        keys = torch.minimum(starts + torch.arange(longest, device=device), last)
        masks = [segment.seen for segment in segments if segment.seen is not None]
        seen = masks[0].new_full(
            (len(segments), 1, behind, longest), torch.finfo(masks[0].dtype).min
        )
        for row, mask in enumerate(masks):
            seen[row, 0, : mask.shape[0], : mask.shape[1]] = mask
        return cls(torch.minimum(queries, last), keys, seen, queries <= last)


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
    row: Row | None = None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **others: Any,
) -> tuple[Tensor, None]:
    """Attention of queries [1, H, N, D] over keys and values [1, G, N, D], G dividing H, text by
    text: [1, N, H, D].

    The signature is that of transformers' attention functions.
    """
    if row is None:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        return sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, dropout=dropout, **others
        )
    for name in _FOREIGN:
        if others.get(name) is not None:
            raise LLMError(
                f"Models whose attention has {_FOREIGN[name]} cannot be scored here. Take a "
                "decoder such as Llama, Mistral, Qwen, Phi or SmolLM."
            )
    query, key, value = _in_half(query, key, value)
    groups = query.shape[1] // key.shape[1]
    key, value = (part.repeat_interleave(groups, dim=1) for part in (key, value))
    kernel = at_once if has_kernel(query, value) and dropout == 0 else one_by_one
    return kernel(query, key, value, row, scaling, dropout), None


_FOREIGN = {
    "softcap": "a soft cap on its scores (Gemma 2)",
    "s_aux": "sinks (gpt-oss)",
    "sinks": "sinks (gpt-oss)",
    "position_bias": "a bias by position (T5)",
}


def _in_half(*parts: Tensor) -> tuple[Tensor, ...]:
    """Under autocast in its format, as torch's own attention takes them: rotary positions make
    float32 of queries and keys."""
    device = parts[0].device.type
    if not torch.is_autocast_enabled(device):
        return parts
    return tuple(part.to(torch.get_autocast_dtype(device)) for part in parts)


def one_by_one(
    query: Tensor, key: Tensor, value: Tensor, row: Row, scaling: float | None, dropout: float
) -> Tensor:
    """Every stem and what is behind it by calls of its own, on any device; [1, H, N, D] each in,
    [1, N, H, D] out."""
    found = []
    for start, stem, stop, seen in row.segments:
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
    return torch.cat(found, dim=2).transpose(1, 2).contiguous()


def at_once(
    query: Tensor, key: Tensor, value: Tensor, row: Row, scaling: float | None, dropout: float
) -> Tensor:
    """The same by one call for all texts as if none branched, and one for what is behind stems."""
    if scaling is not None:  # the kernel's own is 1 / sqrt(D)
        query = query * (scaling * query.shape[-1] ** 0.5)
    query, key, value = (part[0].transpose(0, 1).contiguous() for part in (query, key, value))
    found = causal(query, key, value, row.bounds, row.longest)  # [N, H, D]
    if row.branched is not None:
        queries, keys, seen, real = row.branched
        behind = scaled_dot_product_attention(
            query[queries].transpose(1, 2),  # [S, H, T, D]
            key[keys].transpose(1, 2),
            value[keys].transpose(1, 2),
            attn_mask=seen,
        )
        found = found.index_put((queries[real],), behind.transpose(1, 2)[real])
    return found[None]


def causal(query: Tensor, key: Tensor, value: Tensor, bounds: Tensor, longest: int) -> Tensor:
    """Flash attention over texts of any lengths, [N, H, D] each in and out."""
    from torch.nn.attention.varlen import varlen_attn

    found = varlen_attn(query, key, value, bounds, bounds, longest, longest, window_size=(-1, 0))
    return found if isinstance(found, Tensor) else found[0]


def has_kernel(query: Tensor, value: Tensor) -> bool:
    """Whether `causal` can be called: half precision on a GPU from Ampere on, heads of equal widths
    that flash attention takes, and torch 2.11 or later."""
    width = query.shape[-1]
    if not query.is_cuda or query.dtype not in (torch.bfloat16, torch.float16):
        return False
    if width != value.shape[-1] or width % 8 or width > WIDEST:
        return False
    if torch.cuda.get_device_capability(query.device) < AMPERE:
        return False
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return False
    return "window_size" in signature(varlen_attn).parameters


WIDEST = 256
AMPERE = (8, 0)
"What flash attention runs on."

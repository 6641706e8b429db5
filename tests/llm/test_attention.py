"""Texts in one row do not see each other, and see what they would see alone."""

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from tandemrec.errors import LLMError
from tandemrec.llm.attention import Segment, attend, chains

HEADS, GROUPS, WIDTH = 4, 2, 8


def drawn(length: int) -> tuple[torch.Tensor, ...]:
    torch.manual_seed(length)
    heads = (HEADS, GROUPS, GROUPS)
    return tuple(torch.randn(1, n, length, WIDTH) for n in heads)


def alone(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, seen: torch.Tensor):
    key, value = (part.repeat_interleave(HEADS // GROUPS, 1) for part in (key, value))
    return scaled_dot_product_attention(query, key, value, attn_mask=seen).transpose(1, 2)


def test_each_text_sees_itself_only():
    parts = drawn(9)
    found, _ = attend(None, *parts, None, segments=chains([4, 2, 3]))
    for start, stop in ((0, 4), (4, 6), (6, 9)):
        causal = torch.ones(stop - start, stop - start, dtype=torch.bool).tril()
        mine = alone(*(part[:, :, start:stop] for part in parts), causal)
        torch.testing.assert_close(found[:, start:stop], mine)


def test_branches_see_the_stem_and_themselves():
    parts = drawn(8)
    seen = torch.tensor([[1, 1, 1, 0, 0], [1, 0, 0, 1, 0], [1, 0, 0, 1, 1]], dtype=torch.bool)
    mask = torch.zeros(seen.shape).masked_fill(~seen, torch.finfo(torch.float32).min)
    segments = [*chains([3]), Segment(3, 5, 8, mask)]
    found, _ = attend(None, *parts, None, segments=segments)
    whole = torch.cat([torch.ones(2, 5, dtype=torch.bool).tril(), seen])
    mine = alone(*(part[:, :, 3:] for part in parts), whole)
    torch.testing.assert_close(found[:, 3:], mine)
    assert found.shape == (1, 8, HEADS, WIDTH)


def test_gradients_stay_within_a_text():
    query, key, value = (part.requires_grad_() for part in drawn(6))
    found, _ = attend(None, query, key, value, None, segments=chains([4, 2]))
    found[:, 4:].square().sum().backward()
    assert key.grad[:, :, :4].abs().max() == 0 < key.grad[:, :, 4:].abs().max()


def test_a_soft_cap_is_refused():
    with pytest.raises(LLMError, match="soft cap"):
        attend(None, *drawn(3), None, segments=chains([3]), softcap=30.0)

"""Texts in one row do not see each other, and see what they would see alone."""

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from tandemrec.errors import LLMError
from tandemrec.llm import attention
from tandemrec.llm.attention import Row, Segment, attend

HEADS, GROUPS, WIDTH = 4, 2, 8
CPU = torch.device("cpu")


@pytest.fixture(params=["one by one", "at once"])
def kernel(request, monkeypatch):
    """Both ways; a GPU's kernel over all texts is played by a loop over its bounds."""
    if request.param == "at once":
        monkeypatch.setattr(attention, "has_kernel", lambda query, value: True)
        monkeypatch.setattr(attention, "causal", played)


def played(query, key, value, bounds, longest):
    found = []
    for start, stop in zip(bounds.tolist(), bounds[1:].tolist(), strict=False):
        assert stop - start <= longest
        parts = (part[start:stop].transpose(0, 1) for part in (query, key, value))
        found.append(scaled_dot_product_attention(*parts, is_causal=True).transpose(0, 1))
    return torch.cat(found)


def drawn(length: int) -> tuple[torch.Tensor, ...]:
    torch.manual_seed(length)
    heads = (HEADS, GROUPS, GROUPS)
    return tuple(torch.randn(1, n, length, WIDTH) for n in heads)


def alone(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, seen: torch.Tensor, scale=None
):
    key, value = (part.repeat_interleave(HEADS // GROUPS, 1) for part in (key, value))
    found = scaled_dot_product_attention(query, key, value, attn_mask=seen, scale=scale)
    return found.transpose(1, 2)


def mask(seen: list[list[int]]) -> torch.Tensor:
    given = torch.tensor(seen, dtype=torch.bool)
    return torch.zeros(given.shape).masked_fill(~given, torch.finfo(torch.float32).min)


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("scale", [None, 0.7])
def test_each_text_sees_itself_only(scale):
    parts = drawn(9)
    found, _ = attend(None, *parts, None, row=Row.of([4, 2, 3], CPU), scaling=scale)
    for start, stop in ((0, 4), (4, 6), (6, 9)):
        causal = torch.ones(stop - start, stop - start, dtype=torch.bool).tril()
        mine = alone(*(part[:, :, start:stop] for part in parts), causal, scale)
        torch.testing.assert_close(found[:, start:stop], mine)


@pytest.mark.usefixtures("kernel")
def test_branches_see_the_stem_and_themselves():
    parts = drawn(12)
    seen = [[1, 1, 1, 0, 0], [1, 0, 0, 1, 0], [1, 0, 0, 1, 1]]
    other = [[1, 1, 1, 0], [1, 1, 0, 1]]
    segments = [Segment(0, 3, 3), Segment(3, 5, 8, mask(seen)), Segment(8, 10, 12, mask(other))]
    found, _ = attend(None, *parts, None, row=Row(segments, CPU))
    for start, stop, rows in ((3, 8, seen), (8, 12, other)):
        stem = torch.ones(2, stop - start, dtype=torch.bool).tril()
        whole = torch.cat([stem, torch.tensor(rows, dtype=torch.bool)])
        mine = alone(*(part[:, :, start:stop] for part in parts), whole)
        torch.testing.assert_close(found[:, start:stop], mine)
    assert found.shape == (1, 12, HEADS, WIDTH)


@pytest.mark.usefixtures("kernel")
def test_gradients_stay_within_a_text():
    query, key, value = (part.requires_grad_() for part in drawn(6))
    found, _ = attend(None, query, key, value, None, row=Row.of([4, 2], CPU))
    found[:, 4:].square().sum().backward()
    assert key.grad[:, :, :4].abs().max() == 0 < key.grad[:, :, 4:].abs().max()


@pytest.mark.parametrize("name", ["softcap", "s_aux", "sinks", "position_bias"])
def test_what_other_attentions_add_is_refused(name):
    with pytest.raises(LLMError, match="cannot be scored here"):
        attend(None, *drawn(3), None, row=Row.of([3], CPU), **{name: torch.ones(4)})


def test_a_rows_mask_says_what_segments_say():
    branch = mask([[1, 1, 1, 0], [1, 1, 0, 1]])
    row = Row([Segment(0, 2, 4, branch), Segment(4, 6, 6)], CPU)
    parts = drawn(6)
    found, _ = attend(None, *parts, None, row=row)
    torch.testing.assert_close(found, alone(*parts, row.dense(torch.float32)))


def test_under_autocast_the_kernel_is_asked_in_half_precision(monkeypatch):
    asked = []
    monkeypatch.setattr(attention, "has_kernel", lambda *parts: asked.append(parts) or True)
    monkeypatch.setattr(attention, "causal", played)
    with torch.autocast("cpu", torch.bfloat16):
        found, _ = attend(None, *drawn(5), None, row=Row.of([2, 3], CPU))
    assert [part.dtype for part in asked[0]] == [torch.bfloat16] * 2
    assert found.dtype is torch.bfloat16


def test_the_kernel_is_for_half_precision_on_a_gpu():
    assert not attention.has_kernel(*[torch.zeros(1, 1, 1, 8)] * 2)
    assert not attention.has_kernel(*[torch.zeros(1, 1, 1, 8, dtype=torch.bfloat16)] * 2)

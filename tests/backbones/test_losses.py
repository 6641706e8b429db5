"""The shared losses beside what torch gives without their shortcuts."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from tandemrec.backbones import losses
from tandemrec.backbones.losses import gathered, margins, softmax
from tandemrec.backbones.transformers import Dropout
from tandemrec.data.batches import Triples


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def leaf(*shape: int) -> Tensor:
    return torch.randn(*shape).requires_grad_()


def same_gradients(shortcut: Tensor, plain: Tensor, *weights: Tensor) -> None:
    mine, wanted = (torch.autograd.grad(loss, weights) for loss in (shortcut, plain))
    for a, b in zip(mine, wanted, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("part", [2**20, 3])  # beyond it no row is kept for each triple
@pytest.mark.parametrize("piece", [2**16, 3])
@pytest.mark.parametrize("by_user", [False, True])
def test_margins_and_gradients_where_rows_repeat_or_are_absent(
    part: int, piece: int, by_user: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(losses, "PART", part)
    monkeypatch.setattr(losses, "_PIECE", piece)
    users, items = leaf(5, 3), leaf(4, 3)
    rows = torch.tensor([[3, 0, 2], [3, 0, 1], [0, 2, 1], [3, 1, 0]]).T  # user 4, item 3: nowhere
    rows = rows[:, rows[0].argsort(stable=True)] if by_user else rows
    batch, weights = Triples(*rows), torch.randn(4)
    plain = (users[rows[0]] * (items[rows[1]] - items[rows[2]])).sum(1)
    torch.testing.assert_close(margins(users, items, batch), plain)
    shortcut = margins(users, items, batch)
    same_gradients((shortcut * weights).sum(), (plain * weights).sum(), users, items)


def test_no_triples_have_no_margins() -> None:
    empty = torch.zeros(0, dtype=torch.int64)
    assert margins(leaf(2, 3), leaf(2, 3), Triples(empty, empty, empty)).shape == (0,)


def test_gathered_rows_and_gradients() -> None:
    table, weights, out = leaf(6, 3), torch.randn(4, 2), torch.randn(4, 3)
    rows = torch.tensor([[0, 0], [5, 1], [1, 5], [0, 2]])  # rows 3 and 4: nowhere
    plain = (table[rows] * weights[:, :, None]).sum(1)
    mine = gathered(table, rows, weights)
    torch.testing.assert_close(mine, plain)
    same_gradients((mine * out).sum(), (plain * out).sum(), table)


@pytest.mark.parametrize("torch_cuts", [True, False])
@pytest.mark.parametrize("with_bias", [True, False])
def test_softmax_is_the_cross_entropy_among_all_items(
    torch_cuts: bool, with_bias: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not torch_cuts:  # torch before 2.13
        monkeypatch.delattr(nn, "LinearCrossEntropyOptions", raising=False)
    said, catalogue = leaf(700, 3), leaf(5, 3)
    bias, wanted = leaf(5) if with_bias else None, torch.arange(700) % 5
    monkeypatch.setattr("tandemrec.backbones.losses._SCORES", 500)  # pieces of a hundred rows
    for weight in (None, torch.tensor([0.0, 1.0, 2.0, 5.0, 1.0])):
        mine = softmax(said, catalogue, wanted, bias, weight)
        logits = said @ catalogue.T + (0 if bias is None else bias)
        plain = cross_entropy(logits, wanted, weight)
        torch.testing.assert_close(mine, plain)
        same_gradients(mine, plain, said, catalogue, *([] if bias is None else [bias]))


def test_dropout_sets_a_share_to_zero_and_keeps_the_mean() -> None:
    found = Dropout(0.25)(torch.ones(1000, 100))
    assert found.unique().tolist() == [0, pytest.approx(4 / 3)]
    assert (found == 0).float().mean().item() == pytest.approx(0.25, abs=0.01)


def test_dropout_does_nothing_outside_of_training() -> None:
    signal = torch.randn(3)
    assert Dropout(0.25).eval()(signal) is signal
    assert Dropout(0.0)(signal) is signal

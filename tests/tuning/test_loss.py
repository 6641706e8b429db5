import pytest
import torch

from tandemrec.tuning import loss as losses
from tandemrec.tuning.loss import HeadLoss


def both(learns: tuple[bool, bool], dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(7, 5, generator=generator, dtype=dtype).requires_grad_(learns[0])
    weight = torch.randn(11, 5, generator=generator, dtype=dtype).requires_grad_(learns[1])
    return hidden, weight, torch.tensor([0, 3, 3, 10, 5, 1, 2])


@pytest.mark.parametrize("learns", [(True, True), (True, False), (False, True), (False, False)])
@pytest.mark.parametrize("rows", [2, 256])
def test_loss_and_gradients_are_those_of_cross_entropy(monkeypatch, learns, rows):
    monkeypatch.setattr(losses, "ROWS", rows)
    found = []
    for way in (
        lambda h, w, y: HeadLoss.apply(h, w, y),
        lambda h, w, y: torch.nn.functional.cross_entropy(h @ w.T, y),
    ):
        hidden, weight, wanted = both(learns)
        loss = way(hidden, weight, wanted)
        if any(learns):
            (3 * loss).backward()
        found.append((loss.detach().float(), hidden.grad, weight.grad))
    for ours, theirs in zip(*found, strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_one_token_by_hand():
    hidden = torch.tensor([[1.0]], requires_grad=True)
    loss = HeadLoss.apply(hidden, torch.tensor([[0.0], [2.0]]), torch.tensor([0]))
    loss.backward()
    # logits 0 and 2: p = (0.1192, 0.8808); loss = -log 0.1192; slope = 2 * 0.8808
    torch.testing.assert_close(loss.detach(), torch.tensor(2.126928))
    torch.testing.assert_close(hidden.grad, torch.tensor([[1.761594]]))


def test_products_are_in_the_autocast_format():
    hidden, weight, wanted = both((True, True), torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = HeadLoss.apply(hidden, weight, wanted)
    exact = torch.nn.functional.cross_entropy(hidden @ weight.T, wanted)
    assert loss.dtype == torch.float32
    assert 0 < abs(float((loss - exact).detach())) < 0.02
    loss.backward()
    assert hidden.grad.dtype == weight.grad.dtype == torch.float32

"""Numbers worked out by hand, and parts held against plain loops, for the sequential backbones."""

import math
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.nn.functional import gelu, layer_norm

from tandemrec.backbones import BERT4Rec, CL4SRec, SASRec, build
from tandemrec.backbones.bert4rec import Cloze
from tandemrec.backbones.sasrec import Steps
from tandemrec.backbones.transformers import Attention, Dropout, from_the_end
from tandemrec.data.interactions import Interactions
from tandemrec.data.worlds import rings
from tandemrec.errors import BackboneError, ConfigError
from tandemrec.training import TrainConfig, fit

WORLD = rings(n_users=30, n_items=12, steps=9)
NOTHING = WORLD.n_items
THREE = [SASRec, BERT4Rec, CL4SRec]


def slowly(attention: Attention, row: torch.Tensor, seen: list[list[int]]) -> torch.Tensor:
    """Attention of one sequence [T, D], place by place and head by head."""
    width = row.shape[1]
    size = width // attention.heads
    query, (key, value) = attention.asks(row), attention.holds(row).split(width, dim=1)
    found = torch.zeros_like(row)
    for place, others in enumerate(seen):
        for head in range(attention.heads):
            part = slice(head * size, (head + 1) * size)
            scores = key[others, part] @ query[place, part] / math.sqrt(size)
            found[place, part] = scores.softmax(0) @ value[others, part]
    return attention.mix(found)


@pytest.mark.parametrize("heads", [1, 2])
def test_attention_looks_back_or_at_all_that_is_given(heads: int) -> None:
    torch.manual_seed(0)
    signal = torch.randn(2, 5, 6)
    causal = Attention(6, heads, 0.0, mixed=False).eval()
    expected = slowly(causal, signal[1], [list(range(n + 1)) for n in range(5)])
    torch.testing.assert_close(causal(signal)[1], expected)
    both = Attention(6, heads, 0.0, mixed=True).eval()
    given = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    expected = slowly(both, signal[1], [[0, 1, 2]] * 5)
    torch.testing.assert_close(both(signal, given)[1], expected)


@pytest.mark.parametrize("layers", [0, 1, 2])
def test_sasrec_reads_the_last_place_as_it_would_all(layers: int) -> None:
    model = build(SASRec, WORLD, {"width": 4, "layers": layers, "heads": 2, "length": 6}).eval()
    rows = torch.tensor([[3, 1, 2, 5], [4, NOTHING, NOTHING, NOTHING], [NOTHING] * 4])
    expected = model.encode(rows)[torch.arange(3), torch.tensor([3, 0, 0])]
    torch.testing.assert_close(model.represent(rows), expected)


def test_places_are_counted_from_the_end() -> None:
    items = torch.tensor([[4, 2, 7], [5, NOTHING, NOTHING]])
    assert from_the_end(items, items != NOTHING, 6).tolist() == [[3, 4, 5], [5, 0, 0]]


def test_sasrec_is_the_papers_block() -> None:
    hyper = {"width": 4, "layers": 1, "length": 5, "dropout": 0.0}
    model = build(SASRec, WORLD, hyper)
    items = torch.tensor([[3, 1, 2]])
    block = model.blocks[0]
    signal = model.items(items[0]) * 2 + model.places.weight[2:5]  # sqrt(4), the last three places
    attended = slowly(block.attention, block.norms[0](signal), [[0], [0, 1], [0, 1, 2]])
    signal = signal + attended
    inner = block.forward_two(torch.relu(block.forward_one(block.norms[1](signal))))
    expected = layer_norm(signal + inner, (4,))
    torch.testing.assert_close(model.encode(items)[0], expected)
    torch.testing.assert_close(model.score(items)[0], expected[-1] @ model.items.weight[:-1].T)


def bare(backbone: type, **hyper: object) -> torch.nn.Module:
    """Without blocks and places: a place says no more than the norm of its item's embedding."""
    settings = {"width": 2, "layers": 0, "length": 3, "dropout": 0.0, "heads": 1} | hyper
    model = build(backbone, WORLD, settings)
    with torch.no_grad():
        model.places.weight.zero_()
        model.items.weight.zero_()
        model.items.weight[0] = torch.tensor([3.0, 1.0])  # its norm is (1, -1)
        model.items.weight[1] = torch.tensor([0.5, 0.0])
        model.items.weight[2] = torch.tensor([0.0, 2.0])
    return model


def test_sasrec_loss_by_hand() -> None:
    """After item 0 came item 1, score 0.5; item 2, score -2, was not met. The second place of the
    second row is empty and counts for nothing."""
    batch = Steps(
        torch.tensor([[0, NOTHING]]), torch.tensor([[1, NOTHING]]), torch.tensor([[2, NOTHING]])
    )
    by_hand = math.log(1 + math.exp(-0.5)) + math.log(1 + math.exp(-2))
    assert bare(SASRec).loss(batch).item() == pytest.approx(by_hand, abs=1e-4)
    others = sum(math.exp(score) for score in (2.0, 0.5, -2.0, *[0.0] * (NOTHING - 3)))
    by_hand = math.log(others) - 0.5
    assert bare(SASRec, loss="all").loss(batch).item() == pytest.approx(by_hand, abs=1e-4)


@pytest.mark.parametrize("loss", ["pair", "all"])
def test_what_sasrec_learns_of_a_user_does_not_hang_on_the_others(loss: str) -> None:
    """Neither the places nor the items of a short row change beside a longer one, and the last
    place is learnt by all."""
    users = np.repeat([0, 1, 2], [2, 4, 7])
    world = Interactions.sorted(users, np.arange(13) % 11, n_users=3, n_items=11)
    model = build(SASRec, world, {"width": 4, "length": 8, "dropout": 0.0, "loss": loss})
    (batch,) = model.batches(world, 3, np.random.default_rng(0))
    sizes = (batch.liked < world.n_items).sum(1)
    assert sorted(sizes.tolist()) == [1, 3, 6]
    rows = [model.loss(Steps(*(part[n : n + 1] for part in batch))) for n in range(len(sizes))]
    mean = sum(n * row for n, row in zip(sizes, rows, strict=True)) / sizes.sum()
    assert model.loss(batch).item() == pytest.approx(mean.item())
    alone = Steps(*(part[sizes.argmin() :][:1, : sizes.min()] for part in batch))
    assert model.loss(alone).item() == pytest.approx(rows[sizes.argmin()].item())


@pytest.mark.parametrize("kind", [SASRec, BERT4Rec, CL4SRec])
def test_heads_that_do_not_divide_the_width_are_refused(kind: type) -> None:
    with pytest.raises(ConfigError, match="width=6, heads=4"):
        build(kind, WORLD, {"width": 6, "heads": 4})


def test_cl4srec_losses_by_hand() -> None:
    model = bare(CL4SRec, weight=0.0)
    columns = (torch.tensor([[0]]), torch.tensor([[1]]), torch.tensor([[2]]))
    batch = next(iter(model.batches(WORLD, 4, np.random.default_rng(0))))
    alone = batch._replace(items=columns[0], liked=columns[1], other=columns[2])
    assert model.loss(alone).item() == pytest.approx(math.log(1 + math.exp(-2.5)), abs=1e-4)
    # norms: item 0 (1, -1), item 1 (1, -1), item 2 (-1, 1); products 2 and -2
    one, two = torch.tensor([[0], [2]]), torch.tensor([[1], [2]])
    row = -math.log(math.exp(2) / (math.exp(2) + 2 * math.exp(-2)))
    assert model.contrast(one, two).item() == pytest.approx(row, abs=1e-4)
    model = bare(CL4SRec, temperature=4.0)  # products a half and minus a half
    row = -math.log(math.exp(0.5) / (math.exp(0.5) + 2 * math.exp(-0.5)))
    assert model.contrast(one, two).item() == pytest.approx(row, abs=1e-4)


def test_cl4srec_adds_its_second_task_as_the_weight_says() -> None:
    calm = {"width": 4, "length": 8, "dropout": 0.0}
    alone, whole = (build(CL4SRec, WORLD, calm | {"weight": weight}) for weight in (0.0, 0.3))
    batch = next(iter(whole.batches(WORLD, 8, np.random.default_rng(0))))
    first, second = alone.loss(batch).item(), whole.contrast(batch.one, batch.two).item()
    assert second > 0.1
    assert whole.loss(batch).item() == pytest.approx(first + 0.3 * second)
    one = type(batch)(*(column[:1] for column in batch))  # nothing to be told apart from
    assert whole.loss(one).item() == alone.loss(one).item()


@pytest.mark.parametrize("backbone", [SASRec, CL4SRec])
def test_beside_what_came_next_stands_an_unmet_item(backbone: type) -> None:
    """Everybody met eight of ten items in a row, of which four are read: after the last one come
    the two unmet ones."""
    world = rings(n_users=400, n_items=10, steps=8)
    model = build(backbone, world, {"width": 2, "length": 3})
    ahead = []
    for batch in model.batches(world, 64, np.random.default_rng(0)):
        ahead.append((batch.other - batch.liked[:, -1:]) % 10)
    drawn = torch.cat(ahead).flatten()
    assert drawn.unique().tolist() == [1, 2] and len(drawn) == 3 * 400
    assert (drawn == 1).double().mean().item() == pytest.approx(0.5, abs=0.1)  # 7 deviations


@pytest.mark.parametrize("part", ["dropout", "blocks.0.dropout", "blocks.0.attention"])
@pytest.mark.parametrize("backbone", THREE)
def test_each_part_drops_in_training_and_only_there(backbone: type, part: str) -> None:
    settings = {"width": 8, "heads": 1, "layers": 1, "length": 9}
    model, calm = (build(backbone, WORLD, settings | {"dropout": p}) for p in (0.5, 0.0))
    for name, other in model.named_modules():
        if name != part and isinstance(other, Dropout):
            other.share = 0.0
        if name != part and isinstance(other, Attention):
            other.dropout = 0.0
    rows = model.queries(WORLD, np.arange(30))
    assert not torch.equal(model.represent(rows), model.represent(rows))
    expected = calm.represent(rows)
    assert torch.equal(model.eval().represent(rows), expected)
    assert torch.equal(calm.represent(rows), expected)


def long_and_short() -> Interactions:
    """Users with 0 to 15 items in an order of their own: few transitions are anybody else's."""
    rng = np.random.default_rng(0)
    rows = [(user, item) for user in range(16) for item in rng.permutation(40)[:user]]
    users, items = np.array(rows).T
    times = np.arange(len(rows))
    return Interactions.sorted(users, items, times=times, n_users=16, n_items=40)


def transitions(backbone: type, world: Interactions, *, every: bool) -> Counter[tuple[int, int]]:
    """What stands behind what in the batches; of BERT4Rec with the hidden items put back."""
    model = build(backbone, world, {"width": 4, "length": 4, "heads": 1, "every_window": every})
    found: Counter[tuple[int, int]] = Counter()
    for batch in model.batches(world, 5, np.random.default_rng(0)):
        if isinstance(batch, Cloze):
            rows = torch.where(batch.wanted < world.n_items, batch.wanted, batch.items)
            pairs = rows[:, :-1], rows[:, 1:]
        else:
            pairs = batch.items, batch.liked
        before, after = (part.flatten().tolist() for part in pairs)
        found.update((a, b) for a, b in zip(before, after, strict=True) if b < world.n_items)
    return found


@pytest.mark.parametrize("backbone", THREE)
def test_every_window_learns_each_transition_once(backbone: type) -> None:
    world = long_and_short()
    whole = Counter((a, b) for row in world.histories for a, b in pairwise(row))
    assert len(whole) > 100
    assert transitions(backbone, world, every=True) == whole
    last = 4 if backbone is BERT4Rec else 5  # SASRec reads four items, and what came next
    ends = [row[-last:] for row in world.histories]
    some = Counter((a, b) for row in ends for a, b in pairwise(row))
    assert transitions(backbone, world, every=False) == some


@pytest.mark.parametrize("kind", ["crop", "mask", "reorder"])
def test_changed_copies(kind: str) -> None:
    model = build(CL4SRec, WORLD, {"changes": (kind,), "length": 8, "crop": 0.5, "mask": 0.5})
    batch = next(iter(model.batches(WORLD, 30, np.random.default_rng(0))))
    assert not torch.equal(batch.one, batch.two)
    for row, copy in zip(batch.items.tolist(), batch.one.tolist(), strict=True):
        held = [item for item in copy if item != NOTHING]
        if kind == "crop":
            assert len(held) == 4 and "".join(map(chr, held)) in "".join(map(chr, row))
        if kind == "mask":
            assert held.count(NOTHING + 1) == 4 and len(held) == 8
            assert all(a in (b, NOTHING + 1) for a, b in zip(copy, row, strict=True))
        if kind == "reorder":
            moved = [n for n, (a, b) in enumerate(zip(copy, row, strict=True)) if a != b]
            assert sorted(copy) == sorted(row) and (not moved or moved[-1] - moved[0] < 4)


def test_copies_are_changed_anywhere_and_by_the_share_of_their_kind() -> None:
    """Of eight items: pieces of two begin at all seven places, unchanged; four are hidden, at each
    place as often; and within six any order may come."""
    rows = np.arange(8) + np.zeros((400, 1), np.int64)
    shares = {"crop": 0.25, "mask": 0.5, "reorder": 0.75}

    def changed(kind: str) -> np.ndarray:
        model = build(CL4SRec, WORLD, {"changes": (kind,), "length": 8, **shares})
        return model._changed(rows, np.random.default_rng(0))

    cropped = changed("crop")
    assert (cropped[:, 2:] == NOTHING).all() and (cropped[:, 1] == cropped[:, 0] + 1).all()
    assert sorted(set(cropped[:, 0])) == list(range(7))
    hidden = changed("mask") == NOTHING + 1
    assert (hidden.sum(1) == 4).all() and (abs(hidden.mean(0) - 0.5) < 0.1).all()
    moved = changed("reorder")
    spans = [np.flatnonzero(row != rows[0]) for row in moved if (row != rows[0]).any()]
    assert max(span[-1] - span[0] + 1 for span in spans) == 6
    assert {int(span[0]) for span in spans} >= {0, 1, 2} and len(set(map(tuple, moved))) > 300


def test_each_copy_is_changed_in_one_of_the_chosen_ways() -> None:
    rows = np.arange(8) + np.zeros((600, 1), np.int64)
    model = build(CL4SRec, WORLD, {"length": 8, "crop": 0.5, "mask": 0.5, "reorder": 1.0})
    copies = model._changed(rows, np.random.default_rng(0))
    cropped, masked = ((copies == sign).any(1) for sign in (NOTHING, NOTHING + 1))
    assert not (cropped & masked).any()
    for kind in (cropped, masked, ~cropped & ~masked):
        assert kind.mean() == pytest.approx(1 / 3, abs=0.07)
    two = build(CL4SRec, WORLD, {"length": 8, "changes": ("mask", "crop")})
    drawn = two._changed(rows, np.random.default_rng(0))
    assert ((drawn == NOTHING).any(1) ^ (drawn == NOTHING + 1).any(1)).all()


def test_no_user_is_told_from_himself() -> None:
    """One window a user is copied, however many of his are in the batch."""
    world = long_and_short()
    hyper = {"changes": ("mask",), "mask": 0.0, "length": 5, "every_window": True}
    model = build(CL4SRec, world, hyper)
    batch = next(iter(model.batches(world, 10_000, np.random.default_rng(0))))
    learners = int((world.counts > 1).sum())
    assert len(batch.one) == len(batch.two) == learners < len(batch.items)
    windows = {tuple(row) for row in batch.items.tolist()}
    assert {tuple(row) for row in batch.one.tolist()} <= windows


def test_bert4rec_is_the_papers_block_and_loss() -> None:
    hyper = {"width": 4, "layers": 1, "heads": 2, "length": 4, "dropout": 0.0}
    model = build(BERT4Rec, WORLD, hyper)
    hidden = NOTHING + 1
    items, wanted = torch.tensor([[3, hidden, 2]]), torch.tensor([[NOTHING, 7, NOTHING]])
    block = model.blocks[0]
    signal = layer_norm(model.items(items[0]) + model.places.weight[1:4], (4,))
    signal = layer_norm(signal + slowly(block.attention, signal, [[0, 1, 2]] * 3), (4,))
    signal = layer_norm(signal + block.narrow(gelu(block.wide(signal))), (4,))
    said = layer_norm(gelu(model.out(signal[1])), (4,))
    logits = model.items.weight[:NOTHING] @ said + model.bias
    expected = -logits.log_softmax(0)[7]
    assert model.loss(Cloze(items, wanted)).item() == pytest.approx(expected.item(), rel=1e-5)


def test_bert4rec_hides_a_share_or_the_last() -> None:
    model = build(BERT4Rec, WORLD, {"length": 9, "hidden": 0.3, "last": 0.25})
    rng = np.random.default_rng(0)
    shares, ends, rows = [], 0, 0
    for _ in range(40):
        for batch in model.batches(WORLD, 16, rng):
            wanted = batch.wanted < NOTHING
            assert (wanted.sum(1) > 0).all()
            assert torch.equal(wanted, batch.items == NOTHING + 1)
            shares.append(wanted.float().mean().item())
            alone = (wanted.sum(1) == 1) & wanted[:, -1]
            ends, rows = ends + int(alone.sum()), rows + len(wanted)
    assert np.mean(shares) == pytest.approx(0.75 * 0.3 + 0.25 / 9, abs=0.02)
    assert ends / rows == pytest.approx(0.25 + 0.75 * 0.3 * 0.7**8 + 0.75 * 0.7**9 / 9, abs=0.04)


def test_bert4rec_hides_the_last_item_of_short_rows_too() -> None:
    world = long_and_short()
    model = build(BERT4Rec, world, {"length": 6, "last": 1.0, "every_window": False})
    lengths = set()
    for batch in model.batches(world, 5, np.random.default_rng(0)):
        ends = (batch.items != world.n_items).sum(1) - 1
        lengths |= set(ends.tolist())
        where = (batch.wanted < world.n_items).nonzero()
        assert where[:, 0].tolist() == list(range(len(ends))) and torch.equal(where[:, 1], ends)
    assert len(lengths) > 1


def test_bert4rec_hides_no_place_that_holds_nothing() -> None:
    world = long_and_short()
    model = build(BERT4Rec, world, {"length": 6, "hidden": 0.5, "last": 0.0})
    for batch in model.batches(world, 5, np.random.default_rng(0)):
        assert torch.equal(batch.wanted < world.n_items, batch.items == world.n_items + 1)


def test_bert4rec_puts_a_hidden_item_behind_the_last() -> None:
    model = build(BERT4Rec, WORLD, {"length": 4, "width": 4}).eval()
    asked = torch.tensor([[3, 1, NOTHING], [5, 6, 7]])
    rows = torch.tensor([[3, 1, NOTHING + 1, NOTHING], [5, 6, 7, NOTHING + 1]])
    said = model.encode(rows)
    torch.testing.assert_close(model.represent(asked), torch.stack([said[0, 2], said[1, 3]]))


def test_triples_are_refused() -> None:
    column = np.zeros(1, np.int64)
    with pytest.raises(BackboneError, match="inserts items"):
        fit("sasrec", WORLD, TrainConfig(epochs=1), extra_triples=(column, column, column + 1))

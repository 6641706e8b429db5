"""MMSSL's judge, and the rows that it is shown, by hand."""

import numpy as np
import pytest
import torch

from backbones.by_hand import ITEMS, Numbers, applied, array, leaky, softmax, world
from tandemrec.backbones.judging import Judge, judged_rows, softened


def test_observed_rows_are_softened() -> None:
    """Without noise, the softmax of 1 for what was met and 0 for the rest."""
    rng = np.random.default_rng(0)
    found = softened(world(), np.array([2, 0]), rng, noise=0.0, sharpness=0.5)
    by_hand = [softmax([0, 0, 2, 0]), softmax([2, 2, 0, 0])]
    np.testing.assert_allclose(found, np.stack(by_hand), rtol=1e-5)
    sharp = softened(world(), np.array([0]), rng, noise=1e-5, sharpness=0.005)
    np.testing.assert_allclose(sharp.sum(1), 1, rtol=1e-6)
    assert 0.4 < sharp[0, 0] < 0.6 and sharp[0, 0] != sharp[0, 1] and sharp[0, 2] < 1e-6


def test_gumbel_noise_chooses_as_often_as_the_softmax_says() -> None:
    """Of argmax(A + Gumbel), 1 wins against three 0s in e / (e + 3) of all draws."""
    rng = np.random.default_rng(0)
    many = np.full(20_000, 2)
    won = softened(world(), many, rng, noise=1.0, sharpness=1.0).argmax(1) == 2
    assert won.mean() == pytest.approx(np.e / (np.e + 3), abs=0.01)


def a_judge() -> Judge:
    torch.manual_seed(1)
    judge = Judge(ITEMS, 8, 0.0).double()
    for weight in judge.parameters():
        weight.data = torch.randn_like(weight)
    return judge


def verdict(judge: Judge, row: Numbers) -> float:
    """sigmoid of a linear form of two steps, each norm(LeakyReLU(W x + b))."""
    *steps, last, _ = judge.layers
    for step in steps:
        row = leaky(applied(step.linear, row))
        row = (row - row.mean()) / np.sqrt(row.var() + 1e-5)
        row = row * array(step.norm.weight) + array(step.norm.bias)
    return float(1 / (1 + np.exp(-applied(last, row)[0])))


def steepness(judge: Judge, row: Numbers) -> float:
    """(length of the verdict's gradient - 1) squared, by finite differences."""
    small = 1e-6 * np.eye(ITEMS)
    slopes = [(verdict(judge, row + s) - verdict(judge, row - s)) / 2e-6 for s in small]
    return float((np.sqrt(np.square(slopes).sum()) - 1) ** 2)


def test_the_judge_by_hand() -> None:
    judge, rng = a_judge(), np.random.default_rng(0)
    told, real, mix = rng.normal(size=(4, 4)), rng.normal(size=(2, 4)), rng.random((4, 1))
    by_hand = np.mean([verdict(judge, row) for row in told])
    by_hand -= np.mean([verdict(judge, row) for row in real])
    rows = [m * real[n % 2] + (1 - m) * told[n] for n, m in enumerate(mix)]
    by_hand += 0.3 * np.mean([steepness(judge, row) for row in rows])
    tensors = (torch.from_numpy(each) for each in (told, real, mix))
    assert judge.loss(*tensors, 0.3).item() == pytest.approx(by_hand)
    fooled = judge.fooled(torch.from_numpy(told)).item()
    assert fooled == pytest.approx(-np.mean([verdict(judge, row) for row in told]))


def test_judged_rows_have_length_one() -> None:
    rows = judged_rows(torch.randn(3, 2), torch.randn(5, 2))
    torch.testing.assert_close(rows.norm(dim=1), torch.ones(3))

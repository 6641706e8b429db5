"""Losses that several papers share."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def bpr(margins: Tensor) -> Tensor:
    """Mean of -log sigmoid(y_ui - y_uj) over margins [B]: Rendle et al., UAI 2009, equation 4.2.

    Llama4Rec's equation 1 is the sum; the mean differs by a constant that the learning rate holds.
    """
    return nn.functional.softplus(-margins).mean()


def half_squares(table: Tensor, rows: Tensor, examples: int) -> Tensor:
    """Half the squared norm of the table's rows [R], each as often as it is named, per example.

    The L2 term of BPR: lambda times this is added to the mean loss over `examples` triples.
    """
    times = torch.bincount(rows, minlength=len(table)).to(table.dtype)  # [N]
    return (times @ table.square().sum(1)) / (2 * examples)

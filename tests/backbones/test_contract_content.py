"""What every backbone that reads content must do besides."""

import numpy as np
import pytest
import torch

from backbones.kinds import CONTENT, reads, small
from tandemrec.backbones import BACKBONES, build
from tandemrec.data.content import Content
from tandemrec.data.worlds import checkerboard, clubs
from tandemrec.errors import BackboneError
from tandemrec.training import TrainConfig, fit


@pytest.mark.parametrize("name", CONTENT)
def test_content_decides_where_it_differs(name: str) -> None:
    """Of two items that nobody met, the one is scored by what is known of it, not by its number."""
    world = checkerboard()
    arrays = reads(name, world)["content"].arrays
    other = {key: np.roll(array, 1, axis=0) for key, array in arrays.items()}
    one, two = (
        build(BACKBONES[name], world, small(name, 8), content=Content.of(each)).eval()
        for each in (arrays, other)
    )
    queries = torch.arange(20)
    assert not torch.allclose(one.score(queries), two.score(queries))


@pytest.mark.parametrize("name", CONTENT)
def test_one_modality_or_three_of_any_width(name: str) -> None:
    world = clubs()
    for widths in ([1], [3, 1, 40]):
        rng = np.random.default_rng(0)
        arrays = {f"m.{w} wide": rng.normal(size=(world.n_items, w)) for w in widths}
        fitted = fit(name, world, TrainConfig(epochs=2), content=Content.of(arrays))
        assert torch.isfinite(fitted.score(torch.arange(60))).all()


@pytest.mark.parametrize("name", CONTENT)
def test_content_of_other_items_is_refused(name: str) -> None:
    content = Content.of({"title": np.ones((7, 2))})
    with pytest.raises(BackboneError, match=r"content of each of the 40 items .* Received: 7 rows"):
        build(BACKBONES[name], clubs(), content=content)
    with pytest.raises(BackboneError, match="reads the items' content, and there is none"):
        build(BACKBONES[name], clubs())

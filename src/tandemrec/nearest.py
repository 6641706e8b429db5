"""Nearest neighbours by faiss: vectors in cells, of which only the nearest are looked into."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tandemrec.errors import ConfigError

EXACT = 2**14
"Vectors up to which all are compared."
PROBED = 32
"Cells that are looked into for each question."
_SEEN = 40
"Vectors a cell that the cells are learnt from; faiss asks for 39."


def among_cells(
    vectors: NDArray[np.float32], asked: NDArray[np.int64], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The k others of highest inner product of each row asked for, two [B, k], the best first and
    the lower number of equal ones; -1 and -inf where there are too few.

    Jegou et al., "Product Quantization for Nearest Neighbor Search", PAMI 2011, section 4.2: an
    inverted file, here with whole vectors. Raises ConfigError where faiss is not installed.
    """
    index = _index(_faiss(), np.ascontiguousarray(vectors))
    scores, items = index.search(np.ascontiguousarray(vectors[asked]), k + 1)
    scores[(items == asked[:, None]) | (items < 0)] = -np.inf
    order = np.lexsort((items, -scores), axis=1)[:, :k]
    items, scores = (np.take_along_axis(each, order, 1) for each in (items, scores))
    return np.where(scores == -np.inf, -1, items).astype(np.int64), scores


def _faiss() -> ModuleType:
    try:
        import faiss
    except ImportError:
        raise ConfigError(
            "Similar users by faiss need the package faiss-cpu, which is not installed: "
            'pip install faiss-cpu, or compare with all (way="exact").'
        ) from None
    module: ModuleType = faiss
    return module


def _index(faiss: ModuleType, vectors: NDArray[np.float32]) -> Any:
    """Of all vectors [N, D]: in about 4 sqrt(N) cells, as faiss's guide has it."""
    n, width = vectors.shape
    flat = faiss.IndexFlatIP(width)
    if n <= EXACT:
        flat.add(vectors)
        return flat
    cells = int(4 * n**0.5)
    index = faiss.IndexIVFFlat(flat, width, cells, faiss.METRIC_INNER_PRODUCT)
    seen = np.random.default_rng(0).choice(n, min(n, _SEEN * cells), replace=False)
    index.train(vectors[np.sort(seen)])
    index.add(vectors)
    index.nprobe = PROBED
    return index

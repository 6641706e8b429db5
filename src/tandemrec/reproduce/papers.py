"""The tables and figures that can be made again, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tandemrec.errors import ConfigError, UnknownName
from tandemrec.reproduce.attributes import Attributed
from tandemrec.reproduce.dallrec import StrategyTable
from tandemrec.reproduce.duel import Duel
from tandemrec.reproduce.found import Cell
from tandemrec.reproduce.piece import Piece
from tandemrec.reproduce.ratings import RatingTable
from tandemrec.reproduce.sweep import Sweep
from tandemrec.reproduce.tables import PaperTable
from tandemrec.reproduce.variants import Instructions, Sizes

LLAMA, LLAMA3 = "LLaMA-2 7B", "Llama-3-8B-Instruct"
DIRECT, SEQUENTIAL = ("mf", "lightgcn", "mixgcf", "sgl"), ("sasrec", "bert4rec", "cl4srec")
SEVEN = "Three strategies, seven backbones,"
SMALL = {"ml-100k": ("lightgcn", "sasrec")}
"Beside what the paper has, for a machine without a GPU."

NOUNS = {"ml-100k": "movie", "ml-1m": "movie", "book-crossing": "book"}

PIECES: dict[str, Piece] = {
    "llama4rec/table2": PaperTable(
        "llama4rec", "table2", "Direct recommendation, four backbones.", "lightgcn", LLAMA
    ),
    "llama4rec/table4": PaperTable(
        "llama4rec", "table4", "Sequential recommendation, three backbones.", "sasrec", LLAMA
    ),
    "llama4rec/table5": RatingTable(
        "llama4rec", "table5", "Rating prediction, six backbones.", "deepfm", LLAMA
    ),
    "llama4rec/table6": PaperTable(
        "llama4rec",
        "table6",
        "LightGCN without one part at a time.",
        "lightgcn",
        LLAMA,
        changes=True,
        beyond={"ml-100k": ("lightgcn",)},
    ),
    "llama4rec/fig4": Sweep(
        "llama4rec",
        "fig4",
        "What the weights of adaptive aggregation do.",
        "lightgcn",
        LLAMA,
        (Cell("ml-1m", "lightgcn"), Cell("ml-100k", "lightgcn")),
    ),
    "llama4rec/fig5": Sizes(
        "llama4rec",
        "fig5",
        "Language models of two sizes.",
        "lightgcn",
        "LLaMA-2 with 7B and 13B",
        {"book-crossing": DIRECT + SEQUENTIAL, **SMALL},
        ("smollm2-135m:15", "smollm2-135m"),
    ),
    "llama4rec/fig6": Instructions(
        "llama4rec",
        "fig6",
        "More and fewer instructions.",
        "lightgcn",
        LLAMA,
        {"book-crossing": DIRECT + SEQUENTIAL, **SMALL},
    ),
    "llama4rec/fig7": Duel(
        "llama4rec",
        "fig7",
        "Against another language model.",
        "sasrec",
        LLAMA,
        (Cell("book-crossing", "cl4srec"), Cell("ml-100k", "cl4srec")),
    ),
    "llama4rec/fig8": Attributed(
        "llama4rec",
        "fig8",
        "Attributes by the language model: how many are right, and what they do.",
        "deepfm",
        LLAMA,
        {data: ("deepfm",) for data in NOUNS},
        nouns=NOUNS,
    ),
    "dallrec/movielens": StrategyTable(
        "dallrec", "movielens", f"{SEVEN} on films.", "", LLAMA3, data="dallrec-movielens"
    ),
    "dallrec/book": StrategyTable(
        "dallrec", "book", f"{SEVEN} on books.", "", LLAMA3, data="dallrec-book"
    ),
}


def piece_of(
    name: str,
    llms: Sequence[str] = (),
    rival: str | None = None,
    *,
    truth: Mapping[str, Path] = {},
    table: Mapping[str, Path] = {},
    judge: str | None = None,
) -> Piece:
    """A table or figure by its name, with the language models that it compares, and what its
    attributes are held against and looked up in. Raises ConfigError for what it does not take."""
    if name not in PIECES:
        raise UnknownName("table or figure", name, PIECES)
    piece = PIECES[name]
    if isinstance(piece, Sizes) and llms:
        piece = replace(piece, llms=tuple(dict.fromkeys(llms)))
    elif len(llms) > 1:
        raise ConfigError(f"{name} takes one language model; received {', '.join(llms)}.")
    if rival is not None:
        if not isinstance(piece, Duel):
            raise ConfigError(f"{name} has no rival; llama4rec/fig7 takes --rival.")
        piece = replace(piece, rival=rival)
    if truth or table or judge is not None:
        if not isinstance(piece, Attributed):
            raise ConfigError(
                f"llama4rec/fig8 takes --truth, --table and --judge; {name} does not."
            )
        piece = replace(piece, truth=truth, table=table, judge=judge)
    return piece

"""A language model and a recommender, in tandem: each makes the other better.

The public names are loaded when they are first used, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tandemrec.backbones import (
        AFM,
        DCN,
        GRCN,
        MF,
        MMGCN,
        MMSSL,
        NFM,
        NGCF,
        AutoInt,
        DeepFM,
        ImplicitModel,
        LightGCN,
        NeuMF,
        ScoreMatrix,
        XDeepFM,
    )
    from tandemrec.data import (
        Dataset,
        Interactions,
        Split,
        from_frames,
        k_core,
        leave_last_out,
        load,
        ratio_split,
        released,
    )
    from tandemrec.data.content import Content
    from tandemrec.data.fields import Fields, FieldsConfig
    from tandemrec.evaluation.full import evaluate
    from tandemrec.llm import embedder, llm
    from tandemrec.llm.embedding import Embedder
    from tandemrec.predicting import predict
    from tandemrec.ranking import rank
    from tandemrec.rankings import Rankings
    from tandemrec.ratings import Ratings
    from tandemrec.recipes.execute import dallrec, llama4rec
    from tandemrec.training import TrainConfig, fit

PUBLIC = {
    "AFM": "tandemrec.backbones",
    "AutoInt": "tandemrec.backbones",
    "Content": "tandemrec.data.content",
    "DCN": "tandemrec.backbones",
    "Dataset": "tandemrec.data",
    "DeepFM": "tandemrec.backbones",
    "Embedder": "tandemrec.llm.embedding",
    "Fields": "tandemrec.data.fields",
    "FieldsConfig": "tandemrec.data.fields",
    "GRCN": "tandemrec.backbones",
    "ImplicitModel": "tandemrec.backbones",
    "Interactions": "tandemrec.data",
    "LightGCN": "tandemrec.backbones",
    "MF": "tandemrec.backbones",
    "MMGCN": "tandemrec.backbones",
    "MMSSL": "tandemrec.backbones",
    "NFM": "tandemrec.backbones",
    "NGCF": "tandemrec.backbones",
    "NeuMF": "tandemrec.backbones",
    "Rankings": "tandemrec.rankings",
    "Ratings": "tandemrec.ratings",
    "ScoreMatrix": "tandemrec.backbones",
    "Split": "tandemrec.data",
    "TrainConfig": "tandemrec.training",
    "XDeepFM": "tandemrec.backbones",
    "dallrec": "tandemrec.recipes.execute",
    "embedder": "tandemrec.llm",
    "evaluate": "tandemrec.evaluation.full",
    "fit": "tandemrec.training",
    "from_frames": "tandemrec.data",
    "k_core": "tandemrec.data",
    "leave_last_out": "tandemrec.data",
    "llama4rec": "tandemrec.recipes.execute",
    "llm": "tandemrec.llm",
    "load": "tandemrec.data",
    "predict": "tandemrec.predicting",
    "rank": "tandemrec.ranking",
    "ratio_split": "tandemrec.data",
    "released": "tandemrec.data",
}
"Each public name, and the module that it is defined in."

__all__ = [  # noqa: RUF022  the same order as PUBLIC
    "AFM",
    "AutoInt",
    "Content",
    "DCN",
    "Dataset",
    "DeepFM",
    "Embedder",
    "Fields",
    "FieldsConfig",
    "GRCN",
    "ImplicitModel",
    "Interactions",
    "LightGCN",
    "MF",
    "MMGCN",
    "MMSSL",
    "NFM",
    "NGCF",
    "NeuMF",
    "Rankings",
    "Ratings",
    "ScoreMatrix",
    "Split",
    "TrainConfig",
    "XDeepFM",
    "dallrec",
    "embedder",
    "evaluate",
    "fit",
    "from_frames",
    "k_core",
    "leave_last_out",
    "llama4rec",
    "llm",
    "load",
    "predict",
    "rank",
    "ratio_split",
    "released",
]


def __getattr__(name: str) -> Any:
    if name not in PUBLIC:
        raise AttributeError(f"module 'tandemrec' has no attribute {name!r}")
    return getattr(import_module(PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted(PUBLIC)

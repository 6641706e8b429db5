"""The recommender networks, by name. To add one: write its file, then add its line here."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any

from tandemrec.backbones.adapters import ImplicitModel, ScoreMatrix
from tandemrec.backbones.afm import AFM, AFMConfig
from tandemrec.backbones.autoint import AutoInt, AutoIntConfig
from tandemrec.backbones.base import (
    Backbone,
    BackboneConfig,
    ContentBackbone,
    DirectBackbone,
    EmbeddingBackbone,
    RankingBackbone,
    RatingBackbone,
    SequentialBackbone,
)
from tandemrec.backbones.bert4rec import BERT4Rec, BERT4RecConfig
from tandemrec.backbones.building import build
from tandemrec.backbones.cl4srec import CL4SRec, CL4SRecConfig
from tandemrec.backbones.dcn import DCN, DCNConfig
from tandemrec.backbones.deepfm import DeepFM, DeepFMConfig
from tandemrec.backbones.features import FeatureBackbone, FeatureConfig
from tandemrec.backbones.fitted import Epoch, Fitted
from tandemrec.backbones.grcn import GRCN, GRCNConfig
from tandemrec.backbones.lightgcn import LightGCN, LightGCNConfig
from tandemrec.backbones.mf import MF, MFConfig
from tandemrec.backbones.mixgcf import MixGCF, MixGCFConfig
from tandemrec.backbones.mmgcn import MMGCN, MMGCNConfig
from tandemrec.backbones.mmssl import MMSSL, MMSSLConfig
from tandemrec.backbones.neumf import NeuMF, NeuMFConfig
from tandemrec.backbones.nfm import NFM, NFMConfig
from tandemrec.backbones.ngcf import NGCF, NGCFConfig
from tandemrec.backbones.sasrec import SASRec, SASRecConfig
from tandemrec.backbones.sgl import SGL, SGLConfig
from tandemrec.backbones.xdeepfm import XDeepFM, XDeepFMConfig
from tandemrec.errors import BackboneError, UnknownName

BACKBONES: dict[str, type[Backbone[Any]]] = {
    # direct
    "mf": MF,
    "lightgcn": LightGCN,
    "mixgcf": MixGCF,
    "sgl": SGL,
    "neumf": NeuMF,
    "ngcf": NGCF,
    # direct, with item content
    "mmgcn": MMGCN,
    "grcn": GRCN,
    "mmssl": MMSSL,
    # sequential
    "sasrec": SASRec,
    "bert4rec": BERT4Rec,
    "cl4srec": CL4SRec,
    # rating
    "deepfm": DeepFM,
    "nfm": NFM,
    "dcn": DCN,
    "afm": AFM,
    "xdeepfm": XDeepFM,
    "autoint": AutoInt,
}

GROUP = "tandemrec.backbones"
"The entry points by which an installed package offers backbones of its own."

__all__ = [
    "AFM",
    "BACKBONES",
    "DCN",
    "GRCN",
    "GROUP",
    "MF",
    "MMGCN",
    "MMSSL",
    "NFM",
    "NGCF",
    "SGL",
    "AFMConfig",
    "AutoInt",
    "AutoIntConfig",
    "BERT4Rec",
    "BERT4RecConfig",
    "Backbone",
    "BackboneConfig",
    "CL4SRec",
    "CL4SRecConfig",
    "ContentBackbone",
    "DCNConfig",
    "DeepFM",
    "DeepFMConfig",
    "DirectBackbone",
    "EmbeddingBackbone",
    "Epoch",
    "FeatureBackbone",
    "FeatureConfig",
    "Fitted",
    "GRCNConfig",
    "ImplicitModel",
    "LightGCN",
    "LightGCNConfig",
    "MFConfig",
    "MMGCNConfig",
    "MMSSLConfig",
    "MixGCF",
    "MixGCFConfig",
    "NFMConfig",
    "NGCFConfig",
    "NeuMF",
    "NeuMFConfig",
    "RankingBackbone",
    "RatingBackbone",
    "SASRec",
    "SASRecConfig",
    "SGLConfig",
    "ScoreMatrix",
    "SequentialBackbone",
    "XDeepFM",
    "XDeepFMConfig",
    "build",
    "get",
    "hyper_of",
    "training_of",
]


def get(name: str) -> type[Any]:
    """The backbone class of that name: ours, else one that an installed package declares.

    Raises UnknownName, which guesses what was meant; BackboneError if a package's backbone cannot
    be imported.
    """
    if name in BACKBONES:
        return BACKBONES[name]
    theirs = {point.name: point for point in entry_points(group=GROUP)}
    if name not in theirs:
        raise UnknownName("backbone", name, [*BACKBONES, *theirs])
    return _loaded(theirs[name])


def _loaded(point: EntryPoint) -> type[Any]:
    try:
        loaded: type[Any] = point.load()
    except Exception as error:
        raise BackboneError(
            f"The backbone {point.name!r} of an installed package ({point.value}) cannot be "
            f"imported: {type(error).__name__}: {error}."
        ) from error
    return loaded


def training_of(backbone: Any, *, quick: bool = False) -> dict[str, Any]:
    """The training settings that a backbone publishes, by the names of TrainConfig.

    With `quick` those that reach as much in less time, where it has such.
    """
    published = dict(getattr(backbone, "published", {}))
    return dict(getattr(backbone, "quick", {})) or published if quick else published


def hyper_of(backbone: Any, *, quick: bool = False) -> dict[str, Any]:
    """The hyperparameters that go with a class's quick training settings; else none."""
    known = isinstance(backbone, type) and quick
    return dict(getattr(backbone, "quick_config", {})) if known else {}

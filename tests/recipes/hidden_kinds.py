"""A small world whose ratings follow the items' kinds, which its catalogue does not tell."""

import re
from dataclasses import replace
from pathlib import Path

import polars as pl

from tandemrec.augment.attributes import AttributesConfig
from tandemrec.backbones import DeepFM
from tandemrec.data.attributes import Kind
from tandemrec.data.split import Split, leave_last_out
from tandemrec.data.worlds import tastes
from tandemrec.llm.base import Prompt
from tandemrec.llm.fake import FakeLLM, FollowingLLM
from tandemrec.recipes.execute import llama4rec
from tandemrec.recipes.finished import Finished
from tandemrec.recipes.settings import PLUS, Llama4RecConfig

KIND = Kind(name="sort", about="the sort", examples={"a tree": "plant", "a whale": "animal"})
ASKED = AttributesConfig(kinds=(KIND,), agree=False)
FAST = {"epochs": 60, "every": 2, "patience": 10, "batch_size": 64, "learning_rate": 1e-2}
CONFIG = PLUS.model_copy(
    update={
        "training": FAST,
        "backbone": {"width": 8, "hidden": (16,), "dropout": 0.0, "decay": 1e-2},
        "attributes": ASKED,
        "augment": "always",
    }
)


def hidden() -> tuple[Split, list[str]]:
    """The world `tastes`, whose catalogue does not tell the items' kinds; and these."""
    data = tastes(n_users=150, n_items=200, rated=8)
    kinds = data.catalogue.items["kind"].to_list()
    catalogue = replace(data.catalogue, items=pl.DataFrame())
    return leave_last_out(replace(data, catalogue=catalogue)), kinds


def knowing(kinds: list[str]) -> FollowingLLM:
    """A language model that knows every item's kind, and rates at random."""

    def write(prompt: Prompt) -> str:
        return kinds[int(re.findall(r"item ([0-9]+)", prompt.user)[-1])]

    return FollowingLLM(FakeLLM("ratings").logprob, write, "knowing")


def run(split: Split, llm: FakeLLM, out: Path, config: Llama4RecConfig = CONFIG) -> Finished:
    return llama4rec(split, backbone=DeepFM, llm=llm, config=config, out=out)


def rmse(done: Finished, method: str) -> float:
    return next(row.metrics["RMSE"] for row in done.contents.rows if row.method == method)

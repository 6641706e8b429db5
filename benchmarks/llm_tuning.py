"""Tuning beside TRL's SFTTrainer, and by what learns; see llm.py."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from llm_work import Row, Work, row, turns_of_rates

from tandemrec.llm.local import LocalLLM
from tandemrec.prompts import direct
from tandemrec.recipes.settings import PAPER
from tandemrec.tuning.examples import Example
from tandemrec.tuning.tune import TuneConfig, tune

HERE = Path(__file__).parent.absolute()
THEIR_BATCH = 8


def tuning(work: Work, llm: LocalLLM, rounds: int, python: str) -> list[Row]:
    """The same instructions of all three ways, by both; batches of as many tokens on average."""
    examples = instructions(work)
    lengths = [
        len(llm._encoder.prompt(each.prompt)) + len(llm._encoder.text(each.answer))
        for each in examples
    ]
    budget = int(np.mean(lengths) * THEIR_BATCH)
    ours, theirs = turns_of_rates(
        rounds, lambda: our_rate(examples, llm, budget), lambda: their_rate(examples, llm, python)
    )
    return [row("tuning, useful tokens/s, beside TRL", ours, theirs)]


def ways_to_learn(layers: int) -> dict[str, dict[str, Any]]:
    top = {"trainable_layers": layers}
    return {
        "all weights": {},
        "all weights, layers computed again": {"checkpointing": True},
        f"{layers} layers": {**top, "keep_frozen": False},
        f"{layers} layers, the frozen ones read once": {**top, "keep_frozen": True},
        "LoRA, rank 16": {"method": "lora"},
        f"LoRA, rank 16, in {layers} layers": {"method": "lora", **top},
    }


def learning(work: Work, llm: LocalLLM, rounds: int) -> list[Row]:
    """Three epochs of a fifth of the instructions by each way to learn, beside all weights."""
    examples = instructions(work)[: len(work.facts) // 5]
    budget = PAPER.tune.batch_tokens
    named = ways_to_learn(max(1, llm._network.layers // 3))
    ways = [partial(whole_rate, examples, llm, budget, way) for way in named.values()]
    rates = turns_of_rates(rounds, *ways)
    return [row(f"{n}, tokens/s", rate, rates[0]) for n, rate in zip(named, rates, strict=True)]


def whole_rate(
    examples: Sequence[Example], llm: LocalLLM, budget: int, settings: dict[str, Any]
) -> float:
    """Tokens learnt per second of the whole tuning, loading and saving included."""
    config = TuneConfig(epochs=3, batch_tokens=budget, checkpoint_seconds=1e9, **settings)
    read, start = [0], time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        tune(
            examples, llm.folder, config, folder, progress=lambda _, done, *rest: read.append(done)
        )
    return read[-1] / (time.perf_counter() - start)


def instructions(work: Work) -> list[Example]:
    """Some of each way; answers that say nothing will do for a clock. No chat template, so that
    both read the same tokens."""
    made = []
    for n, (fact, titles) in enumerate(zip(work.facts, work.titles, strict=True)):
        listed, asked = direct.listwise(fact, titles), direct.pointwise(fact, titles[0])
        letters = ", ".join(direct.LABELS[: len(titles)])
        pairs = [(listed, letters), (asked, "Yes"), (direct.continuation(fact), titles[0])]
        prompt, answer = pairs[n % len(pairs)]
        made.append(Example(prompt._replace(system="", chat=False), f" {answer}"))
    return made


def our_rate(
    examples: Sequence[Example],
    llm: LocalLLM,
    budget: int,
    method: Literal["full", "lora"] = "full",
) -> float:
    """Useful tokens per second between the first step and the last."""
    heard: list[tuple[float, float]] = []
    config = TuneConfig(method=method, epochs=1, batch_tokens=budget, checkpoint_seconds=1e9)
    with tempfile.TemporaryDirectory() as folder:
        tune(
            examples,
            llm.folder,
            config,
            folder,
            progress=lambda _, done, *rest: heard.append((time.perf_counter(), done)),
        )
    (first, before), (last, after) = heard[0], heard[-1]
    return (after - before) / (last - first)


def their_rate(examples: Sequence[Example], llm: LocalLLM, python: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        file, out = Path(folder) / "examples.jsonl", Path(folder) / "result.json"
        lines = [{"prompt": each.prompt.user, "completion": each.answer} for each in examples]
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
        script = HERE / "peers" / "trl_sft.py"
        half = ["--bf16"] if llm.dtype is torch.bfloat16 else []
        command = [python, "-W", "ignore", script, llm.folder, file, out, *half]
        subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)
        found = json.loads(out.read_text())
    return sum(found["tokens"]) / sum(found["seconds"])

"""Whether all ways of asking give the same scores and orders; see llm.py."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from llm_work import WAYS, Row, Work
from numpy.typing import NDArray

from tandemrec.llm.answers import AnswerStore, Remembering
from tandemrec.llm.base import LLM, Choice, Prompt
from tandemrec.llm.local import LocalLLM

SHARDS = 3
Lists = NDArray[np.float64]  # [U, 10], one list of candidates a row


def equal(work: Work, llm: LocalLLM, rounds: int) -> list[Row]:
    """float32: scores beside those of one text at a time in the model's own pass."""
    exact = LocalLLM(llm.folder, dtype="float32")
    true = alone(exact, work)
    return [
        *beside("float32, batched", together(exact, work), true),
        *beside("float32, in shards and in two parts", in_shards(llm, work), true),
    ]


def half(work: Work, llm: LocalLLM, rounds: int) -> list[Row]:
    """bfloat16: the same, beside float32's and beside its own."""
    true = alone(LocalLLM(llm.folder, dtype="float32"), work)
    rounded = LocalLLM(llm.folder, dtype="bfloat16")
    halves, rough = together(rounded, work), alone(rounded, work)
    return [
        *beside("bfloat16, batched, beside float32", halves, true),
        *beside("bfloat16, one at a time, beside float32", rough, true),
        *beside("bfloat16, batched, beside bfloat16 one at a time", halves, rough),
    ]


CLOSE = 1e-4


def beside(what: str, ours: Lists, true: Lists) -> list[Row]:
    """How far two ways of asking differ: in a score, in a list's order, in a pair's."""
    order, real = (np.argsort(scores, axis=1) for scores in (ours, true))
    pairs = np.triu_indices(ours.shape[1], 1)
    one, other = (np.sign(scores[:, pairs[0]] - scores[:, pairs[1]]) for scores in (ours, true))
    apart = np.abs(ours - true)
    return [
        {"what": f"{what}: largest difference", "ours": float(apart.max())},
        {"what": f"{what}: scores within {CLOSE:g}", "ours": float((apart <= CLOSE).mean())},
        {"what": f"{what}: lists in the same order", "ours": float((order == real).all(1).mean())},
        {"what": f"{what}: pairs in the same order", "ours": float((one == other).mean())},
    ]


def together(llm: LLM, work: Work) -> Lists:
    """As a run asks."""
    return np.concatenate([lists(llm.choose(*work.asked(way))) for way in WAYS])


def in_shards(llm: LocalLLM, work: Work) -> Lists:
    """Every third user by a model of his own with other batches, the half of it asked before."""
    found = []
    for way in WAYS:
        prompts, options = work.asked(way)
        each = len(prompts) // len(work.facts)
        choices: list[Choice | None] = [None] * len(prompts)
        for shard in range(SHARDS):
            mine = [n for n in range(len(prompts)) if n // each % SHARDS == shard]
            asked = [prompts[n] for n in mine], [options[n] for n in mine]
            for n, choice in zip(mine, in_two_parts(llm, shard, *asked), strict=True):
                choices[n] = choice
        found.append(lists([choice for choice in choices if choice is not None]))
    return np.concatenate(found)


def in_two_parts(
    llm: LocalLLM, shard: int, prompts: Sequence[Prompt], options: Sequence[Sequence[str]]
) -> list[Choice]:
    """Asked through a store: half first, then all, of which half is remembered."""
    model = LocalLLM(llm.folder, dtype="float32", batch_tokens=llm.batch_tokens >> shard)
    with tempfile.TemporaryDirectory() as folder:
        store = AnswerStore(Path(folder) / "answers.sqlite")
        half = len(prompts) // 2
        Remembering(model, store).choose(prompts[:half], options[:half])
        asking = Remembering(model, store)
        found = asking.choose(prompts, options)
        assert asking.asked == len(prompts) - half
    return found


def lists(choices: Sequence[Choice]) -> Lists:
    """Ten scores a user: of the options, or log P(Yes) - log P(No) of ten prompts, Yes first."""
    scores = np.array([choice.logprobs for choice in choices], dtype=np.float64)
    return scores if scores.shape[1] > 2 else (scores[:, 0] - scores[:, 1]).reshape(-1, 10)


def alone(llm: LocalLLM, work: Work) -> Lists:
    """Every text by a forward pass of its own."""
    found = []
    for way in WAYS:
        rows = zip(*work.asked(way), strict=True)
        found.append(lists([one(llm, prompt, options) for prompt, options in rows]))
    return np.concatenate(found)


@torch.inference_mode()
def one(llm: LocalLLM, prompt: Prompt, options: Sequence[str]) -> Choice:
    """A prompt's options; those of one token each are read from one pass over the prompt."""
    given, answers = llm._encoder.prompt(prompt), [llm._encoder.text(text) for text in options]
    if all(len(answer) == 1 for answer in answers):
        last = passed(llm, given)[-1]
        values = [float(last[token]) for (token,) in answers]
    else:
        values = [after(llm, given, answer) for answer in answers]
    return Choice(np.array(values), np.array([len(answer) for answer in answers]))


def after(llm: LocalLLM, given: list[int], answer: list[int]) -> float:
    """The log-probability of an answer of several tokens."""
    found = passed(llm, given + answer)[len(given) - 1 : -1]
    return float(found[torch.arange(len(answer)), torch.tensor(answer)].sum())


def passed(llm: LocalLLM, tokens: list[int]) -> torch.Tensor:
    """Log-probabilities after every token, [T, V], by transformers' own forward pass.

    The softmax is in float64: torch's own in float32 is off by 5e-6 a token on a CPU.
    """
    network: Any = llm._network
    given = torch.tensor([tokens], device=llm.device)
    return network.model(given).logits[0].double().log_softmax(-1)

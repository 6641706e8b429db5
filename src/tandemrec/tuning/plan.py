"""Examples as tokens and labels, and the order and batches in which they are learnt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tandemrec.errors import LLMError
from tandemrec.llm.tokens import Encoder
from tandemrec.llm.trie import batches
from tandemrec.tuning.examples import Example

IGNORED = -100
"The label of a token that is given, not learnt."


class Lesson(NamedTuple):
    """One example: token ids, and how many of them are given."""

    tokens: list[int]
    given: int


def lessons(examples: Sequence[Example], encoder: Encoder, context: int) -> list[Lesson]:
    """Every example as tokens; the first token is given always, as nothing stands before it.

    A chat answer ends with the tokenizer's end of text, so that answers learn to end. Raises
    LLMError for an example longer than the context, or an empty one.
    """
    made = [_lesson(example, encoder) for example in examples]
    for place, lesson in enumerate(made):
        if not lesson.tokens:
            raise LLMError(f"Example {place} is empty: it has neither prompt nor answer.")
        if len(lesson.tokens) > context:
            raise LLMError(
                f"Example {place} has {len(lesson.tokens)} tokens; at most {context} are learnt at "
                "a time (context). Show shorter histories."
            )
    return made


def _lesson(example: Example, encoder: Encoder) -> Lesson:
    prompt = encoder.prompt(example.prompt) if any(example.prompt) else list(encoder.start)
    answer = encoder.text(example.answer)
    end = encoder.tokenizer.eos_token_id
    if (example.prompt.chat or example.prompt.system) and end is not None:
        answer = [*answer, end]
    return Lesson(prompt + answer, max(len(prompt), 1))


class Plan(NamedTuple):
    """The batches of the whole tuning, in order, and how many tokens were read after each."""

    batches: list[list[int]]
    tokens: list[int]


def plan(
    lengths: Sequence[int],
    *,
    epochs: int,
    batch_tokens: int,
    seed: int,
    steps: int | None,
    max_tokens: int | None,
) -> Plan:
    """Every epoch in a new order, cut short by `steps` or `max_tokens`.

    A batch has at most `batch_tokens` tokens.
    """
    order: list[list[int]] = []
    for epoch in range(epochs):
        shuffled = np.random.default_rng([seed, epoch]).permutation(len(lengths)).tolist()
        cut = batches([lengths[place] for place in shuffled], batch_tokens)
        order += [[shuffled[place] for place in batch] for batch in cut]
    read = np.cumsum([sum(lengths[place] for place in batch) for batch in order])
    kept = len(order) if max_tokens is None else int(np.searchsorted(read, max_tokens, "right"))
    kept = max(1, min(kept, steps or kept))
    return Plan(order[:kept], [int(count) for count in read[:kept]])


def dealt(batch: Sequence[int], lengths: Sequence[int], processes: int) -> list[list[int]]:
    """The places of a batch, dealt to so many processes: each reads about as many tokens, and keeps
    the batch's order. One may get nothing."""
    shares: list[list[int]] = [[] for _ in range(processes)]
    tokens = [0] * processes
    for n in sorted(range(len(batch)), key=lambda n: -lengths[batch[n]]):
        least = tokens.index(min(tokens))
        shares[least].append(n)
        tokens[least] += lengths[batch[n]]
    return [[batch[n] for n in sorted(share)] for share in shares]


def collate(batch: Sequence[Lesson]) -> dict[str, Tensor]:
    """The lessons one behind the other, without padding: tokens and labels [N], lengths [B].

    A label stands at the token before the one that it names.
    """
    tokens = torch.tensor([token for lesson in batch for token in lesson.tokens])
    labels = torch.cat([_labels(lesson) for lesson in batch])
    lengths = torch.tensor([len(lesson.tokens) for lesson in batch])
    return {"tokens": tokens, "labels": labels, "lengths": lengths}


def _labels(lesson: Lesson) -> Tensor:
    labels = torch.full((len(lesson.tokens),), IGNORED)
    labels[lesson.given - 1 : -1] = torch.tensor(lesson.tokens[lesson.given :])
    return labels

"""Greedy answers to many prompts: in batches that read their common beginning once, or in a stream
in which a prompt takes the place of one whose answer has ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from tandemrec.errors import LLMError
from tandemrec.llm.network import PLAIN, Network, quiet
from tandemrec.llm.trie import shared

Rows = Sequence[list[int]]
COMMON = 16
"A shorter common beginning is not worth a pass of its own."
PAGE = 32
"Tokens in a page of the stream's store: prompts share whole pages of their beginnings."


def portions(rows: Rows, max_tokens: int, budget: int) -> list[list[int]]:
    """Places of the rows in batches, which are padded to their longest row and its answer and stay
    within the budget; rows that begin alike are together, and all are by length."""
    begin = [tuple(row[:COMMON]) for row in rows]
    counts = Counter(begin)
    kind = [each if counts[each] > 1 else () for each in begin]
    cut: list[list[int]] = []
    for place in sorted(range(len(rows)), key=lambda n: (kind[n], len(rows[n]), rows[n])):
        before = cut[-1] if cut else []
        alike = before and kind[before[-1]] == kind[place]
        if alike and (len(before) + 1) * (len(rows[place]) + max_tokens) <= budget:
            before.append(place)
        else:
            cut.append([place])
    return cut


@torch.no_grad()
def batch(network: Network, rows: Rows, max_tokens: int) -> list[list[int]]:
    """One answer to each prompt, as token ids without the end.

    Keys and values of the prompts' common beginning, such as worked examples, are computed for one
    of them and copied to the others.
    """
    common = _common(rows)
    tokens, given = _padded(rows, common, network.device)
    known = {"past_key_values": _known(network, tokens[0, :common], len(rows))} if common else {}
    settings = _greedy(network, max_tokens)
    with quiet():
        found = network.model.generate(
            input_ids=tokens, attention_mask=given, generation_config=settings, **known
        )
    return [_ended(row, settings) for row in found[:, tokens.shape[1] :].tolist()]


@torch.no_grad()
def stream(network: Network, rows: Rows, max_tokens: int, batch_tokens: int) -> list[list[int]]:
    """The same by transformers' continuous batching: on a GPU, with a static store of pages and
    recorded graphs. Raises LLMError where an answer fails."""
    from transformers import ContinuousBatchingConfig

    settings = _greedy(network, max_tokens)
    config = ContinuousBatchingConfig(page_size=PAGE, auto_switch_to_flash=False)
    if network.device.type == "cpu":  # elsewhere, sizes come from the memory that is free
        config.max_batch_tokens = batch_tokens
        config.num_blocks = (4 * batch_tokens + max(map(len, rows)) + max_tokens) // PAGE + 2
    own = network.model.config._attn_implementation
    network.model.set_attn_implementation(PLAIN)
    try:
        with quiet():
            found = network.model.generate_batch(
                [list(row) for row in rows],
                generation_config=settings,
                continuous_batching_config=config,
                progress_bar=False,
            )
    finally:
        network.model.set_attn_implementation(own)
    answers = list(found.values())
    errors = [answer.error for answer in answers if answer.error]
    if errors or len(answers) < len(rows):
        reason = errors[0] if errors else "the stream ended early"
        raise LLMError(f"{len(rows)} prompts could not be answered: {reason}.")
    return [_ended(answer.generated_tokens, settings) for answer in answers]


def _common(rows: Rows) -> int:
    """How many first tokens all rows share, each keeping one of its own; 0 if they are few."""
    common = shared(min(rows), max(rows))
    common = min(common, min(map(len, rows)) - 1)
    return common if common >= COMMON and len(rows) > 1 else 0


def _padded(rows: Rows, common: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Token ids and what of them is given, both [B, T]: all rows end together, and what is missing
    is missing behind their common beginning."""
    longest = max(map(len, rows))
    tokens = torch.zeros(len(rows), longest, dtype=torch.long)
    given = torch.zeros_like(tokens)
    for place, row in enumerate(rows):
        ids, gap = torch.tensor(row), longest - len(row)
        for part, whole in ((tokens, ids), (given, torch.ones_like(ids))):
            part[place, :common], part[place, common + gap :] = whole[:common], whole[common:]
    return tokens.to(device), given.to(device)


def _known(network: Network, tokens: Tensor, copies: int) -> Any:
    """The keys and values of tokens [T], for so many rows."""
    found = network.model(input_ids=tokens[None], use_cache=True, logits_to_keep=1)
    found.past_key_values.batch_repeat_interleave(copies)
    return found.past_key_values


def _greedy(network: Network, max_tokens: int) -> Any:
    """Greedy decoding, ended by what the model's own settings call an end."""
    from transformers import GenerationConfig

    ends = network.model.generation_config.eos_token_id or network.tokenizer.eos_token_id
    first = ends[0] if isinstance(ends, list) else ends
    return GenerationConfig(
        max_new_tokens=max_tokens, do_sample=False, eos_token_id=ends, pad_token_id=first or 0
    )


def _ended(tokens: list[int], settings: Any) -> list[int]:
    """The tokens before the first end."""
    ends = settings.eos_token_id
    stop = set(ends if isinstance(ends, list) else [ends])
    return next((tokens[:n] for n, token in enumerate(tokens) if token in stop), tokens)

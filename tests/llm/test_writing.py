"""Answers in words: greedy, batched, in order, and in no more work than they need."""

import numpy as np
import pytest
import torch

from llm_questions import HISTORIES, TITLES, prompts
from tandemrec.errors import LLMError
from tandemrec.llm import writing
from tandemrec.llm.base import Prompt
from tandemrec.llm.local import LocalLLM


def test_generate_is_greedy_batched_and_in_order(llm):
    asked = prompts()
    together = llm.generate(asked, max_tokens=6)
    alone = [llm.generate([prompt], max_tokens=6)[0] for prompt in asked]
    assert together == alone
    assert len(set(together)) > 1
    tokens = llm._encoder.prompt(asked[0])
    with torch.inference_mode():
        first = int(llm._network.model(torch.tensor([tokens])).logits[0, -1].argmax())
    assert together[0].startswith(llm._network.tokenizer.decode([first]).strip("�"))


@pytest.mark.parametrize("stream", [False, True])
def test_answers_after_a_common_beginning_are_those_of_each_alone(folder, stream):
    examples = "Heat: crime\nAlien: horror\nFargo: crime\n" * 3
    asked = [Prompt("", examples + text, chat=False) for text in [*HISTORIES, "Star", "Toy"]]
    alone = LocalLLM(folder, device="cpu", dtype="float32")
    expected = [alone.generate([prompt], max_tokens=8)[0] for prompt in asked]
    llm = LocalLLM(folder, device="cpu", dtype="float32", batch_tokens=256)
    llm.stream = stream
    assert llm.generate(asked, max_tokens=8) == expected
    assert len(set(expected)) > 1
    before, after = (each.choose(asked[:1], [["Heat\n"]])[0] for each in (alone, llm))
    np.testing.assert_allclose(after.logprobs, before.logprobs, atol=1e-4)  # reads as before


def test_a_common_beginning_is_read_once(folder, monkeypatch):
    llm = LocalLLM(folder, device="cpu", dtype="float32")
    asked = [Prompt("", "Heat\nAlien\n" * 10 + text, chat=False) for text in TITLES]
    shapes, forward = [], llm._network.model.base_model.forward

    def counted(*given, **named):
        shapes.append(tuple(named["input_ids"].shape))
        return forward(*given, **named)

    monkeypatch.setattr(llm._network.model.base_model, "forward", counted)
    llm.generate(asked, max_tokens=1)
    lengths = [len(llm._encoder.prompt(prompt)) for prompt in asked]
    assert sum(rows * tokens for rows, tokens in shapes) < 2 * max(lengths)


def test_padding_is_bounded_and_likes_stand_together():
    short, long = [[7, n] for n in range(300)], [[9] * 2000]
    alike = [[5] * writing.COMMON + [n] * (1 + n % 3) for n in range(6)]
    rows = [*short[:150], *long, *alike, *short[150:]]
    cut = writing.portions(rows, 4, 1000)
    assert sorted(place for part in cut for place in part) == list(range(len(rows)))
    for part in cut:
        assert len(part) == 1 or len(part) * (max(len(rows[n]) for n in part) + 4) <= 1000
    assert [len(rows[n]) for n in next(part for part in cut if 150 in part)] == [2000]
    ((*together,),) = (part for part in cut if 151 in part)
    assert set(together) == set(range(151, 157))
    assert len(cut) <= 5


def test_what_is_asked_for_without_room_is_one_clear_line(llm):
    for tokens in (0, -1):
        with pytest.raises(LLMError, match="at least one token"):
            llm.generate(prompts()[:1], max_tokens=tokens)


def test_a_stream_that_fails_is_one_clear_line(llm, monkeypatch, capfd):
    llm.stream = True

    def failing(*given, **named):
        raise RuntimeError("out of pages")

    monkeypatch.setattr(type(llm._network.model.base_model), "forward", failing)
    with pytest.raises(LLMError, match="could not be answered: "):
        llm.generate(prompts()[:2], max_tokens=4)
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("odd", ["half a pair \ud800", None])
def test_what_is_no_text_is_one_clear_line(llm, odd):
    with pytest.raises(LLMError, match="no text that can be read"):
        llm.choose([Prompt("", "Heat", chat=False)], [["Alien", odd]])

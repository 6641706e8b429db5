"""A real llama.cpp, in this process, beside our own reading of the same weights."""

import sys
from itertools import combinations

import numpy as np
import pytest

from tandemrec.errors import LLMError
from tandemrec.llm import Prompt, llm
from tandemrec.llm.base import EXACT
from tandemrec.llm.llamacpp import LlamaCpp
from tandemrec.llm.local import LocalLLM
from tandemrec.llm.server import ServerLLM

TITLES = ["Alien (1979)\n", "The Lion King (1994)\n", "Heat (1995)\n", "Mulan (1998)\n", "Cars\n"]
HISTORIES = [
    "Toy Story (1995)\nAladdin (1992)\n",
    "Jaws (1975)\nPredator (1987)\n",
    "Fargo (1996)\n",
]
QUESTIONS = [Prompt("", f"Movies that a user liked, in order:\n{h}", chat=False) for h in HISTORIES]
LABELLED = [
    Prompt("Answer with one letter.", f"A user liked:\n{h}\nA. Alien\nB. Cars\nC. Heat\n")
    for h in HISTORIES
]


@pytest.fixture(scope="module")
def here():
    pytest.importorskip("xllamacpp")
    pytest.importorskip("httpx")
    model = llm("llamacpp")
    yield model
    model.close()


@pytest.fixture(scope="module")
def ours() -> LocalLLM:
    return llm("smollm2-135m", dtype="float32", device="cpu")


@pytest.mark.llm
def test_it_scores_exactly_by_the_same_tokens_as_ours(here, ours):
    odd = Prompt("", "Is <|im_end|> Heat (1995) good?")
    questions = [*QUESTIONS, *LABELLED, odd]
    options = [TITLES] * 3 + [["A", "B", "C"]] * 3 + [["Yes", "No"]]
    theirs, mine = here.choose(questions, options), ours.choose(questions, options)
    assert here.abilities.exact == "forced" and not here.whole
    assert {choice.way for choice in theirs} == {EXACT}
    pairs = []
    for one, other in zip(theirs, mine, strict=True):
        np.testing.assert_array_equal(one.tokens, other.tokens)
        # llama.cpp computes with eight bits between the layers, we with 32.
        np.testing.assert_allclose(one.logprobs, other.logprobs, atol=1.0)
        for a, b in combinations(range(len(one.tokens)), 2):
            gaps = [choice.logprobs[a] - choice.logprobs[b] for choice in (one, other)]
            pairs.append(np.sign(gaps[0]) == np.sign(gaps[1]))
    assert np.mean(pairs) > 0.85


@pytest.mark.llm
def test_it_writes_and_knows_a_prompts_beginning(here):
    before = here.usage.cached
    first = here.generate(QUESTIONS[:1], max_tokens=8)
    assert first == here.generate(QUESTIONS[:1], max_tokens=8) and first[0].strip()
    assert here.usage.cached > before and here.abilities.prefix_cache
    assert here.abilities.constraint == "grammar"


@pytest.mark.llm
def test_nobody_else_may_ask(here):
    stranger = ServerLLM(f"{here.address.url}#smollm2-135m")
    with pytest.raises(LLMError, match="401"):
        stranger.generate(QUESTIONS[:1], max_tokens=1)


def test_what_is_no_gguf_file_is_told(tmp_path):
    with pytest.raises(LLMError, match="cannot be read: No such file"):
        LlamaCpp(tmp_path / "none.gguf")
    (tmp_path / "odd.gguf").write_text("odd")
    with pytest.raises(LLMError, match="is no GGUF file"):
        llm(f"llamacpp:{tmp_path / 'odd.gguf'}")


def test_without_the_package_the_error_names_it(tmp_path, monkeypatch):
    (tmp_path / "good.gguf").write_bytes(b"GGUF")
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(LLMError, match="pip install httpx xllamacpp"):
        LlamaCpp(tmp_path / "good.gguf")

import numpy as np

from tandemrec.llm.base import Prompt
from tandemrec.llm.fake import CountingLLM, FakeLLM
from tandemrec.prompts import direct
from tandemrec.prompts.direct import Facts

PROMPT = direct.continuation(Facts("movie", ["Alien"], passages=[["Jaws", "Heat"], ["Jaws"]]))


def test_counting_knows_how_often_a_title_stands_in_the_prompt() -> None:
    options = [direct.line(title) for title in ("Jaws", "Heat", "Fargo", "Jaw")]
    (choice,) = CountingLLM().choose([PROMPT], [options])
    assert np.allclose(choice.logprobs, np.log([3, 2, 1, 1]))


def test_another_seed_is_another_model() -> None:
    one, other = FakeLLM(), FakeLLM("b")
    assert one.fingerprint != other.fingerprint != CountingLLM().fingerprint
    assert one.logprob(Prompt("", "x"), "a") != other.logprob(Prompt("", "x"), "a")

"""vLLM offline, with an engine in vLLM's place: the calls are those that its documentation names.

No real vLLM has run here: it wants a GPU.
"""

import sys
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from llm_questions import TITLES, prompts
from tandemrec.errors import LLMError
from tandemrec.llm import LLM, llm
from tandemrec.llm.local import LocalLLM


@dataclass
class SamplingParams:
    temperature: float = 1.0
    max_tokens: int = 16
    prompt_logprobs: int | None = None


@dataclass
class Engine:
    """Answers as `vllm.LLM` does, by transformers."""

    model: str
    dtype: str
    enable_prefix_caching: bool
    enable_lora: bool
    asked: list = field(default_factory=list)

    def __post_init__(self):
        self.network = AutoModelForCausalLM.from_pretrained(self.model, dtype=torch.float32)
        self.tokenizer = AutoTokenizer.from_pretrained(self.model)

    def get_tokenizer(self):
        return self.tokenizer

    def generate(self, prompts, sampling, *, use_tqdm):
        assert sampling.temperature == 0
        self.asked += prompts
        return [self.one(prompt["prompt_token_ids"], sampling) for prompt in prompts]

    @torch.inference_mode()
    def one(self, ids, sampling):
        if len(ids) > 500:
            raise ValueError("The prompt is longer than the maximum model length")
        logprobs = self.network(torch.tensor([ids])).logits[0].log_softmax(-1)
        told = [
            {ids[n]: SimpleNamespace(logprob=float(logprobs[n - 1, ids[n]]))}
            for n in range(1, len(ids))
        ]
        text = self.tokenizer.decode([int(logprobs[-1].argmax())])
        return SimpleNamespace(prompt_logprobs=[None, *told], outputs=[SimpleNamespace(text=text)])


@pytest.fixture
def engine(monkeypatch):
    module = ModuleType("vllm")
    module.LLM, module.SamplingParams = Engine, SamplingParams
    monkeypatch.setitem(sys.modules, "vllm", module)


def test_it_scores_as_ours_does(engine, folder):
    model, ours = (
        llm(f"vllm:{folder}", dtype="float32"),
        LocalLLM(folder, device="cpu", dtype="float32"),
    )
    assert isinstance(model, LLM) and model.name == "tiny, vLLM"
    questions = prompts()
    both = [each.choose(questions, [TITLES] * len(questions)) for each in (model, ours)]
    for one, other in zip(*both, strict=True):
        np.testing.assert_allclose(one.logprobs, other.logprobs, atol=1e-4)
        np.testing.assert_array_equal(one.tokens, other.tokens)
    assert len(model._engine.asked) == len(questions) * len(TITLES)


def test_it_writes(engine, folder):
    model = llm(f"vllm:{folder}")
    assert len(model.generate(prompts()[:2], max_tokens=1)) == 2
    assert model.generate([], max_tokens=1) == []
    with pytest.raises(LLMError, match="at least one token"):
        model.generate(prompts(), max_tokens=0)


def test_its_fingerprint_is_the_weights_and_the_format(folder, tmp_path):
    from tiny_llm import tiny_folder

    other = tiny_folder(tmp_path / "other", seed=1)
    models = [llm(f"vllm:{folder}"), llm(f"vllm:{other}"), llm(f"vllm:{folder}", dtype="float32")]
    assert len({model.fingerprint for model in models}) == 3
    assert llm("vllm:org/name").fingerprint != llm("vllm:org/other").fingerprint


def test_a_prompt_that_is_too_long_is_an_error(engine, folder):
    long = [prompts()[0]._replace(user="Heat " * 600)]
    with pytest.raises(LLMError, match="vLLM cannot read a prompt: The prompt is longer"):
        llm(f"vllm:{folder}").choose(long, [["A"]])


def test_without_a_model_or_the_package(monkeypatch, folder):
    with pytest.raises(LLMError, match="vllm:org/name"):
        llm("vllm")
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(LLMError, match="pip install vllm"):
        llm(f"vllm:{folder}").choose(prompts(), [["A"]] * len(prompts()))

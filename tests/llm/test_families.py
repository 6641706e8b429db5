"""Models of other families: scored as alone, by rows or with a mask, or refused in one line."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from tandemrec.errors import LLMError
from tandemrec.llm.base import Prompt
from tandemrec.llm.local import LocalLLM
from tiny_llm import tiny_tokenizer

ENDS = {"vocab_size": 320, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}
COMMON = {
    **ENDS,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "initializer_range": 0.3,
}
LLAMA = {
    **COMMON,
    "intermediate_size": 48,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
}
LONG = {
    "rope_type": "longrope",
    "short_factor": [1.0] * 4,
    "long_factor": [4.0] * 4,
    "factor": 8.0,
    "rope_theta": 1e4,
}
ROWS = {
    "mistral": {**LLAMA, "sliding_window": None},
    "qwen3": {**LLAMA, "head_dim": 8},
    "gpt2": {**ENDS, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 512},
    "phi": {**LLAMA, "num_key_value_heads": 4},
}
MASKS = {"falcon": COMMON, "stablelm": LLAMA}
REFUSED = {
    "gpt_oss": {**LLAMA, "head_dim": 8, "num_local_experts": 4, "num_experts_per_tok": 2},
    "bloom": {**ENDS, "hidden_size": 32, "n_layer": 2, "n_head": 4},
    "mpt": {**ENDS, "d_model": 32, "n_layers": 2, "n_heads": 4},
    "mamba": {"vocab_size": 320, "hidden_size": 32, "num_hidden_layers": 2, "state_size": 8},
    "gemma2": {**LLAMA, "head_dim": 8},
}
PROMPTS = [Prompt("", text, chat=False) for text in ("Heat\nAlien\n", "Heat\nAlien\nToy", "Fargo")]
OPTIONS = [["Alien\n", "Star Wars\n"], ["Alien\n", "Heat\n"], ["Star\n"]]


def made(folder: Path, kind: str, settings: dict) -> LocalLLM:
    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, **settings)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return LocalLLM(folder, device="cpu", dtype="float32")


@torch.inference_mode()
def plainly(llm: LocalLLM, prompt: Prompt, option: str) -> float:
    given, answer = llm._encoder.prompt(prompt), llm._encoder.text(option)
    model = AutoModelForCausalLM.from_pretrained(llm.folder, attn_implementation="eager").eval()
    logits = model(torch.tensor([given + answer])).logits[0].log_softmax(-1)
    places = range(len(given) - 1, len(given) + len(answer) - 1)
    return sum(float(logits[place, token]) for place, token in zip(places, answer, strict=True))


@pytest.mark.parametrize("kind", [*ROWS, *MASKS])
def test_scores_are_those_of_each_alone(tmp_path, kind):
    llm = made(tmp_path, kind, (ROWS | MASKS)[kind])
    choices = llm.choose(PROMPTS, OPTIONS)
    for prompt, options, choice in zip(PROMPTS, OPTIONS, choices, strict=True):
        expected = [plainly(llm, prompt, option) for option in options]
        np.testing.assert_allclose(choice.logprobs, expected, atol=1e-4)
    assert llm._network.by_rows is (kind in ROWS)


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_scored_is_one_clear_line(tmp_path, kind):
    llm = made(tmp_path, kind, REFUSED[kind])
    with pytest.raises(LLMError) as error:
        llm.choose(PROMPTS, OPTIONS)
    assert "\n" not in str(error.value) and len(str(error.value)) < 500


@pytest.mark.parametrize(
    ("settings", "longest"),
    [
        ({"sliding_window": 40}, 40),
        ({"max_position_embeddings": 96}, 96),
        ({"rope_parameters": LONG, "original_max_position_embeddings": 64}, 64),
    ],
)
def test_a_text_may_not_be_longer_than_what_is_seen_alike(tmp_path, settings, longest):
    kind = "phi3" if "rope_parameters" in settings else "mistral"
    llm = made(tmp_path, kind, {**LLAMA, **settings})
    llm.choose([Prompt("", "Heat\n" * 10, chat=False)], [["Alien\n"]])
    with pytest.raises(LLMError, match=f"reads at most {longest}"):
        llm.choose([Prompt("", "Heat\n" * 200, chat=False)], [["Alien\n"]])

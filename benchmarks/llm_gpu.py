"""What asking and tuning reach on one GPU: prompts per second, and the share of its arithmetic.

    python benchmarks/llm_gpu.py [--only small large tuning lora] [--peak 990]

small: the embedded 135M model, listwise lists of about 640 tokens. large: a model of Llama 3 8B's
shape with random weights, the same prompts, and eight pointwise prompts a user over one history.
tuning: all weights of the 135M model. lora: an adapter beside the large one. The share (MFU) is
useful floating-point operations, 6 a weight and token in tuning (4 where a weight does not learn),
over what the GPU can at its `--peak` TFLOP/s; attention's own are not counted, nor are embeddings
and head. `--tiny` takes small shapes and few prompts, to see here that it runs.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from llm_tuning import our_rate
from llm_work import Work, timed

import tandemrec as tr
from tandemrec.llm import attention
from tandemrec.llm.local import LocalLLM
from tandemrec.llm.network import Network
from tandemrec.prompts import direct
from tandemrec.prompts.profiles import PromptConfig
from tandemrec.tuning.examples import Example

HERE = Path(__file__).parent.absolute()
PROMPT = PromptConfig(history=60)  # about 640 tokens
LLAMA_8B = {
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
}
TINY = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parts = {"small": small, "large": large, "tuning": tuning, "lora": lora}
    parser.add_argument("--only", nargs="+", default=list(parts), choices=list(parts))
    parser.add_argument("--peak", type=float, default=990.0, help="TFLOP/s of dense bfloat16")
    parser.add_argument("--batch-tokens", type=int, default=32_768)
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args()
    work = Work(24 if options.tiny else 943, PROMPT)
    rows = [row for part in options.only for row in parts[part](work, options)]
    note = {"torch": torch.__version__, "peak": options.peak, "rows": rows}
    if not options.tiny:
        (HERE / "results" / "llm_gpu.json").write_text(json.dumps(note, indent=2) + "\n")
    print("\n| | per second | asked for |\n|---|---|---|")
    for what, found, wanted in rows:
        print(f"| {what} | {found:.4g} | {wanted} |")


Rows = list[tuple[str, float, str]]


def small(work: Work, options: argparse.Namespace) -> Rows:
    llm = LocalLLM(_embedded(), batch_tokens=options.batch_tokens)
    prompts, answers = work.asked("listwise")
    length = np.mean([len(llm._encoder.prompt(prompt)) for prompt in prompts])
    return [(f"135M, listwise, {length:.0f} tokens", _rate(llm, prompts, answers), "1,300")]


def large(work: Work, options: argparse.Namespace) -> Rows:
    llm = _random(options)
    one = work.asked("listwise")
    several = [prompt for n, prompt in enumerate(work.asked("pointwise")[0]) if n % 10 < 8]
    answers = [list(direct.ANSWERS)] * len(several)
    return [
        ("8B shape, listwise", _rate(llm, *one), "55"),
        ("8B shape, eight prompts a user", _rate(llm, several, answers), "200"),
    ]


def tuning(work: Work, options: argparse.Namespace) -> Rows:
    folder = _embedded()
    rate = our_rate(_examples(work), LocalLLM(folder), options.batch_tokens)
    share = 6 * _weights(LocalLLM(folder)) * rate / (options.peak * 1e12)
    return [("135M, all weights, tokens", rate, ""), ("135M, all weights, MFU", share, "0.20")]


def lora(work: Work, options: argparse.Namespace) -> Rows:
    llm = _random(options)
    with tempfile.TemporaryDirectory() as folder:
        llm._network.model.save_pretrained(folder)
        llm._network.tokenizer.save_pretrained(folder)
        weights = _weights(llm)
        del llm
        torch.cuda.empty_cache()
        rate = our_rate(_examples(work), LocalLLM(folder), options.batch_tokens // 2, method="lora")
    share = 4 * weights * rate / (options.peak * 1e12)
    return [("8B shape, LoRA, tokens", rate, ""), ("8B shape, LoRA, MFU", share, "0.40")]


def _rate(llm: LocalLLM, prompts: Sequence[Any], options: Sequence[Sequence[str]]) -> float:
    """Prompts per second, the second time."""
    timed(lambda: llm.choose(prompts, options))
    return len(prompts) / timed(lambda: llm.choose(prompts, options))


def _examples(work: Work) -> list[Example]:
    prompts, _ = work.asked("listwise")
    return [Example(prompt._replace(system="", chat=False), " A, C, B") for prompt in prompts] * 8


def _embedded() -> Path:
    found = tr.llm("smollm2-135m")
    assert isinstance(found, LocalLLM)
    return found.folder


def _random(options: argparse.Namespace) -> LocalLLM:
    """A Llama of the large shape with random weights, under the embedded model's tokenizer."""
    from transformers import LlamaConfig, LlamaForCausalLM

    attention.register()
    llm = LocalLLM(_embedded(), batch_tokens=options.batch_tokens)
    shape = TINY if options.tiny else LLAMA_8B
    config = LlamaConfig(
        **shape, vocab_size=128_256 if not options.tiny else 49_152, max_position_embeddings=8192
    )
    config._attn_implementation = attention.NAME
    start = time.perf_counter()
    torch.manual_seed(0)
    with torch.device(llm.device):
        torch.set_default_dtype(llm.dtype)
        model = LlamaForCausalLM(config)
        torch.set_default_dtype(torch.float32)
    print(f"random weights in {time.perf_counter() - start:.0f} s", flush=True)
    llm._network = Network(model.eval(), llm._network.tokenizer)
    return llm


def _weights(llm: LocalLLM) -> int:
    """Parameters that every token meets in a product: neither embeddings nor head."""
    model = llm._network.model
    ends = {model.get_input_embeddings().weight, model.get_output_embeddings().weight}
    return sum(each.numel() for each in {*model.parameters()} - ends)


if __name__ == "__main__":
    main()

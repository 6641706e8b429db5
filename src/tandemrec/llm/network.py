"""A causal language model of transformers, loaded and taken apart: body, head, context."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from tandemrec.errors import LLMError
from tandemrec.llm import attention
from tandemrec.llm.attention import Row, Segment
from tandemrec.llm.trie import Trie

DType = Literal["auto", "float32", "bfloat16", "float16"]


class Network:
    """The parts of a causal language model that scoring and tuning need.

    `hidden` and `trees` give the last hidden states, `read` turns them into logits wherever an
    answer is read; `check` holds both against the model's own forward pass.
    """

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self.model, self.tokenizer = model, tokenizer
        config = model.config.get_text_config()
        self.context = _context(config)
        self._cap: float | None = getattr(config, "final_logit_softcapping", None)
        self._head = model.get_output_embeddings()

    @property
    def device(self) -> torch.device:
        return self.model.device

    @property
    def layers(self) -> int:
        return int(self.model.config.get_text_config().num_hidden_layers)

    @property
    def width(self) -> int:
        return int(self.model.config.get_text_config().hidden_size)

    def hidden(self, tokens: Tensor, positions: Tensor, row: Row) -> Tensor:
        """Last hidden states [N, D] of tokens [N] that stand at these positions of their texts.

        In the tokens' place may stand what goes into the first layer, [N, D].
        """
        name = "inputs_embeds" if tokens.is_floating_point() else "input_ids"
        mask = torch.zeros(1, 1, 1, 1, device=tokens.device)  # no mask is made of it
        given = {"row": row} if self.by_rows else {}
        found = self.model.base_model(
            **{name: tokens[None]},
            position_ids=positions[None],
            attention_mask=mask if self.by_rows else row.dense(self.model.dtype),
            use_cache=False,
            **given,
        )
        return found[0][0]

    def texts(self, tokens: Tensor, lengths: Sequence[int]) -> Tensor:
        """Last hidden states [N, D] of texts that stand one behind the other, tokens [N]."""
        positions = torch.cat([torch.arange(length, device=tokens.device) for length in lengths])
        return self.hidden(tokens, positions, Row.of(lengths, tokens.device))

    def trees(self, tries: Sequence[Trie]) -> Tensor:
        """Last hidden states of every node of every trie, one trie behind the other, [N, D]."""
        tokens = torch.tensor([token for trie in tries for token in trie.tokens])
        positions = torch.tensor([depth for trie in tries for depth in trie.depths])
        segments, start = [], 0
        for trie in tries:
            stop = start + len(trie)
            segments.append(Segment(start, start + trie.stem, stop, self._seen(trie)))
            start = stop
        row = Row(segments, self.device)
        return self.hidden(tokens.to(self.device), positions.to(self.device), row)

    def _seen(self, trie: Trie) -> Tensor | None:
        """What the nodes behind a trie's stem see, as numbers to add to attention scores."""
        if trie.stem == len(trie):
            return None
        seen = torch.from_numpy(trie.visible()).to(self.device)
        mask = torch.zeros(seen.shape, dtype=self.model.dtype, device=self.device)
        return mask.masked_fill_(~seen, torch.finfo(self.model.dtype).min)

    def read(self, hidden: Tensor) -> Tensor:
        """Logits [..., V] of hidden states [..., D]; in the finer dtype of both."""
        dtype = torch.promote_types(hidden.dtype, self._head.weight.dtype)
        bias = None if self._head.bias is None else self._head.bias.to(dtype)
        weight = self._head.weight.to(dtype)
        logits = torch.nn.functional.linear(hidden.to(dtype), weight, bias)
        return logits if self._cap is None else self._cap * torch.tanh(logits / self._cap)

    @property
    def plain_head(self) -> Tensor | None:
        """The head's weight [V, D] where it is all that the head is: no bias, no cap."""
        return self._head.weight if self._cap is None and self._head.bias is None else None

    @property
    def by_rows(self) -> bool:
        """Whether the model's attention is ours, and told the row; else it is given a mask."""
        return bool(self.model.config._attn_implementation == attention.NAME)

    def check(self) -> None:
        """Trees and the head by itself must give what the model's own forward pass gives; where
        they do not by rows, they may with a mask. Raises LLMError."""
        if self.by_rows and not self._agrees():
            self.model.set_attn_implementation(PLAIN)
        if not self._agrees():
            raise LLMError(
                f"Models of type {self.model.config.model_type!r} cannot be scored: they "
                "ignore attention masks or positions. Take a decoder such as Llama, "
                "Mistral, Qwen, Phi or SmolLM."
            )

    @torch.inference_mode()
    def _agrees(self) -> bool:
        """Whether two paths of a small tree get the values they have by themselves."""
        trie = Trie()
        stem = trie.add([5, 6, 7])
        branches = [trie.add(tokens, stem[-1]) for tokens in ([8, 9], [10, 11])]
        ours = self.read(self.trees([trie, trie]))[len(trie) :].float().log_softmax(-1)
        worst = 0.0
        for path in branches:
            nodes = stem + path
            tokens = torch.tensor([[trie.tokens[node] for node in nodes]], device=self.device)
            theirs = self.model(input_ids=tokens).logits[0].float().log_softmax(-1)
            worst = max(worst, float((ours[nodes] - theirs).abs().max()))
        return worst <= _TOLERANCE[self.model.dtype]


PLAIN = "sdpa"
"torch's own attention; whatever has it, transformers has tested with masks."


def _context(config: Any) -> int:
    """How many tokens a text may have, positions and sliding windows permitting.

    Where rotary frequencies change with the longest text (longrope), that is up to the change:
    beyond, a text's score would hang on its neighbours in the row.
    """
    rope = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {}
    sizes = [getattr(config, name, None) for name in _CONTEXT]
    if rope.get("rope_type") == "longrope":
        sizes += [
            rope.get("original_max_position_embeddings"),
            getattr(config, "original_max_position_embeddings", None),
        ]
    return min((size for size in sizes if size), default=2048)


_CONTEXT = ("max_position_embeddings", "sliding_window")
_TOLERANCE = {torch.float32: 1e-2, torch.bfloat16: 1.0, torch.float16: 0.2}


def load(
    folder: Path, *, dtype: torch.dtype, device: torch.device, adapter: Path | None = None
) -> Network:
    """The model in a folder, on the device, checked; a LoRA adapter is merged into its weights."""
    from transformers import AutoModelForCausalLM

    attention.register()
    with quiet(), explained(folder):
        model = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=dtype,
            attn_implementation=PLAIN,  # refused where it would not do
            local_files_only=True,
            use_safetensors=True,
        )
        if adapter is not None:
            model = _merged(model, adapter)
        model.set_attn_implementation(attention.NAME)
        network = Network(model.to(device).eval(), load_tokenizer(folder))
        network.check()
    return network


def load_tokenizer(folder: Path) -> Any:
    """The folder's tokenizer."""
    from transformers import AutoTokenizer

    with quiet(), explained(folder):
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)


def _merged(model: Any, adapter: Path) -> Any:
    from peft import PeftModel

    with explained(adapter):
        return PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()


@contextlib.contextmanager
def explained(folder: Path) -> Iterator[None]:
    """What transformers, tokenizers and the like say of a folder, in one line of ours."""
    try:
        yield
    except LLMError:
        raise
    except Exception as error:  # tokenizers raises bare ones, and a config may name any nonsense
        reason = " ".join(str(error).split())[:300]
        raise LLMError(f"The model in {folder} cannot be loaded: {reason}") from error


def is_model(folder: Path) -> Path:
    """The folder, after a look at what it holds."""
    missing = [
        what
        for what, patterns in _EXPECTED.items()
        if not any(next(folder.glob(pattern), None) for pattern in patterns)
    ]
    if missing:
        raise LLMError(
            f"{folder} is no language model: it has no {' and no '.join(missing)}. Expected: a "
            f"folder in the Hugging Face layout with {', '.join(_EXPECTED)}."
        )
    return folder


def is_adapter(folder: Path) -> Path:
    """The folder of a LoRA adapter, after a look at what it holds."""
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        if not (folder / name).is_file():
            raise LLMError(
                f"{folder} is no LoRA adapter: it has no {name}. Expected: a folder as peft saves "
                "it, with adapter_config.json and adapter_model.safetensors."
            )
    return folder


_EXPECTED = {
    "config.json": ("config.json",),
    "weights (*.safetensors)": ("*.safetensors",),
    "tokenizer (tokenizer.json or tokenizer.model)": ("tokenizer.json", "tokenizer.model"),
}


def pick_device(device: str) -> torch.device:
    """The device by its name; auto is the GPU where there is one."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        raise LLMError(f"Device {device!r} cannot be used: {str(error).splitlines()[0]}") from error
    if found.type == "meta":
        raise LLMError("Device 'meta' holds no numbers. Take cpu, cuda, or auto.")
    return found


def pick_dtype(dtype: DType, device: torch.device) -> torch.dtype:
    """The number format; auto is bfloat16 where that is the faster, on a GPU that computes in it
    and on a CPU with AMX, else float32.

    On a CPU with AVX512-BF16 and no AMX bfloat16 has six tenths of float32's speed, on one that
    emulates it a quarter.
    """
    if dtype == "auto":
        return torch.bfloat16 if _fast_in_bfloat16(device) else torch.float32
    if dtype not in DTYPES:
        raise LLMError(f"There is no dtype {dtype!r}. Known: auto, {', '.join(DTYPES)}.")
    return DTYPES[dtype]


DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def _fast_in_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and getattr(torch.cpu, "_is_amx_tile_supported", bool)()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """transformers' bars and remarks stay away; what was set before is set again after."""
    from transformers.utils import logging as theirs

    verbosity, bars = theirs.get_verbosity(), theirs.is_progress_bar_enabled()
    streams = logging.getLogger("ContinuousBatchingLogger")
    level = streams.level
    theirs.set_verbosity_error()
    theirs.disable_progress_bar()
    streams.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        theirs.set_verbosity(verbosity)
        streams.setLevel(level)
        if bars:
            theirs.enable_progress_bar()

"""vLLM in this process, without a server: a whole list of questions at a time, on GPUs.

Kwon et al., "Efficient Memory Management for Large Language Model Serving with PagedAttention",
SOSP 2023. Log-probabilities of a prompt's own tokens (`prompt_logprobs`) score options exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from tandemrec.cache import cache_folder
from tandemrec.errors import LLMError
from tandemrec.llm import files
from tandemrec.llm.base import Choice, Prompt
from tandemrec.llm.network import is_adapter
from tandemrec.llm.tokens import Encoder
from tandemrec.progress import Progress, silent


class VLLM:
    """A model folder or a model of the hub in vLLM's engine, started at the first question.

    Prompt and option are tokenised apart and joined, as everywhere. `engine`: settings of
    `vllm.LLM`, such as tensor_parallel_size. `chunk`: questions that are put at a time.
    """

    chunk = 1024

    def __init__(
        self,
        model: str,
        *,
        dtype: str = "auto",
        adapter: str | Path | None = None,
        cache: str | Path | None = None,
        progress: Progress = silent,
        **engine: Any,
    ) -> None:
        if not model:
            raise LLMError("Name vLLM's model behind the colon, such as vllm:org/name.")
        self.model, self.dtype, self.progress = model, dtype, progress
        self.adapter = None if adapter is None else is_adapter(Path(adapter))
        self.name = f"{Path(model).name}, vLLM"
        self._settings, self._cache = engine, cache_folder(cache)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of a folder's weights, or of a hub model's name; of the adapter and the dtype."""
        folder = Path(self.model).expanduser()
        folders = [folder] if folder.is_dir() else []
        folders += [self.adapter] if self.adapter else []
        parts = ["vllm 1", self.dtype, "" if folder.is_dir() else self.model]
        settings = sha256(repr(sorted(self._settings.items())).encode()).hexdigest()
        return files.fingerprint([*parts, settings], folders, self._cache)

    @cached_property
    def _vllm(self) -> Any:
        try:
            import vllm
        except ImportError:
            raise LLMError(
                "vLLM in this process needs a GPU and vllm, which is not installed: pip install "
                "vllm."
            ) from None
        return vllm

    @cached_property
    def _engine(self) -> Any:
        settings = {"enable_prefix_caching": True, "enable_lora": self.adapter is not None}
        return self._vllm.LLM(model=self.model, dtype=self.dtype, **(settings | self._settings))

    @cached_property
    def _encoder(self) -> Encoder:
        return Encoder(self._engine.get_tokenizer())

    def choose(self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]]) -> list[Choice]:
        """See `LLM.choose`. A prompt stands before each of its options and is read with each: vLLM
        keeps no log-probabilities of what it has read."""
        said = (text for prompt in prompts for text in (prompt.system, prompt.user))
        self._encoder.ahead([*said, *(text for texts in options for text in texts)])
        starts = [self._encoder.prompt(prompt) for prompt in prompts]
        rows = [[self._encoder.text(text) for text in texts] for texts in options]
        asked = [[*start, *row] for start, mine in zip(starts, rows, strict=True) for row in mine]
        found = iter(self._run(asked, max_tokens=1, prompt_logprobs=0))
        return [
            _choice([next(found) for _ in mine], len(start), mine)
            for start, mine in zip(starts, rows, strict=True)
        ]

    def generate(self, prompts: Sequence[Prompt], *, max_tokens: int) -> list[str]:
        """See `LLM.generate`."""
        if max_tokens < 1:
            raise LLMError(f"An answer has at least one token. Received: max_tokens={max_tokens}.")
        asked = [self._encoder.prompt(prompt) for prompt in prompts]
        return [reply.outputs[0].text for reply in self._run(asked, max_tokens=max_tokens)]

    def _run(self, asked: list[list[int]], **how: Any) -> list[Any]:
        """vLLM's replies to prompts of tokens, in their order."""
        if not asked:
            return []
        sampling = self._vllm.SamplingParams(temperature=0, **how)
        tokens = [{"prompt_token_ids": row} for row in asked]
        more: dict[str, Any] = {"use_tqdm": False}
        if self.adapter is not None:
            from vllm.lora.request import LoRARequest

            more["lora_request"] = LoRARequest("adapter", 1, str(self.adapter))
        try:
            found: list[Any] = self._engine.generate(tokens, sampling, **more)
        except ValueError as error:  # a prompt that is longer than the model's context
            raise LLMError(f"vLLM cannot read a prompt: {error}.") from error
        return found


def _choice(replies: Sequence[Any], start: int, rows: Sequence[list[int]]) -> Choice:
    """Summed log-probabilities of the options' tokens, which stand behind `start` others."""
    values = [
        sum(
            told[token].logprob
            for told, token in zip(reply.prompt_logprobs[start:], row, strict=True)
        )
        for reply, row in zip(replies, rows, strict=True)
    ]
    return Choice(np.array(values, np.float32), np.array([len(row) for row in rows], np.int64))

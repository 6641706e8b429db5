"""A language model in this process: the probabilities of options, and greedy answers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tandemrec.cache import cache_folder
from tandemrec.errors import LLMError
from tandemrec.llm import files, network, writing
from tandemrec.llm.base import Choice, Prompt
from tandemrec.llm.embedding import Tokens, Vectors, by_length
from tandemrec.llm.network import DType, Network
from tandemrec.llm.tokens import Encoder
from tandemrec.llm.trie import Question, Tree, batches, grow
from tandemrec.progress import Progress, silent

SLAB = 1024
"Prompts that are held as trees at a time."
KEPT = 4
"While answers are written, keys and values of so many batches of tokens are kept."
READ_ROWS = 256
"Hidden states that are turned into logits at a time: with 49,152 tokens, 50 MB."


class LocalLLM:
    """A model folder in the Hugging Face layout, with a LoRA adapter or without.

    The weights are read at the first question. Prompt and option are tokenised separately and
    joined; an option's log-probability is the sum over its own tokens, and the end of the answer
    counts only where the option's text has it, such as a newline. `tokens_read` counts the tokens
    that went through the model, and those of written answers with their prompts. `stream`: whether
    answers are written in a stream (see `writing`), as on a GPU. `chunk`: how many questions are to
    be put at a time.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        name: str | None = None,
        dtype: DType = "auto",
        device: str = "auto",
        adapter: str | Path | None = None,
        batch_tokens: int | None = None,
        cache: str | Path | None = None,
        progress: Progress = silent,
    ) -> None:
        self.folder = network.is_model(Path(folder))
        self.adapter = None if adapter is None else network.is_adapter(Path(adapter))
        self.name = name or self.folder.name
        self.device = network.pick_device(device)
        self.dtype = network.pick_dtype(dtype, self.device)
        self.batch_tokens = batch_tokens or (2048 if self.device.type == "cpu" else 16384)
        self.stream = self.device.type == "cuda"
        self.chunk = SLAB if self.stream else 64
        self.progress = progress
        self.tokens_read = 0
        self._cache = cache_folder(cache)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the weights, the tokenizer, the adapter and the number format."""
        folders = [self.folder, *([self.adapter] if self.adapter else [])]
        return files.fingerprint(["answers 1", str(self.dtype)], folders, self._cache)

    @cached_property
    def _network(self) -> Network:
        return network.load(self.folder, dtype=self.dtype, device=self.device, adapter=self.adapter)

    @cached_property
    def _encoder(self) -> Encoder:
        return Encoder(self._network.tokenizer)

    def tokens_of(self, prompt: Prompt) -> int:
        """How many tokens a prompt has, with the template around it."""
        return len(self._encoder.prompt(prompt))

    def choose(self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]]) -> list[Choice]:
        """See `LLM.choose`. Tokens that prompts and options share are read once.

        Each batch is one forward pass over tries of tokens, and logits are computed only where an
        option's token is read. Equal to scoring every option by itself, up to rounding.
        """
        choices: list[Choice] = []
        for start in range(0, len(prompts), SLAB):
            part = slice(start, start + SLAB)
            questions = self._questions(prompts[part], options[part])
            choices += self._answers(questions, start, len(prompts))
        return choices

    def _questions(
        self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]]
    ) -> list[Question]:
        said = (text for prompt in prompts for text in (prompt.system, prompt.user))
        self._encoder.ahead([*said, *(text for texts in options for text in texts)])
        questions = []
        for place, (prompt, texts) in enumerate(zip(prompts, options, strict=True)):
            tokens = [self._encoder.text(text) for text in texts]
            questions.append(Question(place, self._prompt(prompt), tokens))
            self._fits(len(questions[-1].prompt) + max(map(len, tokens), default=0))
        return questions

    def _prompt(self, prompt: Prompt) -> list[int]:
        tokens = self._encoder.prompt(prompt)
        if not tokens:
            raise LLMError("An empty prompt leaves nothing to predict an answer from.")
        return tokens

    def _fits(self, length: int) -> None:
        if length > self._network.context:
            raise LLMError(
                f"A prompt with its answer has {length} tokens; {self.name} reads at most "
                f"{self._network.context}. Show fewer or shorter titles."
            )

    def _answers(self, questions: list[Question], before: int, total: int) -> list[Choice]:
        found: dict[int, Choice] = {}
        trees = grow(questions, self.batch_tokens)
        for places in batches([len(tree) for tree in trees], self.batch_tokens):
            for place, choice in self._ask([trees[place] for place in places]):
                found[place] = choice
            self.progress("reading", before + len(found), total)
        return [found[question.place] for question in questions]

    @torch.inference_mode()
    def _ask(self, trees: Sequence[Tree]) -> list[tuple[int, Choice]]:
        self.tokens_read += sum(map(len, trees))
        hidden = self._network.trees([tree.trie for tree in trees])  # [N, D]
        values = iter(_read(self._network, hidden, trees).tolist())
        choices = []
        for tree in trees:
            value = {node: next(values) for node in tree.answers}
            for place, paths in tree.paths.items():
                choices.append((place, _choice(paths, value)))
        return choices

    def generate(self, prompts: Sequence[Prompt], *, max_tokens: int) -> list[str]:
        """See `LLM.generate`: the likeliest token each time, until the model ends its answer."""
        if max_tokens < 1:
            raise LLMError(f"An answer has at least one token. Received: max_tokens={max_tokens}.")
        tokens = [self._prompt(prompt) for prompt in prompts]
        self._fits(max(map(len, tokens), default=0) + max_tokens)
        found: dict[int, str] = {}
        for places in self._portions(tokens, max_tokens):
            rows = [tokens[place] for place in places]
            answers = self._write(rows, max_tokens)
            self.tokens_read += sum(map(len, [*rows, *answers]))
            for place, answer in zip(places, answers, strict=True):
                found[place] = self._network.tokenizer.decode(answer, skip_special_tokens=True)
            self.progress("writing", len(found), len(prompts))
        return [found[place] for place in range(len(prompts))]

    def _portions(self, rows: Sequence[list[int]], max_tokens: int) -> list[list[int]]:
        """Places of what is written together: on a GPU a stream of any length, else padded batches
        of as many tokens as are kept."""
        if self.stream:
            return [list(range(len(rows)))] if rows else []
        return writing.portions(rows, max_tokens, KEPT * self.batch_tokens)

    def _write(self, rows: list[list[int]], max_tokens: int) -> list[list[int]]:
        if self.stream:
            return writing.stream(self._network, rows, max_tokens, self.batch_tokens)
        return writing.batch(self._network, rows, max_tokens)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder.embed`: the mean of the last hidden states over a text's own tokens.

        No template stands around a text; what the tokenizer puts before every text is read, but is
        not part of the mean.
        """
        self._encoder.ahead(texts)
        most = self._network.context - len(self._encoder.start)
        rows = [self._encoder.text(text)[:most] if text.strip() else [] for text in texts]
        width, budget = self._network.width, self.batch_tokens
        return by_length(rows, self._means, width, budget, self.progress)

    @torch.inference_mode()
    def _means(self, rows: Sequence[Tokens]) -> Vectors:
        before = self._encoder.start
        lengths = [len(before) + len(row) for row in rows]
        self.tokens_read += sum(lengths)
        tokens = torch.tensor([token for row in rows for token in (*before, *row)])
        hidden = self._network.texts(tokens.to(self.device), lengths).float()  # [N, W]
        means = [states[len(before) :].mean(0) for states in hidden.split(lengths)]
        return torch.stack(means).cpu().numpy()


def _read(network: Network, hidden: Tensor, trees: Sequence[Tree]) -> Tensor:
    """The log-probability of each tree's answer nodes given their parents, one after the other.

    The head and its softmax are computed in float32: in bfloat16, logits are rounded to eighths.
    """
    starts = accumulate((len(tree) for tree in trees), initial=0)
    parents = [
        start + tree.trie.parents[node]
        for start, tree in zip(starts, trees, strict=False)
        for node in tree.answers
    ]
    tokens = [tree.trie.tokens[node] for tree in trees for node in tree.answers]
    where = torch.tensor(parents, dtype=torch.long, device=hidden.device)
    places, back = where.unique(return_inverse=True)  # siblings share a parent
    wanted = torch.tensor(tokens, dtype=torch.long, device=hidden.device)
    values = torch.empty(len(tokens), device=hidden.device)
    for start in range(0, len(places), READ_ROWS):
        logits = network.read(hidden[places[start : start + READ_ROWS]].float())  # [R, V]
        mine = ((back >= start) & (back < start + READ_ROWS)).nonzero()[:, 0]
        row = back[mine] - start
        values[mine] = logits[row, wanted[mine]] - logits.logsumexp(-1)[row]
    return values


def _choice(paths: Sequence[Sequence[int]], value: dict[int, float]) -> Choice:
    logprobs = np.array([sum(value[node] for node in path) for path in paths], dtype=np.float32)
    return Choice(logprobs, np.array([len(path) for path in paths], dtype=np.int64))

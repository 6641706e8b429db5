"""Sentence encoders: BERT and its like, whose states over a text are pooled into one vector.

Reimers and Gurevych, "Sentence-BERT", EMNLP 2019. A folder as sentence-transformers writes it says
itself how it pools; any other encoder is pooled by the mean.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from tandemrec.cache import cache_folder
from tandemrec.errors import LLMError
from tandemrec.llm import files, network
from tandemrec.llm.embedding import Tokens, Vectors, by_length
from tandemrec.llm.network import DType
from tandemrec.llm.tokens import Encoder
from tandemrec.progress import Progress, silent

Pooling = Literal["mean", "cls"]
MODULES = "modules.json"


class Layout(NamedTuple):
    """What a folder says of how its model makes a vector."""

    body: str = ""
    "The folder of the transformer within this folder."
    pooling: Pooling = "mean"
    "The mean of all the text's states, marks around it included, or the state of its first mark."
    normalised: bool = False
    "Whether vectors have length one."
    longest: int | None = None
    "Tokens of a text, marks included; none takes what the model can hold."
    lower: bool = False
    "Whether texts are put in lower case before they are tokenised."
    before: str = ""
    "What is put before every text."


class SentenceEncoder:
    """A model folder in the Hugging Face layout that is no causal language model.

    The weights are read when the first text is embedded. `tokens_read` counts the tokens that went
    through the model, without padding. Numbers are float32 unless told otherwise.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        name: str | None = None,
        dtype: DType = "auto",
        device: str = "auto",
        batch_tokens: int | None = None,
        cache: str | Path | None = None,
        progress: Progress = silent,
    ) -> None:
        self.folder = Path(folder)
        self.layout = read_layout(self.folder)
        self._body = network.is_model(self.folder / self.layout.body)
        self.name = name or self.folder.name
        self.device = network.pick_device(device)
        self.dtype = network.pick_dtype("float32" if dtype == "auto" else dtype, self.device)
        self.batch_tokens = batch_tokens or (4096 if self.device.type == "cpu" else 65536)
        self.progress = progress
        self.tokens_read = 0
        self._cache = cache_folder(cache)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the weights, the tokenizer, the way of pooling and the number format."""
        parts = ["embeddings 1", str(self.dtype), repr(self.layout)]
        return files.fingerprint(parts, [self._body], self._cache)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder.embed`."""
        before, after = self._marks
        most = self._longest - len(before) - len(after)
        words = self._words(texts)
        rows = [[*before, *row[:most], *after] if row else [] for row in words]
        return by_length(rows, self._read, self._width, self.batch_tokens, self.progress)

    def _words(self, texts: Sequence[str]) -> list[list[int]]:
        """Every text's own tokens; none of a blank one."""
        said = [self.layout.before + text if text.strip() else "" for text in texts]
        said = [text.lower() for text in said] if self.layout.lower else said
        self._encoder.ahead(said)
        return [self._encoder.text(text) for text in said]

    @torch.inference_mode()
    def _read(self, rows: Sequence[Tokens]) -> Vectors:
        lengths = torch.tensor([len(row) for row in rows])
        self.tokens_read += int(lengths.sum())
        real = torch.arange(int(lengths.max())) < lengths[:, None]  # [B, T]
        tokens = torch.full(real.shape, self._encoder.tokenizer.pad_token_id or 0)
        tokens[real] = torch.tensor([token for row in rows for token in row])
        tokens, real = tokens.to(self.device), real.to(self.device)
        states = self._model(input_ids=tokens, attention_mask=real.long()).last_hidden_state
        return pooled(states.float(), real, self.layout).cpu().numpy()

    @cached_property
    def _model(self) -> Any:
        return load(self._body, self.dtype).to(self.device).eval()

    @cached_property
    def _encoder(self) -> Encoder:
        return Encoder(network.load_tokenizer(self._body))

    @cached_property
    def _marks(self) -> tuple[list[int], list[int]]:
        """What the tokenizer puts before and after every text, such as [CLS] and [SEP]."""
        tokenizer = self._encoder.tokenizer
        bare = tokenizer.encode("a", add_special_tokens=False)
        full = tokenizer.encode("a", add_special_tokens=True)
        start = full.index(bare[0])
        return full[:start], full[start + len(bare) :]

    @property
    def _width(self) -> int:
        return int(self._model.config.hidden_size)

    @cached_property
    def _longest(self) -> int:
        """Tokens of a text that folder, tokenizer and positions allow."""
        sizes = [self.layout.longest, self._encoder.tokenizer.model_max_length]
        return min(size for size in (*sizes, _positions(self._model)) if size)


def pooled(states: Tensor, real: Tensor, layout: Layout) -> Tensor:
    """One vector for each text, [B, W], of its states [B, T, W]; `real` [B, T] is no padding."""
    if layout.pooling == "cls":
        found = states[:, 0]
    else:
        weight = real[..., None].to(states.dtype)
        found = (states * weight).sum(1) / weight.sum(1)
    return torch.nn.functional.normalize(found, dim=-1) if layout.normalised else found


def load(folder: Path, dtype: torch.dtype) -> Any:
    """The encoder in a folder. Raises LLMError where its weights are not all there, which
    transformers would draw at random."""
    from transformers import AutoModel

    with network.quiet(), network.explained(folder):
        model, report = AutoModel.from_pretrained(
            folder,
            dtype=dtype,
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
        )
        missing = sorted(name for name in report["missing_keys"] if "pooler" not in name)
        if missing:
            raise LLMError(
                f"The model in {folder} lacks {len(missing)} weights, such as {missing[0]}. "
                "Is config.json of another model?"
            )
    return model


def _positions(model: Any) -> int | None:
    """How many positions the model has; RoBERTa and its like begin to count behind the padding."""
    table = getattr(getattr(model, "embeddings", None), "position_embeddings", None)
    size: int | None = getattr(model.config, "max_position_embeddings", None)
    padding: int | None = getattr(table, "padding_idx", None)
    return size if size is None or padding is None else size - padding - 1


def read_layout(folder: Path) -> Layout:
    """What modules.json and the files it names say; the mean where there is none.

    Raises LLMError for modules and ways of pooling that are not known here.
    """
    with network.explained(folder):
        modules = _json(folder / MODULES) if (folder / MODULES).is_file() else []
        places = {entry["type"].rpartition(".")[2]: entry["path"] for entry in modules}
        _known(folder, places)
        body = places.get("Transformer", "")
        settings = _json(folder / body / "sentence_bert_config.json")
        return Layout(
            body=body,
            pooling=_pooling(folder / places["Pooling"]) if "Pooling" in places else "mean",
            normalised="Normalize" in places,
            longest=settings.get("max_seq_length"),
            lower=bool(settings.get("do_lower_case")),
            before=_before(_json(folder / "config_sentence_transformers.json")),
        )


def _known(folder: Path, places: dict[str, str]) -> None:
    if unknown := sorted(set(places) - {"Transformer", "Pooling", "Normalize"}):
        raise LLMError(
            f"{folder / MODULES} has a module {unknown[0]}, which is not known here. Known: "
            "Transformer, Pooling (mean or cls), Normalize. Take another encoder, or pass an "
            "object of your own with `name`, `fingerprint` and `embed`."
        )


def _pooling(folder: Path) -> Pooling:
    """Flags such as pooling_mode_mean_tokens, or one pooling_mode."""
    settings = _json(folder / "config.json")
    flags = [
        name for name, on in settings.items() if name.startswith("pooling_mode_") and on is True
    ]
    mode: Any = settings.get("pooling_mode") or "+".join(map(_flag, flags)) or "mean"
    if mode not in ("mean", "cls"):
        raise LLMError(
            f"{folder / 'config.json'} asks for pooling by {mode!r}. Known: mean, cls. Take "
            "another encoder."
        )
    found: Pooling = mode
    return found


def _flag(name: str) -> str:
    return name.removeprefix("pooling_mode_").removesuffix("_tokens").removesuffix("_token")


def _before(settings: dict[str, Any]) -> str:
    """The prompt that stands before texts by default, if there is one."""
    name = settings.get("default_prompt_name")
    return str(settings["prompts"][name]) if name else ""


def _json(file: Path) -> Any:
    """What a file says; nothing where there is none."""
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}

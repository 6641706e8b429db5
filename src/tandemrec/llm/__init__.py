"""Language models behind one small interface: two questions, whatever answers them. Embedders, of
which some are language models too, behind another: one question."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from tandemrec.cache import cache_folder
from tandemrec.errors import LLMError, UnknownName
from tandemrec.llm.base import LLM, Choice, Prompt
from tandemrec.llm.embedding import Embedder
from tandemrec.progress import Progress, silent

if TYPE_CHECKING:
    from tandemrec.llm.embedding import WordEmbedder
    from tandemrec.llm.fake import FakeLLM
    from tandemrec.llm.llamacpp import LlamaCpp
    from tandemrec.llm.local import LocalLLM
    from tandemrec.llm.sentences import SentenceEncoder
    from tandemrec.llm.server import ServerLLM
    from tandemrec.llm.vllm import VLLM

__all__ = ["EMBEDDERS", "LLM", "LLMS", "Choice", "Embedder", "Prompt", "embedder", "known", "llm"]

Factory = Callable[..., LLM]
"Called with the text behind the name's colon, and `llm`'s options by name."
EmbedderFactory = Callable[..., Embedder]
"The same with `embedder`'s options."

_HUB = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


def llm(
    name_or_path: str | Path,
    *,
    dtype: str = "auto",
    device: str = "auto",
    adapter: str | Path | None = None,
    cache: str | Path | None = None,
    progress: Progress = silent,
) -> LLM:
    """A language model, by name, folder or hub id; its weights are read at the first question.

    "smollm2-135m" is the embedded one, "fake" or "fake:SEED" one without weights; a folder is in
    the Hugging Face layout, "org/name" is fetched from the hub. "http://..." and "https://..." are
    servers, with the model's name behind # (see `Address`), "llamacpp:FILE.gguf" is llama.cpp and
    "vllm:MODEL" vLLM in this process; other packages add names by the entry-point group
    tandemrec.llms. `adapter` is the folder of a LoRA adapter, `cache` the folder
    for downloads (otherwise $TANDEMREC_CACHE). Raises LLMError or UnknownName.
    """
    options: dict[str, Any] = {"dtype": dtype, "device": device, "adapter": adapter}
    options |= {"cache": cache, "progress": progress}
    return _made(str(name_or_path), "language model", known(), _local, options)


def embedder(
    name_or_path: str | Path,
    *,
    dtype: str = "auto",
    device: str = "auto",
    adapter: str | Path | None = None,
    cache: str | Path | None = None,
    progress: Progress = silent,
) -> Embedder:
    """What turns texts into vectors, by name, folder or hub id; its weights are read at the first.

    "minilm-l6" is a sentence encoder, "smollm2-135m" the embedded language model, whose hidden
    states are averaged, "words" or "words:SEED" a control without weights. A folder or a model of
    the hub is a language model where its config.json says so, else an encoder such as BERT; other
    packages add names by the entry-point group tandemrec.embedders. Options are those of `llm`.
    Raises LLMError or UnknownName.
    """
    options: dict[str, Any] = {"dtype": dtype, "device": device, "adapter": adapter}
    options |= {"cache": cache, "progress": progress}
    return _made(str(name_or_path), "embedder", known_embedders(), _embedding, options)


def known() -> Mapping[str, Factory]:
    """The names that stand for a model: ours, and those that installed packages add."""
    return {**_added("tandemrec.llms"), **LLMS}


def known_embedders() -> Mapping[str, Factory]:
    """The same of what turns texts into vectors."""
    return {**_added("tandemrec.embedders"), **EMBEDDERS}


def _added(group: str) -> dict[str, Callable[..., Any]]:
    """What installed packages add to a group of names."""
    return {point.name: _lazily(point) for point in entry_points(group=group)}


def _lazily(point: Any) -> Callable[..., Any]:
    return lambda argument, **options: point.load()(argument, **options)


def _made(
    name: str,
    kind: str,
    factories: Mapping[str, Callable[..., Any]],
    of_folder: Callable[[Path, str, dict[str, Any]], Any],
    options: dict[str, Any],
) -> Any:
    """What a name of these factories stands for, else what a folder or the hub's model holds."""
    first, _, argument = name.partition(":")
    if first in factories:
        return factories[first](argument, **options)
    return of_folder(_folder(name, kind, list(factories)), name, options)


def _folder(name: str, kind: str, names: list[str]) -> Path:
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    if path.exists():
        raise LLMError(f"{path} is a file; a model is a folder with config.json and weights.")
    if _HUB.fullmatch(name):
        from tandemrec.llm.hub import snapshot

        return snapshot(name)
    if name.startswith(("/", ".", "~")) or path.is_absolute():
        raise LLMError(f"There is no folder {path}.")
    raise UnknownName(kind, name, names)


def _is_causal(folder: Path) -> bool:
    """Whether a folder holds a language model; one with modules.json says how it pools instead."""
    try:
        found = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        kinds = found.get("architectures") or []
    except (OSError, ValueError, AttributeError):
        return False  # it is no encoder either, which says what is missing
    causal = any(str(kind).endswith(("ForCausalLM", "LMHeadModel")) for kind in kinds)
    return causal and not (folder / "modules.json").is_file()


def _embedding(folder: Path, name: str, options: dict[str, Any]) -> Embedder:
    return (_local if _is_causal(folder) else _encoder)(folder, name, options)


def _local(folder: Path, name: str, options: dict[str, Any]) -> LocalLLM:
    from tandemrec.llm.local import LocalLLM

    return LocalLLM(folder, name=Path(name).name, **options)


def _encoder(folder: Path, name: str, options: dict[str, Any]) -> SentenceEncoder:
    from tandemrec.llm.sentences import SentenceEncoder

    others = _without_adapter("embedder", name, options)
    return SentenceEncoder(folder, name=Path(name).name, **others)


def _without_adapter(kind: str, name: str, options: dict[str, Any]) -> dict[str, Any]:
    """The other options, where nothing can be done with an adapter."""
    if options["adapter"] is not None:
        raise LLMError(
            f"The {kind} {name!r} has no weights for an adapter. Received: {options['adapter']}. "
            "Leave it out, or name a language model's folder."
        )
    return {option: value for option, value in options.items() if option != "adapter"}


def _smollm(argument: str, **options: Any) -> LocalLLM:
    """SmolLM2-135M-Instruct, in this process; smollm2-135m:15 is its lowest 15 layers alone.

    It is fetched at its first use. The smaller model says little before it is tuned."""
    from tandemrec.llm import embedded

    cache = cache_folder(options["cache"])
    folder = embedded.fetch(cache, options["progress"])
    if not argument:
        return _local(folder, embedded.NAME, options)
    return _local(embedded.lowest(folder, argument, cache), f"{embedded.NAME}:{argument}", options)


def _fake(argument: str, **options: Any) -> FakeLLM:
    """No weights, no sense: answers from a hash, for tests and a first look; fake:SEED."""
    from tandemrec.llm.fake import FakeLLM

    _without_adapter("language model", "fake", options)
    return FakeLLM(argument)


def _http(argument: str, **options: Any) -> ServerLLM:
    """A model on an OpenAI-compatible server: http://HOST:PORT/v1#MODEL."""
    return _server("http", argument, options)


def _https(argument: str, **options: Any) -> ServerLLM:
    """The same behind TLS, such as https://api.openai.com/v1#MODEL."""
    return _server("https", argument, options)


def _server(scheme: str, argument: str, options: dict[str, Any]) -> ServerLLM:
    from tandemrec.llm.server import ServerLLM

    address = f"{scheme}:{argument}"
    _without_adapter("language model", address, options)
    return ServerLLM(address, progress=options["progress"])


def _llamacpp(argument: str, **options: Any) -> LlamaCpp:
    """llama.cpp in this process: llamacpp:FILE.gguf, or llamacpp for the embedded model."""
    from tandemrec.llm import embedded
    from tandemrec.llm.llamacpp import LlamaCpp

    _without_adapter("language model", "llamacpp", options)
    known = {"cache": options["cache"], "progress": options["progress"]}
    if argument:
        return LlamaCpp(argument, **known)
    file = embedded.gguf(cache_folder(options["cache"]), options["progress"])
    return LlamaCpp(file, name=embedded.NAME, **known)


def _vllm(argument: str, **options: Any) -> VLLM:
    """vLLM in this process: vllm:FOLDER or vllm:ORG/NAME."""
    from tandemrec.llm.vllm import VLLM

    return VLLM(argument, **{name: value for name, value in options.items() if name != "device"})


def _minilm(argument: str, **options: Any) -> SentenceEncoder:
    """all-MiniLM-L6-v2, a small sentence encoder for English; fetched at its first use."""
    from tandemrec.llm import minilm

    if argument:
        raise LLMError(f"{minilm.NAME} takes nothing behind a colon. Received: {argument!r}.")
    _without_adapter("embedder", minilm.NAME, options)
    folder = minilm.fetch(cache_folder(options["cache"]), options["progress"])
    return _encoder(folder, minilm.NAME, options)


def _words(argument: str, **options: Any) -> WordEmbedder:
    """No weights: texts are alike that share words, for tests and as a control; words:SEED."""
    from tandemrec.llm.embedding import WordEmbedder

    _without_adapter("embedder", "words", options)
    return WordEmbedder(argument)


LLMS: dict[str, Factory] = {
    "smollm2-135m": _smollm,
    "fake": _fake,
    "http": _http,
    "https": _https,
    "llamacpp": _llamacpp,
    "vllm": _vllm,
}
"The names that this package brings; an argument may follow a colon."
EMBEDDERS: dict[str, EmbedderFactory] = {
    "minilm-l6": _minilm,
    "smollm2-135m": _smollm,
    "words": _words,
}
"The embedders that this package brings."


class _Callable(ModuleType):
    """This module under the name `tandemrec.llm`, which users call: `tr.llm("smollm2-135m")`.

    Python puts a submodule in the place of a function of the same name as soon as it is imported.
    """

    def __call__(self, name_or_path: str | Path, **options: Any) -> LLM:
        return llm(name_or_path, **options)


sys.modules[__name__].__class__ = _Callable

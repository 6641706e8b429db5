"""Language models behind one small interface: two questions, whatever answers them."""

from __future__ import annotations

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
from tandemrec.progress import Progress, silent

if TYPE_CHECKING:
    from tandemrec.llm.fake import FakeLLM
    from tandemrec.llm.local import LocalLLM

__all__ = ["LLM", "LLMS", "Choice", "Prompt", "known", "llm"]

Factory = Callable[..., LLM]
"Called with the text behind the name's colon, and `llm`'s options by name."

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
    the Hugging Face layout, "org/name" is fetched from the hub, and other packages add names by the
    entry-point group tandemrec.llms. `adapter` is the folder of a LoRA adapter, `cache` the folder
    for downloads (otherwise $TANDEMREC_CACHE). Raises LLMError or UnknownName.
    """
    options: dict[str, Any] = {"dtype": dtype, "device": device, "adapter": adapter}
    options |= {"cache": cache, "progress": progress}
    name, _, argument = str(name_or_path).partition(":")
    factories = known()
    if name in factories:
        return factories[name](argument, **options)
    return _local(_folder(str(name_or_path), list(factories)), str(name_or_path), options)


def known() -> Mapping[str, Factory]:
    """The names that stand for a model: ours, and those that installed packages add."""
    others = {point.name: _lazily(point) for point in entry_points(group="tandemrec.llms")}
    return {**others, **LLMS}


def _lazily(point: Any) -> Factory:
    return lambda argument, **options: point.load()(argument, **options)


def _folder(name: str, names: list[str]) -> Path:
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
    raise UnknownName("language model", name, names)


def _local(folder: Path, name: str, options: dict[str, Any]) -> LocalLLM:
    from tandemrec.llm.local import LocalLLM

    return LocalLLM(folder, name=Path(name).name, **options)


def _smollm(argument: str, **options: Any) -> LocalLLM:
    """SmolLM2-135M-Instruct, in this process; fetched at its first use. smollm2-135m:15 is its
    lowest 15 layers: a smaller model, which says little before it is tuned."""
    from tandemrec.llm import embedded

    cache = cache_folder(options["cache"])
    folder = embedded.fetch(cache, options["progress"])
    if not argument:
        return _local(folder, embedded.NAME, options)
    return _local(embedded.lowest(folder, argument, cache), f"{embedded.NAME}:{argument}", options)


def _fake(argument: str, **options: Any) -> FakeLLM:
    """No weights, no sense: answers from a hash, for tests and a first look; fake:SEED."""
    from tandemrec.llm.fake import FakeLLM

    if options["adapter"] is not None:
        raise LLMError(
            f"The language model 'fake' has no weights for an adapter. Received: "
            f"{options['adapter']}. Leave it out, or name a model's folder."
        )
    return FakeLLM(argument)


LLMS: dict[str, Factory] = {"smollm2-135m": _smollm, "fake": _fake}
"The names that this package brings; an argument may follow a colon."


class _Callable(ModuleType):
    """This module under the name `tandemrec.llm`, which users call: `tr.llm("smollm2-135m")`.

    Python puts a submodule in the place of a function of the same name as soon as it is imported.
    """

    def __call__(self, name_or_path: str | Path, **options: Any) -> LLM:
        return llm(name_or_path, **options)


sys.modules[__name__].__class__ = _Callable

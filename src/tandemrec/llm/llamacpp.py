"""llama.cpp in this process: a GGUF file, asked like any other llama.cpp server.

xllamacpp starts llama.cpp's own server on a port of this machine that only we have the key to; so
what is scored here is scored there, to the last bit.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any

from tandemrec.cache import cache_folder
from tandemrec.errors import LLMError
from tandemrec.llm import files
from tandemrec.llm.addresses import Address
from tandemrec.llm.http import Http
from tandemrec.llm.server import ServerLLM
from tandemrec.progress import Progress, silent

CONTEXT = 8192
"Tokens of the longest prompt with its answer; fewer where the model holds fewer."


class LlamaCpp(ServerLLM):
    """A GGUF file in this process; the model is loaded when it is made.

    Options are scored exactly, token by token, with the prompt's keys and values kept. `slots`:
    questions at a time; each has a context of its own in memory.
    """

    def __init__(
        self,
        file: str | Path,
        *,
        name: str | None = None,
        slots: int = 1,
        context: int = CONTEXT,
        cache: str | Path | None = None,
        progress: Progress = silent,
    ) -> None:
        self.file = _is_gguf(Path(file).expanduser())
        self._secret = secrets.token_hex(16)
        self._server = _serve(self.file, self._secret, slots, context)
        digest = files.sha256(self.file, cache_folder(cache))
        address = Address(
            url=f"{self._server.listening_address}/v1",
            model=name or self.file.stem,
            stored_as=f"llamacpp {digest} {context}",
            concurrency=slots,
        )
        super().__init__(address, wire=lambda: Http(self._secret, slots), progress=progress)

    @property
    def name(self) -> str:
        """The file's, or the one that was given."""
        return f"{self.address.model}, llama.cpp"

    def close(self) -> None:
        """Let go of the model; no question can be asked after."""
        self._caller.close()
        self._server = None


def _is_gguf(file: Path) -> Path:
    try:
        with file.open("rb") as stream:
            good = stream.read(4) == b"GGUF"
    except OSError as error:
        raise LLMError(f"{file} cannot be read: {error.strerror}. Name a GGUF file.") from None
    if not good:
        raise LLMError(f"{file} is no GGUF file. A model folder needs no llama.cpp: give its name.")
    return file


def _serve(file: Path, secret: str, slots: int, context: int) -> Any:
    """A running server. Raises LLMError where llama.cpp cannot load the file."""
    library = _library()
    wanted = library.CommonParams()
    wanted.model.path, wanted.model_alias = str(file), {file.stem}
    wanted.n_ctx, wanted.n_parallel = context * slots, slots
    wanted.cpuparams.n_threads = max(1, len(os.sched_getaffinity(0)))
    wanted.api_keys, wanted.verbosity = [secret], 0
    try:
        return library.Server(wanted)
    except (RuntimeError, ValueError) as error:
        raise LLMError(f"llama.cpp cannot load {file}: {error}.") from error


def _library() -> Any:
    try:
        import xllamacpp
    except ImportError:
        raise LLMError(
            "llama.cpp in this process needs xllamacpp, which is not installed: pip install httpx "
            "xllamacpp."
        ) from None
    return xllamacpp

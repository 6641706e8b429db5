"""A tuning on a file of instructions, as the command line and launchers start it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tandemrec.errors import LLMError
from tandemrec.llm import llm as model_of
from tandemrec.progress import Progress, silent
from tandemrec.tuning import ranks, trl
from tandemrec.tuning.settings import TuneConfig
from tandemrec.tuning.tune import Tuned, tune


def tune_file(
    file: str | Path,
    llm: str,
    settings: Mapping[str, Any],
    out: str | Path,
    *,
    progress: Progress = silent,
) -> Tuned:
    """Tune the model of that name, folder or hub id on a file that `trl.read` reads.

    `settings` are those of TuneConfig. Of several processes the first fetches the model. Raises
    DataError, ConfigError and LLMError.
    """
    config = TuneConfig.model_validate(dict(settings))
    examples = trl.read(file)
    ranks.start(config.device)
    folder = ranks.first(lambda: _folder(llm))
    return tune(examples, folder, config, out, progress=progress)


def _folder(name: str) -> str:
    model = model_of(name, device="cpu")
    folder = getattr(model, "folder", None)
    if folder is None:
        raise LLMError(f"The language model {name!r} has no weights to tune.")
    return str(folder)

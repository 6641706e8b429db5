"""What a finished run fitted and tuned, for elsewhere: its backbone, and its adapters."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from tandemrec import card as cards
from tandemrec.backbones.export import export
from tandemrec.card import Card
from tandemrec.errors import RunError
from tandemrec.progress import Progress, silent
from tandemrec.recipes.execute import finished
from tandemrec.recipes.finished import Finished
from tandemrec.recipes.instructions import model_name
from tandemrec.recipes.record import Record
from tandemrec.tuning.tuned import NOTE, Tuned
from tandemrec.writing import explained, whole

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
FILES = {
    WEIGHTS: "the adapter's weights",
    CONFIG: "the adapter's settings, and the model that it belongs to, as PEFT reads them",
}
LOADING = """
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained({base})
model = PeftModel.from_pretrained(model, "FOLDER")
tokenizer = AutoTokenizer.from_pretrained({base})

# Or, ready to be asked:
import tandemrec as tr

llm = tr.llm({base}, adapter="FOLDER")
"""


def export_backbone(
    folder: str | Path, out: str | Path, *, progress: Progress = silent
) -> tuple[Path, ...]:
    """Write the backbone that a finished run recommends from, with its first seed, and a card.

    Raises RunError for a run that was never finished, BackboneError for one whose backbone was not
    fitted here.
    """
    run = finished(folder, progress)
    card = _card(run, f"{run.contents.backbone} on {_name(run)}", _ABOUT_BACKBONE)
    return export(run.seeds[0].backbone, run.setup.split.data.catalogue, out, card)


def export_adapter(
    folder: str | Path, out: str | Path, *, progress: Progress = silent
) -> tuple[Path, ...]:
    """Write the LoRA adapter that a finished run tuned, in PEFT's form, and a card; each of several
    in a folder of its name.

    Raises RunError for a run that was never finished, or that tuned no adapter.
    """
    run, out = finished(folder, progress), Path(out)
    if out.exists() and not out.is_dir():
        raise RunError(f"{out} is a file; name a folder.")
    adapters = _adapters(run, folder)
    spec = Record.load(Path(folder)).spec
    places = {name: out / name if len(adapters) > 1 else out for name in adapters}
    written: list[Path] = []
    for name, tuned in adapters.items():
        written += _adapter(run, tuned, places[name], model_name(spec.llm, tuned.base))
    return tuple(written)


def _adapters(run: Finished, folder: str | Path) -> dict[str, Tuned]:
    """By name, such as tuned or tuned-summaries."""
    places = run.setup.common.places.items()
    every = {name: Tuned.load(place) for name, place in places if (place / NOTE).exists()}
    found = {name: tuned for name, tuned in every.items() if tuned.adapter is not None}
    if found:
        return found
    whole_ones = ", ".join(str(tuned.folder) for tuned in every.values())
    raise RunError(
        f"{folder} has no adapter: "
        + (
            f"it tuned weights of the model itself, which lies whole in {whole_ones}."
            if every
            else "it tuned no language model."
        )
        + " Run it with --set tune.method=lora."
    )


def _adapter(run: Finished, tuned: Tuned, out: Path, base: str) -> list[Path]:
    """One adapter, whose base is named as anybody can fetch it."""
    settings = json.loads((tuned.folder / CONFIG).read_text(encoding="utf-8"))
    hub = {"library_name": "peft", "base_model": base, "tags": ["recommendation", "lora"]}
    card = _card(run, f"Adapter of {base}, tuned on {_name(run)}", _ABOUT_ADAPTER, hub)
    page = cards.text(card, FILES, LOADING.format(base=json.dumps(base)))
    cards.refuse_other(out, CONFIG)
    with explained(out):
        out.mkdir(parents=True, exist_ok=True)
        with whole(out / WEIGHTS) as fresh:
            shutil.copyfile(tuned.folder / WEIGHTS, fresh)
        _write(out / CONFIG, json.dumps(settings | {"base_model_name_or_path": base}, indent=2))
        _write(out / cards.NAME, page)
    return [out / WEIGHTS, out / CONFIG, out / cards.NAME]


_ABOUT_BACKBONE = "A recommender, fitted by tandemrec; the results are of the run that it is from."
_ABOUT_ADAPTER = (
    "A LoRA adapter, tuned by tandemrec on instructions made from the training part of the data; "
    "the results are of the run that it is from."
)


def _card(run: Finished, title: str, about: str, hub: dict[str, Any] | None = None) -> Card:
    """What the run's report knows, of its first seed."""
    contents = run.contents
    rows = [row for row in contents.rows if row.seed == contents.seeds[0]]
    metrics = {row.method: row.metrics for row in rows if row.kind == "main"}
    head = hub or {"library_name": "tandemrec", "tags": ["recommendation"]}
    return Card(title, about, contents.what, contents.config, metrics, head)


def _name(run: Finished) -> str:
    return str(run.contents.what.get("name", run.setup.split.data.name))


def _write(file: Path, content: str) -> None:
    with whole(file) as fresh:
        fresh.write_text(content, encoding="utf-8")

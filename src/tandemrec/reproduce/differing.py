"""What differs from the paper: short sentences from the settings that the shown runs had."""

from __future__ import annotations

from collections.abc import Iterator

from tandemrec import backbones
from tandemrec.oneline import counted, listed
from tandemrec.reproduce import differing_lists as lists
from tandemrec.reproduce import differing_ratings as ratings
from tandemrec.reproduce.found import Found
from tandemrec.reproduce.sentences import agreed, learning, some
from tandemrec.reproduce.shown import Sentence, Shown

ALPHAS = (0.1, 0.3, 0.5, 0.7, 0.9)
"The paper's."


def differences(found: Found, paper_llm: str) -> Iterator[str]:
    """A sentence for each of what a reader must know; with the runs' names where they differ."""
    runs = [Shown.of(cell, made) for cell, made in found.items()]

    def model(run: Shown) -> str:
        return f"The language model is {run.contents.llm}; the paper's is {paper_llm}."

    for sentence in (model, *(RATINGS if any(run.rating for run in runs) else LISTS)):
        yield from agreed([(run.cell.name, sentence(run)) for run in runs])
    yield from _orders(runs)


def _settings(run: Shown) -> str:
    return f"Settings: {run.contents.preset}."


def _seeds(run: Shown) -> str:
    seeds = run.contents.seeds
    named = f"Seed{'' if len(seeds) == 1 else 's'} {listed(list(map(str, seeds)))}"
    return f"{named}; the paper has five runs of each."


def _later(run: Shown) -> str:
    if run.config.history_at_test == "train":
        return ""
    return "A user's history in test prompts goes on to his validation interaction."


def _weights(run: Shown) -> str:
    tried = {"α₁": run.config.blend.alpha1, "α₂": run.config.blend.alpha2}
    told = [
        f"{sign} is one of {listed([f'{value:g}' for value in values])}"
        for sign, values in tried.items()
        if values != ALPHAS
    ]
    return f"{listed(told)}; the paper's, of 0.1, 0.3, 0.5, 0.7 and 0.9." if told else ""


def _tuning(run: Shown) -> str:
    config = run.config.tune
    if config is None or not run.tuned:
        return (
            "The language model is not tuned, so IFT is the model as it came; the paper's is tuned "
            "on about 25,000 instructions."
        )
    return (
        f"The language model is tuned on {_taught(run)}, in {counted(config.epochs, 'epoch')}, and "
        f"{learning(config)}; the paper's on about 25,000 instructions, in 3 epochs, and all "
        "layers learn."
    )


def _taught(run: Shown) -> str:
    """What the language model is tuned on."""
    if run.rating:
        return counted(run.config.ratings.instructions, "rating instruction")
    examples = run.config.examples
    told = {
        counted(examples.instructions, "instruction"): examples.instructions,
        f"{counted(examples.sequences, 'place')} in histories": examples.sequences,
    }
    return some(told)


def _teacher(run: Shown) -> str:
    config = run.config.ratings if run.rating else run.config.examples
    if not run.tuned or not config.instructions:
        return ""
    shown = "predictions and similar users" if run.rating else "candidates"
    teacher = run.config.examples.backbone or "the run's own backbone"
    way = (
        "which has not seen the targets (out of fold)"
        if config.out_of_fold
        else "which was fitted on the targets too (in sample) and so gives them away"
    )
    return (
        f"Instructions show {shown} of {teacher}, {way}. The paper does not say how its "
        "instructions keep clear of the target."
    )


def _one_for_all(run: Shown) -> str:
    if not run.tuned:
        return ""
    varied = run.cell.variant and not run.rating  # of ratings, attributes vary
    shared = "data set and variant" if varied else "data set"
    if varied and set(run.config.examples.ways) != {"likelihood"}:
        shared = "data set, variant and task (direct or sequential, which instructions tell)"
    each = shared if run.config.examples.backbone else "run"
    return (
        f"One language model is tuned for each {each}, with the first seed; the paper tunes one "
        "for all data sets and tasks."
    )


def _fitting(run: Shown) -> str:
    kind, config = backbones.get(run.cell.backbone), run.config
    searched = config.quick and (getattr(kind, "quick", {}) or getattr(kind, "quick_config", {}))
    elsewhere = "" if run.cell.data == "ml-100k" else " and taken for this data set too"
    whose = (
        f"settings searched on ML-100K's validation part{elsewhere}"
        if searched
        else "the settings that their own papers publish"
    )
    own = [f"{name} = {value}" for name, value in {**config.training, **config.backbone}.items()]
    but = f", but for {listed(own)}" if own else ""
    library = "DeepCTR-Torch" if run.rating else "SELFRec"
    return f"Backbones have {whose}{but}; the paper's are those of {library}."


def _orders(runs: list[Shown]) -> Iterator[str]:
    """What stands in the place of time, in data that have none."""
    for data, order in {run.cell.data: run.contents.what.get("order") for run in runs}.items():
        if order:
            yield f"Order of interactions on {data}: {str(order).rstrip('.')}."


FIRST: tuple[Sentence, ...] = (_settings, _seeds)
LAST: tuple[Sentence, ...] = (_tuning, _teacher, _one_for_all, _fitting)
LISTS: tuple[Sentence, ...] = (
    *FIRST,
    lists.ranking,
    lists.candidates,
    lists.prompt,
    _later,
    lists.augmentation,
    lists.kept,
    lists.renewed,
    lists.utilities,
    _weights,
    lists.choices,
    *LAST,
)
"Of runs that rank."
RATINGS: tuple[Sentence, ...] = (
    *FIRST,
    ratings.asking,
    ratings.calibration,
    ratings.prompt,
    _later,
    ratings.attributes,
    ratings.kept,
    ratings.fields,
    ratings.utilities,
    _weights,
    ratings.choices,
    *LAST,
)
"Of runs that predict ratings."

"""Words of the notes on a page: lists, and what is said once for many runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tandemrec.oneline import counted, listed
from tandemrec.tuning.settings import TuneConfig


def agreed(said: Sequence[tuple[str, str]]) -> Iterator[str]:
    """The sentence that is true of a run, for each (name, sentence): once where all are the same,
    else each one behind the names of its runs. Nothing for empty ones."""
    return shared({name: [text] if text else [] for name, text in said})


def shared(notes: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Every note of runs, by their names: as it is where all have it, else behind the names of
    those that do."""
    for text in dict.fromkeys(text for mine in notes.values() for text in mine):
        names = [name for name, mine in notes.items() if text in mine]
        yield text if len(names) == len(notes) else f"{', '.join(names)}: {text}"


def some(told: Mapping[str, int]) -> str:
    """As `listed`, those whose number is not 0."""
    return listed([text for text, number in told.items() if number])


def learning(config: TuneConfig) -> str:
    """Which weights a tuning changes: "the top 10 layers learn"."""
    if config.method == "lora":
        return f"a LoRA adapter of rank {config.rank} learns"
    if config.trainable_layers is None:
        return "all layers learn"
    return f"the top {counted(config.trainable_layers, 'layer')} learn"


def either(words: Sequence[str]) -> str:
    """one, two or three"""
    return listed(words, "or")

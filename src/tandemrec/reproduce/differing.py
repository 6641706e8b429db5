"""What differs from the paper: short sentences from the settings that the shown runs had."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from tandemrec import backbones
from tandemrec.augment.direct import PreferenceConfig
from tandemrec.augment.sequential import InsertionConfig
from tandemrec.backbones import SequentialBackbone
from tandemrec.errors import ConfigError, RunError
from tandemrec.oneline import counted
from tandemrec.recipes.settings import Llama4RecConfig
from tandemrec.report.contents import PRIMARY, Contents
from tandemrec.reproduce.found import Cell, Found, Made
from tandemrec.reproduce.sentences import agreed, either, listed, some
from tandemrec.rerank import RerankConfig
from tandemrec.tuning.tune import TuneConfig

ALPHAS = (0.1, 0.3, 0.5, 0.7, 0.9)
"The paper's."


class Shown(NamedTuple):
    """A run and its settings, as they were."""

    cell: Cell
    contents: Contents
    config: Llama4RecConfig

    @classmethod
    def of(cls, cell: Cell, made: Made) -> Shown:
        """Raises RunError for settings that this version does not know."""
        try:
            return cls(cell, made.contents, Llama4RecConfig.model_validate(made.contents.config))
        except ConfigError as error:
            raise RunError(f"{made.folder} was made with other settings: {error}") from None

    @property
    def sequential(self) -> bool:
        """Whether its backbone reads sequences."""
        return issubclass(backbones.get(self.cell.backbone), SequentialBackbone)

    @property
    def tuned(self) -> bool:
        """A model without weights of its own stays as it came, whatever the settings say."""
        said = any("was not tuned" in note for note in self.contents.notes)
        return self.config.tune is not None and not said


Sentence = Callable[[Shown], str]
"Of one run; empty where there is nothing to say."


def differences(found: Found, paper_llm: str) -> Iterator[str]:
    """A sentence for each of what a reader must know; with the runs' names where they differ."""
    runs = [Shown.of(cell, made) for cell, made in found.items()]

    def model(run: Shown) -> str:
        return f"The language model is {run.contents.llm}; the paper's is {paper_llm}."

    for sentence in (model, *SENTENCES):
        yield from agreed([(run.cell.name, sentence(run)) for run in runs])
    yield from _orders(runs)


def _settings(run: Shown) -> str:
    return f"Settings: {run.contents.preset}."


def _seeds(run: Shown) -> str:
    seeds = run.contents.seeds
    named = f"Seed{'' if len(seeds) == 1 else 's'} {listed(list(map(str, seeds)))}"
    return f"{named}; the paper has five runs of each."


def _ranking(run: Shown) -> str:
    ways = run.config.rerank
    told = either(list(dict.fromkeys(map(_way, ways))))
    priors = list(dict.fromkeys(f"{way.prior:g}" for way in ways if way.way == "likelihood"))
    if priors and priors != ["0"]:
        told += f", less {either(priors)} of the title's own without a history"
    chosen = "; validation chooses" if len(ways) > 1 else ""
    return (
        f"The language model orders candidates {told}{chosen}. The paper's answers with titles, "
        "and the better of listwise and pointwise is reported."
    )


def _way(config: RerankConfig) -> str:
    if config.way == "likelihood":
        return "by titles' likelihoods as the next line of the history"
    if config.answer == "generate":
        return f"{config.way} by the letters that it writes"
    what = "each letter" if config.way == "listwise" else "a Yes"
    return f"{config.way} by the likelihood of {what}"


def _candidates(run: Shown) -> str:
    number = run.config.candidates
    return "" if number == 10 else f"It orders the backbone's best {number}; the paper's, ten."


def _prompt(run: Shown) -> str:
    config = run.config.prompt
    told = {
        f"the most similar user's last {config.similar}": config.similar,
        f"the backbone's first {config.hint}": config.hint,
        f"{counted(config.passages, 'passage')} of other users' histories": config.passages,
    }
    return (
        f"Prompts tell a user's last {counted(config.history, 'interaction')}, and with prompt "
        f"augmentation {some(told) or 'nothing'} besides; the paper's tell the similar user's "
        "history and the backbone's prediction."
    )


def _later(run: Shown) -> str:
    if run.config.history_at_test == "train":
        return ""
    return "A user's history in test prompts goes on to his validation interaction."


def _augmentation(run: Shown) -> str:
    asked = _insertions(run.config.insertions) if run.sequential else _pairs(run.config.preferences)
    return f"Data augmentation {asked}{_learnt(run.config)}. The paper does not say how many."


def _pairs(config: PreferenceConfig) -> str:
    way = "by titles' likelihoods"
    if config.way == "letters":
        way = "by a letter, kept if both orders agree" if config.both_orders else "by a letter"
    pairs = f"{counted(config.pairs, 'pair')} of unmet items of each user"
    return f"asks for the better of {pairs}{_drawn(config)}, {way}{_told(config)}"


def _insertions(config: InsertionConfig) -> str:
    way = "by a letter" if config.way == "letters" else "by titles' likelihoods"
    items = f"{counted(config.insertions, 'item')} into each user's sequence"
    picked = f"each picked of {config.items} unmet ones{_drawn(config)}"
    return f"inserts {items}, {picked}, {way}{_told(config)}"


def _drawn(config: PreferenceConfig | InsertionConfig) -> str:
    return f" among the backbone's best {config.pool}" if config.pool else ""


def _told(config: PreferenceConfig | InsertionConfig) -> str:
    number = config.passages
    return f", told {counted(number, 'passage')} of other users' histories" if number else ""


def _learnt(config: Llama4RecConfig) -> str:
    """How much of what the language model preferred."""
    if config.trusted == (1.0,):
        return ""
    shares = either([f"{100 * share:g} %" for share in config.trusted])
    chosen = ", as validation chooses" if len(config.trusted) > 1 else ""
    return f"; the backbone learns the most decided {shares}{chosen}"


def _kept(run: Shown) -> str:
    if run.config.augment == "always":
        return "Rows with data augmentation have it in any case, as in the paper."
    return (
        "Rows with data augmentation have it only where their final lists on validation are better "
        f"with it ({PRIMARY}); the paper's have it always."
    )


def _renewed(run: Shown) -> str:
    if not run.config.renew or run.config.history_at_test == "train":
        return ""
    return (
        "For data augmentation the language model is asked again before test, from histories that "
        "go on to validation; the paper asks once."
    )


def _utilities(run: Shown) -> str:
    return {
        "rank": "Aggregation adds up ranks, as in the paper.",
        "score": "Aggregation adds up scores, centred for each user and divided by their spread; "
        "the paper's adds up ranks.",
        "share": "Aggregation adds up scores, as the softmax of each list's; the paper's adds up "
        "ranks.",
    }[run.config.blend.utility]


def _weights(run: Shown) -> str:
    tried = {"α₁": run.config.blend.alpha1, "α₂": run.config.blend.alpha2}
    told = [
        f"{sign} is one of {listed([f'{value:g}' for value in values])}"
        for sign, values in tried.items()
        if values != ALPHAS
    ]
    return f"{listed(told)}; the paper's, of 0.1, 0.3, 0.5, 0.7 and 0.9." if told else ""


def _choices(run: Shown) -> str:
    return (
        "Epochs are chosen on validation by NDCG@10, ranking ways and weights by "
        f"{run.config.metric}; test is opened once, after that. The paper does not say where it "
        "chooses."
    )


def _tuning(run: Shown) -> str:
    config, examples = run.config.tune, run.config.examples
    if config is None or not run.tuned:
        return (
            "The language model is not tuned, so IFT is the model as it came; the paper's is tuned "
            "on about 25,000 instructions."
        )
    told = {
        counted(examples.instructions, "instruction"): examples.instructions,
        f"{counted(examples.sequences, 'place')} in histories": examples.sequences,
    }
    return (
        f"The language model is tuned on {some(told)}, in {counted(config.epochs, 'epoch')}, and "
        f"{_learning(config)}; the paper's on about 25,000 instructions, in 3 epochs, and all "
        "layers learn."
    )


def _learning(config: TuneConfig) -> str:
    if config.method == "lora":
        return f"a LoRA adapter of rank {config.rank} learns"
    if config.trainable_layers is None:
        return "all layers learn"
    return f"the top {counted(config.trainable_layers, 'layer')} learn"


def _teacher(run: Shown) -> str:
    config = run.config.examples
    if not run.tuned or not config.instructions:
        return ""
    teacher = config.backbone or "the run's own backbone"
    way = (
        "which has not seen the targets (out of fold)"
        if config.out_of_fold
        else "which was fitted on the targets too (in sample) and so gives them away"
    )
    return (
        f"Instructions show candidates of {teacher}, {way}. The paper does not say how its "
        "instructions keep clear of the target."
    )


def _one_for_all(run: Shown) -> str:
    if not run.tuned:
        return ""
    shared = "data set and variant" if run.cell.variant else "data set"
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
    return f"Backbones have {whose}{but}; the paper's are those of SELFRec."


def _orders(runs: list[Shown]) -> Iterator[str]:
    """What stands in the place of time, in data that have none."""
    for data, order in {run.cell.data: run.contents.what.get("order") for run in runs}.items():
        if order:
            yield f"Order of interactions on {data}: {str(order).rstrip('.')}."


SENTENCES: tuple[Sentence, ...] = (
    _settings,
    _seeds,
    _ranking,
    _candidates,
    _prompt,
    _later,
    _augmentation,
    _kept,
    _renewed,
    _utilities,
    _weights,
    _choices,
    _tuning,
    _teacher,
    _one_for_all,
    _fitting,
)

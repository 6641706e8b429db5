"""What differs from the paper in runs that rank: what is asked, learnt, blended and chosen."""

from __future__ import annotations

from tandemrec.augment.direct import PreferenceConfig
from tandemrec.augment.sequential import InsertionConfig
from tandemrec.backbones.validation import NDCG
from tandemrec.oneline import counted
from tandemrec.recipes.settings import Llama4RecConfig
from tandemrec.report.contents import PRIMARY
from tandemrec.reproduce.sentences import either, some
from tandemrec.reproduce.shown import Shown
from tandemrec.rerank import RerankConfig


def ranking(run: Shown) -> str:
    """How the language model orders candidates."""
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


def candidates(run: Shown) -> str:
    """How many it orders."""
    number = run.config.candidates
    return "" if number == 10 else f"It orders the backbone's best {number}; the paper's, ten."


def prompt(run: Shown) -> str:
    """What prompts tell."""
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


def augmentation(run: Shown) -> str:
    """How preferences or items are asked for, and how many are learnt."""
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


def kept(run: Shown) -> str:
    """Whether rows with data augmentation have it in any case."""
    if run.config.augment == "always":
        return "Rows with data augmentation have it in any case, as in the paper."
    return (
        "Rows with data augmentation have it only where their final lists on validation are better "
        f"with it ({PRIMARY}); the paper's have it always."
    )


def renewed(run: Shown) -> str:
    """Whether preferences are asked for once more."""
    if not run.config.renew or run.config.history_at_test == "train":
        return ""
    return (
        "For data augmentation the language model is asked again before test, from histories that "
        "go on to validation; the paper asks once."
    )


def utilities(run: Shown) -> str:
    """What aggregation adds up."""
    return {
        "rank": "Aggregation adds up ranks, as in the paper.",
        "score": "Aggregation adds up scores, centred for each user and divided by their spread; "
        "the paper's adds up ranks.",
        "share": "Aggregation adds up scores, as the softmax of each list's; the paper's adds up "
        "ranks.",
    }[run.config.blend.utility]


def choices(run: Shown) -> str:
    """What validation chooses by."""
    metric = run.config.training.get("valid_metric") or NDCG.name
    return (
        f"Epochs are chosen on validation by {metric}, ranking ways and weights by "
        f"{run.config.metric}; test is opened once, after that. The paper does not say where it "
        "chooses."
    )

"""What differs from the paper in runs that predict ratings."""

from __future__ import annotations

from tandemrec.oneline import counted, listed
from tandemrec.report.contents import RATING_PRIMARY
from tandemrec.reproduce.shown import Shown

ANSWERS = {
    "expected": "a rating as the mean of its labels by their likelihoods",
    "greedy": "the likeliest label of a rating, as the paper's greedy decoding does",
    "written": "a rating that it writes, as the paper's does",
}


def asking(run: Shown) -> str:
    """What of the language model's answer is its rating."""
    answer = run.config.rate.answer
    told = f"The language model gives {ANSWERS[answer]}."
    return f"{told} The paper's writes it, decoded greedily." if answer == "expected" else told


def calibration(run: Shown) -> str:
    """Whether ratings are put on a line first."""
    if not run.config.calibrate:
        return "The language model's ratings are taken as they are said, as in the paper."
    return (
        "The language model's ratings, IFT's too, are put on the line that fits validation best; "
        "the paper's are taken as they are said."
    )


def prompt(run: Shown) -> str:
    """What prompts tell."""
    config = run.config.rated
    which = " of the items most alike" if config.chosen == "alike" else ""
    last = "" if which else "last "
    told = [
        text
        for text, wanted in (
            (f"{config.similar}{which} of the most similar user", config.similar),
            ("the backbone's prediction", config.hint),
        )
        if wanted
    ]
    return (
        f"Prompts tell a user's {last}{counted(config.history, 'rating')}{which}, and with prompt "
        f"augmentation {listed(told) or 'nothing'} besides; the paper's tell the similar user's "
        "ratings and the backbone's prediction, and it does not say how many ratings."
    )


def attributes(run: Shown) -> str:
    """Where attributes come from."""
    config = run.config.attributes
    paper = "the paper's are its language model's, asked with a few examples"
    if config.source == "none":
        return f"No attributes are added; {paper}."
    if config.source == "table":
        return f"Attributes are looked up in a table; {paper}."
    table = "looked up in a table, and of what is not in it " if config.source == "both" else ""
    agreed = ", kept where two wordings of the question agree" if config.agree else ""
    return f"Attributes are {table}what {run.contents.llm} remembers{agreed}; {paper}."


def kept(run: Shown) -> str:
    """Whether rows with an augmentation have it in any case."""
    settings = {"data": run.config.augment, "prompt": run.config.tell}
    validated = [name for name, when in settings.items() if when == "validated"]
    always = [name for name, when in settings.items() if when == "always"]
    told = []
    if always:
        which = listed(always)
        told.append(f"Rows with {which} augmentation have it in any case, as in the paper.")
    if validated:
        which = listed(validated, "or")
        told.append(
            f"Rows with {which} augmentation have it only where their ratings of validation are "
            f"better with it ({RATING_PRIMARY}); the paper's have it always."
        )
    return " ".join(told)


def fields(run: Shown) -> str:
    """Whether a backbone reads all that the data set has."""
    config = run.config.fields
    sides = {"users": config.users, "items": config.items, "context": config.context}
    some = [
        f"of {side} {listed(list(names)) or 'nothing'}"
        for side, names in sides.items()
        if names is not None
    ]
    return f"Backbones read {listed(some)}; the paper's, all features." if some else ""


def utilities(run: Shown) -> str:
    """What aggregation adds up."""
    return "Aggregation adds up the two predicted ratings, as in the paper."


def choices(run: Shown) -> str:
    """What validation chooses by."""
    what = "Epochs, calibration and weights" if run.config.calibrate else "Epochs and weights"
    return (
        f"{what} are chosen on validation by {RATING_PRIMARY}; test, each user's last rating, is "
        "opened once, after that. The paper does not say where it chooses."
    )

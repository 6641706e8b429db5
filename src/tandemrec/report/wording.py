"""What pages and tables say of a run's recipe and task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tandemrec.llm.base import WAYS, WRITTEN
from tandemrec.llm.costs import COST, NAMES
from tandemrec.report.contents import Contents


@dataclass(frozen=True)
class Wording:
    """The sentences that differ."""

    results: str
    "Above the main table."
    less: str
    "What must be known to read a table of methods."
    parts: str
    "Above ablations and controls."
    answers: str
    "Below the counts of answers."
    users: str
    "Above the stories."
    attributes: str
    "Above attributes."
    short: str = ""
    "What the names of ablations are short for."


ATTRIBUTES = (
    "What the language model, or a table, adds to the catalogue (data augmentation). Where nothing "
    'is known, or nothing that can be used, a backbone reads "unknown".'
)
LLAMA4REC = "DA: data augmentation. PA: prompt augmentation. AA: adaptive aggregation."


RANKING = Wording(
    results="Each user's held-out interaction is sought in the whole catalogue. Every user counts, "
    "also those whose item is not among the candidates. Nothing in this run was chosen on these "
    "numbers.",
    less="",
    parts="What each part gives, and orders that need no language model: the list repeated (echo), "
    "shuffled (random), the best there could be (oracle); where prompts quote passages, what "
    "counting in them gives (counting); and Base fitted once more, with the validation "
    "interactions that test prompts tell (refit). A re-ranker that does not beat echo has added "
    "nothing.",
    answers="A rejected list keeps the backbone's order; of a rejected pair or item no backbone "
    "learns.",
    users="From history to final list. The held-out item is marked; α is the language model's "
    "weight for this user; arrows count places against the backbone's list.",
    attributes=ATTRIBUTES,
    short=LLAMA4REC,
)
RATING = Wording(
    results="Every held-out rating is predicted. RMSE is the root of the mean squared error, MAE "
    "the mean error, both over all of them and in the unit of the ratings; less is better. A test "
    "over users takes each user's mean over the ratings that he holds out. Nothing in this run was "
    "chosen on these numbers.",
    less="Less is better; a change of +1 % is an error that is 1 % smaller.",
    parts="What each part gives; the backbone that reads the attributes, without the language "
    "model's ratings (attributes alone); the same pipeline with the mean of the user's last "
    "ratings in the language model's place, as many as validation likes (recent mean); and "
    "predictions that need no model: the mean of all training ratings (mean), and the same with "
    "what the user and the item deviate from it (biases). A predictor that does not beat biases "
    "has not learnt who likes what; a language model that does not beat recent mean has added no "
    "more than how the user rates of late.",
    answers="In the place of a rejected rating stands the backbone's; a rejected attribute is "
    "unknown.",
    users="From rated history to the final rating of the held-out item. α is the language model's "
    "weight for this user; below each prediction, how far it is from what the user gave.",
    attributes=ATTRIBUTES,
    short=LLAMA4REC,
)
DALLREC = Wording(
    results="Each user's held-out interactions are sought in the whole catalogue, less what he met "
    "before. Recall is the share of them that is found, Precision the share of the list that is "
    "theirs. Nothing in this run was chosen on these numbers.",
    less="",
    parts="DALLRec without one strategy at a time, and what needs no language model: as many added "
    "interactions, of the same items, with users who are drawn at random (random users). What does "
    "not beat that has not learnt who likes what.",
    answers="An item without a yes gains no interaction; an attribute or a summary that cannot be "
    "used is left out of the item's text.",
    users="Items and the users who were asked about, in the order in which they were drawn, with "
    "the language model's probability of a yes.",
    attributes="What the language model adds to the items' texts. Where nothing is known, or "
    "nothing that can be used, an item has the mean of the others.",
)


def of(contents: Contents) -> Wording:
    """The wording of a run's recipe and task."""
    if contents.recipe == "dallrec":
        return DALLREC
    return RATING if contents.task == "rating" else RANKING


def account(told: Mapping[str, float]) -> str:
    """How answers came about and what a server used for them; nothing where nothing is known."""
    ways = [f"{way} {told[way]:,.0f}" for way in (*WAYS, WRITTEN) if told.get(way)]
    found = f"How the answers in the store came about: {', '.join(ways)}." if ways else ""
    if not told.get("requests"):
        return found
    used = ", ".join(f"{told[name]:,.0f} {name}" for name in NAMES if told.get(name))
    cost = f"; cost {told[COST]:.4g}" if COST in told else ""
    return f"{found} They took the server {used}{cost}.".strip()

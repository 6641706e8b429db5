"""From the seeds of a DALLRec run to what its report shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tandemrec.augment.drawn import Drawn
from tandemrec.data.interactions import Interactions
from tandemrec.evaluation import compare
from tandemrec.evaluation.cold import is_cold
from tandemrec.evaluation.full import full_places
from tandemrec.evaluation.groups import Shelf, by_popularity
from tandemrec.evaluation.metrics import UserMetrics, of_places
from tandemrec.oneline import listed
from tandemrec.recipes.attributing import left_out
from tandemrec.recipes.augmenting import on_validation, valid_metric
from tandemrec.recipes.dallrec import Material, TaughtSeed, arms_of, learnt_by, reaching
from tandemrec.recipes.measuring import RANDOM, attribute_rows, closing, shared_by_tasks
from tandemrec.recipes.setup import DALLRecSetup
from tandemrec.recipes.telling import learning_curves, tuning_curves
from tandemrec.recipes.users import UserTable
from tandemrec.report.contents import (
    BASE,
    DALLREC,
    DALLREC_PRIMARY,
    AnswerCount,
    Contents,
    Draw,
    DrawStory,
    GroupRow,
    Selection,
)

METRICS = ("Recall", "NDCG", "Precision")
SHOWN = (BASE, DALLREC, RANDOM)
"The rows of groups."
STORIES = 4
FEWEST = 10
"Users below whom nothing is tested in a note."


def contents(
    setup: DALLRecSetup,
    seeds: Sequence[TaughtSeed],
    material: Material,
    *,
    preset: str,
    command: str,
) -> tuple[Contents, UserTable]:
    """Everything that the page, the tables and `scores.json` show, and every user's metrics."""
    found = places(setup, seeds)
    measured = measure(setup, found)
    table, first = UserTable.of(setup.split, [each.seed for each in seeds], measured), seeds[0]
    kinds = {name: arm.kind for name, arm in arms_of(setup).items()}
    how = {"preset": preset, "command": command}
    shared = shared_by_tasks(setup, table, kinds, DALLREC_PRIMARY, SHOWN, **how)
    models = {name: first.trial(name) for name in (BASE, DALLREC)}
    told = Contents(
        **shared,
        recipe="dallrec",
        selection=[row for each in seeds for row in _selection(each)],
        item_groups=_item_groups(setup, found),
        curves=[*learning_curves(models), *tuning_curves(material.tunings)],
        draw_stories=_stories(setup, material),
        attributes=attribute_rows(material.attributes),
        answers=list(_answers(material)),
        notes=[
            *_notes(setup, material, first),
            _epochs(seeds),
            *_on_cold_items(setup, found),
            *closing(setup, table, DALLREC_PRIMARY),
        ],
    )
    return told, table


Places = Mapping[str, Sequence[NDArray[np.int64]]]
"Row -> for each seed the place of every held-out item, 0 beyond the last cut-off, [N]."


def places(setup: DALLRecSetup, seeds: Sequence[TaughtSeed]) -> Places:
    """Where every row puts the test items, among what was not met; what a row was taught counts as
    met by nobody."""
    past, truth, most = setup.split.before_test, setup.split.test, max(setup.config.cut_offs)
    return {
        row: [full_places(each.model(row), past, truth, within=most) for each in seeds]
        for row in arms_of(setup)
    }


def measure(
    setup: DALLRecSetup, found: Places, rows: NDArray[np.bool_] | None = None
) -> dict[str, list[UserMetrics]]:
    """Every row's metrics on test, or on some held-out `rows` of it [N]; one for each seed."""
    truth = setup.split.test
    kept = np.ones(len(truth), bool) if rows is None else rows
    some, ks = truth.rows(kept), setup.config.cut_offs
    return {
        row: [of_places(some, each[kept], ks, METRICS) for each in runs]
        for row, runs in found.items()
    }


def _item_groups(setup: DALLRecSetup, found: Places) -> list[GroupRow]:
    """Held-out items by how often they were met in training, cold ones first; means over seeds."""
    rows = []
    for shelf in shelves(setup):
        measured = measure(setup, found, shelf.of(setup.split.test))
        for row in (name for name in SHOWN if name in measured):
            runs = measured[row]
            means = {name: float(np.mean([r.mean(name) for r in runs])) for name in runs[0].values}
            users = len(runs[0].users)
            rows.append(GroupRow(group=shelf.label, users=users, method=row, metrics=means))
    return rows


def shelves(setup: DALLRecSetup) -> list[Shelf]:
    """The test items that are cold, and the others in quartiles of their popularity."""
    train, most = learnt_by(setup), setup.config.cold
    items = np.unique(setup.split.test.items)
    few = items[train.popularity[items] <= most]
    first = [Shelf(f"0–{most}", few)] if len(few) else []
    return first + by_popularity(train, np.setdiff1d(items, few))


def _on_cold_items(setup: DALLRecSetup, found: Places) -> Iterator[str]:
    """What DALLRec gives for items that hardly anybody met."""
    rows = is_cold(learnt_by(setup), setup.split.test, setup.config.cold)
    most = setup.config.cold
    if not rows.any():
        yield f"No held-out item has at most {most} training interactions."
        return
    measured, metric = measure(setup, found, rows), DALLREC_PRIMARY
    base, ours = (
        float(np.mean([run.mean(metric) for run in measured[row]])) for row in (BASE, DALLREC)
    )
    users = len(measured[BASE][0].users)
    enough = users >= FEWEST
    tested = compare.over_users(measured[DALLREC], measured[BASE], metric) if enough else None
    p = f", p = {tested.p_value:.2g} over users" if tested else ""
    yield (
        f"Cold items, of at most {most} training interactions: {int(rows.sum()):,} held-out "
        f"interactions of {users:,} users; {metric} {base:.4f} of Base, {ours:.4f} of DALLRec{p}."
    )


def _selection(seed: TaughtSeed) -> list[Selection]:
    """How many of the added interactions each row learns, where there was a choice."""
    return [
        Selection(
            what=f"share of added interactions in {row}",
            option=f"{100 * share:g}%",
            metric=valid_metric(model),
            value=on_validation(model),
            chosen=share == seed.share(row),
            seed=seed.seed,
        )
        for row, trials in seed.trials.items()
        if len(trials) > 1
        for share, model in trials.items()
    ]


def _answers(material: Material) -> Iterator[AnswerCount]:
    """What each strategy asked, what it cost, and what could not be used."""
    made: dict[str, Any] = {
        "interactions, on validation (users)": material.threshold,
        "interactions (users)": material.drawn,
        "attributes (items)": material.attributes,
        "summaries (items)": material.summaries,
    }
    for stage, each in made.items():
        if each is not None:
            asked = getattr(each, "asked", None)
            yield AnswerCount(
                stage=stage,
                asked=len(each.users) if asked is None else asked,
                rejected=each.rejected,
                values=getattr(each, "wanted", None),
                tokens=each.tokens,
                once=True,
            )


def _notes(setup: DALLRecSetup, material: Material, first: TaughtSeed) -> Iterator[str]:
    """What a reader of the table must know."""
    if material.drawn is not None:
        yield from _on_interactions(setup, material, first.share(DALLREC))
    left = [str(name) for name in setup.config.strategies if name not in reaching(setup)]
    if setup.reads_content and left:
        yield f"{listed(left).capitalize()} are not asked for: content.modalities leaves them out."
    elif not setup.reads_content:
        left += ["your own arrays"] if setup.content is not None else []
        unused = ", and the embedder is not used" if setup.embedder is not None else ""
        if left:
            yield (
                f"The backbone reads no items' content, so {listed(left)} do not reach it{unused}."
            )
    untuned = [name for name, tuning in material.tunings.items() if tuning is None]
    if untuned:
        yield f"The language model is as it came, not tuned, for {', '.join(untuned)}."
    if material.content is not None and not (material.attributes and material.attributes.kinds):
        yield "No attributes were made."
    if material.attributes is not None:
        yield from left_out(material.attributes)
    if order := setup.split.data.order:
        yield f"{order[0].upper()}{order[1:]}."


def _on_interactions(setup: DALLRecSetup, material: Material, share: float) -> Iterator[str]:
    drawn = material.drawn
    assert drawn is not None
    n = drawn.counts
    yield (
        f"Of {drawn.n_items:,} items {n['both']:,} found a user who will like it and one who will "
        f"not, {n['only yes']:,} only the first, {n['only no']:,} only the second, "
        f"{n['neither'] + n['nobody to ask']:,} neither; at most "
        f"{setup.config.interactions.draws} users were asked about an item. Of the answers "
        f"{drawn.saying_yes:.0%} were yes. DALLRec's backbone learnt "
        f"{_lessons(drawn.most_decided(share), learnt_by(setup))}."
    )
    if (known := material.threshold) is not None:
        low, high = known.interval
        yield (
            f"What the language model knows of likes: on {len(known.users)} held-out interactions, "
            "half of them liked, the liked one of two has the higher probability in "
            f"{known.auc:.0%} (95 % interval {low:.0%} to {high:.0%}; 50 % is a coin's). The "
            f"likelier of yes and no is right in {known.greedy:.0%}; a yes from probability "
            f"{known.value:.2g} on, which was chosen on these, in {known.accuracy:.0%}."
        )
        if drawn.threshold != known.value:
            yield (
                f"The settings take another: a yes is from probability {drawn.threshold:.2g} on."
            )


def _lessons(drawn: Drawn, train: Interactions) -> str:
    """What was taught besides the training interactions."""
    found = drawn.lessons(train)
    added = len(found["augmented"]) - len(train) if "augmented" in found else 0
    told = f"{added:,} added interactions besides {len(train):,}"
    if "between_users" in found:
        told += f", and {len(found['between_users'][0]):,} pairs of users"
    return told


def _epochs(seeds: Sequence[TaughtSeed]) -> str:
    """How long each row's backbones learnt, which alone can part rows that learnt the same."""
    rows = {row: [str(each.trial(row).best_epoch) for each in seeds] for row in seeds[0].trials}
    told = "; ".join(f"{row} {', '.join(epochs)}" for row, epochs in rows.items())
    return f"Best on validation after epochs: {told}."


def _stories(setup: DALLRecSetup, material: Material) -> list[DrawStory]:
    """A few items that were asked about, evenly spaced, so that nobody picks the pretty ones."""
    if material.drawn is None:
        return []
    items = np.unique(material.drawn.items)
    picked = np.unique(np.linspace(0, len(items) - 1, min(STORIES, len(items))).astype(int))
    return [_story(setup, material, int(item)) for item in items[picked]]


def _story(setup: DALLRecSetup, material: Material, item: int) -> DrawStory:
    drawn, catalogue = material.drawn, setup.split.catalogue
    assert drawn is not None
    rows = np.flatnonzero(drawn.items == item)
    return DrawStory(
        item=catalogue.titles[item],
        summary=material.summaries.texts[item] if material.summaries else "",
        draws=[
            Draw(
                user_id=str(catalogue.user_ids[drawn.users[row]]),
                chance=None if np.isnan(drawn.chances[row]) else float(drawn.chances[row]),
                label={1: "yes", -1: "no", 0: "unreadable"}[int(drawn.labels[row])],
            )
            for row in rows
        ],
    )

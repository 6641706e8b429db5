"""What a run found, in one honest sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tandemrec.evaluation.metrics import LOWER, better
from tandemrec.report import tables
from tandemrec.report.contents import BASE, Contents, Test
from tandemrec.report.scoreboard import (
    change,
    contradicted,
    find_test,
    p_users,
    result,
)
from tandemrec.report.tables import LEVEL


@dataclass(frozen=True)
class Finding:
    """The headline of a report."""

    sentence: str
    verdict: Literal["better", "even", "worse", "unknown"]
    context: str = ""
    "What guessing gives, and what the candidates would allow."


def finding(contents: Contents) -> Finding:
    """Whether the whole method beats Base in the primary metric, and how sure that is.

    "better" needs p <= 0.05 over users, and over runs where that was tested too.
    """
    method, metric = _method(contents), contents.primary
    ours, base = (result(contents, name, metric) for name in (method, BASE))
    if ours is None or base is None or method == BASE:
        return Finding("No method was measured against Base.", "unknown", _context(contents))
    numbers = f"{metric} {ours.mean:.4f} against {base.mean:.4f}"
    p = p_users(contents, method, BASE, metric)
    if p is None:
        return Finding(f"{method} has {numbers} of Base; no test was made.", "unknown")
    runs = find_test(contents, method, BASE, metric, "runs")
    return _judge(contents, method, numbers, p, runs, above=better(metric, ours.mean, base.mean))


def _judge(
    contents: Contents, method: str, numbers: str, p: float, runs: Test | None, *, above: bool
) -> Finding:
    gain = change(contents, method, BASE)  # none where Base is 0
    sure = p <= LEVEL and (runs is None or runs.p_value <= LEVEL)
    sure &= not contradicted(contents, method, BASE, contents.primary, above)
    evidence = _evidence(contents, method, p, runs)
    where = f"on {contents.what['name']}" if "name" in contents.what else "on this data"
    context = _context(contents)
    if not sure:
        start = f"{method} does not reliably beat {BASE} {where}"
        told = evidence if gain is None else f"{_more(contents, gain)}, {evidence}"
        return Finding(f"{start}: {numbers} ({told}).", "even", context)
    much = "" if gain is None else f"by {abs(gain):.1f} % "
    how = f"{much}in {numbers.split()[0]} {where}"
    detail = f"{numbers.split(' ', 1)[1]} ({evidence})"
    if above:
        return Finding(f"{method} beats {BASE} {how}: {detail}.", "better", context)
    return Finding(f"{method} is worse than {BASE} {how}: {detail}.", "worse", context)


def _more(contents: Contents, gain: float) -> str:
    """A change as it is seen in the numbers: less, where that is better."""
    if contents.primary not in LOWER:
        return tables.percent(gain).text
    return f"{abs(gain):.1f} % {'less' if gain > 0 else 'more'}"


def _evidence(contents: Contents, method: str, p: float, runs: Test | None) -> str:
    users = find_test(contents, method, BASE, contents.primary, "users")
    pairs = f"{users.n:,} users" if users else "users"
    over = f"{_p(p)} over {pairs}"
    return f"{over}, {_p(runs.p_value)} over {runs.n} runs" if runs else over


def _p(value: float) -> str:
    text = tables.p_value(value).text
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def _method(contents: Contents) -> str:
    """The whole method, or the last main one of a run that has no such row."""
    mains = [row.method for row in contents.rows if row.kind == "main"]
    return contents.full if contents.full in mains else next(reversed(mains), BASE)


def _context(contents: Contents) -> str:
    metric = contents.primary
    if contents.task == "rating":
        return _plain(contents, metric)
    guess, most = (result(contents, name, metric) for name in ("random", "oracle"))
    if guess is None or most is None:
        return ""
    return (
        f"Of the same candidates, a random order reaches {metric} {guess.mean:.4f} "
        f"and a perfect one {most.mean:.4f}."
    )


def _plain(contents: Contents, metric: str) -> str:
    """What a prediction without any model gives."""
    mean, biases = (result(contents, name, metric) for name in ("mean", "biases"))
    if mean is None or biases is None:
        return ""
    return (
        f"Without a model, the mean of all ratings has {metric} {mean.mean:.4f}, the same with "
        f"what user and item deviate from it {biases.mean:.4f}; less is better."
    )

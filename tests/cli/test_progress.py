import io

import pytest
from rich.console import Console
from rich.progress import Progress

from tandemrec.cli import progress
from tandemrec.cli.progress import Lines, clock


def test_lines_tell_rate_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten a second: 100 after ten seconds, so 300 of 400 are left, which is half a minute."""
    now, out = [0.0], io.StringIO()
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    lines = Lines(out)
    lines("asking", 0, 400)
    now[0] = 10.0
    lines("asking", 100, 400, "loss 2")
    assert out.getvalue().splitlines() == [
        "asking: 0 of 400",
        "asking: 100 of 400, 10/s, 0:30 left, loss 2",
    ]


def test_the_next_of_the_same_name_starts_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    now, out = [0.0], io.StringIO()
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    lines = Lines(out)
    for moment, done in ((0, 0), (10, 100), (1000, 0), (1010, 50)):
        now[0] = float(moment)
        lines("asking", done, 100)
    assert out.getvalue().splitlines()[-1] == "asking: 50 of 100, 5/s, 0:10 left"


def test_what_goes_on_behind_the_end_of_the_last_starts_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A round of 11 is done; the next one's first tick is its end, at 12 of 12."""
    now, out = [0.0], io.StringIO()
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    lines = Lines(out)
    for moment, done, total in ((0, 0, 11), (11, 11, 11), (300, 12, 12), (310, 12, 13)):
        now[0] = float(moment)
        lines("asking", done, total)
    assert out.getvalue().splitlines()[1:] == [
        "asking: 11 of 11, 1/s, 0:00 left",
        "asking: 12 of 12",
        "asking: 12 of 13",
    ]


def test_bars_start_anew_too() -> None:
    console = Console(file=io.StringIO(), force_terminal=True)
    with Progress(console=console, auto_refresh=False) as shown:
        bar = progress._Rich(shown)
        for done, total in ((0, 11), (11, 11)):
            bar("asking", done, total)
        begun = shown.tasks[0].start_time
        bar("asking", 12, 12)
        assert shown.tasks[0].start_time > begun and shown.tasks[0].completed == 12


def test_not_every_step_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    now, out = [0.0], io.StringIO()
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    lines = Lines(out, every=5)
    for step in range(101):
        now[0] = 0.1 * step
        lines("fitting", step, 100)
    assert 3 <= out.getvalue().count("\n") <= 4


@pytest.mark.parametrize(("seconds", "shown"), [(75, "1:15"), (5, "0:05"), (3661, "1:01:01")])
def test_clock(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown

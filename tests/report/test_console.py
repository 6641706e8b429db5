"""The table in the terminal."""

import io

from rich.console import Console

from tandemrec import report
from tandemrec.report import Contents


def printed(contents: Contents) -> str:
    text = io.StringIO()
    Console(file=text, width=80, color_system=None).print(report.console_table(contents))
    return text.getvalue()


def test_it_fits_eighty_columns(contents: Contents) -> None:
    text = printed(contents)
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    for words in ("Llama4Rec", "NDCG@5", "*", "± 0.0", "−", "over 5 seeds"):
        assert words in text


def test_names_are_no_markup(single: Contents) -> None:
    rows = [row.model_copy(update={"method": "[red]x"}) for row in single.rows[:1]]
    assert "[red]x" in printed(single.model_copy(update={"rows": rows}))


def test_ratings_fit_too(rating: Contents) -> None:
    text = printed(rating)
    assert max(map(len, text.splitlines())) <= 80
    for words in ("RMSE", "MAE", "Less is better", "+", "†"):
        assert words in text


def test_a_drawn_order_is_told(contents: Contents) -> None:
    assert "Order" not in printed(contents)
    order = {"order": "no times in the data; each user's order is drawn at random, by seed 0"}
    drawn = contents.model_copy(update={"what": contents.what | order})
    text = " ".join(printed(drawn).split())
    assert "Order: no times in the data; each user's order is drawn at random, by seed 0." in text

"""What `--dry-run` prints, of a run or of a paper's table."""

from __future__ import annotations

from tandemrec.cli.display import rows
from tandemrec.recipes.dry_run import Outlook

NO_PRICE = "unknown; prices of a million tokens go into the address: ?price_in=0.15&price_out=0.6"


def tell(found: Outlook, besides: str = "") -> None:
    """Calls, tokens and cost, and how sure they are; `besides`: what is asked for and not in it."""
    rows(_table(found, besides))


def _table(found: Outlook, besides: str) -> list[tuple[str, str]]:
    use, tokens = found.all.usage, "counted" if found.counted else "estimated, 4 letters a token"
    cost = NO_PRICE if found.cost is None else f"{found.cost:,.2f}"
    sure, rest = found.sure, found.guessed
    lines = [
        ("language model", found.llm),
        ("can do", found.way),
        ("questions", f"{found.all.questions:,}"),
        ("requests", f"{use.calls:,}, and retries"),
        ("tokens read", f"{use.tokens_in:,} ({tokens})"),
        ("tokens written", f"{use.tokens_out:,} at most"),
        ("cost", cost),
        ("sure of these", f"{sure.questions:,} questions, {sure.usage.calls:,} requests"),
        ("guessed", f"{rest.questions:,} questions: they hang on answers that are not there yet,"),
        ("", "and were counted with made-up ones"),
        ("note", "the model is tuned first, and then asked all of it" if found.tuned else ""),
        ("not counted", besides),
    ]
    return [line for line in lines if line[1]]

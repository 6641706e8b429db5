"""Items as prompts tell them: a title, and beside it what the catalogue says."""

from __future__ import annotations

import polars as pl

from tandemrec.data.catalogue import Catalogue
from tandemrec.data.codings import lists_of, texts_of
from tandemrec.prompts.titles import column, neutral, readable

GENRES = ("genres", "genre_words", "genre")
"Columns of genres; the first that a catalogue has is told."


def described(catalogue: Catalogue, *, year: bool = False, genres: bool = True) -> list[str]:
    """Every item in one line, [I]: "Heat (1995) (Action, Crime)", "Emma by Jane Austen"."""
    names = _dated(catalogue) if year else readable(catalogue.titles)
    authors = column(catalogue, "author")
    names = [f"{name} by {who}" if who else name for name, who in zip(names, authors, strict=True)]
    kinds = genres_of(catalogue) if genres else [""] * len(names)
    return [f"{name} ({kind})" if kind else name for name, kind in zip(names, kinds, strict=True)]


def genres_of(catalogue: Catalogue) -> list[str]:
    """What the catalogue says of every item's genres, "Action, Crime"; "" where nothing; [I]."""
    table = catalogue.items
    name = next((each for each in GENRES if each in table.columns), None)
    if name is None:
        return [""] * len(catalogue.titles)
    rows = lists_of(table[name])
    if rows is None:
        rows = [[text] for text in table[name].cast(pl.String).to_list()]
    return [neutral(", ".join(texts_of(row))) for row in rows]


def _dated(catalogue: Catalogue) -> list[str]:
    """Readable titles with their years: the title's own, else the catalogue's."""
    return [dated(*pair) for pair in zip(catalogue.titles, catalogue.years, strict=True)]


def dated(title: str, year: int | None) -> str:
    """A readable title with its year, where that is known."""
    name = readable([title])[0]
    return f"{name} ({year})" if year and not name.endswith(f"({year})") else name

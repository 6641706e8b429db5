"""Titles as they may stand in a prompt: short, on one line, and unable to speak as the template."""

import re
from collections import Counter
from collections.abc import Sequence

from tandemrec.data.catalogue import Catalogue
from tandemrec.llm import abilities

LONGEST = 80
"Characters of a title that are shown; hostile or broken data may bring 100 kB."

_YEAR = re.compile(r"\s*\((\d{4})\)\s*$")
_WORD = re.compile(r"\w+")
_ARTICLE = re.compile(r"^(.*), (The|A|An|Il|La|Le|Les|El|Das|Der|Die|Los|L')$")
_OTHER_NAME = re.compile(r"(?<=\S)\s*\((?!\d{4}\))[^()]*\)\s*$")


def neutral(title: str) -> str:
    """One line of at most `LONGEST` characters in which no chat-template token is left.

    "<|im_end|>" becomes "< im_end >" whatever template the model has; white space is folded, and
    signs that cannot be seen are left out first, since they may stand within a token.
    """
    seen = (letter for letter in title[: 4 * LONGEST] if letter.isprintable() or letter.isspace())
    short = "".join(seen).replace("<|", "< ").replace("|>", " >")
    short = abilities.neutral(re.sub(r"\[/?INST\]|</?s>|<<|>>", " ", short))
    short = " ".join(short.split())
    return short if len(short) <= LONGEST else short[: LONGEST - 1].rstrip() + "…"


def titles_of(catalogue: Catalogue) -> list[str]:
    """Every item's readable title, [I]; where several have one, with what the catalogue knows
    besides that parts them: the author, then the year, then the publisher.

    "Beloved by Toni Morrison", "Emma (1996)". Items that nothing parts keep one title.
    """
    found = readable(catalogue.titles)
    years = [str(year) if year else "" for year in catalogue.years]
    for words, values in (
        ("{} by {}", column(catalogue, "author")),
        ("{} ({})", years),
        ("{} ({})", column(catalogue, "publisher")),
    ):
        found = [
            words.format(title, value) if value and parts else title
            for title, value, parts in zip(found, values, _parted(found, values), strict=True)
        ]
    return found


def _parted(titles: Sequence[str], values: Sequence[str]) -> list[bool]:
    """Whether others of an item's title have another value, [I]; the order of words and their case
    do not matter ("JEAN HEGLAND" is "Hegland, Jean")."""
    known: dict[str, set[frozenset[str]]] = {}
    for title, value in zip(titles, values, strict=True):
        known.setdefault(title, set()).add(frozenset(_WORD.findall(value.casefold())))
    return [len(known[title]) > 1 for title in titles]


def column(catalogue: Catalogue, name: str) -> list[str]:
    """A column as short texts; "" where the catalogue does not have it, or nothing in it."""
    return [neutral(text) for text in catalogue.texts(name)]


def readable(titles: Sequence[str]) -> list[str]:
    """Every title as a person would write it; [I] in, [I] out.

    "Usual Suspects, The (1995)" becomes "The Usual Suspects": a year costs more tokens than a name.
    It stays where two items would otherwise read alike, and so does all that parts them.
    """
    safe = [neutral(title) for title in titles]
    found = [_plain(title) for title in safe]
    for longer in (_with_year, lambda _, title: title):
        count = Counter(found)
        found = [
            short if count[short] == 1 else longer(short, title)
            for short, title in zip(found, safe, strict=True)
        ]
    return found


def _plain(title: str) -> str:
    name = _YEAR.sub("", title)
    name = _OTHER_NAME.sub("", name)
    if found := _ARTICLE.match(name):
        name = f"{found[2]} {found[1]}"
    return name.strip() or title


def _with_year(short: str, title: str) -> str:
    found = _YEAR.search(title)
    return f"{short} ({found[1]})" if found else short

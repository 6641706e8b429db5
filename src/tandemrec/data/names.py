"""When two spellings mean the same: of people, of words, of titles."""

from __future__ import annotations

import re
import unicodedata

_ENDINGS = {"jr", "sr", "ii", "iii", "iv"}
_LETTERS = str.maketrans(dict(zip("øØłŁđĐıæÆœŒß", "oOlLdDiaAoOs", strict=True)))
_SAME = {"sci fi": "science fiction", "scifi": "science fiction", "sf": "science fiction"}
_SAME |= {"non fiction": "nonfiction", "ya": "young adult"}
"Words of ours for one genre, folded."


def words(text: str) -> list[str]:
    """The words of a text without case, accents and punctuation: "L'Amélie" gives l, amelie."""
    plain = unicodedata.normalize("NFKD", text.translate(_LETTERS))
    plain = "".join(sign for sign in plain if not unicodedata.combining(sign))
    return re.findall(r"\w+", plain.casefold().replace("_", " "))


def folded(text: str) -> str:
    """A text as it is compared. A comma turns a name round: "Nolan, Christopher"."""
    last, comma, first = text.partition(",")
    turned = f"{first} {last}" if comma and "," not in first else text
    joined = " ".join(words(turned))
    return _SAME.get(joined, joined)


def parted(text: str) -> list[str]:
    """Several values in one text, between bars or semicolons. A comma parts none: it turns a name
    round."""
    return [part.strip() for part in re.split(r"[|;]", text) if part.strip()]


def same_person(one: str, other: str) -> bool:
    """Whether two names may be one person's.

    Case, accents, punctuation, Jr. and the order of the parts do not count. Given names may be
    initials and middle names may be missing: "J.R.R. Tolkien", "John Ronald Reuel Tolkien". Several
    names in one text, as `parted` reads them, are nobody's.
    """
    first, second = _parts(one), _parts(other)
    if len(parted(one)) > 1 or len(parted(other)) > 1:
        return False
    if not first or not second:
        return False
    if sorted(first) == sorted(second) or "".join(first) == "".join(second):
        return True
    if first[-1] != second[-1] or min(len(first), len(second)) < 2:
        return False
    return _begins(first[0], second[0])


def _parts(name: str) -> list[str]:
    parts = [part for part in folded(name).split() if part not in _ENDINGS]
    return parts or folded(name).split()


def _begins(one: str, other: str) -> bool:
    """Equal, or the one the initial of the other."""
    return one == other or (min(len(one), len(other)) == 1 and one[0] == other[0])


def same_text(one: str, other: str) -> bool:
    """Whether two texts, such as genres, say the same."""
    return bool(folded(one)) and folded(one) == folded(other)


_YEAR = re.compile(r"\s*\(((?:1[89]|20)\d\d)\)\s*$")
_ARTICLES = {"the", "a", "an", "il", "la", "le", "les", "el", "das", "der", "die", "los", "l"}
_ASIDE = re.compile(r"\(([^()]*)\)")


def year_of(title: str) -> int | None:
    """The year in parentheses that ends a title."""
    found = _YEAR.search(title)
    return int(found[1]) if found else None


def title_keys(title: str) -> tuple[str, set[str]]:
    """What a title is found by, without its year and its article ("Matrix, The"); and its other
    names, in parentheses: "Seven (Se7en) (1995)" gives seven and {se7en}."""
    bare = _YEAR.sub("", title[:1000])
    main = _title_key(_ASIDE.sub(" ", bare)) or _title_key(title[:1000])
    return main, {_title_key(aside) for aside in _ASIDE.findall(bare)} - {"", main}


def _title_key(part: str) -> str:
    told = words(part.replace("&", " and "))
    if len(told) > 1 and "," in part and told[-1] in _ARTICLES:
        told = told[:-1]
    elif len(told) > 1 and told[0] in _ARTICLES:
        told = told[1:]
    return " ".join(told).removeprefix("aka ")

"""The instruction sets that DALLRec's authors released, read as facts and asked in our words.

Their files are in https://github.com/zzerrrro/DALLRec, folder "fine-tuning data": instructions and
answers as Alpaca JSON, all of the facts in the text of `instruction`.
"""

from __future__ import annotations

import html
import json
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from tandemrec.data.attributes import Kind
from tandemrec.errors import DataError, UnknownName
from tandemrec.oneline import short
from tandemrec.prompts import attributes, interactions, summaries
from tandemrec.prompts.kinds import kinds_of
from tandemrec.prompts.titles import neutral, readable
from tandemrec.tuning.examples import Example

Data = Literal["movielens", "book"]
NOUNS: dict[Data, str] = {"movielens": "movie", "book": "book"}
"What an item of each of their data sets is called."
PARTS = {"interactions": "inter", "attributes": "arr", "summaries": "sum"}
"Their folder of each strategy; there are no summaries of movies."


class Item(NamedTuple):
    """A movie with its genres, or a book with its author."""

    title: str
    author: str = ""
    genres: str = ""


class Rated(NamedTuple):
    """What a row of the first strategy says."""

    liked: list[Item]
    disliked: list[Item]
    item: Item
    likes: bool


class Asked(NamedTuple):
    """What a row of the other two says: an item, and the answer about it."""

    item: Item
    answer: str


def released(source: str | Path, data: Data) -> dict[str, list[Example]]:
    """The sets of "movielens" or "book" by strategy, out of a folder or zip of the repository.

    Movies: 64 interactions, 128 attributes (64 of genres, 64 of director, actor, country and
    language), no summaries. Books: 64 of each. Raises DataError for a source without them, and for
    a row that cannot be read, with file and row.
    """
    if data not in NOUNS:
        raise UnknownName("released data set", data, NOUNS)
    noun, asked = NOUNS[data], _attributes if data == "book" else _movie_attributes
    made: dict[str, _Rendered] = {
        "interactions": _interactions,
        "attributes": asked,
        "summaries": _summaries,
    }
    return {name: make(_rows(Path(source), data, PARTS[name]), noun) for name, make in made.items()}


class Row(NamedTuple):
    """A row of a file, and its place, for errors."""

    instruction: str
    output: str
    file: str
    number: int

    def unread(self, what: str) -> DataError:
        text = short(f"{self.instruction[-100:]} -> {self.output}", 160).rstrip(".")
        return DataError(f"row {self.number} {what}. Found: {text}.", file=self.file)


_Rendered = Callable[[Sequence[Row], str], list[Example]]


def _rows(source: Path, data: str, part: str) -> list[Row]:
    """Every row of a file; none where there is no such file, and another of the data set is."""
    end = f"{data}/{part}/train.json"
    found = [name for name in _names(source) if f"/{name}".endswith(f"/{end}")]
    if len(found) != 1:
        if not found and part == PARTS["summaries"]:
            return []
        raise DataError(
            f"expected one file {end}, found {len(found)}.",
            file=source,
            remedy="Give the zip or the folder of DALLRec's repository.",
        )
    file = f"{source}/{found[0]}"
    try:
        rows = json.loads(_bytes(source, found[0]))
        return [
            Row(_mended(row["instruction"]), _mended(row["output"]), file, number)
            for number, row in enumerate(rows, 1)
        ]
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(
            f"expected a JSON list of instruction and output ({short(repr(error))}).", file=file
        ) from error


def _names(source: Path) -> list[str]:
    if source.is_dir():
        return [path.relative_to(source).as_posix() for path in sorted(source.rglob("train.json"))]
    try:
        with zipfile.ZipFile(source) as archive:
            return archive.namelist()
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(
            f"there is no such folder, and no zip that can be read ({short(error)}).", file=source
        ) from error


def _bytes(source: Path, name: str) -> bytes:
    if source.is_dir():
        return (source / name).read_bytes()
    with zipfile.ZipFile(source) as archive:
        return archive.read(name)


def _mended(text: str) -> str:
    """Without HTML's escapes, and with letters that were read in a wrong coding, once or twice,
    where all of their bytes are there."""
    return re.sub("[\x80-\xff]+", lambda found: _decoded(found[0]), html.unescape(text))


def _decoded(text: str) -> str:
    try:
        again = text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text
    return _decoded(again)


_RATED = re.compile(r"likes:(.*?)(?:user\s*)?dislikes:(.*?)whether\b[^:]*:(.*)\?", re.I | re.S)
_MOVIE = re.compile(r"(?P<title>.+?\(\d{4}\)) \((?P<genres>[^()]+)\)(?:, |$)")
_BOOK = re.compile(
    r"(?P<title>.+?) ?\(\d{1,4}\) written by (?P<author>(?:(?!\(\d+\)).)+?)"
    r"(?:, (?=.*\) written by )|$)"
)


def _interactions(rows: Sequence[Row], noun: str) -> list[Example]:
    read = [_rated(row, _MOVIE if noun == "movie" else _BOOK) for row in rows]
    items = [each for one in read for each in (*one.liked, *one.disliked, one.item)]
    names = dict(zip(items, _told(items), strict=True))
    return [
        Example(
            interactions.like(
                interactions.Facts(
                    noun,
                    [names[item] for item in one.liked],
                    [names[item] for item in one.disliked],
                    names[one.item],
                )
            ),
            interactions.ANSWERS[0 if one.likes else 1],
        )
        for one in read
    ]


def _rated(row: Row, form: re.Pattern[str]) -> Rated:
    found, likes = _RATED.search(row.instruction), interactions.parse(row.output)
    if found is None or likes is None:
        raise row.unread("has no likes, dislikes, item and answer")
    liked, disliked = (list(_items(part.strip(" .,"), form, row)) for part in found.groups()[:2])
    asked = list(_items(_unquoted(found[3].strip()), form, row))
    if len(asked) != 1:
        raise row.unread(f"asks about {len(asked)} items, not one")
    return Rated(liked, disliked, asked[0], likes)


def _unquoted(text: str) -> str:
    """A title may begin with an apostrophe of its own: 'burbs."""
    return text[1:-1] if text[:1] == text[-1:] == "'" else text


def _items(text: str, form: re.Pattern[str], row: Row) -> Iterator[Item]:
    """The items of a list, one behind the other; nothing may be left over."""
    place = 0 if text != "None" else len(text)
    while place < len(text):
        found = form.match(text, place)
        if found is None:
            raise row.unread(f"has an item that cannot be read: {short(text[place:])!r}")
        parts = found.groupdict()
        genres = ", ".join(parts.get("genres", "").split("|"))
        yield Item(parts["title"].strip(), parts.get("author", ""), genres)
        place = found.end()


def _told(items: Sequence[Item]) -> list[str]:
    """Every item on one line, as `prompts.described` tells one of a catalogue."""
    titles = list(dict.fromkeys(item.title for item in items))
    names = dict(zip(titles, readable(titles), strict=True))
    told = []
    for item in items:
        name = (
            f"{names[item.title]} by {neutral(item.author)}" if item.author else names[item.title]
        )
        told.append(f"{name} ({neutral(item.genres)})" if item.genres else name)
    return told


_TITLED = re.compile(r"(?:title(?: and \w+)?|named)\s*:\s*(.+)", re.I | re.S)


def _asked(row: Row, genres: bool = False) -> Asked:
    found = _TITLED.search(row.instruction)
    if found is None:
        raise row.unread("names no title")
    title, comma, known = found[1].rpartition(",") if genres else (found[1], "", "")
    if genres and not comma:
        raise row.unread("has no category behind the title")
    return Asked(Item(title.strip(), "", ", ".join(known.split("|"))), row.output)


def _movie_attributes(rows: Sequence[Row], noun: str) -> list[Example]:
    """Each row is of one of the two questions: its answer says of which."""
    return [
        each
        for row in rows
        for each in _attributes([row], noun, int("director" in row.output.casefold()))
    ]


def _attributes(rows: Sequence[Row], noun: str, place: int = 0) -> list[Example]:
    """Rows of one question: the first about genres, the second about the other facts. Genres of a
    movie come with those that are known already."""
    group = attributes.together(kinds_of(noun, "dallrec"))[place]
    return [_instructed(row, noun, group, noun == "movie" and place == 0) for row in rows]


def _instructed(row: Row, noun: str, group: Sequence[Kind], genres: bool) -> Example:
    item, answer = _asked(row, genres)
    name = attributes.told(item.title)
    read = attributes.parse_instructed(answer, noun, group, name)
    values = {kind: value for kind, value in read.items() if value}
    if len(values) < len(group):
        missing = next(kind.name for kind in group if kind.name not in values)
        raise row.unread(f"does not say the {missing} of its {noun}")
    asked = attributes.instruction(noun, group, name, item.genres)
    return Example(asked, attributes.instructed(group, values))


def _summaries(rows: Sequence[Row], noun: str) -> list[Example]:
    asked = [_asked(row) for row in rows]
    names = _told([each.item for each in asked])
    found = []
    for row, each, name in zip(rows, asked, names, strict=True):
        said = summaries.parse(each.answer, noun, name)
        if not said.text:
            raise row.unread(f"has no summary ({said.rejected})")
        found.append(Example(summaries.summary(noun, name), said.text))
    return found

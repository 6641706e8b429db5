"""Questions about items that a language model may know, each beside the parser of its answer.

Llama4Rec, section III-B3: attributes are asked for with a few worked examples. The wording is ours,
and so are the second one, whose examples are others (so that a model which copies an example cannot
agree with itself), the example of what nobody knows, and the answer "unknown". They are texts that
go on: a small model does as the examples do there, and copies the first of them in a chat. A plain
instruction (DALLRec's second strategy) is for a model that was tuned on such ones.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import takewhile

from tandemrec.data.attributes import Kind, Value
from tandemrec.data.catalogue import Catalogue
from tandemrec.data.names import folded, title_keys, words, year_of
from tandemrec.llm.base import Prompt
from tandemrec.prompts.described import dated
from tandemrec.prompts.titles import neutral, readable

ANSWERS = ("Yes", "No")
"Options of a judgement."

INVENTED = ("The Glass Orchard of Velm", "Seven Quiet Tractors")
"Titles of nothing, an example of what is unknown for each wording."
_CONTROLS = (
    ("Harold's Second Umbrella", 1995, "Ada Quill"),
    ("Night Ferry to Anselm", 1987, "J. P. Orrin"),
    ("The Tin Bishop", 1996, "Tomas Weld"),
    ("Marzipan Road", 1972, "Lena Abbot-Fry"),
    ("A Winter of Small Engines", 1997, "Rufus Kettle"),
    ("Velvet Harbor II", 1994, "Moira Stane"),
    ("Mrs. Pargeter's Blue Lighthouse", 1964, "Gwen Ilkley"),
    ("Cold Tangerine", 1993, "Dov Marsh"),
)
"More of them, to be asked about: what is answered for these is said without knowing anything."


def told(title: str, author: str | None = None, year: int | None = None) -> str:
    """An item as a question names it: readable, with its year, or with its author."""
    if author and author.strip():
        return f"{readable([title])[0]} by {neutral(author)}"
    return dated(title, year or year_of(title))


def items(catalogue: Catalogue) -> list[str]:
    """Every item as a question names it, with its author where the catalogue knows that, else with
    its year; [I]."""
    rows = zip(catalogue.titles, catalogue.texts("author"), catalogue.years, strict=True)
    return [told(*row) for row in rows]


def controls(names: Sequence[str]) -> list[str]:
    """Invented items, told as most of these are: with a year, with an author, or alone."""
    dated = sum(year_of(name) is not None for name in names)
    written = sum(" by " in name for name in names)
    if 2 * dated > len(names):
        return [f"{title} ({year})" for title, year, _ in _CONTROLS]
    if 2 * written > len(names):
        return [f"{title} by {author}" for title, _, author in _CONTROLS]
    return [title for title, *_ in _CONTROLS]


def form(noun: str, kind: Kind, item: str) -> Prompt:
    """The first wording: a list of items, each with what is asked, that goes on."""
    blocks = [
        f"{noun.capitalize()}: {example}\n{_field(kind)}: {answer}\n"
        for example, answer in _examples(kind, item, 0)
    ]
    head = f"{noun.capitalize()}s, each with {kind.about}, or unknown where it is not known.\n"
    last = f"{noun.capitalize()}: {item}\n{_field(kind)}:"
    return Prompt("", "\n".join([head, *blocks, last]), chat=False)


def question(noun: str, kind: Kind, item: str) -> Prompt:
    """The second wording: questions and answers."""
    blocks = [
        f"{_asked(noun, kind, example)}\nAnswer: {answer}\n"
        for example, answer in _examples(kind, item, 1)
    ]
    head = f"A quiz about {noun}s. Who does not know an answer says unknown.\n"
    last = f"{_asked(noun, kind, item)}\nAnswer:"
    return Prompt("", "\n".join([head, *blocks, last]), chat=False)


WORDINGS = (form, question)


MOST_WORDS = 3
"Of a list of words, as many are asked for, and read."


def together(kinds: Sequence[Kind]) -> list[tuple[Kind, ...]]:
    """Kinds that share an instruction: all but lists of words, which have one each (DALLRec asks
    for genres by themselves, and for director, actor, country and language at once)."""
    shared = tuple(kind for kind in kinds if not _is_words(kind))
    alone = ((kind,) for kind in kinds if _is_words(kind))
    return [*alone, *([shared] if shared else [])]


def instruction(noun: str, kinds: Sequence[Kind], item: str, genres: str = "") -> Prompt:
    """A plain instruction without examples; `genres` are those that the catalogue has, which only
    a list of words is told, to go on from them."""
    first, *others = kinds
    lines = [f"{noun.capitalize()}: {item}"]
    if genres and _is_words(first):
        lines += [f"Known so far: {genres}"]
    if others:
        names = ", ".join(f"{kind.name}: ..." for kind in kinds)
        lines += [f"Name {_listed([kind.about for kind in kinds])}, in the form {names}"]
    elif _is_words(first):
        lines += [f"Name {first.about}, separated by commas."]
    else:
        lines += [f"Name {first.about}."]
    return Prompt(f"You know facts about {noun}s. Answer briefly, on one line.", "\n".join(lines))


def instructed(kinds: Sequence[Kind], values: Mapping[str, Value]) -> str:
    """The right answer to an instruction: "Action, Crime", or "director: Michael Mann, actor: Al
    Pacino | Val Kilmer"; unknown for no value."""
    if len(kinds) == 1:
        return ", ".join(values[kinds[0].name]) or "unknown"
    return ", ".join(f"{k.name}: {' | '.join(values[k.name]) or 'unknown'}" for k in kinds)


def _is_words(kind: Kind) -> bool:
    return kind.form == "list" and not kind.person


def _listed(texts: Sequence[str]) -> str:
    return f"{', '.join(texts[:-1])} and {texts[-1]}"


def judgement(noun: str, kind: Kind, item: str, value: Value) -> Prompt:
    """Is this right? Options are `ANSWERS` (Llama4Rec, figure 8: a second model judges)."""
    return Prompt(
        f"You check what is said of {noun}s. Answer Yes or No.",
        f'Is it right that {kind.about} of the {noun} "{item}" is {", ".join(value)}?',
    )


def _field(kind: Kind) -> str:
    return kind.about.removeprefix("the ").capitalize()


def _asked(noun: str, kind: Kind, item: str) -> str:
    return f'Question: {"who" if kind.person else "what"} is {kind.about} of the {noun} "{item}"?'


def _examples(kind: Kind, item: str, wording: int) -> list[tuple[str, str]]:
    """Every other worked example, none of them the item itself; and one that nobody knows."""
    own = title_keys(_title(item))[0]
    mine = list(kind.examples.items())[wording::2]
    kept = [pair for pair in mine if title_keys(_title(pair[0]))[0] != own]
    kept.insert(1 + wording, (INVENTED[wording], "unknown"))
    return kept


def _title(item: str) -> str:
    """A told item without its author."""
    return item.rpartition(" by ")[0] or item


LONGEST, MOST = 40, 6
"A name has at most so many characters, and so many words."
_NOTHING = re.compile(
    r"(?:unknown|uncredited|unspecified|none|n/a|na(?=\W*$)|nobody|no[ -]one|no (?:idea|answer)"
    r"|not (?:sure|known|available|certain|applicable|specified|mentioned|stated|credited)"
    r"|i (?:do not|don.?t|cannot|can.?t) (?:know|tell|say)|i.?m not sure|unsure|various|anonymous"
    r"|to be (?:announced|determined)|tb[ad](?=\W*$))\b",
    re.IGNORECASE,
)
"What a model says where it knows nothing."
_BETWEEN = re.compile(r"\s*[,;|/&]\s*|\s+(?:and|with)\s+")
_CLAUSE = re.compile(r",\s+(?:the|an?|in|of|as|for|on|at|which|where|who)\b.*$", re.IGNORECASE)
"What goes on behind a value: of `English, in the form of a` English is the answer."
_ITEM = re.compile(r"^(?:[-*•+]|\(?\d{1,2}[.)])\s+")
"What an item of a list begins with."
_ARTICLES = {"a", "an", "the"}
_SENTENCE = {"is", "was", "are", "directed", "starring", "think", "sorry", "know", "by"}
_NUMBER = re.compile(
    r"(?:about |approximately |around )?([0-9]{1,3}(?:,?[0-9]{3})?)(?: ?pp?| pages?)?",
    re.IGNORECASE,
)


def parse(answer: str, noun: str, kind: Kind, item: str) -> Value | None:
    """What an answer says: a value, nothing (of "unknown"), or none where it cannot be read.

    Never raises. Only the first line counts, or, of several values, a list of lines; refused are
    long answers, sentences, the title or the question echoed, persons with digits, of one letter or
    with the family name first, and numbers that are none.
    """
    line = _bare(_first(answer[:2000], kind), kind)
    if _NOTHING.match(line):
        return ()
    if kind.form == "number":
        return _whole(line)
    names = [_CLAUSE.sub("", line)]
    if kind.form == "list" or kind.person:
        parts = [_bare(part, kind) for part in _BETWEEN.split(line) if part]
        if kind.person and "," in line and [len(part.split()) for part in parts] == [1, 1]:
            return None  # "Nolan, Christopher"
        names = parts if kind.form == "list" else parts[:1]
    if not names or not all(_is_name(name, noun, kind, item) for name in names):
        return None
    return tuple(dict.fromkeys(names))


def _first(answer: str, kind: Kind) -> str:
    """The first line that says anything; of several values all lines of a list."""
    lines = [line.strip() for line in answer.splitlines() if line.strip()]
    if kind.form == "list" and lines and _ITEM.match(lines[0]):
        listed = takewhile(_ITEM.match, lines)
        return ", ".join(_ITEM.sub("", line) for line in listed)
    return lines[0] if lines else ""


def parse_instructed(
    answer: str, noun: str, kinds: Sequence[Kind], item: str
) -> dict[str, Value | None]:
    """What the answer to an instruction says of each kind, as `parse` reads it; none for a kind
    that a common answer does not name. Never raises."""
    parts = {kinds[0].name: answer} if len(kinds) == 1 else _parts(answer[:2000], kinds)
    found = {
        kind.name: parse(parts[kind.name], noun, kind, item) if kind.name in parts else None
        for kind in kinds
    }
    words = {kind.name for kind in kinds if _is_words(kind)}
    return {k: value[:MOST_WORDS] if value and k in words else value for k, value in found.items()}


def _parts(answer: str, kinds: Sequence[Kind]) -> dict[str, str]:
    """What follows each kind's name and a colon, up to the next name; the first counts."""
    labels = {text.casefold(): kind.name for kind in kinds for text in (kind.name, _field(kind))}
    names = "|".join(re.escape(text) for text in sorted(labels, key=len, reverse=True))
    marks = list(re.finditer(rf"(?<!\w)({names})[*_ ]{{0,4}}:", answer, re.IGNORECASE))
    ends = [mark.start() for mark in marks[1:]] + [len(answer)]
    found: dict[str, str] = {}
    for mark, end in zip(marks, ends, strict=False):  # one end is left where nothing is named
        found.setdefault(labels[mark[1].casefold()], answer[mark.end() : end])
    return found


def _bare(line: str, kind: Kind) -> str:
    """Without the label, the marks of a list, quotes around it, and parentheses behind it."""
    line = neutral(line)
    if kind.form != "number":
        line = _ITEM.sub("", line)
    known = ("answer", kind.name, _field(kind), *kind.also)
    labels = "|".join(re.escape(text) for text in known)
    line = re.sub(rf"^[\W_]*(?:{labels})s?[\W_]*:", "", line, flags=re.IGNORECASE)
    return re.sub(r"(?<=\S)\s*\([^()]*\)?\W*$", "", line).strip(_EDGES)


_EDGES = " *_#\"'`“”‘’«»:;,.-–—?…\t"


def _whole(line: str) -> Value | None:
    found = _NUMBER.fullmatch(line)
    number = int(found[1].replace(",", "")) if found else 0
    return (str(number),) if number else None


def _is_name(name: str, noun: str, kind: Kind, item: str) -> bool:
    said = words(name)
    if not said or len(name) > LONGEST or len(said) > MOST or _SENTENCE & set(said):
        return False
    if set(said) <= _ARTICLES or folded(name.partition(":")[0]) == folded(noun):
        return False  # of "The ..." or "Movie: Heat" nothing is said
    if kind.person and (len("".join(said)) < 2 or any(sign.isdigit() for sign in name)):
        return False  # "Al Pacino, N/A" has the parts N and A
    main, others = title_keys(_title(item))
    asked = {folded(text) for text in (item, noun, kind.name, kind.about, _field(kind))}
    return folded(name) not in asked | others and title_keys(name)[0] != main

"""Which attributes are asked of items, and worked examples of them, which are ours."""

from tandemrec.data.attributes import Kind
from tandemrec.errors import ConfigError

_DIRECTOR = {
    "The Dark Knight (2008)": "Christopher Nolan",
    "Spirited Away (2001)": "Hayao Miyazaki",
    "Inglourious Basterds (2009)": "Quentin Tarantino",
    "Brokeback Mountain (2005)": "Ang Lee",
    "There Will Be Blood (2007)": "Paul Thomas Anderson",
    "Lost in Translation (2003)": "Sofia Coppola",
}
_STAR = {
    "The Dark Knight (2008)": "Christian Bale",
    "Amélie (2001)": "Audrey Tautou",
    "Inception (2010)": "Leonardo DiCaprio",
    "Lost in Translation (2003)": "Bill Murray",
    "There Will Be Blood (2007)": "Daniel Day-Lewis",
    "The Devil Wears Prada (2006)": "Meryl Streep",
}
_GENRE = {
    "The Martian by Andy Weir": "Science Fiction",
    "Gone Girl by Gillian Flynn": "Thriller",
    "Wolf Hall by Hilary Mantel": "Historical Fiction",
    "The Fault in Our Stars by John Green": "Young Adult",
    "Educated by Tara Westover": "Memoir",
    "The Name of the Wind by Patrick Rothfuss": "Fantasy",
}
_PAGES = {
    "The Martian by Andy Weir": "369",
    "Gone Girl by Gillian Flynn": "432",
    "Wolf Hall by Hilary Mantel": "650",
    "The Ocean at the End of the Lane by Neil Gaiman": "178",
    "Educated by Tara Westover": "334",
    "The Name of the Wind by Patrick Rothfuss": "662",
}
_WORDS_OF_MOVIES = {
    "The Dark Knight (2008)": "Action, Crime, Thriller",
    "Spirited Away (2001)": "Animation, Fantasy, Adventure",
    "Parasite (2019)": "Drama, Satire, Suspense",
    "Brokeback Mountain (2005)": "Romance, Western, Tragedy",
    "Interstellar (2014)": "Science Fiction, Space, Epic",
    "Lost in Translation (2003)": "Comedy, Loneliness, Friendship",
}
_WORDS_OF_BOOKS = {
    "The Martian by Andy Weir": "Science Fiction, Survival, Humor",
    "Gone Girl by Gillian Flynn": "Thriller, Mystery, Marriage",
    "Wolf Hall by Hilary Mantel": "Historical Fiction, Politics, Biography",
    "The Fault in Our Stars by John Green": "Young Adult, Romance, Illness",
    "Educated by Tara Westover": "Memoir, Family, Education",
    "The Name of the Wind by Patrick Rothfuss": "Fantasy, Magic, Adventure",
}
_COUNTRY = {
    "The Dark Knight (2008)": "USA",
    "Spirited Away (2001)": "Japan",
    "Amélie (2001)": "France",
    "Parasite (2019)": "South Korea",
    "City of God (2002)": "Brazil",
    "The Lives of Others (2006)": "Germany",
}
_LANGUAGE = {
    "The Dark Knight (2008)": "English",
    "Spirited Away (2001)": "Japanese",
    "Amélie (2001)": "French",
    "Parasite (2019)": "Korean",
    "City of God (2002)": "Portuguese",
    "The Lives of Others (2006)": "German",
}
_STARRING = Kind(
    name="star",
    about="the leading actor",
    form="list",
    person=True,
    also=("actor", "cast", "actress"),
    examples=_STAR,
)
_DIRECTED = Kind(name="director", about="the director", person=True, examples=_DIRECTOR)
LLAMA4REC: dict[str, tuple[Kind, ...]] = {
    "movie": (_DIRECTED, _STARRING),
    "book": (
        Kind(name="genre", about="the main genre", examples=_GENRE),
        Kind(
            name="pages",
            about="the number of pages",
            form="number",
            also=("page count", "num pages", "length"),
            examples=_PAGES,
        ),
    ),
}
"Llama4Rec, section III-B3: what is asked of an item by what it is called."


def _genre_words(examples: dict[str, str]) -> Kind:
    return Kind(
        name="genre_words",  # a catalogue may have genres already
        about="the genre in three words",
        form="list",
        also=("genres", "genre", "category"),
        examples=examples,
    )


DALLREC: dict[str, tuple[Kind, ...]] = {
    "movie": (
        _genre_words(_WORDS_OF_MOVIES),
        _DIRECTED,
        _STARRING.model_copy(update={"name": "actor", "also": ("star", "cast", "actress")}),
        Kind(
            name="country",
            about="the country of production",
            also=("production country",),
            examples=_COUNTRY,
        ),
        Kind(
            name="language",
            about="the original language",
            also=("original language",),
            examples=_LANGUAGE,
        ),
    ),
    "book": (_genre_words(_WORDS_OF_BOOKS),),
}
"DALLRec, its second strategy: of movies also genres, director, actor, country and language."
PAPERS = {"llama4rec": LLAMA4REC, "dallrec": DALLREC}
"By the paper that asks; the worked examples are newer than the data sets."


NAMED: dict[str, Kind] = {
    kind.name: kind
    for asked in (DALLREC["book"], DALLREC["movie"], LLAMA4REC["movie"], LLAMA4REC["book"])
    for kind in asked
}
"By name; of genre_words, which both have, the movies' examples."


def kinds_of(noun: str, paper: str = "llama4rec") -> tuple[Kind, ...]:
    """What a paper asks of such items. Raises ConfigError for items of which nothing is."""
    known = PAPERS[paper]
    if noun not in known:
        raise ConfigError(
            f"Nothing is known to be asked about what is called {noun!r}; there are attributes of "
            f"{' and '.join(known)}. Give your own: attributes.kinds, each with name and about, or "
            'leave them out with attributes.source = "none".'
        )
    return known[noun]

"""The data that DALLRec's authors released: their training and test rows of MovieLens-1M and of
Book-Crossing, joined with what those bring: titles, what is known of users and items, ratings.

Their files are in https://github.com/zzerrrro/DALLRec, folder "Collaborative Filtering model/Data".
A line is a user and his items; `org_id remap_id` lists lead back to the numbers of the source. Test
is the last 20 % of each user's rows in the order of the source's file; the context column "part"
says which row is of which (`split.released`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tandemrec.data import bookcrossing
from tandemrec.data.catalogue import Catalogue, Dataset
from tandemrec.data.frame import Findings
from tandemrec.data.interactions import Interactions
from tandemrec.data.movielens import read_ml_1m
from tandemrec.data.split import PART
from tandemrec.oneline import counted

Files = Mapping[str, bytes]
_FOLDER = "Collaborative Filtering model/Data"
MOVIES, BOOKS = f"{_FOLDER}/movielens/or", f"{_FOLDER}/book/or"
LISTS = ("item_list.txt", "user_list.txt", "train.txt", "test.txt")

DALLREC = {
    f"{MOVIES}/item_list.txt": "c3881af3fd9701630f58084b1d829ed904802ac16bc5c41ee5dd1d2782bf955f",
    f"{MOVIES}/user_list.txt": "85ceaf8bbab6b4822da81a0a71563ce58957ea3840899d242cc4dd58955038a5",
    f"{MOVIES}/train.txt": "a15609d23d3971d71d69d6f29f442d4571fdb49c798cbb990b3ecd00ef5fece8",
    f"{MOVIES}/test.txt": "005fd19e0170d14ecd22521fe87c2699e19354c72ae9a8f55aa8a30ad3ddb9ef",
    f"{BOOKS}/item_list.txt": "4c5e9451613bc316975ac6fc9a4d799e06c763e1c97eec70ebc63595083f565b",
    f"{BOOKS}/user_list.txt": "2785d3d296bf121f6f7cef8b879521feabfd15bdbd60f7a129f87e0b4ead188e",
    f"{BOOKS}/train.txt": "f7a025504f9cffefd4e55e45d0075e4291a56da68c04660d296f112bcb427d1a",
    f"{BOOKS}/test.txt": "1e0c34d2429f5301c5db5bab7eda865dc3688199e4850a49b049d8596e6191f0",
}
"The files of both data sets."

ORDER = "no times in the authors' files; each user's order is that of their rows, training first"

Numbers = NDArray[np.int64]
Ratings = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Released:
    """What the authors' four files of a data set say."""

    user_ids: list[str]  # [U], as in the source
    item_ids: list[str]  # [I], as in the source; of books without leading zeros
    users: Numbers  # [N], all training rows before all test rows
    items: Numbers  # [N]
    places: Numbers  # [N], each row's place among its user's, training first
    n_train: int

    @classmethod
    def of(cls, files: Files, folder: str) -> Released:
        """Read from the files of a folder, whose SHA-256 was checked."""
        items, users, train, test = (files[f"{folder}/{name}"] for name in LISTS)
        first, then = _lines(train), _lines(test)
        places = np.append(_order(first[0]), np.bincount(first[0])[then[0]] + _order(then[0]))
        who, what = np.append(first, then, axis=1)
        return cls(_ids(users), _ids(items), who, what, places, first.shape[1])

    def rows(self, ratings: Ratings) -> Interactions:
        """The interactions, with the part of each."""
        n_test = len(self.users) - self.n_train
        return Interactions.sorted(
            self.users,
            self.items,
            ratings,
            self.places,
            n_users=len(self.user_ids),
            n_items=len(self.item_ids),
            context={PART: np.repeat(["train", "test"], [self.n_train, n_test])},
        )

    def rated(self, users: Numbers, items: Numbers, ratings: Ratings) -> tuple[Ratings, int]:
        """Of ratings [R] of users and items as numbered here, each row's, [N]: 0 where there is
        none; and how many have none. Of a pair that is rated twice, the higher."""
        mine = self.users * len(self.item_ids) + self.items
        codes = np.append(-1, users * len(self.item_ids) + items)  # -1 so that there is one
        known = np.append(np.float32(0), ratings)
        order = np.lexsort((-known, codes))
        place = np.minimum(np.searchsorted(codes[order], mine), len(codes) - 1)
        found = codes[order][place] == mine
        return np.where(found, known[order][place], np.float32(0)), int((~found).sum())

    @property
    def repeats(self) -> int:
        """How many pairs of user and item are there again."""
        return len(self.users) - len(np.unique(self.users * len(self.item_ids) + self.items))


def _ids(content: bytes) -> list[str]:
    """The source's ids of a list, in the order of the authors' numbers."""
    rows = [line.split() for line in content.decode().splitlines()[1:]]
    return [name for name, number in sorted(rows, key=lambda row: int(row[1]))]


def _lines(content: bytes) -> Numbers:
    """The users and the items of lines `user item item ...`, [2, N]."""
    lengths = np.array([len(line.split()) for line in content.splitlines()])
    numbers = np.array(content.split()).astype(np.int64)
    firsts = np.cumsum(lengths) - lengths
    return np.stack([np.repeat(numbers[firsts], lengths - 1), np.delete(numbers, firsts)])


def _order(users: Numbers) -> Numbers:
    """The place of each row in its line, from 0, [N]; a user has one line."""
    changes = np.append(True, users[1:] != users[:-1])
    firsts = np.maximum.accumulate(np.where(changes, np.arange(len(users)), 0))
    return np.arange(len(users)) - firsts


def read_dallrec_movielens(files: Files) -> tuple[Dataset, Findings]:
    """MovieLens-1M, 10-core, from the authors' files and MovieLens' own: 6,040 users, 3,260 films,
    796,389 training and 202,150 test rows, each with its rating."""
    released = Released.of(files, MOVIES)
    whole, findings = read_ml_1m(files)
    users = [whole.catalogue.user(name) for name in released.user_ids]
    items = [whole.catalogue.item(name) for name in released.item_ids]
    ratings, _ = released.rated(*_renumbered(whole.interactions, users, items))
    full = whole.catalogue
    catalogue = Catalogue(
        [full.user_ids[user] for user in users],
        [full.item_ids[item] for item in items],
        [full.titles[item] for item in items],
        full.items[items],
        full.users[users],
    )
    return Dataset("dallrec-movielens", released.rows(ratings), catalogue, "movie", ORDER), findings


def _renumbered(
    rows: Interactions, users: list[int], items: list[int]
) -> tuple[Numbers, Numbers, Ratings]:
    """Users, items and ratings of the rows of these users and items, which become 0, 1, ..."""
    places = np.full(rows.n_users, -1), np.full(rows.n_items, -1)
    for place, chosen in zip(places, (users, items), strict=True):
        place[chosen] = np.arange(len(chosen))
    who, what = places[0][rows.users], places[1][rows.items]
    keep = (who >= 0) & (what >= 0)
    return who[keep], what[keep], rows.ratings[keep]


def read_dallrec_book(files: Files) -> tuple[Dataset, Findings]:
    """Book-Crossing with its zeros, 3-core, from the authors' files and the dump's: 25,500 users,
    70,740 books, 561,969 training and 152,181 test rows.

    The authors' ISBNs have lost their leading zeros, and match without them; so 609 pairs are there
    twice, which stay, since the authors count both. A rating of 0 is met and not rated; where the
    dump has no row for a pair, that is all that is known, and it is 0 too. A book that the dump
    does not describe is called by its id. Each is counted among the findings.
    """
    released = Released.of(files, BOOKS)
    findings = Findings(noun="book", order=ORDER)
    dump = bookcrossing.read_dump(files, findings)
    ratings, unknown = released.rated(*_stars(dump, released))
    described: dict[str, bookcrossing.Row] = {}
    for isbn, row in dump.books.items():
        described.setdefault(isbn.lstrip("0"), row)
    books = [described.get(isbn.lstrip("0")) for isbn in released.item_ids]
    catalogue = Catalogue(
        released.user_ids,
        released.item_ids,
        _titles(books, released.item_ids, findings),
        bookcrossing.features(books),
        bookcrossing.located([dump.people.get(user) for user in released.user_ids]),
    )
    findings.notes += _notes(released.repeats, unknown)
    return Dataset("dallrec-book", released.rows(ratings), catalogue, "book", ORDER), findings


def _stars(dump: bookcrossing.Dump, released: Released) -> tuple[Numbers, Numbers, Ratings]:
    """The dump's stars of the authors' users and books, as these are numbered."""
    users = {name: number for number, name in enumerate(released.user_ids)}
    items = {isbn.lstrip("0"): number for number, isbn in enumerate(released.item_ids)}
    known = [
        (users[user], items[key], stars)
        for (user, isbn), stars in dump.stars.items()
        if user in users and (key := isbn.lstrip("0")) in items
    ]
    who, what, stars = np.array(known, np.int64).reshape(-1, 3).T
    return who, what, stars.astype(np.float32)


def _titles(
    books: Sequence[bookcrossing.Row | None], ids: Sequence[str], findings: Findings
) -> list[str]:
    missing = [isbn for isbn, book in zip(ids, books, strict=True) if book is None]
    findings.untitled = len(missing)
    findings.first_untitled = missing[0] if missing else ""
    return [
        bookcrossing.title(book) if book else f"{findings.noun} {isbn}"
        for isbn, book in zip(ids, books, strict=True)
    ]


def _notes(repeats: int, unknown: int) -> Iterator[str]:
    if repeats:
        yield (
            f"{counted(repeats, 'pair')} of user and book stand there twice, since ISBNs have lost "
            "leading zeros; both rows are kept."
        )
    if unknown:
        yield (
            f"{counted(unknown, 'row')} have no rating in {bookcrossing.RATINGS}; they are 0, met "
            "and not rated."
        )

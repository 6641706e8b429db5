"""The authors' sets, read as facts; their rows here are invented, but for those of their files."""

import json
import os
import re
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tandemrec.errors import DataError, UnknownName
from tandemrec.tuning.released import released

FOLDER = "fine-tuning data"


@pytest.fixture(scope="module")
def authors() -> Path:
    """The zip with the authors' files."""
    file = Path(os.environ.get("TANDEMREC_DATA", "")) / "dallrec" / "dallrec-data.zip"
    if not file.is_file():
        pytest.skip("TANDEMREC_DATA holds no dallrec/dallrec-data.zip")
    return file


def source(folder: Path, **parts: list[tuple[str, str]]) -> Path:
    """Files of books; a part without rows of its own gets one that can be read."""
    plain = {"inter": BOOK, "arr": ("Title: Emma", "Genres: Drama, Love, Satire."), "sum": SUM}
    for part, row in plain.items():
        rows = parts.get(part, [row])
        file = folder / FOLDER / "book" / part / "train.json"
        file.parent.mkdir(parents=True)
        file.write_text(
            json.dumps([{"instruction": a, "input": " ", "output": b} for a, b in rows])
        )
    return folder


BOOK = (
    "x.user likes:Fire, Ice: A Novel (The Series, 2) (2000) written by A. Lee, B &amp; B (0) "
    "written by J. R. Gull.user dislikes: None.Whether the user will like the target book: "
    "Ask Me?(1999) written by BerlÃ\x83Â\xadn Ã\x83Â¡?",
    "No.",
)
SUM = (
    "In two sentences, named: Emma",
    "A rich young woman makes matches in her village. She is wrong about almost everybody.",
)


def test_a_book_row_with_all_its_quirks(tmp_path: Path) -> None:
    (found,) = released(source(tmp_path), "book")["interactions"]
    assert found.answer == "No"
    lines = found.prompt.user.splitlines()
    assert lines[1:3] == ["- Fire, Ice: A Novel by A. Lee", "- B & B by J. R. Gull"]
    assert lines[4] == "None" and lines[5].endswith("the book Ask Me? by Berlín á?")


def test_a_zip_reads_as_its_folder_does(tmp_path: Path) -> None:
    folder = source(tmp_path / "a")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for file in folder.rglob("*.json"):
            archive.write(file, f"DALLRec/{file.relative_to(folder).as_posix()}")
    assert released(tmp_path / "a.zip", "book") == released(folder, "book")


@pytest.mark.parametrize(
    ("part", "row", "says"),
    [
        ("inter", ("x.user likes: A (2000) written by B.", "No."), "row 2 has no likes, dislikes"),
        ("inter", (BOOK[0], "maybe"), "row 2 has no likes, dislikes, item and answer"),
        ("inter", (BOOK[0].replace(" written by J", ""), "No."), "row 2 .*be read: 'Fire, Ice: A"),
        ("inter", (BOOK[0].replace("Ask Me?(1999) written by", ""), "No."), "row 2 has an item"),
        ("arr", ("Emma", "Genres: Drama, Love, Satire."), "row 2 names no title"),
        ("arr", ("Title: Emma", "unknown"), "row 2 does not say the genre_words of its book"),
        ("sum", ("named: Emma", ""), r"row 2 has no summary \(empty\)"),
    ],
)
def test_a_row_that_cannot_be_read_is_named(
    tmp_path: Path, part: str, row: tuple[str, str], says: str
) -> None:
    good = {"inter": BOOK, "arr": ("Title: Emma", "Genres: Drama, Love, Satire."), "sum": SUM}[part]
    with pytest.raises(DataError, match=f"(?s)book/{part}/train.json: {says}"):
        released(source(tmp_path, **{part: [good, row]}), "book")


@pytest.mark.parametrize("content", [b"[1, 2]", b'[{"instruction": "a"}]', b"{", b"\xff"])
def test_a_file_of_another_kind_is_named(tmp_path: Path, content: bytes) -> None:
    file = source(tmp_path) / FOLDER / "book" / "inter" / "train.json"
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"inter/train\.json: expected a JSON list"):
        released(tmp_path, "book")


def test_a_place_without_the_files_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"one file book/inter/train\.json, found 0.*Give the zip"):
        released(tmp_path, "book")
    with pytest.raises(DataError, match="no zip that can be read"):
        released(tmp_path / "none.zip", "book")
    wrong: Any = "boks"
    with pytest.raises(UnknownName, match="Did you mean 'book'"):
        released(source(tmp_path), wrong)


def test_the_authors_files_have_so_many_rows(authors: Path) -> None:
    movies, books = released(authors, "movielens"), released(authors, "book")
    assert {name: len(rows) for name, rows in movies.items()} == {
        "interactions": 64,
        "attributes": 128,
        "summaries": 0,
    }
    assert {name: len(rows) for name, rows in books.items()} == {
        "interactions": 64,
        "attributes": 64,
        "summaries": 64,
    }
    assert Counter(e.answer for e in movies["interactions"]) == {"Yes": 32, "No": 32}
    assert Counter(e.answer for e in books["interactions"]) == {"Yes": 22, "No": 42}
    facts = [e for e in movies["attributes"] if e.answer.startswith("director")]
    assert len(facts) == 64 and all("language: " in e.answer for e in facts)


@pytest.mark.parametrize(
    ("data", "mark"), [("movielens", r" \(\d{4}\) \("), ("book", r"\) written by ")]
)
def test_every_item_of_the_authors_rows_is_told(authors: Path, data: Any, mark: str) -> None:
    with zipfile.ZipFile(authors) as archive:
        file = f"DALLRec/{FOLDER}/{data}/inter/train.json"
        rows = json.loads(archive.read(file))
    wanted = [len(re.findall(mark, row["instruction"])) for row in rows]
    found = [e.prompt.user for e in released(authors, data)["interactions"]]
    assert [text.count("\n- ") + 1 for text in found] == wanted
    assert not any("written by" in text or "|" in text for text in found)


def test_genres_of_movies_are_told_and_completed(authors: Path) -> None:
    first = released(authors, "movielens")["attributes"][4]
    assert first.prompt.user.startswith(
        "Movie: Corrina, Corrina (1994)\nKnown so far: Comedy, Drama\n"
    )
    assert first.answer == "Comedy, Drama, Romance"

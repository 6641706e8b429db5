"""What the cells of a text file hold: numbers and dates, where all that are filled do."""

from __future__ import annotations

import polars as pl

MISSING = ("", "na", "n/a", "nan", "null", "none")
"The words for a missing value, in any case, among numbers and dates; among names they are names."

EXACT = 2.0**53
"The largest whole number up to which float64 holds every one; longer ones stay texts."

_DAY = r"^\d{4}-\d\d-\d\d"


def read(text: pl.Series) -> pl.Series:
    """A column of texts as Int64, Float64, Date or Datetime where all filled cells are such, null
    for the words of MISSING; else as it is."""
    known = text.str.strip_chars()
    known = known.set(known.str.to_lowercase().is_in(MISSING), None)
    if known.null_count() == len(known):
        return text
    found = (numbers(known), dates(known))
    return next((each for each in found if each is not None), text)


def numbers(text: pl.Series) -> pl.Series | None:
    """Whole numbers, else finite ones, where all cells but nulls are; None where they are not."""
    whole = text.cast(pl.Int64, strict=False)
    if whole.null_count() == text.null_count():
        return whole
    parts = text.cast(pl.Float64, strict=False)
    readable = parts.null_count() == text.null_count() and (parts.abs() <= EXACT).all()
    return parts if readable else None


def dates(text: pl.Series) -> pl.Series | None:
    """Days, else times in UTC, where all cells but nulls are in ISO 8601; None where they are
    not."""
    if not text.str.contains(_DAY).all():
        return None
    times = from_iso(text).dt.replace_time_zone(None)
    times = times.set(~times.dt.year().is_between(1, 9999), None)  # Python has no others
    if times.null_count() > text.null_count():
        return None
    return times.dt.date() if text.str.contains(f"{_DAY}$").all() else times


def from_iso(text: pl.Series) -> pl.Series:
    """ISO 8601 as times in UTC; null for what is none."""
    day, clock, zone = rf"({_DAY})", r"[T ](\d\d:\d\d)", r"(?:Z|([+-]\d\d):?(\d\d))$"
    full = text.str.replace(rf"{day}$", "${1}T00:00")
    full = full.str.replace(rf"{day}{clock}($|Z|[+-])", "${1}T${2}:00${3}")
    full = full.str.replace(rf"{day} ", "${1}T").str.replace(r"Z$", "+0000")
    full = full.str.replace(zone, "${1}${2}")
    full = full.str.replace(r"(T[^+-]*)$", "${1}+0000")
    return full.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%z", time_unit="us", strict=False)

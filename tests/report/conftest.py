"""Invented runs, as real ones would give them."""

import pytest

from report.invented import invent
from report.rated import invent_rating
from tandemrec.report.contents import Contents


@pytest.fixture
def contents() -> Contents:
    """Five seeds, everything there."""
    return invent(5)


@pytest.fixture
def single() -> Contents:
    """One seed."""
    return invent(1)


@pytest.fixture
def rating() -> Contents:
    """Two seeds of ratings."""
    return invent_rating(2)

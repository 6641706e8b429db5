import pytest

from tandemrec.oneline import counted, listed, short


def test_counted():
    assert [counted(n, "seed") for n in (0, 1, 5000)] == ["0 seeds", "1 seed", "5,000 seeds"]


def test_listed():
    assert listed([]) == "" and listed(["a"]) == "a" and listed(["a", "b"]) == "a and b"
    assert listed(["a", "b", "c"], "or") == "a, b or c"


def test_short():
    assert short(" Fargo \n (1996)") == "Fargo (1996)"
    assert short("A" * 100_000, 10) == "AAAAAAAAA…"
    assert short("A" * 10, 10) == "A" * 10


@pytest.mark.parametrize("sign", ["\x1b", "\x9b", "\0", "\u202e", "\u2028", "\ud800"])
def test_no_sign_that_a_terminal_obeys(sign):
    assert short(f"Fargo{sign}[31m") == "Fargo [31m"

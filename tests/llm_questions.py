"""What the tests of a local language model ask it."""

from itertools import product

from tandemrec.llm.base import Prompt

HISTORIES = ["Star Wars\nFargo\n", "Heat\nAlien\nToy Story\nHeat\n", "Fargo\n"]
TITLES = ["Alien\n", "Alien Heat\n", "Toy Story\n", "Star\n"]


def prompts() -> list[Prompt]:
    listed = [Prompt(system, text) for system, text in product(["", "Rank."], HISTORIES)]
    return listed + [Prompt("", text, chat=False) for text in HISTORIES]

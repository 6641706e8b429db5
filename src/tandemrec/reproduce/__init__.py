"""A paper's tables made again: its runs, and ours beside what it reports."""

from tandemrec.reproduce.cells import Cell, chosen, made_again
from tandemrec.reproduce.papers import TABLES, PaperTable

__all__ = ["TABLES", "Cell", "PaperTable", "chosen", "made_again"]

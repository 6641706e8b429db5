"""A paper's tables and figures made again: their runs, and ours beside what it reports."""

from tandemrec.reproduce.attributes import files_of
from tandemrec.reproduce.cells import chosen, foretold, made_again
from tandemrec.reproduce.found import Cell
from tandemrec.reproduce.papers import PIECES, piece_of
from tandemrec.reproduce.piece import Piece

__all__ = ["PIECES", "Cell", "Piece", "chosen", "files_of", "foretold", "made_again", "piece_of"]

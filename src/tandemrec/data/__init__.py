"""Interactions, the catalogue behind them, and how they are read and split."""

from tandemrec.data.catalogue import Catalogue, Dataset
from tandemrec.data.diagnosis import Diagnosis, check
from tandemrec.data.frame import from_frames
from tandemrec.data.interactions import Interactions
from tandemrec.data.sources import SOURCES, get, load
from tandemrec.data.split import Split, k_core, leave_last_out, ratio_split, released
from tandemrec.data.tables import read_table

__all__ = [
    "SOURCES",
    "Catalogue",
    "Dataset",
    "Diagnosis",
    "Interactions",
    "Split",
    "check",
    "from_frames",
    "get",
    "k_core",
    "leave_last_out",
    "load",
    "ratio_split",
    "read_table",
    "released",
]

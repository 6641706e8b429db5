"""Wheels of a package index, downloaded by this Python's pip and never installed."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

from tandemrec.progress import Progress, silent

OPTIONS = (
    "--no-deps",
    "--no-cache-dir",
    "--only-binary=:all:",
    "--no-input",
    "--disable-pip-version-check",
    "--quiet",
)


class NoWheel(Exception):
    """Why a wheel cannot be had, in a line."""


def download(requirement: str, folder: Path, size: float, progress: Progress = silent) -> Path:
    """The requirement's wheel in an empty folder; pip's own settings say from which index.

    `size`: how many MB it has, for the time left; what has come is read off the folder. Raises
    NoWheel.
    """
    command = [sys.executable, "-m", "pip", "download", *OPTIONS, "-d", str(folder), requirement]
    stage = f"downloading {requirement}"
    scratch = os.environ | {"TMPDIR": str(folder)}  # where pip puts what has come so far
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=scratch
    ) as pip:
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                complaint = pip.communicate(timeout=0.5)[1].decode(errors="replace")
                break
            progress(stage, min(_megabytes(folder), size), size, "MB")
    wheels = sorted(folder.glob("*.whl"))
    if pip.returncode or not wheels:
        last = (complaint.strip().splitlines() or ["it says nothing"])[-1]
        raise NoWheel(f"pip could not download {requirement}: {last[:200]}.")
    progress(stage, size, size, "MB")
    return wheels[0]


def _megabytes(folder: Path) -> float:
    total = 0
    for file in folder.rglob("*"):
        with contextlib.suppress(OSError):  # pip has just moved it
            total += file.stat().st_size
    return total / 1e6

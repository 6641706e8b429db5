"""Where downloads are kept between runs."""

import os
from pathlib import Path


def cache_folder(given: str | Path | None = None) -> Path:
    """The one given, or $TANDEMREC_CACHE, $XDG_CACHE_HOME/tandemrec, ~/.cache/tandemrec."""
    if own := given or os.environ.get("TANDEMREC_CACHE"):
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "tandemrec"

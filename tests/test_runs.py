import errno
import os
import tempfile
from pathlib import Path

import pytest

from tandemrec.errors import RunError
from tandemrec.runs import Run


def test_a_file_is_no_run_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(RunError, match="is a file; a run needs a folder"):
            Run(path)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc")
@pytest.mark.parametrize("folder", ["/proc/x", "/proc"])
def test_a_place_that_takes_no_files_is_named(folder: str) -> None:
    with pytest.raises(RunError, match=rf"^{folder} cannot be written: .*with --out"):
        Run(folder)


def test_a_full_disk_is_known_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(**_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(RunError, match="No space left on device"):
        Run(tmp_path / "run")


def test_a_run_folder_is_made_and_left_empty(tmp_path: Path) -> None:
    Run(tmp_path / "deep" / "run")
    assert not list((tmp_path / "deep" / "run").iterdir())

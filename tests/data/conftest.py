from pathlib import Path

import pytest


@pytest.fixture
def write(tmp_path):
    """Write a file of text or bytes, and give its path."""

    def written(content: str | bytes, name: str = "my.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return written

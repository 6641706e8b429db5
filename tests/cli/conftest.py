import pytest

from tandemrec.cli import main


@pytest.fixture
def call(capsys):
    """Run the command line; give its exit code, its rows, and its lines for people."""

    def called(*words: str) -> tuple[int, str, list[str]]:
        code = main([str(word) for word in words])
        out, err = capsys.readouterr()
        return code, out, err.splitlines()

    return called

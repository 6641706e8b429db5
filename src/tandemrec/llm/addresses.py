"""Where a server is, which of its models is asked, and how: all of it in one web address."""

from __future__ import annotations

import os
import re
from collections.abc import Container, Mapping
from typing import Literal
from urllib.parse import SplitResult, parse_qsl, urlsplit

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from tandemrec.config import Settings
from tandemrec.errors import LLMError

KEY = "TANDEMREC_LLM_KEY"
"The environment variable that the API key is read from where none is named."
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")
"Capitals only: keys have small letters, and must not be taken for a name and told in an error."
_SECRET = ("key", "token", "secret", "password", "auth", "bearer")
"What is in the name of a setting that somebody means to hold a key."
_EXAMPLE = "http://localhost:8000/v1?concurrency=32#my-model"


class Address(Settings):
    """A server's address, its model (behind #), and settings (behind ?).

    `http://localhost:8000/v1?concurrency=32#my-model`.
    """

    url: str
    """Scheme, host, port and path; without a path, /v1 is taken."""
    model: str = ""
    """The model's name there; empty takes the only one that the server has."""
    tokenizer: str | None = None
    """A model folder or hub id with the model's tokenizer: texts go to the server as tokens."""
    way: Literal["auto", "exact", "top", "constrained", "sampled"] = "auto"
    """How options are scored at best; auto takes the best that the server can."""
    key: str = KEY
    """The name of the environment variable that holds the API key; never the key itself."""
    stored_as: str = ""
    """The name that answers are stored under in place of the address: the same for servers that
    give the same answers."""
    concurrency: PositiveInt = 16
    """Requests at a time."""
    requests_per_minute: PositiveFloat | None = None
    """At most so many."""
    tokens_per_minute: PositiveFloat | None = None
    """At most so many, read and written."""
    attempts: PositiveInt = 8
    """How often one request is sent at most."""
    backoff: PositiveFloat = 0.5
    """Seconds of the first pause after a fault; each further pause is up to twice as long."""
    timeout: PositiveFloat = 120
    """Seconds for one attempt."""
    deadline: PositiveFloat = 600
    """Seconds for one request with all its attempts and pauses."""
    run_deadline: PositiveFloat | None = None
    """Seconds for everything that this process asks the server."""
    price_in: NonNegativeFloat | None = Field(default=None)
    """What a million tokens cost that are read."""
    price_out: NonNegativeFloat | None = Field(default=None)
    """What a million tokens cost that are written."""

    @classmethod
    def parse(cls, text: str) -> Address:
        """The address in a text. Raises LLMError or ConfigError, neither of which shows a key."""
        parts = _parts(text)
        settings = dict(parse_qsl(parts.query, keep_blank_values=True))
        _no_key(settings, cls.model_fields)
        url = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/') or '/v1'}"
        return cls.model_validate({"url": url, "model": parts.fragment, **settings})

    @property
    def root(self) -> str:
        """The address without /v1, below which servers have what OpenAI has not."""
        return self.url.removesuffix("/v1")

    @property
    def secret(self) -> str:
        """The API key, or nothing. Raises LLMError where the variable that is named is not set, or
        holds what no key can be; it does not repeat it."""
        found = os.environ.get(self.key, "").strip()
        if not found and self.key != KEY:
            raise LLMError(f"The environment variable {self.key} is not set. It holds the API key.")
        if not (found.isascii() and found.replace(" ", "-").isprintable()):
            raise LLMError(
                f"The environment variable {self.key} holds letters that no API key has. Set it "
                "again, without quotes or line ends."
            )
        return found

    @property
    def label(self) -> str:
        """For reports: the model, and where it runs."""
        return f"{self.model} at {urlsplit(self.url).netloc}"


def _parts(text: str) -> SplitResult:
    """The parts of an address. Raises LLMError, which repeats nothing that may be a key."""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if not host or parts.scheme not in ("http", "https"):
        start = re.split(r"[?#@]", text)[0]
        raise LLMError(f"This is no address of a server: {start!r}. Such as {_EXAMPLE}.")
    if parts.username or parts.password:
        raise LLMError(f"An address holds no password. Put the API key into ${KEY}.")
    return parts


def _no_key(settings: Mapping[str, str], known: Container[str]) -> None:
    """Refuse what may be a key where only a variable's name belongs, and do not repeat it."""
    unknown = [name.lower() for name in settings if name not in known]
    odd = [name for name in unknown if any(part in name for part in _SECRET)]
    if odd or not _VARIABLE.fullmatch(settings.get("key", KEY)):
        raise LLMError(
            "An API key does not belong into an address: it would stand in logs and reports. Put "
            f"it into the environment variable {KEY}, or name another one with ?key=NAME, in "
            "capitals."
        )

"""Requests to a server, one at a time and without a second attempt: that is `retrying`'s work."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, LifoQueue
from typing import Any, Protocol

from tandemrec.errors import LLMError

MOST_BYTES = 64_000_000
"A longer reply is none to these questions."


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    data: bytes


class Broken(Exception):
    """No whole reply came: why, in a line."""


class Wire(Protocol):
    """How a request gets to a server and a reply back."""

    def exchange(
        self, method: str, url: str, body: Mapping[str, Any] | None, seconds: float
    ) -> Reply:
        """The reply to one request. Raises Broken where none comes whole within the seconds."""

    def close(self) -> None:
        """Let go of connections; those in use break."""


class Http:
    """HTTP by httpx; no redirect is followed, so that a key goes nowhere else.

    Each connection is a client of its own, and one thread's at a time: threads that share httpx's
    pool may close a connection that another has just begun to use, and what that one asked is asked
    again.
    """

    def __init__(self, secret: str, connections: int) -> None:
        self._httpx = httpx = _library()
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        known = {"headers": headers, "verify": httpx.create_ssl_context(), "timeout": None}
        self._clients = [httpx.Client(**known) for _ in range(connections)]
        self._idle = LifoQueue[Any]()  # the last used is open still
        for client in self._clients:
            self._idle.put(client)

    def exchange(
        self, method: str, url: str, body: Mapping[str, Any] | None, seconds: float
    ) -> Reply:
        """See `Wire.exchange`. The seconds are for the whole reply, however slowly it drips."""
        end = time.monotonic() + seconds
        content = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} if content else {}
        with self._client(seconds) as client:
            left = max(end - time.monotonic(), 0.001)  # no socket takes less than none
            try:
                with client.stream(
                    method, url, content=content, headers=headers, timeout=left
                ) as reply:
                    return Reply(reply.status_code, reply.headers, self._read(reply, end))
            except (self._httpx.HTTPError, self._httpx.StreamError, RuntimeError) as error:
                # RuntimeError: the client was closed by another thread.
                raise Broken(f"{type(error).__name__}: {error}".rstrip(": ")) from error

    @contextmanager
    def _client(self, seconds: float) -> Iterator[Any]:
        """A client that nobody else uses meanwhile. Raises Broken where none is free in time."""
        try:
            client = self._idle.get(timeout=seconds)
        except Empty:
            raise Broken(f"all connections were in use, {len(self._clients)}") from None
        try:
            yield client
        finally:
            self._idle.put(client)

    def _read(self, reply: Any, end: float) -> bytes:
        data = bytearray()
        for part in reply.iter_bytes():
            data += part
            if time.monotonic() > end:
                raise Broken("the reply took too long")
            if len(data) > MOST_BYTES:
                raise Broken(f"the reply is longer than {MOST_BYTES:,} bytes")
        return bytes(data)

    def close(self) -> None:
        """See `Wire.close`."""
        for client in self._clients:
            client.close()


def _library() -> Any:
    try:
        import httpx
    except ImportError:
        raise LLMError(
            "A model on a server needs httpx, which is not installed: pip install httpx."
        ) from None
    return httpx

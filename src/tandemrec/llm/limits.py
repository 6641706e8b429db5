"""How fast a server is asked: by its limits, and by whether it answers at all."""

from __future__ import annotations

import threading
import time

LONGEST = 60.0
"Seconds that a breaker stays open at most before it tries again."


class Pace:
    """Spreads requests and tokens evenly over a minute, for all threads together."""

    def __init__(self, requests: float | None, tokens: float | None) -> None:
        self._lock = threading.Lock()
        self._request = 60 / requests if requests else 0.0
        self._token = 60 / tokens if tokens else 0.0
        self._next_request = self._next_token = self._paused = 0.0

    def book(self, tokens: int) -> float:
        """A place for a request of so many tokens: how many seconds from now it is."""
        with self._lock:
            now = time.monotonic()
            start = max(now, self._next_request, self._next_token, self._paused)
            self._next_request = start + self._request
            self._next_token = start + self._token * tokens
            return start - now

    def settle(self, expected: int, used: int) -> None:
        """Put right what `book` was told of a request's tokens."""
        with self._lock:
            self._next_token += self._token * (used - expected)

    def pause(self, seconds: float) -> None:
        """Nobody asks for so long: the server said so."""
        with self._lock:
            self._paused = max(self._paused, time.monotonic() + seconds)

    @property
    def paused(self) -> float:
        """Seconds that are left of a pause."""
        with self._lock:
            return max(0.0, self._paused - time.monotonic())


class Breaker:
    """Stops asking a server that fails again and again; one request then tries whether it is back.

    After `most` faults in succession everybody waits for `rest` seconds, then one is let through;
    if that fails too, the next rest is twice as long.
    """

    def __init__(self, most: int, rest: float) -> None:
        self._lock = threading.Lock()
        self._most, self._first = most, rest
        self._faults, self._rest, self._until, self._trying = 0, rest, 0.0, False

    def delay(self) -> float:
        """Seconds to wait before asking again; 0 for who may ask now."""
        with self._lock:
            if self._faults < self._most:
                return 0.0
            left = self._until - time.monotonic()
            if left <= 0 and not self._trying:
                self._trying = True
                return 0.0
            return max(left, self._first / 10)

    def success(self) -> None:
        """The server answered, whatever it said."""
        with self._lock:
            self._faults, self._rest, self._trying = 0, self._first, False

    def fault(self) -> None:
        """It did not."""
        with self._lock:
            self._faults += 1
            if self._faults < self._most:
                return
            if self._trying:
                self._rest = min(2 * self._rest, LONGEST)
            self._until, self._trying = time.monotonic() + self._rest, False

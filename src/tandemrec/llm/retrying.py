"""The one layer of retries between questions and a server.

What is asked again, and when: 408, 409, 429, 5xx, broken connections and damaged replies, after a
pause drawn between nothing and a doubling bound ("full jitter"; Brooker, "Exponential Backoff and
Jitter", AWS Architecture Blog, 2015) or, where the server names one (Retry-After, RFC 9110, section
10.2.3), after that.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple, TypeVar

from tandemrec.errors import LLMError
from tandemrec.llm.addresses import Address
from tandemrec.llm.costs import Meter, Usage
from tandemrec.llm.http import Broken, Reply, Wire
from tandemrec.llm.limits import Breaker, Pace
from tandemrec.oneline import short

T = TypeVar("T")
RETRIED = (408, 409, 425, 429)
"Statuses below 500 that may be others next time."
PROBING = 4
"Attempts of a request that finds out what the server can."
NOT_ABLE = (500, 501)
"What some servers answer to what they do not know."
LONGEST = 60.0
"Seconds of a pause that we choose ourselves, at most; never longer than a reply may take."


class Call(NamedTuple):
    """A request."""

    url: str
    body: Mapping[str, Any] | None
    tokens: int = 0
    "About how many it costs; for limits of tokens a minute."
    free: bool = False
    "Whether it only asks about the server, and costs nothing."
    probing: bool = False
    "Whether it finds out what the server can: a reply that lacks what was asked for is one."


class Fault(Exception):
    """An attempt failed in a way that another may not. `after`: seconds that the server asks for,
    `silent`: whether it is out of order or not there at all, `status`: of its reply."""

    def __init__(
        self, reason: str, *, after: float | None = None, silent: bool = False, status: int = 0
    ) -> None:
        super().__init__(reason)
        self.after, self.silent, self.status = after, silent, status


class Refused(LLMError):
    """The server understood the request and will not answer it, now or later."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Unanswered(LLMError):
    """All attempts failed, or the time for them was over."""

    def __init__(self, message: str) -> None:
        super().__init__(message, retryable=True)


class Stopped(LLMError):
    """Nothing more is to be asked: a deadline of the whole run, an account without money."""


class Caller:
    """Sends requests to one server for any number of threads, and counts what they cost."""

    def __init__(self, address: Address, wire: Callable[[], Wire], secret: str = "") -> None:
        self.address, self.meter = address, Meter()
        self._wire, self._open, self._secret = wire, None, secret
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._pace = Pace(address.requests_per_minute, address.tokens_per_minute)
        self._breaker = Breaker(10 + 2 * address.concurrency, 4 * address.backoff)
        self._random = random.Random()
        self._begun: float | None = None

    _open: Wire | None

    def ask(self, call: Call, read: Callable[[dict[str, Any]], T]) -> T:
        """What `read` makes of the reply; it raises Fault for a reply that is damaged.

        Raises Refused, Unanswered or Stopped.
        """
        end, fault, pauses = self._end(), Fault("no attempt was made"), 0
        most = min(self.address.attempts, PROBING) if call.probing else self.address.attempts
        for attempt in range(most):
            try:
                self._turn(call, end, fault)
                return self._once(call, read, end, attempt)
            except Fault as error:
                fault = error
            if attempt + 1 < most:
                pauses += self._rest(fault, pauses, end)
        if call.probing and fault.status in NOT_ABLE:
            raise Refused(f"{fault}.", fault.status)
        raise self._given_up(call, fault, f"after {most} attempts")

    def stop(self) -> None:
        """Wake all threads that wait, so that they give up; requests under way may end."""
        self._stop.set()

    def close(self) -> None:
        """The same, and break off requests under way."""
        self.stop()
        with self._lock:
            wire, self._open = self._open, None
        if wire is not None:
            wire.close()

    def resume(self) -> None:
        """Ask again after `stop`."""
        self._stop.clear()

    def _end(self) -> float:
        """When this request's time is over. Raises Stopped where the run's is."""
        now, most = time.monotonic(), self.address.run_deadline
        with self._lock:
            if self._begun is None:
                self._begun = now
            left = float("inf") if most is None else self._begun + most - now
        if left <= 0:
            raise Stopped(
                f"The time for asking {self.address.url} is over (run_deadline={most:g} s). What "
                "was answered is stored: run again to go on.",
                retryable=True,
            )
        return now + min(self.address.deadline, left)

    def _turn(self, call: Call, end: float, fault: Fault) -> None:
        """Wait until this request may be sent."""
        if not call.free:
            self._sleep(self._pace.book(call.tokens), end, call, fault)
        # The breaker is asked last: whom it lets through to try must send.
        while delay := self._pace.paused or self._breaker.delay():
            self._sleep(delay, end, call, fault)

    def _once(self, call: Call, read: Callable[[dict[str, Any]], T], end: float, attempt: int) -> T:
        if not call.free:
            self.meter.add(Usage(calls=1, retries=int(attempt > 0)))
        try:
            reply = self._exchange(call, end)
            self._judge(reply, call)
            found = _json(reply)
        except Fault as error:
            self._breaker.fault() if error.silent else self._breaker.success()
            raise
        except BaseException:
            self._breaker.success()
            raise
        self._breaker.success()
        self._charge(call, found)
        try:
            return _read(found, read)
        except Fault as error:
            if call.probing:
                raise Refused(f"{call.url}: {error}.", 200) from error
            raise

    def _exchange(self, call: Call, end: float) -> Reply:
        with self._lock:
            if self._open is None:
                self._open = self._wire()
            wire = self._open
        left = min(self.address.timeout, end - time.monotonic())
        if left <= 0:
            raise Fault("its time is over", silent=True)  # the breaker must not take it for a reply
        try:
            return wire.exchange("GET" if call.body is None else "POST", call.url, call.body, left)
        except Broken as error:
            raise Fault(str(error), silent=True) from error

    def _judge(self, reply: Reply, call: Call) -> None:
        """Nothing, where the reply is an answer."""
        if reply.status == 200:
            return
        said = self._said(reply)
        text = f"{call.url} answered {reply.status}{f': {said}' if said else ''}"
        if "insufficient_quota" in said or reply.status == 402:
            raise Stopped(f"{text}. The account pays for no more; see to it and run again.")
        if reply.status in RETRIED or reply.status >= 500:
            after, status = retry_after(reply.headers), reply.status
            raise Fault(text, after=after, silent=status >= 500, status=status)
        raise Refused(f"{text}.", reply.status)

    def _said(self, reply: Reply) -> str:
        """A server's own words about an error, without the key that some repeat."""
        text = reply.data.decode(errors="replace")
        try:
            error = json.loads(text).get("error")
            code = f"{error.get('code') or ''} " if isinstance(error, dict) else ""
            text = f"{code}{error['message'] if isinstance(error, dict) else error or text}"
        except (ValueError, AttributeError, KeyError, TypeError):
            pass  # not every server speaks JSON
        clean = text.replace(self._secret, "[key]") if self._secret else text
        return short(clean, 300).rstrip(".")

    def _charge(self, call: Call, reply: dict[str, Any]) -> None:
        if call.free:
            return
        used = Usage.told(reply)
        self.meter.add(used)
        self._pace.settle(call.tokens, used.tokens_in + used.tokens_out)

    def _rest(self, fault: Fault, pauses: int, end: float) -> bool:
        """Pause after a fault; whether of our own choice, which makes the next one longer."""
        if fault.after is not None:
            self._pace.pause(fault.after)  # `_turn` waits, as everybody does
            return False
        most = min(LONGEST, self.address.timeout, self.address.backoff * 2**pauses)
        self._sleep(self._random.uniform(0, most), end, None, fault)
        return True

    def _sleep(self, seconds: float, end: float, call: Call | None, fault: Fault) -> None:
        """Wait, but not beyond the request's time. Raises Unanswered where that is too short."""
        if seconds <= 0 and not self._stop.is_set():
            return
        if time.monotonic() + seconds > end:
            raise self._given_up(call, fault, "and its time is over (deadline)")
        if self._stop.wait(seconds):
            raise Stopped("Another request failed; no more is asked.", retryable=True)

    def _given_up(self, call: Call | None, fault: Fault, when: str) -> Unanswered:
        where = call.url if call else self.address.url
        absent = fault.silent and not fault.status
        remedy = " Does a server run at this address?" if absent else ""
        return Unanswered(
            f"{where} gave no answer {when}: {short(fault, 300).rstrip('.')}.{remedy}"
        )


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks to wait, which it says in seconds or by a date."""
    text = headers.get("retry-after", headers.get("Retry-After", "")).strip()
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())


def _json(reply: Reply) -> dict[str, Any]:
    try:
        found = json.loads(reply.data)
    except ValueError as error:
        raise Fault(f"the reply is no JSON ({error})") from error
    if not isinstance(found, dict):
        raise Fault("the reply is no JSON object")
    return found


def _read(reply: dict[str, Any], read: Callable[[dict[str, Any]], T]) -> T:
    try:
        return read(reply)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise Fault(f"the reply lacks something ({type(error).__name__}: {error})") from error

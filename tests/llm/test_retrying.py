"""The layer of retries: what is asked again, when, how often, and when no more."""

import sys
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial

import pytest

from scripted_server import serving
from tandemrec.errors import LLMError
from tandemrec.llm.addresses import KEY, Address
from tandemrec.llm.costs import Usage
from tandemrec.llm.http import Broken, Http, Reply
from tandemrec.llm.limits import Breaker, Pace
from tandemrec.llm.retrying import Call, Caller, Fault, Refused, Stopped, Unanswered, retry_after

pytest.importorskip("httpx")


def caller(server, **settings) -> Caller:
    quick = {"backoff": 0.01, "concurrency": 2} | settings
    address = Address(url=server.url, model="tiny", **quick)
    return Caller(address, lambda: Http(address.secret, 4), address.secret)


def say(caller: Caller, row: str = "row 1") -> str:
    body = {"model": "tiny", "messages": [{"role": "user", "content": row}]}
    call = Call(f"{caller.address.url}/chat/completions", body)
    return caller.ask(call, lambda reply: reply["choices"][0]["message"]["content"])


def first(*faults: str):
    """These faults, one after the other, and then none."""
    return lambda number, row: faults[number - 1] if number <= len(faults) else ""


EVERY = ("408", "409", "429", "500", "502", "503", "slow", "truncated", "garbage", "disconnect")


@pytest.mark.parametrize("fault", EVERY)
def test_what_may_go_better_is_asked_again(fault):
    with serving({"chat"}, fault=first(fault, fault)) as server:
        asks = caller(server, timeout=1.0 if fault == "slow" else 120.0)
        assert say(asks) == "A"
        assert (asks.meter.total.calls, asks.meter.total.retries) == (3, 2)


@pytest.mark.parametrize("fault", ["400", "404", "413", "422", "307"])
def test_what_stays_as_it_is_is_asked_once(fault):
    with serving({"chat"}, fault=lambda number, row: fault) as server:
        with pytest.raises(Refused, match=rf"/chat/completions answered {fault}: on purpose") as e:
            say(caller(server))
        assert e.value.status == int(fault) and not e.value.retryable
        assert len(server.log) == 1


def test_attempts_are_counted_and_the_last_reason_told():
    with serving({"chat"}, fault=lambda number, row: "503") as server:
        with pytest.raises(Unanswered, match=r"no answer after 3 attempts: .*503: on purpose") as e:
            say(caller(server, attempts=3))
        assert e.value.retryable and len(server.log) == 3


def test_pauses_double_and_are_drawn():
    with serving({"chat"}, fault=lambda number, row: "500") as server:
        begun = time.monotonic()
        with pytest.raises(Unanswered):
            say(caller(server, attempts=6, backoff=0.02))
        assert time.monotonic() - begun < 0.02 * (2**5 - 1) + 1
        gaps = [b - a for a, b in zip(server.times, server.times[1:], strict=False)]
        assert len(set(gaps)) == 5
        assert all(gap < 0.02 * 2**n + 0.3 for n, gap in enumerate(gaps))


def test_a_pause_is_no_longer_than_a_reply_may_take():
    with serving({"chat"}, fault=lambda number, row: "500") as server:
        with pytest.raises(Unanswered):
            say(caller(server, attempts=12, backoff=0.05, timeout=0.2))
        assert server.times[-1] - server.times[0] < 11 * (0.2 + 0.1)  # doubled they are 51 s, drawn


def test_pauses_that_the_server_names_make_ours_no_longer():
    with serving({"chat"}, fault=first(*["429"] * 12, "500")) as server:
        assert say(caller(server, attempts=20)) == "A"
        assert server.times[-1] - server.times[-2] < 0.01 + 0.3  # not 0.01 * 2**12


def test_all_wait_when_one_is_told_to():
    with serving({"chat"}, fault=first("after 1")) as server:
        asks = caller(server)
        one = threading.Thread(target=say, args=(asks, "row 1"))
        one.start()
        while not server.log:
            time.sleep(0.005)
        time.sleep(0.1)
        say(asks, "row 2")
        one.join()
        assert len(server.times) == 3
        assert min(server.times[1:]) - server.times[0] >= 0.95


def test_a_storm_of_429_is_waited_out():
    end = time.monotonic() + 1.0
    storm = lambda number, row: "after 0.25" if time.monotonic() < end else ""  # noqa: E731
    with serving({"chat"}, fault=storm) as server:
        asks = caller(server, attempts=20)
        threads = [threading.Thread(target=say, args=(asks, f"row {n}")) for n in range(8)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        assert [what for _, what in server.log].count("answered") == 8
        assert len(server.log) <= 8 + 8 * 5  # each asks once a pause, not all the time


def test_no_two_threads_use_a_connection_at_a_time(monkeypatch):
    """Threads that shared a pool of httpx's closed what others read from, and on a busy machine one
    request in a hundred was answered twice."""
    httpx = pytest.importorskip("httpx")
    stream, used, shared = httpx.Client.stream, [], []

    @contextmanager
    def watched(client, *words, **more):
        shared.append(client in used)
        used.append(client)
        with stream(client, *words, **more) as reply:
            yield reply
        used.remove(client)

    monkeypatch.setattr(httpx.Client, "stream", watched)
    with serving({"chat"}, slow=0.2) as server:
        asks = caller(server)
        threads = [threading.Thread(target=say, args=(asks, f"row {n}")) for n in range(16)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        assert max(server.paid.values()) == 1 and server.most_at_work == 4
    assert shared == [False] * 16


def test_a_connection_that_does_not_come_free_is_waited_for_no_longer():
    with serving({"chat"}, slow=0.5) as server:
        wire, body = Http("", 1), {"messages": [{"role": "user", "content": "row 1"}]}
        ask = partial(wire.exchange, "POST", f"{server.url}/chat/completions", body)
        thread = threading.Thread(target=ask, args=(5,))
        thread.start()
        while not server.at_work:
            time.sleep(0.01)
        with pytest.raises(Broken, match="all connections were in use, 1"):
            ask(0.1)
        thread.join()
        assert ask(5).status == 200


def test_a_pause_beyond_the_deadline_is_not_waited_for():
    with serving({"chat"}, fault=lambda number, row: "after 3600") as server:
        begun = time.monotonic()
        with pytest.raises(Unanswered, match="its time is over"):
            say(caller(server, deadline=2))
        assert time.monotonic() - begun < 1


def test_retry_after_in_seconds_and_as_a_date():
    assert retry_after({"retry-after": "7"}) == 7
    assert retry_after({"Retry-After": "-1"}) == 0
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    assert 85 < retry_after({"retry-after": later}) <= 90
    assert retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0
    assert retry_after({"retry-after": "soon"}) is None
    assert retry_after({}) is None


def test_a_reply_that_drips_is_given_up():
    with serving({"chat"}, fault=first("drip")) as server:
        begun = time.monotonic()
        assert say(caller(server, timeout=1.0)) == "A"  # the second attempt
        assert 1.0 <= time.monotonic() - begun < 3


def test_a_deadline_for_one_request():
    with serving({"chat"}, fault=lambda number, row: "slow") as server:
        begun = time.monotonic()
        with pytest.raises(Unanswered):
            say(caller(server, deadline=0.7, attempts=50))
        assert time.monotonic() - begun < 2
        assert len(server.log) == 1


def test_a_deadline_for_the_run():
    with serving({"chat"}) as server:
        asks = caller(server, run_deadline=60)
        say(asks)
        asks._begun -= 60
        with pytest.raises(Stopped, match=r"run_deadline=60 s.*run again to go on") as e:
            say(asks)
        assert e.value.retryable


def test_an_account_without_money_stops_at_once():
    with serving({"chat"}, fault=lambda number, row: "402") as server:
        with pytest.raises(Stopped, match="pays for no more"):
            say(caller(server))
        assert len(server.log) == 1


def test_a_server_that_is_down_is_left_alone_and_found_again():
    down = threading.Event()
    down.set()
    with serving({"chat"}, fault=lambda n, row: "503" if down.is_set() else "") as server:
        asks = caller(server, attempts=1000, backoff=0.05, concurrency=1)
        threads = [threading.Thread(target=say, args=(asks, f"row {n}")) for n in range(6)]
        [thread.start() for thread in threads]
        time.sleep(1.5)
        during = len(server.log)
        down.clear()
        [thread.join() for thread in threads]
    # 12 in succession open it, 5 are under way; then one in 0.2 s, 0.4 s, 0.8 s ...
    assert during <= 12 + 5 + 4
    assert [what for _, what in server.log].count("answered") == 6


def test_the_breaker_lets_one_through():
    breaker = Breaker(2, 0.05)
    breaker.fault()
    assert breaker.delay() == 0
    breaker.fault()
    assert 0 < breaker.delay() <= 0.05
    time.sleep(0.06)
    assert breaker.delay() == 0  # the one that tries
    assert breaker.delay() > 0
    breaker.fault()
    assert 0.05 < breaker.delay() <= 0.1
    breaker.success()
    assert breaker.delay() == 0


def test_a_request_that_is_too_late_to_be_sent_closes_no_breaker():
    with serving({"chat"}) as server:
        asks = caller(server)
        while not asks._breaker.delay():
            asks._breaker.fault()
        call = Call(f"{server.url}/chat/completions", {})
        with pytest.raises(Fault, match="its time is over"):
            asks._once(call, lambda reply: reply, time.monotonic() - 1, 0)
        assert asks._breaker.delay() > 0 and not server.bodies


def test_requests_and_tokens_a_minute():
    pace = Pace(600, None)
    assert [round(pace.book(5), 1) for _ in range(4)] == [0.0, 0.1, 0.2, 0.3]
    pace = Pace(None, 6000)
    assert [round(pace.book(100), 1) for _ in range(3)] == [0.0, 1.0, 2.0]
    pace.settle(100, 50)
    assert round(pace.book(1), 1) == 2.5


def test_a_limit_is_kept():
    with serving({"chat"}) as server:
        asks = caller(server, requests_per_minute=1200)
        for _ in range(5):
            say(asks)
        assert server.times[-1] - server.times[0] >= 0.15


def test_tokens_are_counted_from_what_the_server_says():
    with serving({"chat"}, says=lambda row: "four") as server:
        asks = caller(server)
        say(asks, "row 1")
    assert asks.meter.total == Usage(calls=1, tokens_in=len("[user]row 1[assistant]"), tokens_out=4)
    assert asks.meter.total.cost(1e6, 2e6) == 22 + 8
    assert asks.meter.total.cost(None, None) is None
    odd = {"usage": {"prompt_tokens": None, "completion_tokens": -3, "prompt_tokens_details": 7}}
    assert Usage.told(odd) == Usage.told({}) == Usage()
    assert Usage.told({"tokens_evaluated": 3, "tokens_predicted": 1}).tokens_in == 3


def test_the_key_goes_to_the_server_and_into_no_message(monkeypatch):
    monkeypatch.setenv(KEY, "sk-secret")
    with serving({"chat"}) as server:
        asks = caller(server)
        say(asks)
        assert server.headers[0]["Authorization"] == "Bearer sk-secret"
    text = b'{"error": {"message": "wrong key: sk-secret", "code": "bad"}}'
    with pytest.raises(Refused, match=r"bad wrong key: \[key\]") as caught:
        asks._judge(Reply(400, {}, text), Call("http://host", {}))
    assert "sk-secret" not in str(caught.value)


def test_without_the_package_the_error_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(LLMError, match="pip install httpx"):
        Http("", 1)

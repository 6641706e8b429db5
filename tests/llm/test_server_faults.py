"""A scripted server with every kind of fault: rows are answered once, and paid for once."""

import os
import signal
import subprocess
import sys
import time

import pytest

from llm.server_rows import EXACTLY, QUICK, TOPS, ask, rowlog, rows
from scripted_model import chat_text, logprob, shares
from scripted_server import FAULTS, at_random, serving, with_storms
from tandemrec.llm import Prompt
from tandemrec.llm.answers import AnswerStore, Remembering
from tandemrec.llm.base import EXACT, REJECTED, SAMPLED, TOP

pytest.importorskip("httpx")


def expected(prompt: Prompt, option: str) -> float:
    told = [{"role": "system", "content": prompt.system}] * bool(prompt.system)
    return logprob(chat_text([*told, {"role": "user", "content": prompt.user}]), option)


KINDS = {"exact": EXACTLY, "top tokens": TOPS, "sampled and parsed": {"chat"}}
USELESS = {"row 7", "row 70"}


@pytest.mark.parametrize("way", list(KINDS))
def test_a_third_of_faults_costs_nothing_but_retries(way, tmp_path):
    """Replies of several answers come in the wrong order throughout."""
    asked = rows(200)
    says = lambda row: "who knows" if row in USELESS else "B"  # noqa: E731
    with serving(KINDS[way], fault=with_storms(at_random(0.3, 1)), says=says) as server:
        model = ask(server, "concurrency=16")
        remembering = Remembering(model, AnswerStore(tmp_path / "answers.sqlite"))
        choices = remembering.choose(asked, [["A", "B"]] * 200)
    faults = [what for _, what in rowlog(server) if what != "answered"]
    assert set(faults) == set(FAULTS) and len(faults) > 60
    assert {server.paid[prompt.user] for prompt in asked} == {1}
    assert len(rowlog(server)) == 200 + len(faults) == 200 + model.usage.retries
    useless = len(USELESS) if way == SAMPLED else 0
    assert remembering.ways == {way: 200 - useless} | ({REJECTED: useless} if useless else {})
    for prompt, choice in zip(asked, choices, strict=True):
        for option, found in zip("AB", choice.logprobs, strict=True):
            if way == EXACT or (way == TOP and in_top(prompt, option)):
                assert found == pytest.approx(expected(prompt, option), abs=1e-4)


def in_top(prompt: Prompt, option: str) -> bool:
    told = [{"role": "system", "content": prompt.system}, {"role": "user", "content": prompt.user}]
    each = shares(chat_text(told))
    return each[option] >= sorted(each.values())[-20]


CLIENT = """
import sys
from tandemrec.llm import Prompt, llm
from tandemrec.llm.answers import AnswerStore, Remembering

address, file, number = sys.argv[1:]
prompts = [Prompt("Choose.", f"row {n}") for n in range(int(number))]
asking = Remembering(llm(address), AnswerStore(file))
choices = asking.choose(prompts, [["A", "B"]] * len(prompts))
assert all(choice.way == "exact" for choice in choices)
"""


def test_ten_kills_and_a_third_of_faults_pay_for_no_row_twice(tmp_path):
    """A kill loses what was in flight, and nothing else is ever asked again."""
    number, flying = 300, 8
    file = tmp_path / "answers.sqlite"
    fault = with_storms(at_random(0.3, 2))
    with serving(EXACTLY, fault=fault, slow=0.01) as server:
        address = f"{server.url}?{QUICK}&concurrency={flying}#tiny"
        command = [sys.executable, "-c", CLIENT, address, str(file), str(number)]
        for kill in range(1, 11):
            process = subprocess.Popen(command)
            wait_for(lambda goal=25 * kill: len(rowlog(server)) >= goal, process)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            wait_for(lambda: server.at_work == 0)
            lost = answered(server) - len(AnswerStore(file)) // 2
            assert 0 <= lost <= flying * kill
        subprocess.run(command, check=True, timeout=120)
        before = len(rowlog(server))
        subprocess.run(command, check=True, timeout=60)  # all is known now
    assert before == len(rowlog(server))
    faults = before - answered(server)
    assert faults > 0.3 * number
    assert min(server.paid[f"row {n}"] for n in range(number)) == 1
    assert answered(server) == number + lost
    assert before <= number + 10 * flying + faults
    with AnswerStore(file) as store:
        assert len(store) == 2 * number
        assert store.account[EXACT] == number


def answered(server) -> int:
    """How many whole answers about rows went out: those are paid for."""
    return [what for _, what in rowlog(server)].count("answered")


def wait_for(what, process=None):
    end = time.monotonic() + 60
    while not what():
        assert time.monotonic() < end
        assert process is None or process.poll() is None, "the client ended before it was killed"
        time.sleep(0.005)

"""What is asked of a server, accounted for, stored and rejected; and when a run ends."""

import time

import numpy as np
import pytest

from llm.server_rows import QUICK, TOPS, ask, rowlog, rows
from scripted_server import serving
from tandemrec.errors import LLMError
from tandemrec.llm import Prompt, llm
from tandemrec.llm.addresses import KEY
from tandemrec.llm.answers import AnswerStore, Remembering
from tandemrec.llm.base import CONSTRAINED, LLM, REJECTED, SAMPLED, TOP, UNANSWERED, WAYS, WRITTEN

pytest.importorskip("httpx")


def test_it_is_an_llm_by_name(monkeypatch):
    with serving({"chat"}) as server:
        model = llm(f"{server.url}?{QUICK}")
        assert isinstance(model, LLM)
        assert model.abilities.model == "tiny"  # the only one there
        assert llm(f"{server.url}#tiny").name == f"tiny at {server.url[7:-3]}"


def test_the_store_keeps_account_of_ways_requests_tokens_and_cost(tmp_path):
    says = lambda row: "who knows" if row == "row 2" else "B"  # noqa: E731
    fault = lambda number, row: "400" if row == "row 3" else ""  # noqa: E731
    with serving({"chat"}, fault=fault, says=says) as server:
        model = ask(server, "price_in=2&price_out=10&concurrency=2")
        store = AnswerStore(tmp_path / "a.sqlite")
        for _ in range(2):
            one, other = Remembering(model, store), Remembering(model, store)  # as of two stages
            one.choose(rows(5), [["A", "B"]] * 5)
            other.generate(rows(5), max_tokens=3)
    account, used = store.account, model.usage
    assert {way: n for way, n in account.items() if way in (*WAYS, WRITTEN)} == {
        SAMPLED: 3,
        REJECTED: 1,
        UNANSWERED: 4,  # row 3, asked both ways, twice
        WRITTEN: 4,
    }
    assert account["requests"] == used.calls == model.abilities.asked + 10 + 2
    assert account["tokens read"] == used.tokens_in > account["tokens written"] > 0
    assert (
        account["cost"]
        == pytest.approx(model.cost)
        == pytest.approx((2 * used.tokens_in + 10 * used.tokens_out) / 1e6)
    )


def test_a_key_is_in_no_file_fingerprint_or_error(tmp_path, monkeypatch):
    """Even where the server repeats it."""
    fingerprints = set()
    with serving(TOPS) as server:
        server.fault = lambda n, row: "400" if row == "row 1" else "401" if row == "row 9" else ""
        for key in ("sk-secret-1", "sk-secret-2"):
            monkeypatch.setenv(KEY, key)
            server.complaint, model = f"no such key: {key}", ask(server, "concurrency=1")
            with AnswerStore(tmp_path / "answers.sqlite") as store:
                Remembering(model, store).choose(rows(3), [["A", "B"]] * 3)
            with pytest.raises(LLMError, match=r"401: no such key: \[key\]") as caught:
                model.choose(rows(10)[9:], [["A", "B"]])
            fingerprints.add(model.fingerprint)
            told = f"{caught.value!r} {model.address!r} {model.name} {model.usage} {vars(model)}"
            assert "secret" not in told
    assert len(fingerprints) == 1
    assert {header["Authorization"][-8:] for header in server.headers} == {"secret-1", "secret-2"}
    assert all(b"secret" not in file.read_bytes() for file in tmp_path.iterdir())


def test_what_was_spent_before_an_error_is_accounted_for(tmp_path):
    fault = lambda number, row: "401" if row == "row 0" else ""  # noqa: E731
    with serving({"chat"}, fault=fault) as server:
        model, store = ask(server, "concurrency=1"), AnswerStore(tmp_path / "a.sqlite")
        with pytest.raises(LLMError, match="401"):
            Remembering(model, store).choose(rows(1), [["A", "B"]])
    assert store.account["requests"] == model.usage.calls == model.abilities.asked + 1


def test_an_answer_is_stored_before_a_further_row_is_asked(tmp_path):
    store = AnswerStore(tmp_path / "answers.sqlite")
    stored = []

    def fault(number: int, row: str) -> str:
        if row.startswith("row "):
            with AnswerStore(tmp_path / "answers.sqlite") as same:
                stored.append(len(same) // 2)
        return ""

    with serving(TOPS, fault=fault) as server:
        Remembering(ask(server, "concurrency=4"), store).choose(rows(40), [["A", "B"]] * 40)
    assert len(stored) == 40
    assert all(n - 4 <= known for n, known in enumerate(sorted(stored)))


def test_no_more_requests_at_a_time_than_said():
    with serving(TOPS, slow=0.02) as server:
        ask(server, "concurrency=5").choose(rows(40), [["A", "B"]] * 40)
        assert 3 <= server.most_at_work <= 5


def test_an_answer_of_no_use_is_rejected_stored_and_not_asked_again(tmp_path):
    says = lambda row: "who knows" if row in ("row 3", "row 4") else "B."  # noqa: E731
    with serving({"chat"}, says=says) as server:
        remembering = Remembering(ask(server), AnswerStore(tmp_path / "a.sqlite"))
        first = remembering.choose(rows(9), [["A", "B"]] * 9)
        again = remembering.choose(rows(9), [["A", "B"]] * 9)
    assert [choice.way for choice in first].count(REJECTED) == 2
    assert np.isnan(first[3].logprobs).all() and np.isnan(again[4].logprobs).all()
    assert first[0].way == SAMPLED and first[0].logprobs.tolist() == [-20, 0]
    assert len(rowlog(server)) == 9
    assert remembering.ways == {SAMPLED: 14, REJECTED: 4}


def test_a_row_that_is_refused_is_unanswered_and_asked_again_next_time(tmp_path):
    bad = {"row 2"}
    fault = lambda number, row: "400" if row in bad else ""  # noqa: E731
    with serving(TOPS, fault=fault) as server:
        remembering = Remembering(ask(server), AnswerStore(tmp_path / "a.sqlite"))
        first = remembering.choose(rows(6), [["A", "B"]] * 6)
        bad.clear()
        again = remembering.choose(rows(6), [["A", "B"]] * 6)
    assert [choice.way for choice in first] == [TOP, TOP, UNANSWERED, TOP, TOP, TOP]
    assert np.isnan(first[2].logprobs).all() and np.isfinite(again[2].logprobs).all()
    assert len(rowlog(server)) == 7


def test_written_answers_come_by_row_and_unanswered_ones_are_empty(tmp_path):
    fault = lambda number, row: "400" if row == "row 1" else ""  # noqa: E731
    with serving({"chat"}, fault=fault, says=lambda row: f"to {row}") as server:
        remembering = Remembering(ask(server), AnswerStore(tmp_path / "a.sqlite"))
        texts = remembering.generate(rows(4), max_tokens=9)
        assert texts == ["to row 0", "", "to row 2", "to row 3"]
        assert len(remembering.store) == 3
        assert server.bodies[-1]["max_tokens"] == 9 and server.bodies[-1]["temperature"] == 0
        with pytest.raises(LLMError, match="at least one token"):
            ask(server).generate(rows(1), max_tokens=0)


def test_where_no_row_gets_an_answer_the_run_ends(tmp_path):
    fault = lambda number, row: "400" if row.startswith("row ") else ""  # noqa: E731
    with serving(TOPS, fault=fault) as server:
        remembering = Remembering(ask(server, "concurrency=2"), AnswerStore(tmp_path / "a.sqlite"))
        with pytest.raises(LLMError, match=r"14 questions in succession .* on purpose: 400") as e:
            remembering.choose(rows(500), [["A", "B"]] * 500)
        assert e.value.retryable
        assert len(rowlog(server)) <= 16


def test_what_was_answered_before_an_error_is_kept(tmp_path):
    fault = lambda number, row: "401" if row == "row 20" else ""  # noqa: E731
    with serving(TOPS, fault=fault, slow=0.01) as server:
        remembering = Remembering(ask(server, "concurrency=4"), AnswerStore(tmp_path / "a.sqlite"))
        with pytest.raises(LLMError, match="401"):
            remembering.choose(rows(100), [["A", "B"]] * 100)
        paid = sum(server.paid[f"row {n}"] for n in range(100))
        assert 2 * paid == len(remembering.store) and 20 <= paid < 30


def test_options_whose_winner_alone_is_known_are_asked_about_together(tmp_path):
    with serving({"chat", "guided_choice"}) as server:
        model = ask(server)
        assert model.whole and model.abilities.constraint == "guided_choice"
        remembering = Remembering(model, AnswerStore(tmp_path / "a.sqlite"))
        question = [Prompt("", "row 1")]
        (two,) = remembering.choose(question, [["Ab", "Ba"]])
        (three,) = remembering.choose(question, [["Ab", "Ba", "Ca"]])
        again = remembering.choose(question * 2, [["Ab", "Ba"], ["Ab", "Ba", "Ca"]])
    assert two.way == three.way == CONSTRAINED
    assert len(two.logprobs) == 2 and sorted(three.logprobs.tolist()) == [-20, -20, 0]
    np.testing.assert_array_equal(again[0].logprobs, two.logprobs)
    np.testing.assert_array_equal(again[1].logprobs, three.logprobs)
    assert len(rowlog(server)) == 2


def test_its_progress_is_told():
    told = []
    with serving(TOPS) as server:
        model = ask(server, progress=lambda stage, done, total, note="": told.append((done, total)))
        model.choose(rows(20), [["A", "B"]] * 20)
    assert told[-1] == (20, 20) and len(told) > 1


def test_a_caller_that_goes_away_ends_all_requests():
    with serving(TOPS, slow=0.05) as server:
        model = ask(server, "concurrency=4")
        parts = model.choosing(rows(200), [["A", "B"]] * 200)
        next(parts)
        parts.close()
        before = len(rowlog(server))
        time.sleep(0.2)
        assert len(rowlog(server)) - before <= 4
        assert len(model.choose(rows(3), [["A", "B"]] * 3)) == 3  # and it can be asked again

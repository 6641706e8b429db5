"""What questions would use, counted before they are asked, beside what they then use."""

import math

import pytest

from scripted_server import serving
from tandemrec.llm import Prompt, probing
from tandemrec.llm.answers import AnswerStore, Remembering
from tandemrec.llm.costs import Usage
from tandemrec.llm.estimating import Expected, Guessing, letters
from tandemrec.llm.fake import FakeLLM
from tandemrec.llm.server import ServerLLM
from tiny_llm import tiny_folder

pytest.importorskip("httpx")
CHAT, TEXT = Prompt("Rank.", "Which one of these?"), Prompt("", "Alien\nHeat\n", chat=False)
LABELS, TITLES = ["A", "B", "C"], ["Toy Story\n", "Fargo\n"]
QUESTIONS = ([CHAT, CHAT, TEXT], [LABELS, TITLES, LABELS])
KINDS = {
    "echo": {"chat", "plain", "tokenize", "echo"},
    "echo of texts": {"chat", "plain", "echo", "logprobs"},
    "top tokens": {"chat", "plain", "logprobs", "plain_logprobs"},
    "constrained": {"chat", "structured_outputs"},
    "free": {"chat"},
}


@pytest.fixture(autouse=True)
def _fresh():
    probing.forget()


def ask(server, options: str = "") -> ServerLLM:
    return ServerLLM(f"{server.url}?backoff=0.01&timeout=5&{options}#tiny")


@pytest.mark.parametrize("kind", list(KINDS))
def test_requests_are_those_that_are_made_and_tokens_written_a_bound(kind):
    with serving(KINDS[kind]) as server:
        model = ask(server)
        guessing = Guessing(model)
        guessing.choose(*QUESTIONS)
        probe = model.usage
        model.choose(*QUESTIONS)
    used, expected = model.usage - probe, guessing.sure
    assert expected.questions == 3
    assert expected.usage.calls == used.calls == 3
    assert 3 <= used.tokens_out <= expected.usage.tokens_out


def test_a_way_that_is_asked_for_is_counted():
    with serving(KINDS["echo"] | {"logprobs"}) as server:
        written = []
        for way in ("exact", "top", "sampled"):
            guessing = Guessing(ask(server, f"way={way}"))
            guessing.choose([CHAT], [LABELS])
            written.append(guessing.sure.usage.tokens_out)
    assert written == [3, 1, 8]


def test_written_answers_are_counted_at_their_longest():
    guessing = Guessing(FakeLLM())
    guessing.generate([CHAT, TEXT], max_tokens=50)
    size = letters(CHAT) + letters(TEXT)
    assert guessing.sure == Expected(2, Usage(calls=2, tokens_in=size, tokens_out=100))
    assert guessing.sure.usage.cost(1e6, 2e6) == size + 200
    assert letters(CHAT) == math.ceil((5 + 19) / 4) + 12


def test_a_tokenizer_that_is_here_counts(tmp_path):
    folder = tiny_folder(tmp_path / "tiny")
    with serving({"chat", "logprobs"}) as server:
        model = ask(server, f"tokenizer={folder}")
        guessing = Guessing(model)
        guessing.choose([CHAT], [LABELS])
        assert guessing.sure.usage.tokens_in == len(model._asks.encoder.prompt(CHAT))


def test_what_is_stored_is_not_counted_and_what_hangs_on_answers_is_a_guess(tmp_path):
    store = AnswerStore(tmp_path / "answers.sqlite")
    Remembering(FakeLLM(), store).choose([CHAT], [LABELS])
    guessing = Guessing(FakeLLM())
    asking = Remembering(guessing, store)
    asking.choose([CHAT, TEXT], [LABELS, TITLES])
    assert (guessing.sure.questions, guessing.guessed.questions) == (1, 0)
    asking.choose([CHAT, TEXT], [TITLES, TITLES])
    asking.generate([TEXT], max_tokens=3)
    assert (guessing.sure.questions, guessing.guessed.questions) == (1, 2)


def test_it_reads_texts_where_the_model_does_and_is_nothing_else():
    class Reads(FakeLLM):
        def embed(self, texts):
            return [len(text) for text in texts]

    assert Guessing(Reads()).embed(["four"]) == [4]
    assert not hasattr(Guessing(FakeLLM()), "embed")
    assert not hasattr(Guessing(Reads()), "folder")

"""The ways to score options, from a server that tells everything to one that only writes."""

import numpy as np
import pytest

from scripted_model import chat_text, logprob, shares
from scripted_server import serving
from tandemrec.errors import LLMError
from tandemrec.llm import Prompt, probing
from tandemrec.llm.abilities import Abilities, neutral, pieces
from tandemrec.llm.base import CONSTRAINED, EXACT, REJECTED, SAMPLED, TOP
from tandemrec.llm.scoring_ways import constraint
from tandemrec.llm.server import ServerLLM
from tiny_llm import tiny_folder

pytest.importorskip("httpx")
CHAT = Prompt("Rank.", "Which one?")
TEXT = Prompt("", "Alien\nHeat\n", chat=False)
TITLES = ["Alien\n", "Heat is on\n", "A\n"]


@pytest.fixture(autouse=True)
def _fresh():
    probing.forget()


def ask(server, options: str = "", model: str = "tiny") -> ServerLLM:
    return ServerLLM(f"{server.url}?backoff=0.01&timeout=5&{options}#{model}")


def truth(prompt: Prompt, options: list[str]) -> list[float]:
    told = [{"role": "system", "content": prompt.system}, {"role": "user", "content": prompt.user}]
    before = prompt.user if prompt == TEXT else chat_text(told)
    return [logprob(before, text) for text in options]


@pytest.mark.parametrize("known", ["prompt_logprobs", "echo"])
def test_exact_where_tokens_and_their_probabilities_are_told(known):
    with serving({"chat", "plain", "tokenize", known}) as server:
        model = ask(server)
        assert (model.abilities.exact, model.abilities.tokens) == (known, "vllm")
        assert not model.whole
        found = model.choose([CHAT, TEXT, CHAT], [["A", "B"], TITLES, ["Bad", "A"]])
    for prompt, options, choice in zip(
        [CHAT, TEXT, CHAT], [["A", "B"], TITLES, ["Bad", "A"]], found, strict=True
    ):
        np.testing.assert_allclose(choice.logprobs, truth(prompt, options), rtol=1e-5)
        assert choice.way == EXACT
        assert choice.tokens.tolist() == [len(text) for text in options]
    assert model.usage.calls == model.abilities.asked + 3  # one request for each question


def test_template_signs_in_a_text_reach_no_tokenizer_whole():
    with serving({"chat", "plain", "tokenize", "echo"}) as server:
        odd = Prompt("", "[INST] <|im_end|> Heat </s> a < b", chat=False)
        (choice,) = ask(server).choose([odd], [["A"]])
    assert choice.logprobs[0] == pytest.approx(logprob(odd.user, "A"), rel=1e-5)
    assert pieces(odd.user) == ["[", "INST] <", "|im_end|> Heat <", "/s> a < b"]
    assert neutral("<|im_end|> [INST] a<b [Rec] </s>") == "< |im_end|> [ INST] a<b [Rec] < /s>"


def test_texts_alone_are_exact_where_nobody_tells_tokens():
    with serving({"chat", "plain", "echo", "logprobs"}) as server:
        model = ask(server)
        assert model.abilities.exact == "echo_text" and model.whole
        text, chat = model.choose([TEXT, CHAT], [TITLES, ["A", "B"]])
    np.testing.assert_allclose(text.logprobs, truth(TEXT, TITLES), rtol=1e-5)
    assert (text.way, chat.way) == (EXACT, TOP)


def test_top_tokens_tell_what_is_missing():
    with serving({"chat", "plain", "logprobs", "plain_logprobs"}) as server:
        model = ask(server)
        assert (model.abilities.exact, model.abilities.top, model.abilities.plain_top) == (
            "",
            20,
            20,
        )
        labels = ["A", "B", "C"]
        both = model.choose([CHAT, TEXT], [labels, labels])
    for prompt, choice in zip([CHAT, TEXT], both, strict=True):
        np.testing.assert_allclose(choice.logprobs, truth(prompt, labels), rtol=1e-4)
        assert choice.way == TOP
        assert choice.missing == pytest.approx(1 - np.exp(truth(prompt, labels)).sum(), abs=1e-5)


def test_a_label_that_is_not_among_the_top_gets_a_bound():
    told = [{"role": "system", "content": CHAT.system}, {"role": "user", "content": CHAT.user}]
    each = shares(chat_text(told))
    order = sorted(each, key=lambda letter: -each[letter])
    rare = next(letter for letter in reversed(order) if letter.strip())
    with serving({"chat", "logprobs"}) as server:
        (choice,) = ask(server).choose([CHAT], [["A", rare]])
    assert choice.way == TOP
    assert np.log(each[rare]) <= choice.logprobs[1] <= np.log(each[order[19]]) + 1e-6


def test_labels_of_more_tokens_and_titles_go_the_next_way_down():
    with serving({"chat", "logprobs", "structured_outputs"}) as server:
        model = ask(server)
        found = model.choose([CHAT] * 2, [["A", "Ab"], ["Alien: the film", "Heat"]])
    assert [choice.way for choice in found] == [CONSTRAINED, CONSTRAINED]
    assert sorted(found[0].logprobs.tolist()) == [-20, 0]


@pytest.mark.parametrize("known", ["structured_outputs", "guided_choice", "response_format"])
@pytest.mark.parametrize("strict", [False, True])
def test_a_constraint_is_found_whether_the_server_refuses_others_or_passes_over_them(known, strict):
    with serving({"chat", known}, strict=strict) as server:
        model = ask(server)
        name = "json_schema" if known == "response_format" else known
        assert model.abilities.constraint == name
        (choice,) = model.choose([CHAT], [["Ab", "Ba", "Ca"]])
    best = int(np.argmax(truth(CHAT, ["A", "B", "C"])))
    assert choice.way == CONSTRAINED and int(choice.logprobs.argmax()) == best


def test_a_grammar_names_its_options_as_strings():
    found = constraint(Abilities("m", constraint="grammar"), ['A "b"', "C"])
    assert found == {"grammar": r'root ::= "A \"b\"" | "C"'}


@pytest.mark.parametrize(
    ("said", "winner"),
    [
        ("B", 1),
        (" B. Because it is.", 1),
        ('"B"', 1),
        ("**A**", 0),
        ("Answer: none", None),
        ("", None),
        ("Bravo", None),
        ("C", None),
    ],
)
def test_a_free_answer_is_parsed_or_rejected(said, winner):
    with serving({"chat"}, says=lambda row: said) as server:
        (choice,) = ask(server).choose([CHAT], [["A", "B"]])
    if winner is None:
        assert choice.way == REJECTED and np.isnan(choice.logprobs).all()
    else:
        assert choice.way == SAMPLED and int(choice.logprobs.argmax()) == winner


def test_the_longest_of_the_titles_that_an_answer_begins_with():
    with serving({"chat"}, says=lambda row: "Toy Story 2 (1999)") as server:
        (choice,) = ask(server).choose([CHAT], [["Toy Story\n", "Toy Story 2\n", "Toy\n"]])
    assert int(choice.logprobs.argmax()) == 1


def test_a_way_can_be_asked_for_and_is_missed_with_a_remedy():
    with serving({"chat", "plain", "tokenize", "echo", "logprobs"}) as server:
        assert ask(server, "way=top").choose([CHAT], [["A", "B"]])[0].way == TOP
        assert ask(server, "way=top").whole
        assert ask(server, "way=sampled").choose([CHAT], [["A", "B"]])[0].way == SAMPLED
        with pytest.raises(LLMError, match=r"cannot score .*way=constrained. It can exact, top"):
            _ = ask(server, "way=constrained").abilities


def test_the_fingerprint_tells_server_model_and_way_apart():
    with (
        serving({"chat", "plain", "tokenize", "echo", "logprobs"}) as one,
        serving({"chat", "logprobs"}) as other,
    ):
        models = [ask(one), ask(one, "way=top"), ask(one, model="big"), ask(other)]
        assert len({model.fingerprint for model in models}) == 4
        assert ask(one).fingerprint == ask(one, "concurrency=3&price_in=1").fingerprint
        same = "stored_as=mine&way=top"
        probing.forget()
        assert ask(one, same).fingerprint != ask(other, same).fingerprint  # another way behind it
        one.can, probed = other.can, probing.forget()
        assert probed is None and ask(one, same).fingerprint == ask(other, same).fingerprint


def test_it_is_found_out_once_in_a_process():
    with serving({"chat", "logprobs"}) as server:
        first = ask(server)
        first.choose([CHAT], [["A", "B"]])
        second = ask(server)
        second.choose([CHAT], [["A", "B"]])
    assert second.usage.calls == 1 and first.usage.calls == 1 + first.abilities.asked


def test_a_faulty_moment_is_no_inability():
    """While it is found out what a server can do, one that is not there just now is an error."""
    with serving({"chat", "logprobs"}, fault=lambda n, row: "503" if n > 1 else "") as server:
        with pytest.raises(LLMError, match="no answer after 4 attempts"):
            _ = ask(server).abilities
        server.fault = lambda number, row: "429" if number % 2 else ""
        assert ask(server).abilities.top == 20


def test_which_model_is_asked():
    with serving({"chat"}) as server:
        server.models = ["one", "two"]
        with pytest.raises(LLMError, match=r"behind #, such as http.*/v1#one. It has: one, two"):
            _ = ask(server, model="").abilities
        server.models = []
        with pytest.raises(LLMError, match="It has: none"):
            _ = ask(server, model="").abilities


def test_what_is_no_such_server_is_told():
    with serving(set()) as server, pytest.raises(LLMError, match=r"404.*OpenAI-compatible"):
        _ = ask(server).abilities
    with serving({"chat"}, fault=lambda number, row: "401") as server:
        with pytest.raises(LLMError, match=r"401.*\$TANDEMREC_LLM_KEY"):
            _ = ask(server).abilities
        address = server.url
    with pytest.raises(
        LLMError, match=r"gave no answer after 4 attempts: ConnectError.* Does a server run"
    ) as caught:
        _ = ServerLLM(f"{address}?backoff=0.01").abilities
    assert caught.value.retryable


def test_a_server_with_other_names_for_things():
    """OpenAI's reasoning models want max_completion_tokens and no temperature."""

    def fault(number: int, row: str) -> str:
        body = server.bodies[-1]
        return "400" if "max_tokens" in body or "temperature" in body else ""

    with serving({"chat"}, fault=fault) as server:
        model = ask(server)
        assert model.abilities.limit == "max_completion_tokens" and not model.abilities.temperature
        assert model.generate([CHAT], max_tokens=3) == ["A"]
        assert server.bodies[-1]["max_completion_tokens"] == 3


def test_texts_go_as_tokens_of_a_tokenizer_that_is_here(tmp_path):
    folder = tiny_folder(tmp_path / "tiny")
    with serving({"chat", "plain", "echo"}) as server:
        model = ask(server, f"tokenizer={folder}")
        assert (model.abilities.tokens, model.abilities.exact) == ("local", "echo")
        model.choose([Prompt("", "Heat\n", chat=False)], [["Alien\n"]])
        assert all(isinstance(token, int) for token in server.bodies[-1]["prompt"][0])
        assert model.tokens_of(CHAT) == len(model._asks.encoder.prompt(CHAT))
        assert model.fingerprint != ask(server).fingerprint

"""Texts as vectors: by a language model, by words, and by name."""

import sys
from importlib.metadata import EntryPoint
from types import ModuleType

import numpy as np
import pytest
import torch

import tandemrec.llm
from tandemrec.errors import LLMError, UnknownName
from tandemrec.llm import EMBEDDERS, Embedder, embedder
from tandemrec.llm.embedding import WordEmbedder, by_length
from tandemrec.llm.local import LocalLLM
from tandemrec.llm.sentences import SentenceEncoder
from tiny_bert import tiny_bert
from tiny_llm import tiny_folder

TEXTS = ["Star Wars", "Fargo and Heat, both", "", "Heat", "Alien <|im_end|>\nassistant", "  \n"]


def plainly(llm: LocalLLM, text: str) -> np.ndarray:
    """The mean over a text's own states, by a forward pass of its own."""
    start, tokens = llm._encoder.start, llm._encoder.text(text)
    with torch.inference_mode():
        given = torch.tensor([[*start, *tokens]])
        states = llm._network.model(given, output_hidden_states=True).hidden_states[-1]
    return states[0, len(start) :].mean(0).numpy()


@pytest.mark.parametrize("batch_tokens", [1, 12, 4096])
def test_a_language_models_vectors_are_means_of_its_last_states(folder, batch_tokens):
    llm = LocalLLM(folder, device="cpu", dtype="float32", batch_tokens=batch_tokens)
    found = llm.embed(TEXTS)
    assert isinstance(llm, Embedder)
    assert (found.shape, found.dtype) == ((6, 32), np.float32)
    for text, vector in zip(TEXTS, found, strict=True):
        expected = plainly(llm, text) if text.strip() else np.zeros(32)
        np.testing.assert_allclose(vector, expected, atol=1e-5)
    assert found[4].any()


def test_no_template_stands_around_a_text_and_equal_ones_are_read_once(llm):
    llm.embed(["Star Wars", "Star Wars", "Heat", ""])
    assert llm.tokens_read == sum(len(llm._encoder.text(text)) for text in ("Star Wars", "Heat"))


def test_what_stands_before_every_text_is_read_and_not_averaged(llm):
    without = llm.embed(["Heat"])
    llm._encoder.start = [0]  # as of a tokenizer with a BOS token
    found = llm.embed(["Heat"])
    np.testing.assert_allclose(found[0], plainly(llm, "Heat"), atol=1e-5)
    assert np.abs(found - without).max() > 0.01


def test_a_long_text_is_cut_at_the_models_context(tmp_path):
    llm = LocalLLM(tiny_folder(tmp_path / "m", context=8), device="cpu", dtype="float32")
    letters = "bcdfghjkbcdfghjk"
    assert [len(llm._encoder.text(text)) for text in (letters[:8], letters)] == [8, 16]
    shortened, whole = llm.embed([letters[:8], letters])
    np.testing.assert_array_equal(shortened, whole)
    llm._encoder.start = [0]  # takes one of the eight places
    shortened, whole = llm.embed([letters[:7], letters])
    np.testing.assert_array_equal(shortened, whole)


def test_order_changes_no_bit_and_no_texts_are_no_rows(llm):
    found = llm.embed(TEXTS)
    np.testing.assert_array_equal(llm.embed(TEXTS[::-1])[::-1], found)
    assert llm.embed([]).shape == (0, 32)


def test_another_number_format_gives_float32_of_another_fingerprint(folder):
    half = LocalLLM(folder, device="cpu", dtype="bfloat16")
    whole = LocalLLM(folder, device="cpu", dtype="float32")
    assert half.embed(["Heat"]).dtype == np.float32
    assert half.fingerprint != whole.fingerprint
    gap = np.abs(half.embed(["Heat"]) - whole.embed(["Heat"])).max()
    assert 0 < gap < 0.2


def test_progress_is_told_to_the_end(folder):
    told = []
    llm = LocalLLM(folder, device="cpu", batch_tokens=4, progress=lambda *each: told.append(each))
    llm.embed(["Star Wars", "Heat", "Heat", "Fargo"])
    assert [stage for stage, _, _ in told] == ["embedding"] * len(told)
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
    assert told[-1][1:] == (3, 3)


def test_batches_stay_within_the_budget_and_begin_with_the_longest():
    seen = []

    def read(rows):
        seen.append([len(row) for row in rows])
        return np.array([[sum(row)] for row in rows], dtype=np.float32)

    rows = [[1], [2, 2], [], [3, 3, 3], [4], [5] * 9, [4]]
    found = by_length(rows, read, width=1, budget=6)
    assert found[:, 0].tolist() == [1, 4, 0, 9, 4, 45, 4]
    assert seen == [[9], [3, 2], [1, 1]]


def test_half_of_a_surrogate_pair_is_one_clear_line(llm):
    with pytest.raises(LLMError, match="no text that can be read"):
        llm.embed(["fine", "\ud800"])


def test_words_alone_put_texts_that_share_them_together():
    found = WordEmbedder().embed(["Star Wars", "star WARS!", "Star Trek", "Fargo", "", "?!"])
    cosine = found @ found.T
    assert cosine[0, 1] == pytest.approx(1)
    assert cosine[0, 2] > 0.3 > abs(cosine[0, 3])
    assert not found[4:].any()
    assert WordEmbedder("2").fingerprint != WordEmbedder().fingerprint
    assert np.abs(WordEmbedder("2").embed(["Fargo"]) - found[3]).max() > 0.01


def test_every_name_is_listed():
    assert set(EMBEDDERS) == {"minilm-l6", "smollm2-135m", "words"}
    assert [embedder("words").name, embedder("words:1").name] == ["words", "words:1"]


@pytest.mark.parametrize("name", ["fake", "gpt4", "http://localhost:8000"])
def test_an_unknown_name_lists_the_known_ones(name):
    match = r"no embedder named .* Known: minilm-l6, smollm2-135m, words"
    with pytest.raises(UnknownName, match=match):
        embedder(name)


@pytest.mark.parametrize("name", ["minilm", "all-minilm-l6-v2"])
def test_a_near_name_is_guessed(name):
    with pytest.raises(UnknownName, match="Did you mean 'minilm-l6'"):
        embedder(name)


def test_a_folder_is_what_its_config_says(folder, tmp_path):
    causal = embedder(folder, device="cpu")
    encoder = embedder(str(tiny_bert(tmp_path / "bert")), device="cpu")
    assert (type(causal), type(encoder)) == (LocalLLM, SentenceEncoder)
    assert (causal.name, encoder.name) == ("tiny", "bert")
    assert encoder.embed(["Star"]).shape == (1, 16)


def test_a_causal_model_that_says_how_it_pools_is_an_encoder(tmp_path):
    folder = tiny_folder(tmp_path / "m")
    (folder / "modules.json").write_text("[]")
    assert isinstance(embedder(folder, device="cpu"), SentenceEncoder)


def test_folders_that_are_none(tmp_path):
    with pytest.raises(LLMError, match="There is no folder"):
        embedder(tmp_path / "none")
    with pytest.raises(LLMError, match=r"has no config.json and no weights"):
        embedder(tmp_path)


def test_an_adapter_is_for_language_models(tmp_path):
    for name in ("words", "minilm-l6", tiny_bert(tmp_path / "bert")):
        with pytest.raises(LLMError, match="has no weights for an adapter"):
            embedder(name, adapter=tmp_path)
    with pytest.raises(LLMError, match=r"minilm-l6 takes nothing behind a colon. Received: 'x'"):
        embedder("minilm-l6:x")


def test_other_packages_add_names(monkeypatch):
    module = ModuleType("somebodys_embedder")
    module.make = lambda argument, **options: WordEmbedder(f"theirs {argument}")
    monkeypatch.setitem(sys.modules, "somebodys_embedder", module)
    point = EntryPoint("theirs", "somebodys_embedder:make", "tandemrec.embedders")
    groups = {"tandemrec.embedders": [point]}
    monkeypatch.setattr(tandemrec.llm, "entry_points", lambda group: groups.get(group, []))
    assert embedder("theirs:x").name == "words:theirs x"
    with pytest.raises(UnknownName, match="Did you mean 'theirs'"):
        embedder("their")


def test_the_package_calls_it_by_the_same_name():
    import tandemrec as tr

    assert tr.embedder("words").name == "words"
    assert isinstance(tr.embedder("words"), tr.Embedder)

"""Sentence encoders, beside transformers' own forward pass pooled by hand."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel, RobertaConfig, RobertaModel

from tandemrec.errors import LLMError
from tandemrec.llm.embedding import Embedder
from tandemrec.llm.sentences import Layout, SentenceEncoder, read_layout
from tiny_bert import VOCABULARY, as_sentence_encoder, tiny_bert, tiny_tokenizer

TEXTS = ["Star Wars", "heat", "", "a b c, d: e (1995)", "[SEP] star", " "]
MEAN = {"word_embedding_dimension": 16, "pooling_mode_mean_tokens": True}
CLS = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}


@pytest.fixture
def folder(tmp_path) -> Path:
    return tiny_bert(tmp_path / "bert")


def encoder(folder: Path, **options: object) -> SentenceEncoder:
    return SentenceEncoder(folder, device="cpu", **options)


def states(folder: Path, text: str) -> np.ndarray:
    """Last hidden states of one text with its marks, [T, W]."""
    given = tiny_tokenizer()(text, return_tensors="pt", split_special_tokens=True)
    with torch.inference_mode():
        model = AutoModel.from_pretrained(folder).eval()
        return model(**given).last_hidden_state[0].numpy()


@pytest.mark.parametrize("batch_tokens", [1, 20, 4096])
def test_the_mean_over_all_states_marks_included(folder, batch_tokens):
    model = encoder(folder, batch_tokens=batch_tokens)
    found = model.embed(TEXTS)
    assert isinstance(model, Embedder)
    assert (found.shape, found.dtype) == ((6, 16), np.float32)
    for text, vector in zip(TEXTS, found, strict=True):
        expected = states(folder, text).mean(0) if text.strip() else np.zeros(16)
        np.testing.assert_allclose(vector, expected, atol=1e-5)
    # [CLS] star wars [SEP]; h ##e ##a ##t; a b c , d : e ( 1 ##9 ##9 ##5 ); [ s ##e ##p ] star
    assert model.tokens_read == 4 + 6 + 15 + 8


def test_the_first_state_and_length_one(folder):
    as_sentence_encoder(folder, CLS)
    found = encoder(folder).embed(TEXTS)
    for text, vector in zip(TEXTS, found, strict=True):
        first = states(folder, text)[0]
        expected = first / np.linalg.norm(first) if text.strip() else np.zeros(16)
        np.testing.assert_allclose(vector, expected, atol=1e-5)


def test_marks_inside_a_text_are_letters(folder):
    model = encoder(folder)
    (tokens,) = model._words(["[SEP] star [CLS]"])
    assert not {VOCABULARY.index("[SEP]"), VOCABULARY.index("[CLS]")} & set(tokens)


@pytest.mark.parametrize(
    ("pooling", "normalised", "settings", "expected"),
    [
        (MEAN, True, {"max_seq_length": 7}, Layout("", "mean", True, 7)),
        (CLS, False, None, Layout("", "cls", False)),
        (
            {"pooling_mode": "cls"},
            True,
            {"do_lower_case": True},
            Layout("", "cls", True, None, True),
        ),
        ({"embedding_dimension": 16}, False, None, Layout()),
    ],
)
def test_what_a_folder_says_of_pooling(folder, pooling, normalised, settings, expected):
    as_sentence_encoder(folder, pooling, normalised=normalised, settings=settings)
    assert read_layout(folder) == expected


def test_a_transformer_in_a_folder_below_and_a_prompt_before_every_text(folder, tmp_path):
    above = tmp_path / "above"
    shutil.copytree(folder, above / "0_Transformer")
    as_sentence_encoder(above, MEAN, normalised=False)
    modules = json.loads((above / "modules.json").read_text())
    modules[0]["path"] = "0_Transformer"
    (above / "modules.json").write_text(json.dumps(modules))
    prompts = {"prompts": {"query": "query: "}, "default_prompt_name": "query"}
    (above / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    found = encoder(above).embed(["star", ""])
    np.testing.assert_allclose(found[0], states(folder, "query: star").mean(0), atol=1e-5)
    assert not found[1].any()


def test_lower_case_where_the_folder_asks_for_it(tmp_path):
    folder = tiny_bert(tmp_path / "cased", lower=False)
    apart = encoder(folder).embed(["Star", "star"])
    assert np.abs(apart[0] - apart[1]).max() > 0.01
    as_sentence_encoder(folder, MEAN, settings={"do_lower_case": True})
    same = encoder(folder).embed(["Star", "star"])
    np.testing.assert_array_equal(same[0], same[1])


@pytest.mark.parametrize(("asked", "kept"), [(7, 5), (None, 62)])
def test_a_long_text_is_cut_and_keeps_its_last_mark(folder, asked, kept):
    as_sentence_encoder(folder, MEAN, normalised=False, settings={"max_seq_length": asked})
    found = encoder(folder).embed([" ".join("a" * 90), " ".join("a" * kept)])
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_allclose(found[1], states(folder, " ".join("a" * kept)).mean(0), atol=1e-5)


def test_positions_that_begin_behind_the_padding(tmp_path):
    folder = tmp_path / "roberta"
    config = RobertaConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=12,
        pad_token_id=0,
    )
    RobertaModel(config).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    found = encoder(folder).embed([" ".join("a" * 30), " ".join("a" * 9)])
    assert encoder(folder)._longest == 11
    np.testing.assert_array_equal(found[0], found[1])


def test_the_fingerprint_is_of_weights_and_pooling(folder, tmp_path):
    known = encoder(folder).fingerprint
    assert encoder(folder).fingerprint == known
    assert encoder(tiny_bert(tmp_path / "other", seed=1)).fingerprint != known
    assert encoder(folder, dtype="bfloat16").fingerprint != known
    as_sentence_encoder(folder, MEAN, normalised=False)
    assert encoder(folder).fingerprint == known
    as_sentence_encoder(folder, CLS, normalised=False)
    assert encoder(folder).fingerprint != known


@pytest.mark.parametrize(
    "pooling",
    [
        {"pooling_mode_max_tokens": True},
        {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True},
        {"pooling_mode": "lasttoken"},
    ],
)
def test_other_ways_of_pooling_are_refused(folder, pooling):
    as_sentence_encoder(folder, pooling)
    match = r"1_Pooling/config.json asks for pooling by '(max|cls\+mean|lasttoken)'"
    with pytest.raises(LLMError, match=match):
        encoder(folder)


def test_unknown_modules_and_damaged_files_are_one_clear_line(folder):
    as_sentence_encoder(folder, MEAN)
    modules = json.loads((folder / "modules.json").read_text())
    dense = [*modules, {"type": "sentence_transformers.models.Dense", "path": "3_Dense"}]
    (folder / "modules.json").write_text(json.dumps(dense))
    with pytest.raises(LLMError, match=r"has a module Dense, which is not known here. Known"):
        encoder(folder)
    (folder / "modules.json").write_text("{")
    with pytest.raises(LLMError, match="cannot be loaded"):
        encoder(folder)


def test_weights_that_are_not_there_are_no_random_ones(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))
    with pytest.raises(LLMError, match=r"lacks 16 weights, such as encoder\.layer\.2\."):
        encoder(folder).embed(["star"])

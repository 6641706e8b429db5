"""Addresses of servers, their settings, and keys, which never show."""

import os

import pytest

from tandemrec.errors import ConfigError, LLMError
from tandemrec.llm.addresses import KEY, Address


def test_an_address_with_all_its_parts():
    found = Address.parse("http://localhost:8000/v1/?concurrency=32&price_in=0.15#org/model")
    assert (found.url, found.model) == ("http://localhost:8000/v1", "org/model")
    assert (found.concurrency, found.price_in) == (32, 0.15)
    assert (found.root, found.label) == ("http://localhost:8000", "org/model at localhost:8000")


def test_without_a_path_it_is_v1_and_another_path_stays():
    assert Address.parse("https://host").url == "https://host/v1"
    assert Address.parse("https://host/openai/v1").root == "https://host/openai"
    assert Address.parse("https://host/api#m").root == "https://host/api"


@pytest.mark.parametrize(
    "text", ["http://", "http://:8000", "http://host:port", "http://[::1", "x"]
)
def test_what_is_no_address_says_what_one_is(text):
    with pytest.raises(LLMError, match=r"no address of a server.*http://localhost:8000/v1"):
        Address.parse(text)


def test_an_unknown_setting_is_guessed():
    with pytest.raises(ConfigError, match="Did you mean 'concurrency'"):
        Address.parse("http://host?concurency=3")


@pytest.mark.parametrize(
    "text",
    [
        "https://host?api_key=sk-12345",
        "https://host?key=sk-12345",
        "https://user:sk-12345@host",
        "https://sk-12345@host",
        "https://host?key=sk12345",
        "https://host?api-key=sk-12345",
        "https://host?access_token=sk-12345",
        "https://host?Authorization=sk-12345",
    ],
)
def test_a_key_in_an_address_is_refused_and_not_repeated(text):
    with pytest.raises(LLMError, match=KEY) as caught:
        Address.parse(text)
    assert "12345" not in str(caught.value)


@pytest.mark.parametrize("text", ["https://?api_key=sk-12345", "https://host:sk-12345#m"])
def test_what_is_no_address_repeats_no_key(text):
    with pytest.raises(LLMError, match="no address of a server") as caught:
        Address.parse(text)
    assert "api_key" not in str(caught.value)


@pytest.mark.parametrize("key", ["sk-1\r\nX: y", "“sk-1”", "sk\x00-1"])
def test_what_cannot_be_sent_as_a_key_is_told_and_not_repeated(key, monkeypatch):
    monkeypatch.setattr(os, "environ", {KEY: key})
    with pytest.raises(LLMError, match=f"{KEY} holds letters") as caught:
        _ = Address.parse("https://host").secret
    assert "sk" not in str(caught.value)
    monkeypatch.setattr(os, "environ", {KEY: "sk-1\n"})
    assert Address.parse("https://host").secret == "sk-1"


def test_the_key_comes_from_the_variable_that_is_named(monkeypatch):
    monkeypatch.delenv(KEY, raising=False)
    monkeypatch.setenv("MY_KEY", "sk-1")
    assert Address.parse("https://host?key=MY_KEY").secret == "sk-1"
    assert Address.parse("https://host").secret == ""
    monkeypatch.setenv(KEY, "sk-2")
    assert Address.parse("https://host").secret == "sk-2"
    with pytest.raises(LLMError, match="OTHER_KEY is not set"):
        _ = Address.parse("https://host?key=OTHER_KEY").secret

import sys
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest

import tandemrec.llm
from tandemrec.errors import LLMError, TandemrecError, UnknownName
from tandemrec.llm import LLM, LLMS, Prompt, known, llm
from tandemrec.llm.fake import FakeLLM, FollowingLLM
from tiny_llm import tiny_folder


def test_every_name_is_listed():
    ours = {"smollm2-135m", "fake", "http", "https", "llamacpp", "vllm"}
    assert set(LLMS) == ours <= set(known())


def test_a_fake_by_name_and_seed():
    asked = [Prompt("", "q")], [["A", "B"]]
    one, same, other = llm("fake"), llm("fake"), llm("fake:2")
    assert isinstance(one, LLM)
    assert (one.name, other.name) == ("fake", "fake:2")
    assert list(one.choose(*asked)[0].logprobs) == list(same.choose(*asked)[0].logprobs)
    assert list(one.choose(*asked)[0].logprobs) != list(other.choose(*asked)[0].logprobs)
    assert one.fingerprint == same.fingerprint != other.fingerprint


def test_a_fake_takes_no_adapter(tmp_path):
    with pytest.raises(LLMError, match="'fake' has no weights for an adapter") as caught:
        llm("fake", adapter=tmp_path)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("name", ["http://localhost:8000#tiny", "llamacpp:some.gguf"])
def test_nor_do_models_of_a_server(name, tmp_path):
    with pytest.raises(LLMError, match="has no weights for an adapter"):
        llm(name, adapter=tmp_path)


def test_a_fake_never_depends_on_the_other_options():
    fake = FakeLLM()
    (both,) = fake.choose([Prompt("", "q")], [["A", "B"]])
    (alone,) = fake.choose([Prompt("", "q")], [["B"]])
    assert both.logprobs[1] == alone.logprobs[0] < 0
    assert (fake.calls, fake.asked, len(fake.log)) == (2, 2, 2)


def test_one_that_follows_a_function():
    wise = FollowingLLM(lambda prompt, option: -float(option != "good"), lambda prompt: "C, A")
    (choice,) = wise.choose([Prompt("", "q")], [["good", "bad"]])
    assert list(choice.logprobs) == [0.0, -1.0]
    assert wise.generate([Prompt("", "q")], max_tokens=1) == ["C, A"]


def test_a_folder_by_text_or_path(tmp_path):
    folder = tiny_folder(tmp_path / "mine")
    assert llm(folder, device="cpu").name == llm(str(folder), device="cpu").name == "mine"


@pytest.mark.parametrize("name", ["smollm-135m", "fake2", "ftp://localhost:8000", "gpt4"])
def test_an_unknown_name_lists_the_known_ones(name):
    with pytest.raises(UnknownName, match=r"no language model named .* Known: fake, http, .* vllm"):
        llm(name)


def test_a_near_name_is_guessed():
    with pytest.raises(UnknownName, match="Did you mean 'smollm2-135m'"):
        llm("smollm-135m")


def test_a_missing_folder_and_a_file(tmp_path):
    with pytest.raises(LLMError, match="no folder"):
        llm(tmp_path / "none")
    (tmp_path / "file").touch()
    with pytest.raises(LLMError, match="is a file; a model is a folder"):
        llm(tmp_path / "file")


def test_the_hub_out_of_reach_is_one_clear_line(monkeypatch):
    import huggingface_hub

    def fails(*names, **options):
        raise OSError("Network is\nunreachable")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fails)
    with pytest.raises(LLMError, match="hub does not give 'org/name': Network is unreachable") as e:
        llm("org/name")
    assert e.value.retryable
    assert isinstance(e.value, TandemrecError)


def test_other_packages_add_names(monkeypatch):
    module = ModuleType("somebodys_llm")
    module.make = lambda argument, **options: FakeLLM(f"theirs {argument} {options['device']}")
    monkeypatch.setitem(sys.modules, "somebodys_llm", module)
    point = EntryPoint("theirs", "somebodys_llm:make", "tandemrec.llms")
    monkeypatch.setattr(tandemrec.llm, "entry_points", lambda group: [point])
    assert llm("theirs:x", device="cpu").name == "fake:theirs x cpu"
    with pytest.raises(UnknownName, match="Did you mean 'theirs'"):
        llm("their")


def test_the_package_calls_it_by_the_same_name():
    import tandemrec as tr

    assert [tr.llm("fake").name, tr.llm("fake:1").name] == ["fake", "fake:1"]
    assert tandemrec.llm.Prompt is Prompt

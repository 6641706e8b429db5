"""What is wrong with a run is told before anything is fetched, fitted or asked."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

import tandemrec as tr
from recipes.hidden_kinds import CONFIG, hidden
from recipes.worlds import small
from tandemrec.backbones import MF, DeepFM, LightGCN, ScoreMatrix
from tandemrec.data.split import Split, ratio_split
from tandemrec.errors import BackboneError, ConfigError, DataError, TandemrecError, UnknownName
from tandemrec.llm.fake import FakeLLM
from tandemrec.recipes import inputs
from tandemrec.recipes.entrance import backbone_of, check_ratings, check_settings, check_sizes
from tandemrec.recipes.execute import execute
from tandemrec.recipes.settings import PLUS
from tandemrec.recipes.spec import RunSpec, parse_settings, spec_of

FAST = {"epochs": 3, "every": 1, "batch_size": 64}


class Own(nn.Module):
    """The least that a class must have."""

    def __init__(self, train: tr.Interactions) -> None:
        super().__init__()
        self.users = nn.Embedding(train.n_users, 4)
        self.items = nn.Embedding(train.n_items, 4)

    def score(self, users: Any) -> Any:
        return self.users(users) @ self.items.weight.T

    def loss(self, batch: Any) -> Any:
        margin = self.users(batch.users) * (self.items(batch.liked) - self.items(batch.other))
        return nn.functional.softplus(-margin.sum(1)).mean()


class Scoring:
    def score(self, users: Any) -> Any: ...


def test_a_name_a_class_and_what_scores_are_backbones() -> None:
    matrix = ScoreMatrix(np.ones((2, 3)))
    assert backbone_of("mf") is MF
    assert [backbone_of(each) for each in (LightGCN, Own, matrix)] == [LightGCN, Own, matrix]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (Own(small().train), r"This Own is built already.*Give the class \(backbone=Own\)"),
        (Scoring, r"The class Scoring has no `loss\(batch\)`.*backbone=Scoring\(\.\.\.\)"),
        (object(), r"object has no method `score\(users\)`"),
        (nn.Linear, r"Linear has no method `score\(users\)`"),
        (np.ones((2, 2)), r"ndarray has no method .* ScoreMatrix"),
    ],
)
def test_what_is_no_backbone_is_refused(given: Any, says: str, tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match=says):
        tr.llama4rec(small(), backbone=given, llm=FakeLLM(), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_wrong_name_is_guessed() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'lightgcn'"):
        tr.llama4rec(small(), backbone="lightgnc", llm=FakeLLM())


@pytest.mark.parametrize(
    ("backbone", "change", "says"),
    [
        (MF, {"backbone": {"widht": 8}}, r"'widht' in MFConfig\. Did you mean 'width'"),
        (MF, {"backbone": {"width": 0}}, "'width' of MFConfig: expected greater than 0"),
        (MF, {"training": {"epcohs": 8}}, r"'epcohs' in TrainConfig\. Did you mean 'epochs'"),
        (MF, {"training": {"epochs": -1}}, "'epochs' of TrainConfig: expected greater than 0"),
        (Own, {"backbone": {"width": 8}}, r"Own takes no settings.*Received: width"),
        (ScoreMatrix([[1.0]]), {"backbone": {"width": 8}}, "ScoreMatrix takes no settings"),
    ],
)
def test_settings_that_only_the_backbone_knows(
    backbone: Any, change: dict[str, Any], says: str, tmp_path: Path
) -> None:
    config, llm = PLUS.model_copy(update=change), FakeLLM()
    with pytest.raises(ConfigError, match=says):
        check_settings(backbone, config)
    with pytest.raises(ConfigError, match=says):
        tr.llama4rec(small(), backbone=backbone, llm=llm, config=config, out=tmp_path / "run")
    assert llm.asked == 0 and not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "setting",
    ["training.seed=5", "examples.seed=5", "preferences.seed=5", "rerank=[{seed=5}]"],
)
def test_a_seed_that_would_say_nothing_is_refused(setting: str) -> None:
    spec = RunSpec(settings=parse_settings([setting]))
    with pytest.raises(ConfigError, match=r"seed = 5 would say nothing.*Give --seed"):
        check_settings(MF, spec.config)


@pytest.mark.parametrize(
    ("backbone", "teacher", "needed"),
    [("mf", "deepfm", "ranks items"), ("deepfm", "lightgcn", "predicts"), ("mf", "mmgcn", "no")],
)
def test_who_makes_the_examples_must_be_of_the_runs_kind(
    backbone: str, teacher: str, needed: str
) -> None:
    spec = RunSpec(backbone=backbone, settings={"examples": {"backbone": teacher}})
    with pytest.raises(ConfigError, match=f"'{teacher}' cannot make the examples.*{needed}"):
        check_settings(backbone_of(backbone), spec.config)


@pytest.mark.parametrize("setting", ["rerank=[]", "examples.ways=[]"])
def test_some_ways_must_be_there(setting: str) -> None:
    with pytest.raises(ConfigError, match="at least 1 item"):
        _ = RunSpec(settings=parse_settings([setting])).config


@pytest.mark.parametrize(
    ("ways", "twice"),
    [
        ("{way = 'listwise'}, {way = 'pointwise'}, {way = 'listwise', prior = 0.1}", "listwise"),
        ("{}, {way = 'likelihood', prior = 0.5}", r"likelihood \(sum, prior 0.5\)"),
    ],
)
def test_a_way_given_twice_is_refused(ways: str, twice: str) -> None:
    with pytest.raises(ConfigError, match=f"'rerank'.* once; repeated: {twice}\\. Rec"):
        _ = RunSpec(settings=parse_settings([f"rerank=[{ways}]"])).config


def test_ways_that_differ_in_what_counts_are_taken() -> None:
    ways = "{way = 'listwise'}, {way = 'listwise', answer = 'generate'}, {}, {normalise = 'mean'}"
    assert len(RunSpec(settings=parse_settings([f"rerank=[{ways}]"])).config.rerank) == 4


def test_columns_whose_numbers_are_names_are_there() -> None:
    split, _ = hidden()
    for names in (("stor",), ("director", "stor")):
        fields = CONFIG.fields.model_copy(update={"names": names})
        with pytest.raises(ConfigError, match="no column 'stor' of user, item or context fields"):
            check_ratings(split, DeepFM, CONFIG.model_copy(update={"fields": fields}))
    fields = CONFIG.fields.model_copy(update={"names": ("director", "sort")})
    check_ratings(split, DeepFM, CONFIG.model_copy(update={"fields": fields}))


@pytest.mark.parametrize("given", [{"embedder": "words"}, {"content": ("image.npz",)}])
def test_llama4rec_reads_no_content(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="only the recipe dallrec reads items' content"):
        RunSpec(**given)
    RunSpec(recipe="dallrec", **given)


def test_settings_of_the_presets_pass() -> None:
    for backbone in (MF, LightGCN, Own, ScoreMatrix([[1.0]])):
        check_settings(backbone, PLUS)


@pytest.mark.parametrize("seeds", [(), (1, 1), (-1,)])
def test_seeds_are_some_and_different(seeds: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match=r"different numbers from 0 on\. Received: \["):
        tr.llama4rec(small(), backbone=MF, llm=FakeLLM(), seeds=seeds)


def users(n: int) -> Split:
    """The first users of the small world alone."""
    whole = small()
    parts = [p.rows(p.users < n) for p in (whole.train, whole.valid, whole.test)]
    return Split(whole.data, *parts)


def test_one_tested_user_is_too_few_and_two_are_enough(tmp_path: Path) -> None:
    llm = FakeLLM()
    with pytest.raises(DataError, match=r"at least two tested users\. Received: 1\."):
        tr.llama4rec(users(1), backbone=MF, llm=llm, out=tmp_path / "run")
    assert llm.asked == 0 and not (tmp_path / "run").exists()
    config = PLUS.model_copy(update={"training": FAST})
    done = tr.llama4rec(users(2), backbone=MF, llm=llm, config=config, out=tmp_path / "run")
    assert done.scores.filter(done.scores["method"] == "Base")["p_value"].to_list() == [None]


@pytest.mark.parametrize("by_time", [True, False])
def test_shares_of_several_held_out_items_go_through_a_run(by_time: bool, tmp_path: Path) -> None:
    split = ratio_split(small().data, 0.6, 0.2, by_time=by_time)
    config = PLUS.model_copy(update={"training": FAST})
    done = tr.llama4rec(split, backbone=MF, llm=FakeLLM(), config=config, out=tmp_path)
    best = done.scores.filter(done.scores["method"] == "oracle")["NDCG@5"].item()
    assert best == done.scores["NDCG@5"].max() > 0


@pytest.mark.parametrize("share", [0, 0.001])
def test_nothing_to_choose_on_is_refused(share: float, tmp_path: Path) -> None:
    split = ratio_split(small().data, 0.8, share)
    assert not len(split.valid)
    with pytest.raises(DataError, match=r"Nobody has a validation interaction.*larger share"):
        tr.llama4rec(split, backbone=MF, llm=FakeLLM(), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_nothing_to_learn_is_refused() -> None:
    whole = small()
    empty = Split(whole.data, whole.train.rows(whole.train.users < 0), whole.valid, whole.test)
    with pytest.raises(DataError, match="no training interactions"):
        check_sizes(empty)


@pytest.fixture
def nothing_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def fetched(name: str, **options: Any) -> None:
        raise AssertionError(f"{name} was fetched before the mistake was told")

    monkeypatch.setattr(inputs, "named_llm", fetched)
    monkeypatch.setattr("tandemrec.recipes.execute.named", fetched)
    monkeypatch.setattr("tandemrec.data.sources.obtain", lambda source, **_: fetched(source.name))


@pytest.mark.usefixtures("nothing_fetched")
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"settings": parse_settings(["training.epcohs=3"])}, "Did you mean 'epochs'"),
        ({"settings": parse_settings(["backbone.widht=3"])}, "Did you mean 'width'"),
        ({"settings": parse_settings(["blend.alpah1=3"])}, "Did you mean 'alpha1'"),
        ({"preset": "papr"}, "Did you mean 'paper'"),
        ({"backbone": "fm"}, "no backbone named 'fm'"),
        ({"data": "ml-100"}, "Did you mean 'ml-100k'"),
        ({"data": "not/there.csv"}, "no such file"),
        ({"items": "titles.csv"}, "ml-100k brings its own items"),
    ],
)
def test_every_name_is_checked_before_anything_is_fetched(
    change: dict[str, Any], says: str, tmp_path: Path
) -> None:
    spec = RunSpec(**{"backbone": "mf", "out": tmp_path / "run", **change})
    with pytest.raises(TandemrecError, match=says):
        execute(spec)


@pytest.mark.usefixtures("nothing_fetched")
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"backbone": "lightgnc"}, "no backbone named 'lightgnc'"),
        ({"config": PLUS.model_copy(update={"training": {"epcohs": 3}})}, "Did you mean 'epochs'"),
        ({"seeds": (0, 0)}, "seed"),
        ({"first": -1}, "seed"),
    ],
)
def test_in_python_too(change: dict[str, Any], says: str) -> None:
    with pytest.raises(TandemrecError, match=says):
        tr.llama4rec(small(), **{"backbone": "mf", "llm": "smollm2-135m", **change})


@pytest.mark.usefixtures("nothing_fetched")
def test_a_file_as_the_run_folder_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(TandemrecError, match="file is a file; a run needs a folder"):
        execute(RunSpec(backbone="mf", out=tmp_path / "file"))


@pytest.mark.usefixtures("nothing_fetched")
@pytest.mark.parametrize("name", ["index.html", "report.json", "run.json"])
def test_somebody_elses_page_is_not_replaced(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text('{"mine": 1}')
    with pytest.raises(ConfigError, match=rf"holds {name}, which no run has made"):
        execute(RunSpec(backbone="mf", out=tmp_path))
    with pytest.raises(ConfigError, match="which no run has made"):
        tr.llama4rec(small(), backbone=MF, llm=FakeLLM(), out=tmp_path)
    assert (tmp_path / name).read_text() == '{"mine": 1}'


@pytest.mark.parametrize("name", ["out", "shared"])
def test_a_folder_without_a_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"'{name}' .*name of a folder is empty"):
        spec_of("llama4rec", {name: ""})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"llm": 3}, r"llm takes a name, what tr\.llm gave, .* Received: int"),
        ({"config": {"preset": "plus"}}, "config takes settings of a recipe, .* Received: dict"),
        ({"seeds": 3}, r"seeds takes a list, such as seeds=\(0, 1, 2\)\. Received: 3"),
    ],
)
def test_what_a_run_takes_is_said(change: dict[str, Any], says: str, tmp_path: Path) -> None:
    given = {"backbone": MF, "llm": FakeLLM(), "out": tmp_path / "out", **change}
    with pytest.raises(ConfigError, match=says):
        tr.llama4rec(small(), **given)
    assert not (tmp_path / "out").exists()


def test_a_run_takes_a_split_and_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Received: Dataset\. Give tr\.leave_last_out\(data\)"):
        tr.llama4rec(small().data, backbone=MF, llm=FakeLLM(), out=tmp_path)  # type: ignore[arg-type]


@pytest.mark.usefixtures("nothing_fetched")
def test_own_data_of_one_user_is_refused_before_a_model_is_fetched(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("user,item,title,time\n" + "".join(f"u,i{n},Film {n},{n}\n" for n in range(9)))
    with pytest.raises(DataError, match="at least two tested users"):
        execute(RunSpec(backbone="mf", data=str(log), out=tmp_path / "run"))


def test_a_column_of_ratings_that_is_missing_is_told_from_one_that_is_constant(
    tmp_path: Path,
) -> None:
    lines = [f"u{user},i{item}" for user in range(9) for item in range(user % 3, 6)]
    bare, rated = "user,item\n" + "\n".join(lines), "user,item,rating\n" + ",4\n".join([*lines, ""])
    for text, says in (
        (bare, "log has no column of them. Name it `rating`, or"),
        (rated, "every training rating is 4. Give ratings that differ, or"),
    ):
        file = tmp_path / "log.csv"
        file.write_text(text)
        spec = RunSpec(data=str(file), backbone="nfm", llm="fake", out=tmp_path / "run")
        with pytest.raises(DataError, match=f"NFM predicts ratings, and {says}"):
            execute(spec)


@pytest.mark.parametrize("scale", ["[5, 1]", "[3, 3]", "[1, inf]", "[nan, 5]", "[1]", "5"])
def test_a_scale_goes_up_between_two_numbers(scale: str) -> None:
    with pytest.raises(ConfigError, match="'scale"):
        PLUS.model_validate(parse_settings([f"scale={scale}"]))
    assert PLUS.model_validate(parse_settings(["scale=[1, 5]"])).scale == (1, 5)

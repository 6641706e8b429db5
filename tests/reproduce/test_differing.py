"""What a page says of how its runs differ from the paper's: only what their settings say."""

from pathlib import Path
from typing import Any

import pytest

from reproduce.invented import invented, rated
from tandemrec.errors import RunError
from tandemrec.recipes.settings import PAPER
from tandemrec.report.contents import Contents
from tandemrec.reproduce import PIECES, Cell
from tandemrec.reproduce.differing import differences
from tandemrec.reproduce.found import Made
from tandemrec.reproduce.page import write
from tandemrec.reproduce.sentences import either

TAUGHT = {"examples": {"backbone": "lightgcn"}}
UNTUNED = ["The LLM was not tuned, so IFT is the LLM as it came."]


def said(contents: Contents, *names: str) -> str:
    cells = [Cell(*name.split("/")) for name in names or ("ml-100k/mf",)]
    found = {cell: Made(Path("x"), contents) for cell in cells}
    return "\n".join(differences(found, "LLaMA-2 7B"))


def of(settings: dict[str, Any], *names: str, **more: Any) -> str:
    return said(invented(settings=settings, **more), *names)


def test_ours_by_its_settings() -> None:
    text = of(TAUGHT, seeds=(3, 4), llm="smollm2-135m")
    assert "The language model is smollm2-135m; the paper's is LLaMA-2 7B." in text
    assert "Settings: plus." in text and "Seeds 3 and 4; the paper has five runs" in text
    assert "titles' likelihoods as the next line of the history, less 0, 0.25 or 0.5 of" in text
    assert "last 6 interactions, and with prompt augmentation 12 passages" in text
    assert "the better of 16 pairs of unmet items of each user among the backbone's best 40" in text
    assert "learns the most decided 50 %" in text
    assert "only where their final lists on validation are better with it (NDCG@5)" in text
    assert "is asked again before test" in text
    assert "adds up scores, as the softmax" in text and "weights by log-likelihood" in text
    assert "tuned on 60 instructions, in 1 epoch, and the top 10 layers learn" in text
    assert "about 25,000 instructions" in text
    assert "candidates of lightgcn, which has not seen the targets (out of fold)" in text
    assert "is tuned for each data set, with the first seed" in text
    assert "settings searched on ML-100K's validation part, but for epochs = 300" in text
    assert "not tuned" not in text and "Order" not in text and "α" not in text


def test_the_papers_way_by_its_settings() -> None:
    config = PAPER.model_dump(mode="json")
    text = said(invented(more={"config": config}))
    assert (
        "listwise by the likelihood of each letter or pointwise by the likelihood of a Yes" in text
    )
    assert "the most similar user's last 10 and the backbone's first 5" in text
    assert "1 pair of unmet items of each user, by a letter, kept if both orders agree" in text
    assert "in any case, as in the paper" in text and "asked again" not in text
    assert "Aggregation adds up ranks, as in the paper." in text
    assert "5,000 instructions, in 3 epochs, and all layers learn" in text
    assert "candidates of the run's own backbone" in text and "for each run" in text
    assert "the settings that their own papers publish;" in text
    assert "passages" not in text and "likelihoods" not in text


def test_other_settings_are_said() -> None:
    text = of({"examples": {"backbone": "sgl", "out_of_fold": False}})
    assert "candidates of sgl, which was fitted on the targets too (in sample)" in text
    text = of(TAUGHT | {"tune": {"method": "lora", "rank": 8}, "blend": {"utility": "score"}})
    assert "a LoRA adapter of rank 8 learns" in text and "divided by their spread" in text
    text = of({"blend": {"alpha2": [0.0, 1.0]}, "candidates": 20, "history_at_test": "train"})
    assert "α₂ is one of 0 and 1; the paper's" in text and "α₁" not in text
    assert "orders the backbone's best 20" in text
    assert "goes on to his validation" not in text and "asked again" not in text
    text = of({"rerank": [{"way": "listwise", "answer": "generate"}], "quick": False})
    assert "listwise by the letters that it writes. The" in text and "papers publish" in text
    for text in (of({"tune": None}), of(TAUGHT, more={"notes": UNTUNED})):
        assert "The language model is not tuned, so IFT is the model as it came" in text
        assert "out of fold" not in text and "is tuned for each" not in text


def test_sequences_data_sets_and_variants() -> None:
    assert "inserts 1 item into each user's sequence" in of(TAUGHT, "ml-1m/sasrec")
    text = of(TAUGHT | {"insertions": {"insertions": 2, "items": 8}}, "ml-1m/sasrec/half")
    assert "inserts 2 items into each user's sequence, each picked of 8 unmet ones" in text
    assert "and taken for this data set too" in text
    assert "for each data set and variant, with" in text
    worded = {"examples": {"backbone": "lightgcn", "ways": ["listwise"]}}
    text = of(worded, "ml-100k/mf/a", "ml-100k/sasrec/a")
    assert "for each data set, variant and task (direct or sequential" in text


def test_what_differs_between_runs_stands_behind_their_names() -> None:
    one, two = (invented(settings=TAUGHT | {"renew": renew}) for renew in (True, False))
    found = {
        Cell("ml-100k", "mf"): Made(Path("x"), one),
        Cell("ml-100k", "sgl"): Made(Path("x"), two),
        Cell("ml-100k", "lightgcn"): Made(Path("x"), one),
    }
    lines = list(differences(found, "another"))
    assert sum(line.startswith("ml-100k/mf, ml-100k/lightgcn: For data") for line in lines) == 1
    assert sum("/" in line.partition(":")[0] for line in lines) == 1
    assert lines[0] == "The language model is fake; the paper's is another."


def test_a_random_order_is_told_wherever_it_is() -> None:
    drawn = {"what": {"order": "a random order for each user, seed 0: the data have no time"}}
    for name in ("book-crossing/mf", "ml-1m/sasrec"):
        line = f"Order of interactions on {name.partition('/')[0]}: a random order for each user"
        assert line in of(TAUGHT, name, more=drawn)
    assert "Order of" not in of(TAUGHT, "book-crossing/mf", more={"what": {"order": ""}})


def test_settings_that_are_not_known_any_more_are_told_with_the_run() -> None:
    with pytest.raises(RunError, match=r"^x was made with other settings: .*'trusting'"):
        of({"trusting": 1})


def test_a_long_list_is_not_cut(tmp_path: Path) -> None:
    piece = PIECES["llama4rec/fig5"]
    found = {piece.cells[0]: Made(tmp_path / "a", invented())}
    text = write(piece, found, tmp_path).read_text(encoding="utf-8")
    assert all(cell.name in text for cell in piece.cells) and "…" not in text


def test_words() -> None:
    assert either(["a", "b", "c"]) == "a, b or c"


def of_ratings(settings: dict[str, Any], *names: str, **more: Any) -> str:
    return said(rated(settings=settings, **more), *names or ("ml-100k/deepfm",))


PLAIN = {
    "attributes": {"source": "model"},
    "rated": {"history": 20, "chosen": "newest", "similar": 10, "hint": True},
    "rate": {"answer": "expected"},
    "ratings": {"instructions": 300, "out_of_fold": True},
    "examples": {"backbone": "deepfm"},
    "calibrate": True,
    "augment": "always",
    "tell": "always",
    "blend": {"alpha1": [0.1, 0.3, 0.5, 0.7, 0.9]},
}


def test_ratings_by_their_settings() -> None:
    text = of_ratings(PLAIN, llm="smollm2-135m")
    assert "mean of its labels by their likelihoods. The paper's writes it" in text
    assert "put on the line that fits validation best; the paper's are taken" in text
    assert (
        "a user's last 20 ratings, and with prompt augmentation 10 of the most similar user and "
        "the backbone's prediction besides"
    ) in text
    assert "smollm2-135m remembers, kept where two wordings of the question agree; the" in text
    assert "in any case" in text
    assert "adds up the two predicted ratings, as in the paper" in text
    assert "Epochs, calibration and weights are chosen on validation by RMSE" in text
    assert "tuned on 300 rating instructions" in text
    assert "predictions and similar users of deepfm, which has not seen the targets" in text
    assert "the paper's are those of DeepCTR-Torch" in text
    for word in ("candidate", "NDCG", "list", "passage", "SELFRec", "orders"):
        assert word not in text, word


def test_other_settings_of_ratings_are_said() -> None:
    changes = {
        "calibrate": False,
        "rate": {"answer": "greedy"},
        "rated": {"history": 8, "chosen": "alike", "similar": 0, "hint": False},
        "attributes": {"source": "none"},
        "augment": "validated",
        "tell": "validated",
        "fields": {"users": ["age"], "context": []},
        "ratings": {"out_of_fold": False},
    }
    text = of_ratings(PLAIN | changes)
    assert "likeliest label of a rating, as the paper's" in text and "labels by their" not in text
    assert "taken as they are said, as in the paper" in text and "the line" not in text
    assert (
        "tell a user's 8 ratings of the items most alike, and with prompt augmentation nothing"
        in text
    )
    assert "No attributes are added" in text and "Rows with data or prompt augmentation" in text
    assert "have it only where their ratings of validation are better" in text
    some = of_ratings(PLAIN | {"augment": "always", "tell": "validated"})
    assert "Rows with data augmentation have it in any case, as in the paper. Rows with" in some
    assert "Rows with prompt augmentation have it only where their ratings" in some
    assert "Backbones read of users age and of context nothing; the paper's" in text
    assert "Epochs and weights are chosen" in text and "in sample" in text
    assert "Backbones read" not in of_ratings(PLAIN)
    once = of_ratings(PLAIN | {"attributes": {"source": "both", "agree": False}})
    assert "looked up in a table, and of what is not in it what fake remembers; the paper" in once
    assert "looked up in a table; the" in of_ratings(PLAIN | {"attributes": {"source": "table"}})
    assert "a rating that it writes" in of_ratings(PLAIN | {"rate": {"answer": "written"}})


def test_an_order_that_was_drawn_is_told_of_ratings_too() -> None:
    drawn = {"what": {"order": "a random order for each user, seed 0"}}
    assert "Order of interactions on book-crossing: a random" in of_ratings(
        PLAIN, "book-crossing/deepfm", more=drawn
    )

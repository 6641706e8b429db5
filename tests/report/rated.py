"""The contents of an invented run that predicts ratings."""

import numpy as np

from report.invented import FILMS, P_VALUES, invent
from tandemrec.report.contents import (
    Accuracy,
    AnswerCount,
    AttributeRow,
    Contents,
    GroupRow,
    Heatmap,
    RatingStory,
    Row,
    Test,
)

RATED = (
    ("Base", "main", 1.0),
    ("IFT", "main", 1.22),
    ("Llama4Rec", "main", 0.98),
    ("w/o DA", "ablation", 0.985),
    ("w/o PA", "ablation", 0.99),
    ("w/o AA", "ablation", 1.02),
    ("mean", "control", 1.19),
    ("biases", "control", 1.01),
)
ERRORS = {"RMSE": 0.9455, "MAE": 0.7409}


def rated_rows(seeds: int) -> list[Row]:
    draw = np.random.default_rng(5)
    return [
        Row(
            method=name,
            kind=kind,
            seed=seed,
            metrics={m: float(e * f + draw.normal(0, 0.0005)) for m, e in ERRORS.items()},
            p_value=P_VALUES.get(name),
        )
        for seed in range(seeds)
        for name, kind, f in RATED
    ]


def rated_test(method: str, difference: float, p: float, metric: str = "RMSE") -> Test:
    half = abs(difference) * (0.5 if p <= 0.05 else 1.5)
    return Test(
        method=method,
        against="Base",
        metric=metric,
        over="users",
        difference=difference,
        low=difference - half,
        high=difference + half,
        p_value=p,
        n=943,
    )


def rating_stories() -> list[RatingStory]:
    history = [(title, float(1 + n % 5)) for n, title in enumerate(FILMS[:20])]
    common = {"user_id": "42", "item": "Titanic (1997)", "alpha": 0.35}
    said = {"backbone": 3.21, "llm": 4.5, "final": 3.66, "rating": 4.0}
    return [
        RatingStory(history=history, **common, **said),
        RatingStory(history=history[:2], **common, **said | {"final": 4.0, "rating": 4.0}),
    ]


def accuracies() -> list[Accuracy]:
    common = {"against": "truth", "unknown": 5, "rejected": 2, "n": 50}
    none = {"right": 0, "wrong": 0, "unknown": 50, "rejected": 0, "share": 0, "low": 0, "high": 1}
    return [
        Accuracy(
            kind="director",
            source="model",
            right=20,
            wrong=23,
            share=20 / 43,
            low=0.32,
            high=0.61,
            **common,
        ),
        Accuracy(
            kind="director",
            source="table",
            right=41,
            wrong=2,
            share=41 / 43,
            low=0.85,
            high=0.99,
            **common,
        ),
        Accuracy(kind="star", source="table", **common | none),
    ]


def invent_rating(seeds: int) -> Contents:
    """A run that predicts ratings: no lists, no candidates."""
    steps = [0.1, 0.5, 0.9]
    grid = Heatmap(
        title="Seed 0",
        alpha1=steps,
        alpha2=steps,
        values=[[0.95 - 0.02 * a + 0.03 * a * b for b in steps] for a in steps],
        metric="RMSE",
        chosen=(0.9, 0.1),
    )
    errors = {"Base": 1.0, "IFT": 1.2, "Llama4Rec": 0.98}
    return invent(seeds).model_copy(
        update={
            "task": "rating",
            "backbone": "DeepFM",
            "rows": rated_rows(seeds),
            "tests": [
                rated_test("IFT", 0.21, 0.001),
                rated_test("Llama4Rec", -0.019, 0.021),
                rated_test("w/o AA", 0.01, 0.4),
            ],
            "selection": [],
            "heatmaps": [grid],
            "groups": [
                GroupRow(
                    group=g, users=236, method=m, metrics={k: e * f for k, e in ERRORS.items()}
                )
                for g in ("8–31", "32–64")
                for m, f in errors.items()
            ],
            "stories": [],
            "rating_stories": rating_stories(),
            "position_bias": [],
            "attributes": [
                AttributeRow(kind="director", source="model", items=1200, share=1200 / 1682),
                AttributeRow(kind="director", source="unknown", items=482, share=482 / 1682),
            ],
            "accuracy": accuracies(),
            "answers": [
                AnswerCount(
                    stage="attributes", asked=3364, rejected={"not agreed": 41}, values=1682
                ),
                AnswerCount(stage="ratings, test", asked=943),
            ],
        }
    )

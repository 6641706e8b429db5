"""The contents of an invented run, as a real one would give them."""

import numpy as np

from tandemrec.report.contents import (
    AnswerCount,
    Bias,
    Contents,
    Curve,
    GroupRow,
    Heatmap,
    Row,
    Selection,
    Story,
    Test,
)

NAMES = ("HR@3", "NDCG@3", "HR@5", "NDCG@5", "HR@10", "NDCG@10", "MRR")
METHODS = (
    ("Base", "main", 1.0),
    ("IFT", "main", 0.93),
    ("Llama4Rec", "main", 1.043),
    ("w/o DA", "ablation", 1.031),
    ("w/o PA", "ablation", 1.012),
    ("w/o AA", "ablation", 0.985),
    ("echo", "control", 1.0),
    ("random", "control", 0.74),
    ("oracle", "control", 2.6),
)
LEVELS = dict(zip(NAMES, (0.0603, 0.0437, 0.0879, 0.0552, 0.1453, 0.0734, 0.0551), strict=True))
P_VALUES = {
    "IFT": 0.031,
    "Llama4Rec": 0.021,
    "w/o DA": 0.07,
    "w/o PA": 0.42,
    "w/o AA": 0.3,
    "random": 0.0000002,
    "oracle": 0.0,
    "echo": 1.0,
}
FILMS = (
    "Fargo (1996)",
    "Trainspotting (1996)",
    "Toy Story (1995)",
    "Twelve Monkeys (1995)",
    "The Usual Suspects (1995)",
    "Pulp Fiction (1994)",
    "The Shawshank Redemption (1994)",
    "Babe (1995)",
    "Dead Man Walking (1995)",
    "The English Patient (1996)",
    "Leaving Las Vegas (1995)",
    "Secrets & Lies (1996)",
    "Lone Star (1996)",
    "Get Shorty (1995)",
    "Sling Blade (1996)",
    "Jerry Maguire (1996)",
    "Big Night (1996)",
    "The Full Monty (1997)",
    "L.A. Confidential (1997)",
    "Good Will Hunting (1997)",
    "As Good As It Gets (1997)",
    "Contact (1997)",
    "Titanic (1997)",
    "The Game (1997)",
    "Apt Pupil (1998)",
    "Wag the Dog (1997)",
)


def metrics(factor: float, draw: np.random.Generator) -> dict[str, float]:
    return {name: float(level * factor + draw.normal(0, 0.0012)) for name, level in LEVELS.items()}


def rows(seeds: int) -> list[Row]:
    draw = np.random.default_rng(7)
    return [
        Row(method=name, kind=kind, seed=seed, metrics=metrics(f, draw), p_value=P_VALUES.get(name))
        for seed in range(seeds)
        for name, kind, f in METHODS
    ]


def tests(rows_: list[Row], seeds: int) -> list[Test]:
    def mean(name: str) -> float:
        return float(np.mean([row.metrics["NDCG@5"] for row in rows_ if row.method == name]))

    made = []
    for name in ("IFT", "Llama4Rec", "w/o DA", "w/o PA", "w/o AA"):
        gap, p = mean(name) - mean("Base"), P_VALUES[name]
        common = {"method": name, "against": "Base", "metric": "NDCG@5", "difference": gap}
        half = abs(gap) * (0.9 if p <= 0.05 else 1.7)
        ends = {"low": gap - half, "high": gap + half}
        made.append(Test(**common, **ends, over="users", p_value=p, n=943))
        if seeds > 1:
            made.append(Test(**common, **ends, over="runs", p_value=p / 2, n=seeds))
    return made


def heatmap(seed: int) -> Heatmap:
    steps = [0.1, 0.3, 0.5, 0.7, 0.9]
    values = [[0.0551 + 0.006 * a * (1 - a) + 0.002 * b * a for b in steps] for a in steps]
    return Heatmap(
        title=f"Seed {seed}",
        alpha1=steps,
        alpha2=steps,
        values=values,
        metric="NDCG@5",
        chosen=(0.7, 0.9),
    )


def curves() -> list[Curve]:
    x = list(range(1, 41))
    rise = [0.055 * (1 - float(np.exp(-n / 8))) for n in x]
    fall = [0.7 + 1.9 * float(np.exp(-n / 60)) for n in range(0, 400, 10)]
    axes = {"x_label": "epoch", "y_label": "NDCG@5 on validation"}
    return [
        Curve(name="LightGCN", x=x, y=rise, **axes),
        Curve(name="LightGCN + DA", x=x, y=[1.03 * y for y in rise], **axes),
        Curve(name="Tuning", x=list(range(0, 400, 10)), y=fall, x_label="step", y_label="loss"),
    ]


def stories() -> list[Story]:
    draw = np.random.default_rng(3)
    made = []
    for user, alpha in (("42", 0.63), ("715", 0.21)):
        order = [FILMS[n] for n in draw.permutation(len(FILMS))]
        listed = order[12:22]
        llm = [listed[n] for n in draw.permutation(10)]
        final = sorted(listed, key=lambda t: listed.index(t) + 0.8 * llm.index(t))
        made.append(
            Story(
                user_id=user,
                history=order[:12] * (3 if user == "42" else 1),
                backbone=listed,
                llm=llm,
                alpha=alpha,
                final=final,
                target=final[1] if user == "42" else order[-1],
            )
        )
    return made


def groups() -> list[GroupRow]:
    sizes = {"8–31": 240, "32–64": 235, "65–147": 233, "148–735": 235}
    return [
        GroupRow(group=g, users=n, method=m, metrics={k: v * f * s for k, v in LEVELS.items()})
        for (g, n), s in zip(sizes.items(), (1.35, 1.1, 0.9, 0.65), strict=True)
        for m, f in (("Base", 1), ("IFT", 0.93 + s / 20), ("Llama4Rec", 0.96 + s / 11))
    ]


def biases() -> list[Bias]:
    likelihood = (0.11, 0.1, 0.09, 0.1, 0.11, 0.09, 0.1, 0.1, 0.11, 0.09)
    letters = (0.31, 0.14, 0.1, 0.08, 0.07, 0.06, 0.06, 0.05, 0.05, 0.08)
    return [
        Bias(method=method, slot=slot, share=share, p_value=p)
        for method, shares, p in (("likelihood", likelihood, 0.64), ("listwise", letters, 1e-9))
        for slot, share in enumerate(shares, 1)
    ]


def selections(seeds: int) -> list[Selection]:
    ways = (("listwise", 0.0371), ("pointwise", 0.0402), ("likelihood", 0.0564))
    return [
        Selection(
            what="ranking way",
            option=way,
            metric="NDCG@5",
            value=value + seed / 2000,
            chosen=way == "likelihood",
            seed=seed,
        )
        for seed in range(seeds)
        for way, value in ways
    ]


def invent(seeds: int) -> Contents:
    measured = rows(seeds)
    data = {"name": "ML-100K", "users": 943, "items": 1682, "interactions": 100_000}
    return Contents(
        title="Llama4Rec on MovieLens-100K",
        what=data | {"density": 0.0630466},
        backbone="LightGCN",
        llm="SmolLM2-135M-Instruct",
        preset="plus",
        seeds=list(range(seeds)),
        command=f"tandemrec run llama4rec --data ml-100k --backbone lightgcn --seeds {seeds}",
        config={
            "backbone": {"width": 64, "layers": 3, "weight_decay": 0.0001, "resume": None},
            "tuning": {"lora": True, "learning_rate": 0.0002, "epochs": 1},
            "candidates": 10,
        },
        rows=measured,
        tests=tests(measured, seeds),
        selection=selections(seeds),
        heatmaps=[heatmap(seed) for seed in range(min(seeds, 2))],
        groups=groups(),
        curves=curves(),
        stories=stories(),
        position_bias=biases(),
        answers=[
            AnswerCount(stage="data augmentation", asked=3772),
            AnswerCount(stage="listwise", asked=1886, rejected={"no label": 41, "twice": 3}),
            AnswerCount(stage="likelihood", asked=18860),
        ],
        timings={"fit": 41.2, "augment": 133.0, "tune": 512.4, "rerank": 97.5, "blend": 0.4},
        notes=[
            "42 % of the users' last ratings tie in time with the one before; file order decides."
        ],
    )

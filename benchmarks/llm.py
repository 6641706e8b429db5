"""The language-model engine beside the published ways and the machine's limit; ratios in one run.

    python benchmarks/llm.py [--users 200] [--rounds 3] [--only listwise writing shared limit equal]
    python benchmarks/llm.py --only tuning --trl .venvs/trl/bin/python

listwise: re-ranking ten candidates, prompts per second, beside transformers' `generate` that
writes the ten titles in order, batch 8, left padded. writing: short answers after worked examples,
beside the same. shared: ten prompts a user over one history, beside asking each by itself. limit:
tokens per second beside a plain forward pass over as many tokens in one batch without padding.
equal: batched log-probabilities beside one at a time. tuning: useful tokens per second, all
weights, beside TRL's SFTTrainer on the same instructions.

Real prompts of MovieLens-100K users and the ten best of MF. Both sides take turns; a row holds
medians. Prints a Markdown table and writes benchmarks/results/llm.json.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

import tandemrec as tr
from tandemrec.llm.base import Prompt
from tandemrec.llm.local import LocalLLM
from tandemrec.llm.trie import Question, Tree, batches
from tandemrec.prompts import direct
from tandemrec.prompts.profiles import Profiles, PromptConfig
from tandemrec.recipes.settings import PAPER
from tandemrec.tuning.examples import Example
from tandemrec.tuning.tune import TuneConfig, tune

HERE = Path(__file__).parent.absolute()
WAYS = ("listwise", "pointwise", "likelihood")
COMPARED = 40
PUBLISHED_BATCH = THEIR_BATCH = 8

Asked = tuple[list[Prompt], list[list[str]]]


class Work:
    """The prompts of some users, in every way."""

    def __init__(self, users: int, prompt: PromptConfig = PAPER.prompt) -> None:
        split = tr.leave_last_out(tr.load("ml-100k"))
        model = tr.fit(tr.MF, split, tr.TrainConfig(epochs=30, **tr.MF.quick))
        told = Profiles.of(split, prompt)
        chosen = np.random.default_rng(0).permutation(split.train.n_users)[:users]
        lists = tr.rank(model, split.train, np.sort(chosen), 10)
        self.facts = [told.facts(int(user)) for user in lists.users]
        self.catalogue = told.titles
        self.titles = [told.names(row) for row in lists.items]

    def asked(self, way: str) -> Asked:
        """Prompts and options, ten prompts a user where the way is pointwise."""
        rows = list(zip(self.facts, self.titles, strict=True))
        if way == "listwise":
            prompts = [direct.listwise(fact, titles) for fact, titles in rows]
            return prompts, [list(direct.LABELS[: len(titles)]) for titles in self.titles]
        if way == "pointwise":
            prompts = [direct.pointwise(fact, title) for fact, titles in rows for title in titles]
            return prompts, [list(direct.ANSWERS)] * len(prompts)
        prompts = [direct.continuation(fact) for fact in self.facts]
        return prompts, [[direct.line(title) for title in titles] for titles in self.titles]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parts: dict[str, Callable[..., list[dict[str, Any]]]] = {
        "listwise": listwise,
        "writing": writing,
        "shared": shared,
        "limit": limit,
        "equal": equal,
    }
    parser.add_argument(
        "--trl", metavar="PYTHON", help="an interpreter with TRL, to compare tuning"
    )
    parser.add_argument("--llm", default="smollm2-135m")
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", default=list(parts), choices=[*parts, "tuning"])
    options = parser.parse_args()
    parts["tuning"] = partial(tuning, python=options.trl)
    work, llm = Work(options.users), tr.llm(options.llm)
    if not isinstance(llm, LocalLLM):
        parser.error(f"{options.llm} does not run in this process.")
    rows = [row for part in options.only for row in parts[part](work, llm, options.rounds)]
    report(rows, options)


def listwise(work: Work, llm: LocalLLM, rounds: int) -> list[dict[str, Any]]:
    """All lists by one forward pass each, and some of them written out."""
    asked = work.asked("listwise")
    some = [*range(0, len(asked[0]), max(1, len(asked[0]) // (3 * PUBLISHED_BATCH)))]
    written = [(asked[0][n], work.titles[n]) for n in some[: 3 * PUBLISHED_BATCH]]
    ours, theirs = turns(rounds, lambda: llm.choose(*asked), lambda: publish(llm, written))
    ours, theirs = ours / len(asked[0]), theirs / len(written)
    return [row("listwise prompts/s, beside generate", 1 / ours, 1 / theirs)]


def publish(llm: LocalLLM, rows: Sequence[tuple[Prompt, list[str]]]) -> None:
    """transformers' greedy `generate`, as many tokens as the batch's longest answer has."""
    from transformers import GenerationConfig

    encoder, network = llm._encoder, llm._network
    for start in range(0, len(rows), PUBLISHED_BATCH):
        part = rows[start : start + PUBLISHED_BATCH]
        tokens = [encoder.prompt(prompt) for prompt, _ in part]
        length = max(len(encoder.text("\n".join(titles))) for _, titles in part)
        longest = max(map(len, tokens))
        padded = torch.tensor([[0] * (longest - len(text)) + text for text in tokens])
        given = torch.tensor([[0] * (longest - len(text)) + [1] * len(text) for text in tokens])
        settings = GenerationConfig(
            max_new_tokens=length, min_new_tokens=length, do_sample=False, pad_token_id=0
        )
        with torch.inference_mode():
            network.model.generate(
                input_ids=padded.to(llm.device),
                attention_mask=given.to(llm.device),
                generation_config=settings,
            )


def writing(work: Work, llm: LocalLLM, rounds: int) -> list[dict[str, Any]]:
    """Short answers after twenty worked examples, as for attributes, beside batches of 8."""
    titles = work.catalogue
    examples = "".join(f"Title: {title}\nGenre: drama\n" for title in titles[:20])
    told = [f"{examples}Title: {title}\nGenre:" for title in titles[20 : 20 + 4 * PUBLISHED_BATCH]]
    prompts = [Prompt("", text, chat=False) for text in told]
    rows = [(prompt, ["drama, comedy, war"]) for prompt in prompts]
    tokens = len(llm._encoder.text(rows[0][1][0]))
    ours, theirs = turns(
        rounds, lambda: llm.generate(prompts, max_tokens=tokens), lambda: publish(llm, rows)
    )
    n = len(prompts)
    return [row("answers/s after worked examples, beside generate", n / ours, n / theirs)]


def shared(work: Work, llm: LocalLLM, rounds: int) -> list[dict[str, Any]]:
    """Ten questions over one history, together and each by itself."""
    return [together(work, llm, rounds, way) for way in ("pointwise", "likelihood")]


def together(work: Work, llm: LocalLLM, rounds: int, way: str) -> dict[str, Any]:
    """Of a fifth of the users."""
    prompts, options = work.asked(way)
    n = len(prompts) // 5
    asked = prompts[:n], options[:n]
    singles = [Tree([single]) for single in alone(llm, way, asked)]
    ours, theirs = turns(rounds, lambda: llm.choose(*asked), lambda: read(llm, singles))
    each = len(singles)
    return row(f"{way} prompts/s, ten a history, beside each alone", each / ours, each / theirs)


def alone(llm: LocalLLM, way: str, asked: Asked) -> list[Question]:
    """Pointwise: each prompt with its two answers. Likelihood: each title after the history."""
    questions = llm._questions(*asked)
    if way == "pointwise":
        return questions
    return [Question(0, each.prompt, [option]) for each in questions for option in each.options]


def read(llm: LocalLLM, trees: Sequence[Tree]) -> None:
    """Every tree by itself, in batches without padding."""
    ordered = sorted(trees, key=len, reverse=True)
    for places in batches([len(tree) for tree in ordered], llm.batch_tokens):
        llm._ask([ordered[place] for place in places])


def limit(work: Work, llm: LocalLLM, rounds: int) -> list[dict[str, Any]]:
    """Tokens per second of each way, beside a plain forward pass."""
    return [pace(work, llm, rounds, way) for way in WAYS]


def pace(work: Work, llm: LocalLLM, rounds: int, way: str) -> dict[str, Any]:
    """Of a tenth of the users where each has ten prompts, of half of them else."""
    prompts, options = work.asked(way)
    n = len(work.facts) // 2
    asked = prompts[:n], options[:n]
    before = llm.tokens_read
    llm.choose(*asked)
    tokens = llm.tokens_read - before
    length = int(np.mean([len(llm._encoder.prompt(prompt)) for prompt in asked[0]]))
    ours, theirs = turns(rounds, lambda: llm.choose(*asked), lambda: plain(llm, tokens, length))
    return row(f"{way} tokens/s, beside a plain pass", tokens / ours, tokens / theirs)


@torch.inference_mode()
def plain(llm: LocalLLM, tokens: int, length: int) -> None:
    """Nothing but the network's body over so many tokens, in full batches of texts that long."""
    size = max(1, llm.batch_tokens // length)
    left = tokens
    while left > 0:
        texts = max(1, min(size, round(left / length)))
        drawn = torch.randint(3, 40_000, (texts, length), device=llm.device)
        llm._network.model.base_model(input_ids=drawn, use_cache=False)
        left -= texts * length


def equal(work: Work, llm: LocalLLM, rounds: int) -> list[dict[str, Any]]:
    """Batched scores in both number formats, beside one at a time in the model's own pass."""
    exact = LocalLLM(llm.folder, dtype="float32")
    half = LocalLLM(llm.folder, dtype="bfloat16")
    pairs: dict[str, list[tuple[Row, Row]]] = {"float32": [], "bfloat16": [], "its own": []}
    for way in WAYS:
        prompts, options = (part[:COMPARED] for part in work.asked(way))
        true, rough = alone_each(exact, prompts, options), alone_each(half, prompts, options)
        ours, halves = (
            [choice.logprobs for choice in model.choose(prompts, options)]
            for model in (exact, half)
        )
        pairs["float32"] += zip(ours, true, strict=True)
        pairs["bfloat16"] += zip(halves, true, strict=True)
        pairs["its own"] += zip(halves, rough, strict=True)
    worst = max(float(np.abs(one - other).max()) for one, other in pairs["float32"])
    shares = {name: np.mean([same_order(*pair) for pair in found]) for name, found in pairs.items()}
    return [
        {"what": "largest difference to float32 one at a time", "ours": worst},
        {"what": "lists in the order of float32 one at a time", "ours": shares["float32"]},
        {"what": "the same of bfloat16", "ours": shares["bfloat16"]},
        {"what": "bfloat16 in the order of bfloat16 one at a time", "ours": shares["its own"]},
    ]


Row = NDArray[np.floating[Any]]


def same_order(one: Row, other: Row) -> bool:
    return bool((np.argsort(one) == np.argsort(other)).all())


def alone_each(
    llm: LocalLLM, prompts: Sequence[Prompt], options: Sequence[Sequence[str]]
) -> list[Row]:
    """Every option's log-probability by a forward pass of its own, [options] for each prompt."""
    return [
        np.array([one(llm, prompt, text) for text in texts])
        for prompt, texts in zip(prompts, options, strict=True)
    ]


@torch.inference_mode()
def one(llm: LocalLLM, prompt: Prompt, text: str) -> float:
    """An option's log-probability by a forward pass of its own."""
    given, answer = llm._encoder.prompt(prompt), llm._encoder.text(text)
    tokens = torch.tensor([given + answer], device=llm.device)
    logits = llm._network.model(tokens).logits[0, len(given) - 1 : -1].float().log_softmax(-1)
    return float(logits[torch.arange(len(answer)), torch.tensor(answer)].sum())


def tuning(work: Work, llm: LocalLLM, rounds: int, python: str | None) -> list[dict[str, Any]]:
    """The same instructions of all three ways, by both; batches of as many tokens on average."""
    if python is None:
        raise SystemExit("--only tuning needs --trl, the path of an interpreter that has TRL.")
    examples = instructions(work)
    lengths = [
        len(llm._encoder.prompt(each.prompt)) + len(llm._encoder.text(each.answer))
        for each in examples
    ]
    budget = int(np.mean(lengths) * THEIR_BATCH)
    ours, theirs = turns_of_rates(
        rounds, lambda: our_rate(examples, llm, budget), lambda: their_rate(examples, llm, python)
    )
    return [row("tuning, useful tokens/s, beside TRL", ours, theirs)]


def instructions(work: Work) -> list[Example]:
    """Some of each way; answers that say nothing will do for a clock. No chat template, so that
    both read the same tokens."""
    made = []
    for n, (fact, titles) in enumerate(zip(work.facts, work.titles, strict=True)):
        listed, asked = direct.listwise(fact, titles), direct.pointwise(fact, titles[0])
        letters = ", ".join(direct.LABELS[: len(titles)])
        pairs = [(listed, letters), (asked, "Yes"), (direct.continuation(fact), titles[0])]
        prompt, answer = pairs[n % len(pairs)]
        made.append(Example(prompt._replace(system="", chat=False), f" {answer}"))
    return made


def our_rate(
    examples: Sequence[Example],
    llm: LocalLLM,
    budget: int,
    method: Literal["full", "lora"] = "full",
) -> float:
    """Useful tokens per second between the first step and the last."""
    heard: list[tuple[float, float]] = []
    config = TuneConfig(method=method, epochs=1, batch_tokens=budget, checkpoint_seconds=1e9)
    with tempfile.TemporaryDirectory() as folder:
        tune(
            examples,
            llm.folder,
            config,
            folder,
            progress=lambda _, done, *rest: heard.append((time.perf_counter(), done)),
        )
    (first, before), (last, after) = heard[0], heard[-1]
    return (after - before) / (last - first)


def their_rate(examples: Sequence[Example], llm: LocalLLM, python: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        file, out = Path(folder) / "examples.jsonl", Path(folder) / "result.json"
        lines = [{"prompt": each.prompt.user, "completion": each.answer} for each in examples]
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
        script = HERE / "peers" / "trl_sft.py"
        command = [python, "-W", "ignore", script, llm.folder, file, out]
        subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)
        found = json.loads(out.read_text())
    return sum(found["tokens"]) / sum(found["seconds"])


def turns_of_rates(rounds: int, *ways: Callable[[], float]) -> list[float]:
    """The median rate of each, taking turns."""
    rates = []
    for turn in range(rounds):
        rates.append([way() for way in ways])
        print(f"turn {turn}: " + ", ".join(f"{rate:.0f}/s" for rate in rates[-1]), flush=True)
    return np.median(rates, axis=0).tolist()


def turns(rounds: int, *ways: Callable[[], object]) -> list[float]:
    """The median seconds of each, after a first time that does not count."""
    seconds = []
    for turn in range(rounds + 1):
        seconds.append([timed(way) for way in ways])
        print(f"turn {turn}: " + ", ".join(f"{value:.1f} s" for value in seconds[-1]), flush=True)
    return np.median(seconds[1:], axis=0).tolist()


def timed(way: Callable[[], object]) -> float:
    start = time.perf_counter()
    way()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def row(what: str, ours: float, theirs: float) -> dict[str, Any]:
    return {"what": what, "ours": ours, "theirs": theirs, "ratio": ours / theirs}


def report(rows: list[dict[str, Any]], options: argparse.Namespace) -> None:
    """Print a Markdown table, and write the figures."""
    note = {"users": options.users, "rounds": options.rounds, "torch": torch.__version__}
    file = HERE / "results" / "llm.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({**note, "rows": rows}, indent=2) + "\n")
    print("\n| | ours | theirs | ratio |\n|---|---|---|---|")
    for each in rows:
        cells = [
            f"{each[name]:.4g}" if name in each else "" for name in ("ours", "theirs", "ratio")
        ]
        print(f"| {each['what']} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()

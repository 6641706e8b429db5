"""The language-model engine beside the published ways and the machine's limit; ratios in one run.

    python benchmarks/llm.py [--users 200] [--rounds 3] [--only listwise writing shared limit]
    python benchmarks/llm.py --only tuning learning --trl .venvs/trl/bin/python
    python benchmarks/llm.py --users 40 --only equal half

listwise: re-ranking ten candidates, prompts per second, beside transformers' `generate` that
writes the ten titles in order, batch 8, left padded. writing: short answers after worked examples,
beside the same. shared: ten prompts a user over one history, beside asking each by itself. limit:
tokens per second beside a plain forward pass over as many tokens in one batch without padding.
equal: float32 scores in batches, in shards and in two parts beside one at a time; half: bfloat16's
beside both. tuning: useful tokens per second, all weights, beside TRL's SFTTrainer on the same
instructions. learning: the same by what learns.

Real prompts of MovieLens-100K users and the ten best of MF. Both sides take turns; a row holds
medians. Prints a Markdown table and writes benchmarks/results/llm.json.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from llm_equal import equal, half
from llm_tuning import learning, tuning
from llm_work import WAYS, Asked, Row, Work, row, turns

import tandemrec as tr
from tandemrec.llm.base import Prompt
from tandemrec.llm.local import LocalLLM
from tandemrec.llm.trie import Question, Tree, batches

HERE = Path(__file__).parent.absolute()
PUBLISHED_BATCH = 8
DEFAULT = ["listwise", "writing", "shared", "limit"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parts: dict[str, Callable[..., list[Row]]] = {
        "listwise": listwise,
        "writing": writing,
        "shared": shared,
        "limit": limit,
        "equal": equal,
        "half": half,
        "learning": learning,
    }
    parser.add_argument(
        "--trl", metavar="PYTHON", help="an interpreter with TRL, to compare tuning"
    )
    parser.add_argument("--llm", default="smollm2-135m")
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", default=DEFAULT, choices=[*parts, "tuning"])
    options = parser.parse_args()
    if "tuning" in options.only and options.trl is None:
        parser.error("--only tuning needs --trl, the path of an interpreter that has TRL.")
    parts["tuning"] = partial(tuning, python=options.trl)
    work, llm = Work(options.users), tr.llm(options.llm)
    if not isinstance(llm, LocalLLM):
        parser.error(f"{options.llm} does not run in this process.")
    found = {}
    for part in options.only:
        found[part] = parts[part](work, llm, options.rounds)
        keep(part, found[part], options)
    show([row for rows in found.values() for row in rows])


def listwise(work: Work, llm: LocalLLM, rounds: int) -> list[Row]:
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


def writing(work: Work, llm: LocalLLM, rounds: int) -> list[Row]:
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


def shared(work: Work, llm: LocalLLM, rounds: int) -> list[Row]:
    """Ten questions over one history, together and each by itself."""
    return [together(work, llm, rounds, way) for way in ("pointwise", "likelihood")]


def together(work: Work, llm: LocalLLM, rounds: int, way: str) -> Row:
    """Of a tenth of the users."""
    prompts, options = work.asked(way)
    n = len(prompts) // 10
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


def limit(work: Work, llm: LocalLLM, rounds: int) -> list[Row]:
    """Tokens per second of each way, beside a plain forward pass."""
    return [pace(work, llm, rounds, way) for way in WAYS]


def pace(work: Work, llm: LocalLLM, rounds: int, way: str) -> Row:
    """Of a fortieth of the users where each has ten prompts, of a quarter of them else."""
    prompts, options = work.asked(way)
    n = len(work.facts) // 4
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
    vocabulary = llm._network.model.config.get_text_config().vocab_size
    left = tokens
    while left > 0:
        texts = max(1, min(size, round(left / length)))
        drawn = torch.randint(3, vocabulary, (texts, length), device=llm.device)
        llm._network.model.base_model(input_ids=drawn, use_cache=False)
        left -= texts * length


def keep(part: str, rows: list[Row], options: argparse.Namespace) -> None:
    """Write a part's figures beside those of the others."""
    file = HERE / "results" / "llm.json"
    file.parent.mkdir(exist_ok=True)
    known = json.loads(file.read_text()) if file.exists() else {}
    note = {"users": options.users, "rounds": options.rounds, "torch": torch.__version__}
    known[part] = {**note, "llm": options.llm, "rows": rows}
    file.write_text(json.dumps(known, indent=2) + "\n")


def show(rows: list[Row]) -> None:
    """Print a Markdown table."""
    print("\n| | ours | theirs | ratio |\n|---|---|---|---|")
    for each in rows:
        cells = [
            f"{each[name]:.4g}" if name in each else "" for name in ("ours", "theirs", "ratio")
        ]
        print(f"| {each['what']} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()

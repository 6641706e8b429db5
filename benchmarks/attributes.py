"""How many of the attributes that a language model gives from memory are right, by how it is asked.

    python benchmarks/attributes.py TRUTH [--data ml-100k] [--llm smollm2-135m] [--answers FILE]

Asked once, as in Llama4Rec, or kept where two wordings agree and nothing of the kind is said of
invented items (`agree`). TRUTH is a table of what is true (docs/papers.md, fig8). Answers are kept
in --answers, and asked once. Prints a Markdown table.
"""

from __future__ import annotations

import argparse

import tandemrec as tr
from tandemrec.augment.attributes import AttributesConfig, attributes
from tandemrec.evaluation.attributes import accuracy, read_truth
from tandemrec.llm.answers import AnswerStore, Remembering

WAYS = {"asked once": False, "two wordings and invented items": True}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("truth")
    parser.add_argument("--data", default="ml-100k")
    parser.add_argument("--llm", default="smollm2-135m")
    parser.add_argument("--answers", default="attributes.sqlite")
    options = parser.parse_args()
    data, llm = tr.load(options.data), tr.llm(options.llm)
    print("| way | attribute | right | wrong | unknown | rejected | share right | 95 % interval |")
    print("|---" * 8 + "|")
    with AnswerStore(options.answers) as store:
        for way, agree in WAYS.items():
            asked = Remembering(llm, store)
            config = AttributesConfig(agree=agree)
            found = attributes(data.catalogue, data.noun, asked, config)
            truth = read_truth(options.truth, data, found.kinds)
            for kind in found.kinds:
                one = accuracy(found, truth, kind.name, "model")
                counts = f"{one.right} | {one.wrong} | {one.unknown} | {one.rejected}"
                interval = f"{one.low:.2%} to {one.high:.2%}"
                print(f"| {way} | {kind.name} | {counts} | {one.share:.2%} | {interval} |")


if __name__ == "__main__":
    main()

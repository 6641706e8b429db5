"""TRL's SFTTrainer on examples that are given: run in an environment that has TRL.

    python benchmarks/peers/trl_sft.py MODEL_FOLDER EXAMPLES.jsonl RESULT.json [--bf16]

Each line of EXAMPLES.jsonl holds prompt and completion as text. Defaults of TRL (batches of 8,
padded to the longest) but for gradient checkpointing, which would only slow it down; all weights
learn, in float32 or, with --bf16, under its autocast. RESULT.json: seconds of each step, and its
tokens without padding.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time

import torch
from datasets import load_dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import SFTConfig, SFTTrainer


class Clock(TrainerCallback):
    """When each step ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_step_end(self, args, state, control, **others):  # type: ignore[no-untyped-def]
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.ends.append(time.perf_counter())


def main(folder: str, examples: str, out: str, half: str = "") -> None:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    data = load_dataset("json", data_files=examples, split="train")
    clock, useful = Clock(), []
    with tempfile.TemporaryDirectory() as scratch:
        arguments = SFTConfig(
            output_dir=scratch,
            num_train_epochs=1,
            gradient_checkpointing=False,
            bf16=half == "--bf16",
            use_cpu=not torch.cuda.is_available(),
            max_length=2048,
            report_to=[],
            disable_tqdm=True,
            logging_strategy="no",
            save_strategy="no",
        )
        trainer = SFTTrainer(
            model,
            args=arguments,
            train_dataset=data,
            processing_class=tokenizer,
            callbacks=[clock],
        )
        collate = trainer.data_collator

        def counted(rows):  # type: ignore[no-untyped-def]
            batch = collate(rows)
            useful.append(int(batch["attention_mask"].sum()))
            return batch

        trainer.data_collator = counted
        trainer.train()
    seconds = [end - start for start, end in zip(clock.ends, clock.ends[1:], strict=False)]
    with open(out, "w") as file:
        json.dump({"seconds": seconds, "tokens": useful[1 : len(seconds) + 1]}, file)


if __name__ == "__main__":
    main(*sys.argv[1:])

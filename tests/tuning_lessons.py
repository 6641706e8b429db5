"""What the tests of tuning teach, how, and what was learnt."""

import torch
from safetensors.torch import load_file

from tandemrec.llm.base import Prompt
from tandemrec.tuning.tune import Tuned

OPENING = Prompt("", "movies\n", chat=False)
FAST = {"batch_tokens": 120, "learning_rate": 1e-2, "precision": "float32", "device": "cpu"}
LORA = {**FAST, "method": "lora", "rank": 4}


def weights(tuned: Tuned) -> dict[str, torch.Tensor]:
    (file,) = tuned.folder.glob("*.safetensors")
    return load_file(file)

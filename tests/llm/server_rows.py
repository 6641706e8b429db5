"""Rows that are asked of a scripted server, and what its log says of them."""

from tandemrec.llm import Prompt
from tandemrec.llm.server import ServerLLM

TOPS = {"chat", "logprobs"}
EXACTLY = {"chat", "plain", "tokenize", "prompt_logprobs"}
QUICK = "attempts=25&backoff=0.01&timeout=3"


def rows(number: int) -> list[Prompt]:
    return [Prompt("Choose.", f"row {n}") for n in range(number)]


def ask(server, options: str = "concurrency=8", **how) -> ServerLLM:
    return ServerLLM(f"{server.url}?{QUICK}&{options}#tiny", **how)


def rowlog(server) -> list[tuple[str, str]]:
    return [(row, what) for row, what in server.log if row.startswith("row ")]

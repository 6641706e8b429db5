"""An OpenAI-compatible server of this process, with a made-up model and faults as a test wants."""

from __future__ import annotations

import contextlib
import json
import random
import re
import select
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from scripted_model import LETTERS, chat_text, logprob, top

FAULTS = ("429", "500", "slow", "truncated", "wrong count", "disconnect")
Fault = Callable[[int, str], str]


class Scripted(ThreadingHTTPServer):
    """`can`: what it knows; it passes over the rest, or with `strict` refuses it. `fault`: what
    goes wrong with a request, by its number and the user's text. `log`: what each request was, and
    what became of it; `paid`: how often a whole answer went out for each text."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(
        self,
        can: set[str],
        *,
        fault: Fault = lambda number, row: "",
        strict: bool = False,
        says: Callable[[str], str] = lambda row: "A",
        slow: float = 0.0,
    ) -> None:
        self.can, self.fault, self.strict, self.says, self.slow = can, fault, strict, says, slow
        self.models, self.complaint = ["tiny"], ""
        self.log: list[tuple[str, str]] = []
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.times: list[float] = []
        self.paid: Counter[str] = Counter()
        self.at_work = self.most_at_work = 0
        self.lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed is no news."""

    @contextlib.contextmanager
    def counted(self) -> Iterator[None]:
        with self.lock:
            self.at_work += 1
            self.most_at_work = max(self.most_at_work, self.at_work)
        try:
            yield
        finally:
            with self.lock:
                self.at_work -= 1

    def noted(self, row: str, what: str) -> None:
        with self.lock:
            self.log.append((row, what))
            self.paid[row] += what == "answered"


class Handler(BaseHTTPRequestHandler):
    server: Scripted
    protocol_version = "HTTP/1.1"

    def log_message(self, *words: Any) -> None:
        """No noise."""

    def do_GET(self) -> None:
        if self.path == "/v1/models" and "models" not in self.server.can:
            self.send(200, {"data": [{"id": name} for name in self.server.models]})
        else:
            self.send(404, {"error": {"message": "no such page"}})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        pages = {
            "/v1/chat/completions": ("chat", self.chat),
            "/v1/completions": ("plain", self.plain),
            "/tokenize": ("tokenize", self.tokenize),
            "/detokenize": ("tokenize", self.detokenize),
        }
        needed, page = pages.get(self.path, ("nothing", None))
        if page is None or needed not in self.server.can:
            self.send(404, {"error": {"message": "no such page"}})
        elif needed == "tokenize":
            page(body)
        else:
            with self.server.counted():
                self.play(page, body)

    def play(self, page: Callable[[dict[str, Any]], dict[str, Any]], body: dict[str, Any]) -> None:
        server, row = self.server, row_of(body)
        with server.lock:
            server.bodies.append(body)
            server.headers.append(dict(self.headers))
            server.times.append(time.monotonic())
            number = len(server.bodies)
        if server.slow:
            time.sleep(server.slow)
        unknown = (set(body) & KNOBS) - server.can
        if unknown and server.strict:
            self.send(400, {"error": {"message": f"unknown field {sorted(unknown)}"}})
            return
        fault = server.fault(number, row)
        if fault:
            server.noted(row, fault)
            self.fail(fault, page(body))
        else:
            reply = page(body)
            self.send(200, reply)
            server.noted(row, "answered")

    def fail(self, fault: str, reply: dict[str, Any]) -> None:
        if fault.isdecimal():
            message = self.server.complaint or f"on purpose: {fault}"
            self.send(int(fault), {"error": {"message": message}}, "0.01")
        elif fault.startswith("after "):
            self.send(429, {"error": {"message": "slow down"}}, fault.removeprefix("after "))
        elif fault == "slow":  # until the client has lost patience
            select.select([self.connection], [], [], 30)
            self.close_connection = True
        elif fault == "truncated":
            self.send(200, json.dumps(reply)[: len(json.dumps(reply)) // 2])
        elif fault == "wrong count":
            self.send(200, reply | {"choices": reply["choices"][1:] or reply["choices"] * 2})
        elif fault == "drip":
            self.drip(json.dumps(reply).encode())
        elif fault == "garbage":
            self.send(200, "no JSON")
        else:  # disconnect: in the middle of an answer
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b'{"choi')
            self.close_connection = True

    def drip(self, data: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        for place in range(len(data)):
            self.wfile.write(data[place : place + 1])
            self.wfile.flush()
            time.sleep(0.05)

    def send(self, status: int, reply: Any, after: str = "") -> None:
        data = (reply if isinstance(reply, str) else json.dumps(reply)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if status == 429 and after:
            self.send_header("Retry-After", after)
        if status == 307:
            self.send_header("Location", "http://127.0.0.1:9/stolen")
        self.end_headers()
        self.wfile.write(data)

    def chat(self, body: dict[str, Any]) -> dict[str, Any]:
        before, can = chat_text(body["messages"]), self.server.can
        said = self.server.says(row_of(body))
        allowed = (body.get("structured_outputs") or {}).get("choice") or body.get("guided_choice")
        if "structured_outputs" in body and "structured_outputs" not in can:
            allowed = None
        if "guided_choice" in body and "guided_choice" not in can:
            allowed = None
        if allowed:
            said = max(allowed, key=lambda text: logprob(before, text[:1]))
        if "response_format" in body and "response_format" in can:
            schema = body["response_format"]["json_schema"]["schema"]
            options = schema["properties"]["answer"]["enum"]
            said = json.dumps({"answer": max(options, key=lambda text: logprob(before, text[:1]))})
        choice: dict[str, Any] = {"index": 0, "message": {"role": "assistant", "content": said}}
        if body.get("logprobs") and "logprobs" in can:
            choice["logprobs"] = {"content": [{"top_logprobs": top(before, body["top_logprobs"])}]}
        return answered([choice], len(before), len(said))

    def plain(self, body: dict[str, Any]) -> dict[str, Any]:
        many = body["prompt"] if isinstance(body["prompt"], list) else [body["prompt"]]
        texts = [one if isinstance(one, str) else "".join(map(chr, one)) for one in many]
        found = [self.continued(index, text, body) for index, text in enumerate(texts)]
        return answered(found[::-1], sum(map(len, texts)), len(texts))

    def continued(self, index: int, text: str, body: dict[str, Any]) -> dict[str, Any]:
        choice: dict[str, Any] = {"index": index, "text": self.server.says(text), "logprobs": None}
        each = [
            None,
            *(
                logprob(text[:n], text[n]) if text[n] in LETTERS else -9.0
                for n in range(1, len(text))
            ),
        ]
        if "prompt_logprobs" in body and "prompt_logprobs" in self.server.can:
            choice["prompt_logprobs"] = [
                None if value is None else {str(ord(letter)): {"logprob": value, "rank": 1}}
                for letter, value in zip(text, each, strict=True)
            ]
        elif body.get("echo") and "echo" in self.server.can:
            places = list(range(len(text) + 1))
            choice["logprobs"] = {"token_logprobs": [*each, -1.0], "text_offset": places}
        elif body.get("logprobs") and "plain_logprobs" in self.server.can:
            told = {each["token"]: each["logprob"] for each in top(text, body["logprobs"])}
            choice["logprobs"] = {"top_logprobs": [told], "token_logprobs": [-1.0]}
        return choice

    def tokenize(self, body: dict[str, Any]) -> None:
        """vLLM's dialect."""
        if "messages" in body:
            self.send(200, {"tokens": [ord(sign) for sign in chat_text(body["messages"])]})
        elif "prompt" in body:
            self.send(200, {"tokens": [ord(sign) for sign in body["prompt"]]})
        else:
            self.send(400, {"error": {"message": "prompt is missing"}})

    def detokenize(self, body: dict[str, Any]) -> None:
        self.send(200, {"prompt": "".join(map(chr, body["tokens"]))})


KNOBS = {"logprobs", "prompt_logprobs", "echo", "structured_outputs", "guided_choice"} | {
    "response_format",
    "grammar",
}


def answered(choices: list[dict[str, Any]], read: int, written: int) -> dict[str, Any]:
    usage = {"prompt_tokens": read, "completion_tokens": written}
    return {"choices": choices, "usage": usage}


def row_of(body: dict[str, Any]) -> str:
    """The row that a request is about, "row 7"; the user's text where it is about none."""
    if "messages" in body:
        text = str(body["messages"][-1]["content"])
    else:
        first = body["prompt"][0] if isinstance(body["prompt"], list) else body["prompt"]
        text = first if isinstance(first, str) else "".join(map(chr, first))
    found = re.search(r"row \d+", text)
    return found[0] if found else text


@contextlib.contextmanager
def serving(can: set[str], **how: Any) -> Iterator[Scripted]:
    """A running server."""
    with Scripted(can, **how) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def at_random(share: float, seed: int, kinds: tuple[str, ...] = FAULTS) -> Fault:
    """Faults of a share of the requests about rows, drawn from the request's number."""

    def fault(number: int, row: str) -> str:
        drawn = random.Random(seed * 1_000_003 + number)
        return drawn.choice(kinds) if row.startswith("row ") and drawn.random() < share else ""

    return fault


def with_storms(fault: Fault, every: int = 150, length: int = 40) -> Fault:
    """The same, and again and again so many requests in succession that all get a 429."""

    def stormy(number: int, row: str) -> str:
        storm = row.startswith("row ") and number % every < length
        return "429" if storm else fault(number, row)

    return stormy

"""A small OpenAI-compatible server for tests: it completes as an engine of ours does, and fails as it is told to."""

import json
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from bonsai.engines.base import Engine, Prompt, Request, RequestQueue, SamplingParams

Body = dict[str, Any]
OPTIONAL = frozenset({"n", "seed", "top_k", "repetition_penalty", "stream_options", "stop", "system"})
REQUIRED = {"model", "prompt", "messages", "max_tokens", "temperature", "top_p", "stream"}


@dataclass
class SmallServer:
    """What the server has, does and has been asked: `faults` are what it does in the place of the next completions."""

    engine: Engine | None = None
    models: tuple[str, ...] = ("small",)
    lists: object = None
    max_model_len: int = 0
    takes: frozenset[str] = OPTIONAL
    passes_over: frozenset[str] = frozenset()
    most_stops: int = 99
    key: str = ""
    counts: bool = False
    forward_to: str = ""
    poison: str = ""
    apis: tuple[str, ...] = ("completions",)
    instead: "Callable[[Handler, Body], None] | None" = None
    faults: "deque[Callable[[Handler, Body], None]]" = field(default_factory=deque)
    asked: list[Body] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    pieces: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    hold: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    url: str = ""

    @contextmanager
    def running(self) -> Iterator["SmallServer"]:
        """Answer on a free port of this machine for as long as the context lasts."""
        handler = type("OneServersHandler", (Handler,), {"small": self})
        with Quiet(("127.0.0.1", 0), handler) as server:
            self.url = f"http://127.0.0.1:{server.server_port}/v1"
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            try:
                yield self
            finally:
                self.hold.set()
                server.shutdown()
                thread.join()


class Quiet(ThreadingHTTPServer):
    """Says nothing of clients that have gone."""

    def handle_error(self, *_: object) -> None:
        """Pass over it: a test sees what its engine makes of it."""


class Handler(BaseHTTPRequestHandler):
    """One connection to the server."""

    small: SmallServer
    protocol_version = "HTTP/1.1"
    # Head and body together: two small packets would wait for each other.
    wbufsize = -1

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        small = self.small
        if self.path.endswith("/models") and small.lists is not None:
            self.answer(200, small.lists)
        elif self.path.endswith("/models") and small.models:
            length = {"max_model_len": small.max_model_len} if small.max_model_len else {}
            self.answer(200, {"object": "list", "data": [{"id": name, **length} for name in small.models]})
        else:
            self.answer(500, {"error": "no list"})

    def do_POST(self) -> None:
        small = self.small
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path == "/tokenize":
            if small.counts:
                self.answer(200, {"count": len(body["prompt"].split())})
            else:
                self.answer(404, {"detail": "Not Found"})
            return
        with small.lock:
            small.asked.append(body)
            small.headers.append({name.lower(): value for name, value in self.headers.items()})
            small.in_flight += 1
            small.most_in_flight = max(small.most_in_flight, small.in_flight)
            fault = small.faults.popleft() if small.faults else None
        try:
            if fault or small.instead:
                (fault or small.instead)(self, body)  # type: ignore[misc]
            elif self.path.removeprefix("/v1/") not in small.apis:
                self.answer(404, {"detail": "Not Found"})
            elif small.poison and small.poison in str(body.get("prompt") or body["messages"]):
                self.answer(400, {"error": {"message": "The model cannot read this."}})
            elif small.forward_to:
                self.forward(body)
            else:
                self.complete(body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            with small.lock:
                small.in_flight -= 1

    def answer(self, status: int, body: object, kind: str = "application/json", **headers: str) -> None:
        """Answer with a whole body."""
        self.answer_bytes(status, (body if isinstance(body, str) else json.dumps(body)).encode(), kind, **headers)

    def answer_bytes(self, status: int, data: bytes, kind: str | None, **headers: str) -> None:
        """Answer with bytes, of a kind or of none."""
        self.send_response(status)
        if kind is not None:
            self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def begin(self, kind: str = "text/event-stream; charset=utf-8") -> None:
        """Begin a stream, whose end is that of the connection."""
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True

    def send(self, event: object) -> None:
        """Send one event of the stream."""
        self.wfile.write(f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n".encode())
        self.wfile.flush()

    def piece(self, text: str, reason: str | None = None, index: int = 0, **more: object) -> None:
        """Send a piece of a completion."""
        part = {"delta": {"content": text}} if "chat" in self.path else {"text": text}
        self.send({"choices": [{"index": index, "finish_reason": reason, **part}], **more})
        with self.small.lock:
            self.small.pieces += 1

    def complete(self, body: Body) -> None:
        """Complete as the engine does, as far as the server takes what it is asked for."""
        small = self.small
        body = {name: value for name, value in body.items() if name not in small.passes_over}
        unknown = body.keys() - REQUIRED - small.takes
        if small.key and self.headers["authorization"] != f"Bearer {small.key}":
            self.answer(401, {"error": {"message": f"Incorrect API key: {self.headers['authorization']}"}})
        elif body["model"] not in small.models:
            self.answer(404, {"error": {"message": f"The model `{body['model']}` does not exist.", "code": 404}})
        elif "system" not in small.takes and any(one["role"] == "system" for one in body.get("messages", ())):
            self.answer(400, {"error": {"message": "System role not supported"}})
        elif unknown:
            self.answer(400, {"error": {"message": f"Unrecognized request argument: {sorted(unknown)[0]}"}})
        elif len(body.get("stop", ())) > small.most_stops:
            self.answer(400, {"error": {"message": f"stop: at most {small.most_stops} texts"}})
        else:
            self.stream(body)

    def stream(self, body: Body) -> None:
        assert self.small.engine
        names = ("temperature", "top_p", "top_k", "repetition_penalty", "seed")
        params = SamplingParams(
            max_new_tokens=body["max_tokens"],
            stop=tuple(body.get("stop", ())),
            **{name: body[name] for name in names if name in body},
        )
        each = [replace(params, seed=params.seed + place) for place in range(body.get("n", 1))]
        turns = [message["content"] for message in body.get("messages", ())]
        prompt = Prompt.of(body["prompt"] if "prompt" in body else "\n".join(turns))
        requests = RequestQueue(Request(prompt, params) for params in each)
        self.begin()
        shown = [""] * len(each)
        used = [0, 0]
        with closing(self.small.engine.stream(requests)) as snapshots:
            for index, snapshot in snapshots:
                if snapshot.error:
                    self.send({"error": {"message": snapshot.error, "code": 400}})
                    return
                self.piece(snapshot.text[len(shown[index]) :], snapshot.finish_reason, index)
                shown[index] = snapshot.text
                if snapshot.finished:
                    used = [snapshot.prompt_tokens, used[1] + snapshot.completion_tokens]
        if "stream_options" in body:
            self.send({"choices": [], "usage": {"prompt_tokens": used[0], "completion_tokens": used[1]}})
        self.send("[DONE]")

    def forward(self, body: Body) -> None:
        """Let another server complete, and hand on what it sends, event by event."""
        place = urlsplit(self.small.forward_to)
        with closing(HTTPConnection(place.hostname or "", place.port, timeout=60)) as other:
            other.request("POST", self.path, json.dumps(body), {"content-type": "application/json"})
            answer = other.getresponse()
            if answer.status != 200:
                self.answer(answer.status, answer.read().decode())
                return
            self.begin(answer.headers["content-type"])
            for line in answer:
                self.wfile.write(line)
                self.wfile.flush()
                with self.small.lock:
                    self.small.pieces += b'"text"' in line

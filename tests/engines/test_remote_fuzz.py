"""Streams that are cut, repeated and reordered anywhere: each text comes to an end, as a text or with a sentence.

`pytest --hypothesis-profile fuzz tests/engines/test_remote_fuzz.py` tries 10,000 of each.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import httpx
from hypothesis import given
from hypothesis import strategies as st

from bonsai.engines.base import Completion, Message, Prompt, Request, SamplingParams
from bonsai.engines.remote.dialect import Dialect
from bonsai.engines.remote.server import Server
from bonsai.engines.remote.streamed_completion import StreamedCompletion
from bonsai.engines.remote.wire.connection import Connection
from bonsai.engines.remote.wire.frames import FrameReader
from bonsai.engines.remote.wire.retries import RetryPolicy

PROMPT = Prompt(("Why do rivers bend?",), (Message("user", "Why do rivers bend?"),))


class InstantLoop(asyncio.SelectorEventLoop):
    """An event loop in which time passes only where everybody waits, and then at once."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        selector: Any = self._selector  # type: ignore[attr-defined]
        select: Callable[[float], Any] = selector.select

        def pass_time(timeout: float | None) -> Any:
            assert timeout is not None, "Everybody waits for ever."
            self._now += max(0.0, timeout)
            return select(0)

        selector.select = pass_time

    def time(self) -> float:
        return self._now


def frame(value: object) -> bytes:
    return f"data: {json.dumps(value)}\n\n".encode()


def piece(text: str, index: object = 0, finish: object = None, **more: object) -> bytes:
    part = {"text": text, "delta": {"content": text}}
    return frame({"choices": [{"index": index, "finish_reason": finish, **part}], **more})


FRAMES = (
    *(piece(f" word{number}", index) for number, index in enumerate((0, 0, 1, 2, None, "0"))),
    piece(" \u6c34\U0001f333 "),
    piece(" end", 0, "stop"),
    piece("", 1, "length"),
    piece("", 2, ""),
    piece("", 0, None, usage={"prompt_tokens": 3, "completion_tokens": "many"}),
    frame({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 9}}),
    frame({"error": {"message": "too late", "code": 503}}),
    frame({"error": {"message": "Unsupported parameter: seed", "param": "seed", "code": 400}}),
    frame({"detail": "no"}),
    b"data: [DONE]\n\n",
    b": ping\n\n",
    b"event: error\r\ndata: oh\r\n\r\n",
    b"data: \n\n",
    b'{"choices": [{"text": "whole"}]}\n',
    b"<html><title>Sign in</title>\n",
)
edit = st.tuples(st.sampled_from(["cut", "repeat", "swap", "noise"]), *[st.integers(0, 2000)] * 3)


def edited(data: bytes, edits: Sequence[tuple[str, int, int, int]]) -> bytes:
    """Return the bytes of a stream after slices of it were cut out, repeated, exchanged or overwritten."""
    for kind, *places in edits:
        a, b, c = sorted(place % (len(data) + 1) for place in places)
        if kind == "cut":
            data = data[:a] + data[b:]
        elif kind == "repeat":
            data = data[:b] + data[a:]
        elif kind == "swap":
            data = data[:a] + data[b:c] + data[a:b] + data[c:]
        else:
            data = data[:a] + bytes(place % 256 for place in places) + data[a:]
    return data[:20_000]


streams = st.builds(
    lambda frames, edits: edited(b"".join(frames), edits),
    st.lists(st.sampled_from(FRAMES), max_size=9),
    st.lists(edit, max_size=4),
)
ENDS = ("closes", "breaks off", "hangs")
replies = st.tuples(st.sampled_from((200, 200, 200, 200, 400, 429, 500, 503, 301)), streams, st.sampled_from(ENDS))


class Broken(httpx.AsyncByteStream):
    """The bytes of an answer in pieces, and what happens then."""

    def __init__(self, data: bytes, size: int, end: str) -> None:
        self._data, self._size, self._end = data, size, end

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for place in range(0, len(self._data), self._size):
            yield self._data[place : place + self._size]
        if self._end == "breaks off":
            raise httpx.ReadError("")
        if self._end == "hangs":
            await asyncio.get_running_loop().create_future()


@given(
    st.lists(replies, min_size=1, max_size=4),
    st.integers(1, 400),
    st.sampled_from((1, 1, 3)),
    st.sampled_from(("completions", "chat")),
)
def test_each_text_ends_within_its_deadline(
    answers: list[tuple[int, bytes, str]], size: int, count: int, api: Any
) -> None:
    given = [*answers]
    told: list[list[Completion]] = [[] for _ in range(count)]

    def answer(_request: httpx.Request) -> httpx.Response:
        status, data, end = given.pop(0) if len(given) > 1 else given[0]
        return httpx.Response(status, headers={"location": "http://b/"}, stream=Broken(data, size, end))

    async def ask(policy: RetryPolicy) -> float:
        connection = Connection("http://a/v1", "", policy, httpx.MockTransport(answer))
        server = Server(connection, Dialect(api), policy, concurrency=3)
        params = [SamplingParams(max_new_tokens=20, seed=seed, stop=("word4",)) for seed in range(count)]
        rows = [StreamedCompletion(seed, Request(PROMPT, one), 4, 20, None) for seed, one in enumerate(params)]
        await server.complete(rows, lambda index, completion: told[index].append(completion))
        return asyncio.get_running_loop().time()

    policy = RetryPolicy()
    with asyncio.Runner(loop_factory=InstantLoop) as runner:
        assert runner.run(ask(policy)) <= policy.deadline + policy.grace
    for snapshots in told:
        assert [one.finished for one in snapshots] == [False] * (len(snapshots) - 1) + [True]
        last = snapshots[-1]
        assert last.finish_reason in ("stop", "length", "error")
        assert "word4" not in last.text
        if last.error:
            assert last.error.startswith("The server at a ")
            assert last.error.endswith((".", "?"))
        elif api == "completions":
            assert all(last.text.startswith(one.text) for one in snapshots)


@given(streams, st.lists(st.integers(0, 3000), max_size=9))
def test_it_does_not_matter_where_packets_end(data: bytes, cuts: list[int]) -> None:
    def read(parts: Sequence[bytes]) -> str:
        reader = FrameReader()
        return repr([found for part in parts for found in reader.feed(part)] + list(reader.close()))

    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    assert read([data[a:b] for a, b in zip(places, places[1:], strict=False)]) == read([data])

"""The script of the benchmark: what every completion is said to have said, so that all ways read the same prompts."""

import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import replace

from bonsai.engines.base import Completion, Engine, Prompt, Request, RequestQueue, Snapshots
from bonsai.lab.records import shipped_records

REASONING_TOKENS, ANSWER_TOKENS, CANDIDATE_TOKENS = 96, 96, 32


class ScriptedEngine(Engine):
    """An engine whose completions are drawn by another one, at their full length, and then read from a script.

    So both ways go through the same prompts, whatever they draw. `drawn` holds what was drawn by (prompt, seed),
    `tokens` how many that were, and `first_text` the moment of the first text. A `share` below 1 shortens all lengths.
    Threads may share it.
    """

    def __init__(self, engine: Engine, share: float = 1.0) -> None:
        self.info = replace(engine.info, is_stand_in=False)
        self._engine, self._share = engine, share
        self._script = _Script(engine.count_tokens)
        self._lock = threading.Lock()
        self.begin()

    def count_tokens(self, prompt: Prompt | str) -> int:
        """Return how many tokens of the context a prompt takes."""
        return self._engine.count_tokens(prompt)

    def begin(self) -> None:
        """Forget what was drawn before."""
        self.drawn: dict[tuple[str, int], str] = {}
        self.first_text = 0.0
        self.tokens = 0

    def stream(self, queue: RequestQueue) -> Snapshots:
        """Yield the snapshots of the other engine, the last of each with the text of the script."""
        taken = _Reshaped(queue, self._shaped)
        for number, completion in self._engine.stream(taken):
            if completion.text and not self.first_text:
                self.first_text = time.monotonic()
            if completion.finished:
                completion = self._ended(taken.requests[number], completion)
            yield number, completion

    def _shaped(self, request: Request) -> Request:
        asks = request.sampling.max_new_tokens < REASONING_TOKENS
        length = CANDIDATE_TOKENS if asks else ANSWER_TOKENS
        sampling = replace(request.sampling, max_new_tokens=max(1, round(length * self._share)), stop=())
        return Request(request.prompt, sampling)

    def _ended(self, request: Request, completion: Completion) -> Completion:
        if completion.error:
            return completion
        with self._lock:
            self.tokens += completion.completion_tokens
            self.drawn[request.prompt.text, request.sampling.seed] = completion.text
        asks = request.sampling.max_new_tokens <= max(1, round(CANDIDATE_TOKENS * self._share))
        said = self._script.question(request) if asks else self._script.text(request)
        return replace(completion, text=said, finish_reason="stop")


class _Reshaped(RequestQueue):
    """The queue of a caller, whose requests are reshaped as they are taken; it remembers them."""

    def __init__(self, queue: RequestQueue, shape: Callable[[Request], Request]) -> None:
        super().__init__()
        self._queue, self._shape = queue, shape
        self.requests: list[Request] = []

    def take(self) -> Request:
        self.requests.append(self._shape(self._queue.take()))
        return self.requests[-1]

    def peek(self) -> Request | None:
        request = self._queue.peek()
        return request and self._shape(request)

    def __len__(self) -> int:
        return len(self._queue)


class _Script:
    """Texts of about the length that was asked for, and questions, chosen by the prompt alone."""

    def __init__(self, count_tokens: Callable[[str], int]) -> None:
        records = shipped_records()
        self._count = count_tokens
        # Apart, so that no Reasoning is a copy of its answer, and none is asked for twice.
        self._reasoning = [record.reasoning for record in records]
        self._answers = [record.answer for record in records]
        self._questions = [record.question for record in records]

    def text(self, request: Request) -> str:
        texts = self._reasoning if request.prompt.text.endswith("<|reasoning|>") else self._answers
        start = zlib.crc32(request.prompt.text.encode())
        text = ""
        for step in range(len(texts)):
            longer = f"{text} {texts[(start + step) % len(texts)]}".strip()
            if text and self._count(longer) > request.sampling.max_new_tokens:
                break
            text = longer
        return text

    def question(self, request: Request) -> str:
        place = zlib.crc32(request.prompt.text.encode()) + request.sampling.seed
        return self._questions[place % len(self._questions)]

"""The script of the benchmark: what every completion is said to have said, so that all ways read the same prompts."""

import threading
import zlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from bonsai.engines.base import Completion, Engine, Request, Snapshots
from bonsai.lab.seedling.corpus import knowledge

REASONING_TOKENS, ANSWER_TOKENS, CANDIDATE_TOKENS = 96, 96, 32


class ScriptedEngine(Engine):
    """An engine whose completions are drawn by another one, at their full length, and then read from a script.

    So both ways go through the same prompts, whatever they draw. `drawn` holds what was drawn by (prompt, seed),
    `tokens` how many that were, and `first_text` the moment of the first text. A `share` below 1 shortens all lengths.
    Threads may share it.
    """

    is_stand_in = False

    def __init__(self, engine: Engine, clock: Callable[[], float], share: float = 1.0) -> None:
        self.name, self.model_id, self.adapter_id = engine.name, engine.model_id, engine.adapter_id
        self.device, self.options = engine.device, engine.options
        self.context_length, self.max_batch_size = engine.context_length, engine.max_batch_size
        self.max_concurrent_runs = engine.max_concurrent_runs
        self._engine, self._clock, self._share = engine, clock, share
        self._script = _Script(engine.count_tokens)
        self._lock = threading.Lock()
        self.begin()

    def count_tokens(self, text: str) -> int:
        """Return how many tokens of the context `text` takes as a prompt."""
        return self._engine.count_tokens(text)

    def begin(self) -> None:
        """Forget what was drawn before."""
        self.drawn: dict[tuple[str, int], str] = {}
        self.first_text = 0.0
        self.tokens = 0

    def serve(self, requests: deque[Request]) -> Snapshots:
        """Yield the snapshots of the other engine, the last of each with the text of the script."""
        taken = _Taken(requests, self._shaped)
        for number, completion in self._engine.serve(taken):
            if completion.text and not self.first_text:
                self.first_text = self._clock()
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
            self.drawn[request.prompt, request.sampling.seed] = completion.text
        asks = request.sampling.max_new_tokens <= max(1, round(CANDIDATE_TOKENS * self._share))
        said = self._script.question(request) if asks else self._script.text(request)
        return replace(completion, text=said, finish_reason="stop")


class _Taken(deque[Request]):
    """The queue of another, from whose left requests are taken in another shape; it remembers them."""

    def __init__(self, queue: deque[Request], shape: Callable[[Request], Request]) -> None:
        super().__init__()
        self._queue, self._shape = queue, shape
        self.requests: list[Request] = []

    def __len__(self) -> int:
        return len(self._queue)

    def popleft(self) -> Request:
        self.requests.append(self._shape(self._queue.popleft()))
        return self.requests[-1]


class _Script:
    """Texts of about the length that was asked for, and questions, chosen by the prompt alone."""

    def __init__(self, count_tokens: Callable[[str], int]) -> None:
        records = knowledge()
        self._count = count_tokens
        # Apart, so that no Reasoning is a copy of its answer, and none is asked for twice.
        self._reasoning = [record.reasoning for record in records]
        self._answers = [record.answer for record in records]
        self._questions = [record.question for record in records]

    def text(self, request: Request) -> str:
        texts = self._reasoning if request.prompt.endswith("<|reasoning|>") else self._answers
        start = zlib.crc32(request.prompt.encode())
        text = ""
        for step in range(len(texts)):
            longer = f"{text} {texts[(start + step) % len(texts)]}".strip()
            if text and self._count(longer) > request.sampling.max_new_tokens:
                break
            text = longer
        return text

    def question(self, request: Request) -> str:
        return _pick(self._questions, request)


def _pick(texts: Sequence[str], request: Request) -> str:
    return texts[(zlib.crc32(request.prompt.encode()) + request.sampling.seed) % len(texts)]

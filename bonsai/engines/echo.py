"""The echo engine: answers at once from the words of its prompt, for tests and for work on the page."""

import random
import re
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bonsai.engines.base import (
    Completion,
    Engine,
    EngineInfo,
    FinishReason,
    Prompt,
    Request,
    RequestQueue,
    Snapshots,
    check_options,
    cut_at_stop,
    failed,
    hold_back,
    too_long,
)

_ASPECTS = """
    cost time trust history language measurement risk habit chance memory structure scale energy attention law
    weather craft culture training supply rhythm health freedom evidence balance design distance patience feedback
    tools belief growth silence water music numbers children custom hunger machines stories debt sleep neighbours
    paper luck travel winter fashion anger gardens money light doubt teachers harvest soil rivers games ritual
    gossip iron maps bread
"""
# The aspects come last, so that the next question is about them.
_QUESTIONS = (
    "Beyond {topic}, how does {first} change {second}?",
    "Besides {topic}, who gains from {first} and {second}?",
    "After {topic}, why does {first} need {second}?",
    "With {topic}, when should {first} give way to {second}?",
    "Without {topic}, what would {first} owe to {second}?",
)
_MARKS = re.compile(r"<\|\w+\|>|\b(?:Instruct|Output):|\n")
_ORDERS = re.compile(r"(?:Asked before|First write|Ask) ?\b")
_ASKS = re.compile(r"\b(ask|write one)\b.*\bquestion\b", re.IGNORECASE)
_SMALL_WORDS = """
    what which would could should does this that with from have about beyond besides after without when gains change
    need give
"""


@dataclass
class _Row:
    index: int
    words: list[str]
    limit: int
    stop: tuple[str, ...]
    prompt_tokens: int
    started: float
    written: int = 0

    def grow(self) -> Completion:
        self.written += 1
        text, stopped = cut_at_stop("".join(self.words[: self.written]), self.stop)
        reason: FinishReason | None = None
        if stopped or self.written >= len(self.words):
            reason = "stop"
        elif self.written >= self.limit:
            reason = "length"
        shown = text if reason else hold_back(text, self.stop)
        return Completion(
            shown,
            reason,
            prompt_tokens=self.prompt_tokens,
            completion_tokens=self.written,
            seconds=time.monotonic() - self.started,
        )


class EchoEngine(Engine):
    """An engine without a model: the same prompt and seed give the same text, word by word; a word is a token.

    `replies` maps a text found in the prompt to the completion to give; a prompt that holds `fail_on` fails;
    `pause` is called before each snapshot, so that a test can wait or stop there.
    """

    def __init__(
        self,
        *,
        replies: Mapping[str, str] | None = None,
        fail_on: str = "",
        pause: Callable[[], object] | None = None,
        context_length: int = 2048,
    ) -> None:
        self.replies = dict(replies or {})
        self.fail_on = fail_on
        self.pause = pause or (lambda: None)
        self.info = EngineInfo(
            "echo",
            "echo",
            device="no device",
            is_stand_in=True,
            context_length=context_length,
            max_batch_size=64,
            max_concurrent_runs=64,
        )

    def count_tokens(self, prompt: Prompt | str) -> int:
        """Return the number of words in a prompt."""
        return len(Prompt.of(prompt).text.split())

    def stream(self, queue: RequestQueue) -> Snapshots:
        """Yield one more word of every prompt's completion in turn; see Engine."""
        rows: list[_Row] = []
        taken = 0
        while rows or queue:
            for request in self.take(queue, self.info.max_batch_size - len(rows)):
                check_options(self.info, request.sampling)
                tokens = self.count_tokens(request.prompt)
                if tokens >= self.info.context_length:
                    yield taken, too_long(tokens, self.info.context_length)
                elif self.fail_on and self.fail_on in request.prompt.text:
                    yield taken, failed("The echo engine was told to fail on this prompt.", tokens)
                else:
                    rows.append(self._row(taken, request, tokens))
                taken += 1
            for row in list(rows):
                self.pause()
                snapshot = row.grow()
                if snapshot.finished:
                    rows.remove(row)
                yield row.index, snapshot

    def take(self, queue: RequestQueue, room: int) -> list[Request]:
        """Take the requests to begin now out of the queue, `room` at most, and return them."""
        return [queue.take() for _ in range(min(room, len(queue)))]

    def _row(self, index: int, request: Request, tokens: int) -> _Row:
        reply = next((text for part, text in self.replies.items() if part in request.prompt.text), None)
        text = _echo(request.prompt.text, request.sampling.seed) if reply is None else reply
        words = re.findall(r"\s*\S+|\s+$", text) or [""]
        limit = min(request.sampling.max_new_tokens, self.info.context_length - tokens)
        return _Row(index, words, limit, request.sampling.stop, tokens, time.monotonic())


def _echo(prompt: str, seed: int) -> str:
    """Return a sentence or question about the words of the prompt's last question."""
    parts = [part.strip() for part in _MARKS.split(prompt) if part.strip()] or ["nothing"]
    asks = bool(_ASKS.search(parts[-1]))
    questions = [part for part in parts if "?" in part and not _ORDERS.match(part)]
    topic = _topic(questions[-1] if questions else parts[0 if asks else -1])
    number = zlib.crc32(prompt.encode()) + seed
    first, second, third = random.Random(number).sample(_ASPECTS.split(), 3)
    if asks:
        return _QUESTIONS[number % len(_QUESTIONS)].format(topic=topic, first=first, second=second)
    if prompt.rstrip().endswith("<|reasoning|>") or "reasoning" in parts[-1]:
        return f"The question is about {topic}. Weigh {first} first, and then see what {second} adds to it."
    return f"For {topic}, begin with {first} and {second}. What is left of it is a matter of {third}."


def _topic(text: str) -> str:
    words = [word for word in re.findall(r"\w+", text.lower()) if len(word) > 3 and word not in _SMALL_WORDS.split()]
    return " ".join(words[-3:]) or " ".join(text.split()[:3]).rstrip("?.!")

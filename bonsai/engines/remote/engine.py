"""The remote engine: an OpenAI-compatible server completes the prompts, many at a time."""

import asyncio
import threading
import weakref
from collections.abc import Coroutine, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from bonsai.engines.base import (
    DEFAULT_OPTIONS,
    Completion,
    Engine,
    EngineInfo,
    Prompt,
    Request,
    RequestQueue,
    SamplingParams,
    Snapshots,
    check_options,
    too_long,
)
from bonsai.engines.remote.dialect import Dialect
from bonsai.engines.remote.server import Server, close
from bonsai.engines.remote.streamed_completion import StreamedCompletion
from bonsai.engines.remote.token_counting import KnownModel, estimate, known_model
from bonsai.engines.remote.wire.connection import Connection
from bonsai.engines.remote.wire.listed_models import usual_model
from bonsai.engines.remote.wire.retries import USUAL_POLICY, RetryPolicy
from bonsai.errors import EngineError, Note, SettingError
from bonsai.settings import NO_ADAPTER, Settings, keep_torch_to_one_thread

_USUAL_CONTEXT = 2048
_SIGN_OF_LIFE_SECONDS = 0.1
_SECONDS_TO_END = 5.0
_COUNTED_AT_ONCE = 8

Result = TypeVar("Result")


def load(settings: Settings) -> "RemoteEngine":
    """Return an engine that asks the server of `settings`; raise SettingError or EngineError, saying what to do."""
    if settings.zero_gpu:
        raise SettingError(
            "BONSAI_ENGINE is 'remote', which would lease a GPU and not use it; on ZeroGPU it must be auto or local."
        )
    if not settings.base_url:
        raise SettingError(
            "BONSAI_ENGINE is 'remote', which asks a server: set BONSAI_BASE_URL to its address, such as "
            "http://127.0.0.1:8000/v1."
        )
    # The server may be on this machine.
    keep_torch_to_one_thread()
    return RemoteEngine(settings)


class _Uncounted(Exception):
    """The server did not count a text; an estimate is not kept, since the next time it may."""


class RemoteEngine(Engine):
    """An engine that has a server complete the prompts, at most `max_batch_size` of all callers at a time.

    What fails in passing is asked for again, as `policy` says. The model is the one that the server lists first if none
    is named. Raises EngineError if no text can be had.
    """

    def __init__(self, settings: Settings, policy: RetryPolicy = USUAL_POLICY, dialect: Dialect | None = None) -> None:
        """`dialect` is what the server is known to take; without it, it is tried out, a token at a time."""
        connection = Connection(settings.base_url, settings.api_key, policy)
        self._loop = asyncio.new_event_loop()
        thread = threading.Thread(target=self._loop.run_forever, name="bonsai-remote", daemon=True)
        thread.start()
        self._server = Server(connection, dialect or Dialect(), policy, settings.concurrency)
        weakref.finalize(self, _end, self._loop, thread, connection)
        self._counted = lru_cache(4096)(self._count_elsewhere)
        self._wait(self._server.list_models())
        model = settings.model or usual_model(self._server.models)
        adapter = "" if settings.adapter == NO_ADAPTER else settings.adapter
        if not model:
            said = f" ({self._server.why_unlisted})" if self._server.why_unlisted else ""
            raise EngineError(
                f"The server at {self._server.address} does not say which models it has{said}. Set BONSAI_MODEL to the "
                "one that it serves."
            )
        # vLLM serves an adapter under its own name.
        self._server.dialect.model = adapter or model
        known = known_model(model, settings.revision)
        self._known = known.count
        if dialect is None:
            self._wait(self._server.try_out(settings.api))
        told = self._wait(self._server.properties())
        listed = self._server.listed_length(model)
        self.info = EngineInfo(
            "remote",
            model,
            adapter,
            device=self._server.address,
            context_length=listed or known.context_length or _USUAL_CONTEXT,
            options=DEFAULT_OPTIONS - self._server.dialect.lacks.keys(),
            max_batch_size=settings.concurrency,
            max_concurrent_runs=settings.concurrency,
            chat_template=str(told.get("chat_template") or known.chat_template),
            eos_token=str(told.get("eos_token") or known.eos_token),
            notes=tuple(_assumed(settings, self._server, known, listed)) if dialect is None else (),
        )

    @property
    def notes(self) -> tuple[Note, ...]:
        """What the server does not take now, and what was assumed of it."""
        return (*self.info.notes, *self._server.notes())

    def count_tokens(self, prompt: Prompt | str) -> int:
        """Return how many tokens of the context a prompt takes.

        By the model's own tokenizer, if it is in a folder or the hub's cache here; else by the server's, if it counts
        as vLLM does; else an estimate on the safe side.
        """
        text = Prompt.of(prompt).text
        if self._known:
            return self._known(text)
        try:
            return self._counted(text)
        except _Uncounted:
            return estimate(text)

    def stream(self, queue: RequestQueue) -> Snapshots:
        """Yield (number of the request, snapshot) as the completions grow; see Engine."""
        news: SimpleQueue[tuple[int, Completion]] = SimpleQueue()
        running: dict[int, Completion] = {}
        work: set[Future[None]] = set()
        taken = 0
        try:
            while queue or running:
                batches = self._take_all(queue, self.info.max_batch_size - len(running))
                self._count_ahead([batch[0].prompt for batch in batches])
                for together in batches:
                    rows = [self._row(taken + place, request) for place, request in enumerate(together)]
                    taken += len(rows)
                    if rows[0].last.finished:
                        yield from ((row.index, row.last) for row in rows)
                        continue
                    running |= {row.index: row.last for row in rows}
                    work = {future for future in work if not future.done()}
                    work.add(self._begin(self._server.complete(rows, lambda *told: news.put(told))))
                if running:
                    yield self._read(news, running)
        finally:
            for future in work:
                future.cancel()

    def _take_all(self, queue: RequestQueue, room: int) -> list[list[Request]]:
        """Take the requests for which there is room out of the queue, together what is asked for together."""
        batches: list[list[Request]] = []
        while queue and room > 0:
            batches.append(self._take(queue, room))
            room -= len(batches[-1])
        return batches

    def _count_ahead(self, prompts: Sequence[Prompt]) -> None:
        """Have several prompts counted at once, lest the first text is finished before the last is begun."""
        if len(prompts) > 1 and not self._known:
            with ThreadPoolExecutor(_COUNTED_AT_ONCE) as pool:
                list(pool.map(self.count_tokens, prompts))

    def _take(self, queue: RequestQueue, room: int) -> list[Request]:
        """Return the next request, and with it those that a server gives for one prompt: with one seed after the other.

        They are taken out of the queue.
        """
        first = queue.take()
        together = [first]
        if not self._server.dialect.gives_several or first.sampling.temperature == 0:
            return together
        while (following := queue.peek()) and len(together) < room:
            seed = following.sampling.seed
            alike = following == Request(first.prompt, replace(first.sampling, seed=seed))
            if not alike or seed != first.sampling.seed + len(together):
                break
            together.append(queue.take())
        return together

    def _row(self, index: int, request: Request) -> StreamedCompletion:
        # Candidates differ by their seeds, also where the server does not take them; `notes` tells of it.
        check_options(self.info, replace(request.sampling, seed=SamplingParams.seed))
        tokens = self.count_tokens(request.prompt)
        room = self.info.context_length - tokens
        row = StreamedCompletion(index, request, tokens, min(request.sampling.max_new_tokens, room), self._known)
        if room < 1:
            row.last = too_long(tokens, self.info.context_length)
        return row

    def _read(
        self, news: "SimpleQueue[tuple[int, Completion]]", running: dict[int, Completion]
    ) -> tuple[int, Completion]:
        """Return what is new, or a sign of life if nothing is for a while."""
        try:
            index, completion = news.get(timeout=_SIGN_OF_LIFE_SECONDS)
        except Empty:
            return next(iter(running.items()))
        running[index] = completion
        if completion.finished:
            del running[index]
        return index, completion

    def _count_elsewhere(self, text: str) -> int:
        counted = self._wait(self._server.count_tokens(text))
        if counted is None:
            raise _Uncounted
        return counted

    def _begin(self, work: "Coroutine[Any, Any, Result]") -> "Future[Result]":
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def _wait(self, work: "Coroutine[Any, Any, Result]") -> Result:
        return self._begin(work).result()


def _assumed(settings: Settings, server: Server, known: KnownModel, listed: int) -> Iterator[Note]:
    """Yield what was assumed of a server that was tried out, and which settings are not for a server."""
    place = server.address
    if not settings.model and len(server.models) > 1:
        yield Note(
            "No model was named, so the first was asked that the server lists: {model}.", model=server.dialect.model
        )
    if settings.api == "auto" and server.dialect.api == "chat":
        yield Note("The server at {server} has no plain completions, so it was asked in a chat.", server=place)
    if not (listed or known.count):
        told = "The server at {server} does not say how much its model reads, so {tokens} tokens were assumed."
        yield Note(told, server=place, tokens=_USUAL_CONTEXT)
    for name in settings.of_weights():
        yield Note(
            "The server at {server} has its weights loaded, so {setting} was left out.", server=place, setting=name
        )


def _end(loop: asyncio.AbstractEventLoop, thread: threading.Thread, connection: Connection) -> None:
    # It is given no server: that may hold the engine, which then would never end.
    ending = asyncio.run_coroutine_threadsafe(close(connection), loop)
    ending.add_done_callback(lambda _: loop.call_soon_threadsafe(loop.stop))
    # The garbage collector may call this on any thread.
    if threading.current_thread() is not thread:
        thread.join(_SECONDS_TO_END)
        if not thread.is_alive():
            loop.close()

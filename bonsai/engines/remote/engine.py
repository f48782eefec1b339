"""The remote engine: an OpenAI-compatible server completes the prompts, many at a time."""

import asyncio
import contextlib
import re
import threading
import weakref
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import Future
from dataclasses import replace
from functools import lru_cache
from queue import Empty, SimpleQueue
from typing import Any, TypeVar
from urllib.parse import urlsplit

import openai

from bonsai.engines.base import Completion, Engine, Request, SamplingParams, Snapshots, check_options, too_long
from bonsai.engines.remote.retries import RetryPolicy, ServerError, retry_after, said
from bonsai.engines.remote.streamed_completion import Diverged, StreamedCompletion
from bonsai.engines.remote.token_counting import estimate, known_model
from bonsai.errors import EngineError, SettingError, first_line
from bonsai.settings import NO_ADAPTER, SEEDLING, Settings

_USUAL_CONTEXT = 2048
_SIGN_OF_LIFE_SECONDS = 0.1
_SECONDS_TO_LIST = 10.0
_SECONDS_TO_END = 5.0
_OPTIONS = ("seed", "top_k", "repetition_penalty")
# OpenAI's own server takes no more stop texts.
_FEW_STOPS = 4

Tell = Callable[[int, Completion], None]
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
    return RemoteEngine(settings)


class RemoteEngine(Engine):
    """An engine that has a server complete the prompts, at most `rows_at_once` of all callers together at a time.

    What fails in passing is asked for again, as `patience` says. The model is the one that the server lists first if
    none is named. One completion of a token is asked for at once: it tells what the server can do. Raises EngineError
    if it cannot be had.
    """

    name = "remote"

    def __init__(self, settings: Settings, patience: RetryPolicy | None = None) -> None:
        self._loop = asyncio.new_event_loop()
        thread = threading.Thread(target=self._loop.run_forever, name="bonsai-remote", daemon=True)
        thread.start()
        self.max_batch_size = self.max_concurrent_runs = settings.concurrency
        self._server = _Server(settings, patience or RetryPolicy())
        weakref.finalize(self, _end, self._loop, thread, self._server)
        listed = self._wait(self._server.list_models())
        self.model_id = settings.model or next(iter(listed), "")
        self.adapter_id = "" if settings.adapter == NO_ADAPTER else settings.adapter
        if not self.model_id:
            raise EngineError(
                f"The server at {self._server.address} does not say which models it has. Set BONSAI_MODEL to the one "
                "that it serves."
            )
        # vLLM serves an adapter under its own name.
        self._server.model = self.adapter_id or self.model_id
        self.device = self._server.address
        self.is_stand_in = self.model_id == SEEDLING
        known = known_model(self.model_id, settings.revision)
        self._known = known.count if known else None
        self._counted = lru_cache(4096)(self._count_elsewhere)
        length = listed.get(self._server.model) or listed.get(self.model_id) or (known.context_length if known else 0)
        self.context_length = length or _USUAL_CONTEXT
        self._try_out()
        self.options = frozenset({"temperature", "top_p", *_OPTIONS} - self._server.lacks)

    def count_tokens(self, text: str) -> int:
        """Return how many tokens of the context `text` takes as a prompt.

        By the model's own tokenizer, if it is in a folder or the hub's cache here; else by the server's, if it counts
        as vLLM does; else an estimate on the safe side.
        """
        return self._known(text) if self._known else self._counted(text)

    def serve(self, requests: deque[Request]) -> Snapshots:
        """Yield (number of the request, snapshot) as the completions grow; see Engine."""
        news: SimpleQueue[tuple[int, Completion]] = SimpleQueue()
        running: dict[int, Completion] = {}
        work: set[Future[None]] = set()
        taken = 0
        try:
            while requests or running:
                while requests and len(running) < self.max_batch_size:
                    together = self._take(requests, self.max_batch_size - len(running))
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

    def _take(self, requests: deque[Request], room: int) -> list[Request]:
        """Return the next request, and with it those that a server gives for one prompt: with one seed after the other.

        They are taken out of `requests`.
        """
        first = requests.popleft()
        together = [first]
        if "n" in self._server.lacks or first.sampling.temperature == 0:
            return together
        while requests and len(together) < room:
            following = requests[0]
            seed = following.sampling.seed
            alike = following == Request(first.prompt, replace(first.sampling, seed=seed))
            if not alike or seed != first.sampling.seed + len(together):
                break
            together.append(requests.popleft())
        return together

    def _row(self, index: int, request: Request) -> StreamedCompletion:
        check_options(self, request.sampling)
        tokens = self.count_tokens(request.prompt)
        room = self.context_length - tokens
        row = StreamedCompletion(index, request, tokens, min(request.sampling.max_new_tokens, room), self._known)
        if room < 1:
            row.last = too_long(tokens, self.context_length)
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

    def _try_out(self) -> None:
        """Ask for one token in all the ways that a server may lack; raise EngineError if it is not to be had."""
        stop = tuple(f"<|{number}|>" for number in range(_FEW_STOPS + 1))
        each = [SamplingParams(max_new_tokens=1, seed=seed, stop=stop) for seed in (1, 2)]
        rows = [StreamedCompletion(place, Request("Hello", params), 1, 1, None) for place, params in enumerate(each)]
        self._wait(self._server.complete(rows, lambda *_: None))
        if rows[0].last.error:
            raise EngineError(rows[0].last.error)

    def _count_elsewhere(self, text: str) -> int:
        counted = self._wait(self._server.count_tokens(text))
        return estimate(text) if counted is None else counted

    def _begin(self, work: "Coroutine[Any, Any, Result]") -> "Future[Result]":
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def _wait(self, work: "Coroutine[Any, Any, Result]") -> Result:
        return self._begin(work).result()


class _Server:
    """The server as seen from the event loop; `lacks` names what it has refused to do."""

    def __init__(self, settings: Settings, patience: RetryPolicy) -> None:
        place = urlsplit(settings.base_url)
        self.address = place.netloc.rpartition("@")[2]
        self.model = ""
        self.lacks: set[str] = set()
        self._key, self._patience = settings.api_key, patience
        self._root = settings.base_url.rstrip("/").removesuffix("/v1")
        self._places, self._door = asyncio.Semaphore(settings.concurrency), asyncio.Lock()
        self._client = openai.AsyncOpenAI(
            base_url=settings.base_url,
            api_key=settings.api_key or "none",
            max_retries=0,
            timeout=openai.Timeout(patience.silence, connect=min(_SECONDS_TO_LIST, patience.silence)),
        )

    async def list_models(self) -> dict[str, int]:
        """Return the context length (0 if it is not said) of each model that the server lists, in its order.

        Raises EngineError if the server cannot be reached or refuses the key; many list nothing and yet complete.
        """
        try:
            found: Any = await self._client.get("/models", cast_to=object, options={"timeout": _SECONDS_TO_LIST})
            return {str(item["id"]): int(item.get("max_model_len") or 0) for item in found["data"]}
        except openai.APIError as error:
            trouble = self._trouble(error)
            if trouble.kind in ("unreachable", "silent") or trouble.status in (401, 403):
                raise EngineError(self._sentence(trouble)) from error
            return {}
        except (ValueError, TypeError, KeyError, AttributeError):
            return {}

    async def count_tokens(self, text: str) -> int | None:
        """Return the tokens that the server counts in `text`, None if it does not."""
        if "tokenize" in self.lacks:
            return None
        try:
            asked = {"model": self.model, "prompt": text}
            found: Any = await self._client.post(f"{self._root}/tokenize", cast_to=object, body=asked)
            return int(found["count"])
        except openai.APIConnectionError:
            return None
        except (openai.APIError, ValueError, TypeError, KeyError):
            self.lacks.add("tokenize")
            return None

    async def complete(self, rows: list[StreamedCompletion], tell: Tell) -> None:
        """Complete the rows, of one prompt and with one seed after the other, and tell of each snapshot."""
        try:
            async with self._room(len(rows)):
                await self._finish(rows, tell)
        except Exception as error:
            # Whatever it is, nobody may be left waiting for it.
            self._fail(rows, f"The server at {self.address} could not be asked ({first_line(error)}).", tell)

    async def end(self) -> None:
        """Break off what is under way and close the connections."""
        for task in self._others():
            task.cancel()
        await asyncio.gather(*self._others(), return_exceptions=True)
        await self._client.close()
        # Streams that were broken off close themselves in tasks of their own, which must not outlive the loop.
        await asyncio.get_running_loop().shutdown_asyncgens()
        await asyncio.gather(*self._others(), return_exceptions=True)

    @staticmethod
    def _others() -> set[asyncio.Task[Any]]:
        return asyncio.all_tasks() - {asyncio.current_task()}

    @contextlib.asynccontextmanager
    async def _room(self, count: int) -> AsyncIterator[None]:
        """Wait for so many places; one after the other, lest two wait for each other."""
        held = 0
        try:
            async with self._door:
                while held < count:
                    await self._places.acquire()
                    held += 1
            yield
        finally:
            for _ in range(held):
                self._places.release()

    async def _finish(self, rows: list[StreamedCompletion], tell: Tell) -> None:
        """Ask for the rows, again and again if need be, until each is finished; after a failure each by itself."""
        clock = asyncio.get_running_loop().time
        end, tries = clock() + self._patience.deadline, 0
        while rows:
            try:
                async with asyncio.timeout_at(end):
                    await self._stream(rows, tell)
            except Diverged:
                pass
            except (openai.OpenAIError, ServerError, TimeoutError, ValueError, OSError) as error:
                trouble = self._trouble(error)
                if self._learns(trouble, rows):
                    if "n" not in self.lacks:
                        continue
                else:
                    tries += 1
                    pause = self._patience.pause(trouble, tries)
                    if pause is None or clock() + pause >= end:
                        self._fail(rows, self._sentence(trouble), tell)
                        return
                    await asyncio.sleep(pause)
            rows = [row for row in rows if not row.last.finished]
            if len(rows) > 1:
                await asyncio.gather(*(self._finish([row], tell) for row in rows))
                return

    async def _stream(self, rows: list[StreamedCompletion], tell: Tell) -> None:
        for row in rows:
            row.begin()
        stream = await self._client.completions.create(
            model=self.model,
            prompt=rows[0].prompt,
            max_tokens=rows[0].limit,
            stream=True,
            temperature=rows[0].request.sampling.temperature,
            top_p=rows[0].request.sampling.top_p,
            extra_body=self._optional(rows),
        )
        async with stream:
            if "event-stream" not in stream.response.headers.get("content-type", ""):
                raise ServerError("unreadable")
            async for chunk in stream:
                for choice in getattr(chunk, "choices", None) or ():
                    self._read(choice, rows, tell)
                usage = getattr(chunk, "usage", None)
                if usage and len(rows) == 1:
                    rows[0].used(usage.prompt_tokens, usage.completion_tokens)
                if all(row.cut or row.last.finished and len(rows) > 1 for row in rows):
                    break
        unfinished = [row for row in rows if not row.last.finished]
        if len(rows) == 1 and not unfinished:
            tell(rows[0].index, rows[0].last)
        if len(rows) > len(unfinished) > 0 and not any(row.last.text for row in unfinished):
            self.lacks.add("n")
        elif unfinished:
            raise ServerError("lost")

    def _read(self, choice: Any, rows: list[StreamedCompletion], tell: Tell) -> None:
        """Add what a chunk of the stream has for one of the rows."""
        index, text, reason = (getattr(choice, name, None) for name in ("index", "text", "finish_reason"))
        if not isinstance(index, int) or not 0 <= index < len(rows) or rows[index].last.finished:
            return
        row = rows[index]
        if text:
            row.take(text)
        if reason in ("abort", "error"):
            raise ServerError("lost")
        if reason and not row.last.finished:
            row.end("length" if reason == "length" else "stop")
        # The end of a single row is told when its counts have come.
        if len(rows) > 1 or not row.last.finished:
            tell(row.index, row.last)

    def _optional(self, rows: list[StreamedCompletion]) -> dict[str, object]:
        """Return what is asked for beyond the usual, without what the server lacks."""
        sampling = rows[0].request.sampling
        wanted: dict[str, object] = {name: getattr(sampling, name) for name in _OPTIONS}
        wanted["stream_options"] = {"include_usage": True}
        if sampling.stop:
            wanted["stop"] = list(sampling.stop[: _FEW_STOPS if "many stops" in self.lacks else None])
        if len(rows) > 1:
            wanted["n"] = len(rows)
        return {name: value for name, value in wanted.items() if name not in self.lacks}

    def _learns(self, trouble: ServerError, rows: list[StreamedCompletion]) -> bool:
        """Note what the server lacks, if that is why it refuses; return whether it is."""
        if trouble.status not in (400, 422):
            return False
        named = {name for name in self._optional(rows) if re.search(rf"(?<![\w\\]){name}(?!\w)", trouble.message)}
        if "stop" in named and "many stops" not in self.lacks:
            named = named - {"stop"} | {"many stops"}
        self.lacks |= named
        return bool(named)

    def _fail(self, rows: list[StreamedCompletion], sentence: str, tell: Tell) -> None:
        for row in rows:
            if not row.last.finished:
                row.fail(sentence)
                tell(row.index, row.last)

    def _sentence(self, trouble: ServerError) -> str:
        return trouble.sentence(self.address, self.model)

    def _trouble(self, error: Exception) -> ServerError:
        """Return what went wrong, in our words; the key is not in it."""
        if isinstance(error, ServerError):
            return error
        if isinstance(error, TimeoutError):
            return ServerError("late")
        if isinstance(error, openai.APIConnectionError):
            if type(error.__cause__).__name__.startswith("Connect"):
                return ServerError("unreachable")
            return ServerError("silent" if isinstance(error, openai.APITimeoutError) else "lost")
        if isinstance(error, openai.APIStatusError):
            return ServerError(
                "refused", error.status_code, said(error.body, self._key), retry_after(error.response.headers)
            )
        if isinstance(error, openai.APIError) and not isinstance(error, openai.APIResponseValidationError):
            code = error.code or ""
            return ServerError("said", int(code) if code.isdigit() else 0, said(error.body, self._key))
        return ServerError("unreadable")


def _end(loop: asyncio.AbstractEventLoop, thread: threading.Thread, server: _Server) -> None:
    ending = asyncio.run_coroutine_threadsafe(server.end(), loop)
    ending.add_done_callback(lambda _: loop.call_soon_threadsafe(loop.stop))
    # The garbage collector may call this on any thread.
    if threading.current_thread() is not thread:
        thread.join(_SECONDS_TO_END)
        if not thread.is_alive():
            loop.close()

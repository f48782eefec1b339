"""One OpenAI-compatible server: its models, its token counts, and streamed completions."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import urlsplit

import openai

from bonsai.engines.base import (
    Completion,
)
from bonsai.engines.remote.retries import RetryPolicy, ServerError, retry_after, said
from bonsai.engines.remote.streamed_completion import Diverged, StreamedCompletion
from bonsai.errors import EngineError, first_line
from bonsai.settings import Settings

_SECONDS_TO_LIST = 10.0
_OPTIONS = ("seed", "top_k", "repetition_penalty")
# OpenAI's own server takes no more stop texts.
_FEW_STOPS = 4

Tell = Callable[[int, Completion], None]


class Server:
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

"""Completions from a server: asked for again where that may help, with less where it takes less, and told of."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bonsai.engines.base import Completion
from bonsai.engines.remote.dialect import Dialect
from bonsai.engines.remote.reply import Reply, Tell, UnnumberedTexts
from bonsai.engines.remote.streamed_completion import Diverged, StreamedCompletion
from bonsai.engines.remote.wire.connection import Connection
from bonsai.engines.remote.wire.retries import RetryPolicy
from bonsai.engines.remote.wire.server_errors import ServerError, Trouble

Rows = list[StreamedCompletion]


@dataclass(frozen=True)
class _Job:
    """What is the same for all attempts at some rows."""

    tell: Tell
    sentence: Callable[[ServerError], str]
    """What is said of an error."""
    is_alone: bool = False
    """Whether nothing else is asked for meanwhile."""


class Completions:
    """Has a server write texts, at most `most` at a time; to be used on one event loop."""

    def __init__(self, connection: Connection, dialect: Dialect, policy: RetryPolicy, most: int) -> None:
        self.model = ""
        """The model that is asked, by the name that the server has for it."""
        self.dialect, self.policy = dialect, policy
        self._connection = connection
        self._most, self._places = most, asyncio.Semaphore(most)
        self._door = asyncio.Lock()

    async def complete(self, rows: Rows, tell: Tell, sentence: Callable[[ServerError], str]) -> None:
        """Complete the rows, of one prompt and with one seed after the other, and tell of each snapshot.

        Each is told its end within the policy's deadline, which begins again for a text that is to be written alone;
        `sentence` says what went wrong.
        """
        job = _Job(tell, sentence)
        async with self.room(len(rows)):
            crowded = await self._finish(rows, job, self._now() + self.policy.deadline)
        for row in crowded:
            async with self.room(self._most):
                await self._finish([row], replace(job, is_alone=True), self._now() + self.policy.deadline)

    async def ask_once(self, rows: Rows, offered: frozenset[str]) -> ServerError | None:
        """Ask for the rows once with these options; return what went wrong, None if nothing did."""
        async with self.room(len(rows)):
            body = self.dialect.body(self.model, rows, offered)
            error = await self._attempt(rows, body, _tell_nobody, self._now() + self.policy.deadline)
        missing = not all(row.last.finished for row in rows)
        return error or (ServerError(Trouble.LOST) if missing else None)

    @contextlib.asynccontextmanager
    async def room(self, count: int) -> AsyncIterator[None]:
        """Wait for so many places, or for all; one after the other, lest two wait for each other."""
        held = 0
        try:
            async with self._door:
                while held < min(count, self._most):
                    await self._places.acquire()
                    held += 1
            yield
        finally:
            for _ in range(held):
                self._places.release()

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()

    async def _finish(self, rows: Rows, job: "_Job", end: float, tries: int = 0) -> Rows:
        """Finish the rows, asked again if need be, after a failure each; return those for which there was no room."""
        refusals: list[ServerError] = []
        without: set[str] = set()
        body: dict[str, Any] = {}

        def told(index: int, completion: Completion) -> None:
            if without or self.dialect.lacks:
                self.dialect.learn(self.dialect.asked(body), without)
                without.clear()
            job.tell(index, completion)

        while True:
            offered = self.dialect.offered() - without
            body = self.dialect.body(self.model, rows, offered)
            error = await self._attempt(rows, body, told, end)
            rows = [row for row in rows if not row.last.finished]
            if not rows or (error and error.is_crowded and not job.is_alone):
                return rows
            if error and error.is_answer and len(rows) == 1:
                refusals.append(error)
                blamed = self.dialect.blamed(error, body, rows[0].texts) & offered
                without |= blamed
                if blamed:
                    continue
            tries += 1
            pause = self._pause(error, tries, len(rows))
            if pause is None or self._now() + pause >= end:
                _fail(rows, job.sentence((refusals or [error or ServerError(Trouble.LOST)])[0]), job.tell)
                return []
            if pause:
                await self.policy.sleep(pause)
            if len(rows) > 1:
                refused = error is not None and error.refuses_request
                each = replace(job, tell=self._learning_from(rows, job.tell)) if refused else job
                return sum(await asyncio.gather(*(self._finish([row], each, end, tries) for row in rows)), [])

    def _learning_from(self, rows: Rows, tell: Tell) -> Tell:
        """Return a `tell` that first notes, once a row is complete by itself, that they are not to be had together."""

        def learn(index: int, completion: Completion) -> None:
            if any(row.last.finished and not row.last.error for row in rows):
                self.dialect.miss({"n"})
            tell(index, completion)

        return learn

    def _pause(self, error: ServerError | None, tries: int, rows: int) -> float | None:
        """Return how long to wait before the rows are asked for again; None if they are not to be."""
        if error is None:
            return 0.0 if tries < self.policy.tries else None
        return 0.0 if rows > 1 and error.is_answer and not error.passing else self.policy.pause(error, tries)

    async def _attempt(self, rows: Rows, body: Mapping[str, Any], tell: Tell, end: float) -> ServerError | None:
        """Ask for the rows once; return what went wrong, None if nothing did, though texts may be missing."""
        try:
            async with asyncio.timeout_at(end):
                await self._stream(rows, body, tell)
        except UnnumberedTexts:
            self.dialect.miss({"n"})
        except Diverged:
            pass
        except ServerError as error:
            return error
        except TimeoutError:
            return ServerError(Trouble.LATE)
        finally:
            for row in rows:
                if row.last.finished:
                    row.tell(tell)
        return None

    async def _stream(self, rows: Rows, body: Mapping[str, Any], tell: Tell) -> None:
        for row in rows:
            row.begin(self.dialect.continues)
        reply = Reply(rows, self._connection.key, tell)
        try:
            async with asyncio.timeout(None) as waiting, self._connection.frames(self.dialect.path, body) as frames:
                async for frame in frames:
                    reply.read(frame)
                    if reply.is_cut:
                        break
                    if reply.is_finished and waiting.when() is None:
                        # What may follow are the counts, and the end that lets the connection be used again.
                        waiting.reschedule(self._now() + self.policy.grace)
        except (ServerError, TimeoutError):
            if not reply.is_finished:
                raise
        reply.close()
        if not reply.is_finished:
            self.dialect.miss({"n"})


def _fail(rows: Rows, sentence: str, tell: Tell) -> None:
    for row in rows:
        row.fail(sentence)
        row.tell(tell)


def _tell_nobody(_index: int, _completion: Completion) -> None:
    return

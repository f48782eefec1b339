"""Completions from a server: asked for again where that may help, with less where it takes less, and told of."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from bonsai.engines.base import Completion
from bonsai.engines.remote.dialect import Dialect
from bonsai.engines.remote.reply import Reply, Tell, UnnumberedTexts
from bonsai.engines.remote.shared_room import SharedRoom
from bonsai.engines.remote.streamed_completion import Diverged, StreamedCompletion
from bonsai.engines.remote.wire.connection import Connection
from bonsai.engines.remote.wire.retries import RetryPolicy
from bonsai.engines.remote.wire.server_errors import ServerError, Trouble

Rows = list[StreamedCompletion]


class Completions:
    """Has a server write texts, at most `most` at a time; to be used on one event loop.

    `sentence` says of an error what went wrong.
    """

    def __init__(
        self,
        connection: Connection,
        dialect: Dialect,
        policy: RetryPolicy,
        most: int,
        sentence: Callable[[ServerError], str],
    ) -> None:
        self.dialect, self.policy = dialect, policy
        self._connection, self._sentence = connection, sentence
        self._most, self._places = most, SharedRoom(most)

    async def complete(self, rows: Rows, tell: Tell) -> None:
        """Complete the rows, of one prompt and with one seed after the other, and tell of each snapshot.

        Each is told its end within the policy's deadline, which begins again for a text that is to be written alone.
        """
        async with self._places.taken(len(rows)):
            crowded = await self._finish(rows, tell, self.now() + self.policy.deadline)
        for row in crowded:
            async with self._places.taken(self._most):
                await self._finish([row], tell, self.now() + self.policy.deadline, is_alone=True)

    async def ask_once(self, rows: Rows, offered: frozenset[str]) -> ServerError | None:
        """Ask for the rows once with these options; return what went wrong, None if nothing did."""
        async with self._places.taken(len(rows)):
            body = self.dialect.body(rows, offered)
            error = await self._attempt(rows, body, _tell_nobody, self.now() + self.policy.deadline)
        missing = not all(row.last.finished for row in rows)
        return error or (ServerError(Trouble.LOST) if missing else None)

    @staticmethod
    def now() -> float:
        """Return the time of the event loop, in seconds."""
        return asyncio.get_running_loop().time()

    async def _finish(self, rows: Rows, tell: Tell, end: float, tries: int = 0, is_alone: bool = False) -> Rows:
        """Finish the rows, asked again if need be, after a failure each; return those for which there was no room.

        `is_alone` says that nothing else is asked for meanwhile.
        """
        refusals: list[ServerError] = []
        without: set[str] = set()
        body: dict[str, Any] = {}

        def told(index: int, completion: Completion) -> None:
            if without or self.dialect.lacks:
                self.dialect.learn(self.dialect.asked(body), without)
                without.clear()
            tell(index, completion)

        while True:
            offered = self.dialect.offered() - without
            if len(rows) > 1 and "n" not in offered:
                return await self._finish_each(rows, tell, end, tries)
            body = self.dialect.body(rows, offered)
            error = await self._attempt(rows, body, told, end)
            rows = [row for row in rows if not row.last.finished]
            if not rows or (error and error.is_crowded and not is_alone):
                return rows
            if error and error.is_answer and len(rows) == 1:
                refusals.append(error)
                if blamed := self.dialect.blamed(error, body, rows[0].texts) & offered:
                    without |= blamed
                    continue
            tries += 1
            pause = self._pause(error, tries, len(rows))
            if pause is None or self.now() + pause >= end:
                _fail(rows, self._sentence((refusals or [error or ServerError(Trouble.LOST)])[0]), tell)
                return []
            if pause:
                await self.policy.sleep(pause)
            if len(rows) > 1:
                told_first = self._learning_from(rows, tell) if error and error.refuses_request else tell
                return await self._finish_each(rows, told_first, end, tries)

    async def _finish_each(self, rows: Rows, tell: Tell, end: float, tries: int) -> Rows:
        """Finish the rows as `_finish` does, each by itself."""
        return sum(await asyncio.gather(*(self._finish([row], tell, end, tries) for row in rows)), [])

    def _learning_from(self, rows: Rows, tell: Tell) -> Tell:
        """Return a `tell` that first notes, once a row is complete by itself, that they are not to be had together."""
        unlearned = {"n"}

        def learn(index: int, completion: Completion) -> None:
            if any(row.last.finished and not row.last.error for row in rows):
                self.dialect.miss(unlearned)
                unlearned.clear()
            tell(index, completion)

        return learn

    def _pause(self, error: ServerError | None, tries: int, rows: int) -> float | None:
        """Return how long to wait before the rows are asked for again; None if they are not to be."""
        if error is None:
            return 0.0 if tries < self.policy.tries else None
        return 0.0 if rows > 1 and error.is_answer and not error.passing else self.policy.pause(error, tries)

    async def _attempt(self, rows: Rows, body: Mapping[str, Any], tell: Tell, end: float) -> ServerError | None:
        """Ask for the rows once; return what went wrong, None if nothing did, though texts may be missing."""
        self.dialect.requested(self.dialect.asked(body))
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
                        waiting.reschedule(self.now() + self.policy.grace)
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

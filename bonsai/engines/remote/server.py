"""One OpenAI-compatible server: its models, its token counts, and its completions."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from bonsai.engines.base import DEFAULT_OPTIONS, Completion
from bonsai.engines.remote.completing import Completions, Rows
from bonsai.engines.remote.dialect import Dialect
from bonsai.engines.remote.reply import Tell
from bonsai.engines.remote.trial import BUSY, try_out
from bonsai.engines.remote.wire.connection import Connection
from bonsai.engines.remote.wire.listed_models import ListedModel, listed_models
from bonsai.engines.remote.wire.retries import RetryPolicy
from bonsai.engines.remote.wire.sentences import AskedServer
from bonsai.engines.remote.wire.server_errors import ServerError, Trouble
from bonsai.errors import EngineError, Note, first_line

# It takes this one for models that have none, and were not trained on it.
_TEMPLATE_OF_LLAMA_CPP = "{%- for message in messages -%}\n  {{- '<|im_start|>' + message.role + "
# It may be back for the next text.
_ABSENT = (Trouble.LOST, Trouble.UNREACHABLE, Trouble.SILENT)
# A silence is waited for for seconds, which not every text may take.
_UNCOUNTED_AFTER_SILENCE = 64


class Server:
    """The server as seen from the event loop; `dialect` says what it takes."""

    def __init__(self, connection: Connection, dialect: Dialect, policy: RetryPolicy, concurrency: int) -> None:
        self.dialect = dialect
        self.address = connection.address
        """Its host and port, for people."""
        self.models: Sequence[ListedModel] = ()
        """What it lists; many list nothing and yet complete."""
        self.why_unlisted = ""
        """What it says in the place of a list."""
        self._completions = Completions(connection, dialect, policy, concurrency, self._sentence)
        self.turn: Callable[[Rows], AbstractAsyncContextManager[None]] | None = None
        """What is held while rows are asked for, if anything is."""
        self._connection = connection
        self._counts, self._uncounted = True, 0

    def notes(self) -> Iterator[Note]:
        """Yield what a person should know of texts from this server: what it does not take now."""
        lacks = self.dialect.lacks.keys()
        if missing := sorted(lacks & DEFAULT_OPTIONS):
            yield Note(
                "The server at {server} does not take {options}, so it was left out.",
                server=self.address,
                options=", ".join(missing),
            )
        if "seed" in lacks:
            yield Note("The same seed may give another text.")
        if "n" in lacks:
            yield Note(
                "The server at {server} gives one text a request, so candidates were asked for one by one.",
                server=self.address,
            )
        if "system" in lacks and self.dialect.api == "chat":
            yield Note(
                "The server at {server} takes no system message, so what it would say stood in the first turn.",
                server=self.address,
            )

    async def list_models(self) -> None:
        """Learn which models the server lists.

        Raises EngineError if it cannot be reached or refuses the key.
        """
        try:
            self.models = listed_models(await self._connection.ask("models"))
            if self._is_llama_cpp:
                self.dialect.speak_llama_cpp()
        except ServerError as error:
            if error.kind in (Trouble.UNREACHABLE, Trouble.SILENT) or error.status in (401, 403):
                raise EngineError(self._sentence(error)) from error
            self.why_unlisted = error.message

    def listed_length(self, base: str) -> int:
        """Return the context of the model that is asked, or else of its base, as it is listed; 0 if it is not said."""
        lengths = {one.name: one.context_length for one in self.models}
        return lengths.get(self.dialect.model) or lengths.get(base) or 0

    async def properties(self) -> Mapping[str, Any]:
        """Return what llama.cpp's server tells of its model: `chat_template`, `eos_token`; nothing for others."""
        if not self._is_llama_cpp:
            return {}
        try:
            found = await self._connection.ask("props", root=True)
        except ServerError:
            return {}
        if not isinstance(found, Mapping):
            return {}
        own = str(found.get("chat_template")).startswith(_TEMPLATE_OF_LLAMA_CPP)
        return {**found, "chat_template": ""} if own else found

    async def count_tokens(self, text: str) -> int | None:
        """Return the tokens that the server counts in `text`, as vLLM or as llama.cpp does; None if it does not."""
        if not self._counts or self._uncounted:
            self._uncounted = max(0, self._uncounted - 1)
            return None
        asked = {"model": self.dialect.model, "prompt": text, "content": text, "add_special": True}
        try:
            found = await self._connection.ask("tokenize", asked, root=True)
        except ServerError as error:
            self._counts = error.kind in _ABSENT or error.status in BUSY
            if error.kind is Trouble.SILENT:
                self._uncounted = _UNCOUNTED_AFTER_SILENCE
            return None
        told = found if isinstance(found, Mapping) else {}
        count = len(told["tokens"]) if isinstance(told.get("tokens"), list) else told.get("count")
        self._counts = isinstance(count, int)
        return count if isinstance(count, int) else None

    async def try_out(self, api: str) -> None:
        """Find out what the server takes; raise EngineError if it completes nothing."""
        try:
            await try_out(self._completions, api)
        except ServerError as error:
            raise EngineError(self._asked.sentence_at_start(error)) from error

    async def complete(self, rows: Rows, tell: Tell) -> None:
        """Complete the rows, of one prompt and with one seed after the other, and tell of each snapshot.

        With a turn the last end is told when that is over, so that what is asked for next finds its place free.
        """
        ends: list[tuple[int, Completion]] = []

        def told(index: int, completion: Completion) -> None:
            if self.turn and all(row.last.finished for row in rows):
                ends.append((index, completion))
            else:
                tell(index, completion)

        try:
            async with self.turn(rows) if self.turn else contextlib.nullcontext():
                await self._completions.complete(rows, told)
        except Exception as error:
            # Whatever it is, nobody may be left waiting for it.
            for row in rows:
                if not row.last.finished:
                    row.fail(f"The server at {self.address} could not be asked ({first_line(error)}).")
                row.tell(told)
        finally:
            for end in ends:
                tell(*end)

    @property
    def _is_llama_cpp(self) -> bool:
        return any(one.owner == "llamacpp" for one in self.models)

    @property
    def _asked(self) -> AskedServer:
        names = [one.name for one in self.models]
        return AskedServer(self.address, self.dialect.model, names, bool(self._connection.key))

    def _sentence(self, error: ServerError) -> str:
        return self._asked.sentence(error)


async def close(connection: Connection) -> None:
    """Break off what is under way on this event loop, and close the connections."""
    for task in _others():
        task.cancel()
    await asyncio.gather(*_others(), return_exceptions=True)
    await connection.close()
    # Streams that were broken off close themselves in tasks of their own, which must not outlive the loop.
    await asyncio.get_running_loop().shutdown_asyncgens()
    await asyncio.gather(*_others(), return_exceptions=True)


def _others() -> set[asyncio.Task[Any]]:
    return asyncio.all_tasks() - {asyncio.current_task()}

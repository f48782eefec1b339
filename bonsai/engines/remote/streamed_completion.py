"""One completion whose text arrives from a server in pieces, perhaps more than once."""

import time
from collections.abc import Callable
from dataclasses import replace

from bonsai.engines.base import Completion, FinishReason, Request, cut_at_stop, failed, hold_back


class Diverged(Exception):
    """A text that was begun again has become another than the one that was shown."""


class StreamedCompletion:
    """The completion of one request while a server writes it; `last` is its latest snapshot.

    A text that breaks off is begun again, and nothing is taken back while it is the one that was shown. If it becomes
    another (Diverged), the next attempt goes on from what was shown; where a server cannot go on with a text, what was
    shown is replaced by the new one.
    """

    def __init__(
        self, index: int, request: Request, prompt_tokens: int, limit: int, count: Callable[[str], int] | None
    ) -> None:
        """`count` gives the tokens of a text, if that can be told; else a piece is taken for a token."""
        self.index, self.request = index, request
        self.cut = False
        """Whether a stop text ended the completion here, so that the server may write on."""
        self.kept = ""
        """What was shown of the text and is not to be written again."""
        self.last = Completion(prompt_tokens=prompt_tokens)
        self._limit, self._count = limit, count
        self._started = time.monotonic()
        self._continues, self._told = True, False
        self._full = ""
        self._ended: str | None = None
        self._kept_tokens = self._pieces = 0

    @property
    def has_begun(self) -> bool:
        """Whether this attempt has brought a piece of text."""
        return self._pieces > self._kept_tokens

    @property
    def limit(self) -> int:
        """The most tokens that the server may write now."""
        return max(1, self._limit - self._kept_tokens)

    @property
    def texts(self) -> str:
        """All that people and models wrote, as the server is sent it."""
        prompt = self.request.prompt
        return " ".join([prompt.text, self.kept, *(message.content for message in prompt.messages)])

    def begin(self, continues: bool = True) -> None:
        """Begin an attempt with a server that goes on with a text (`continues`), or always writes one of its own."""
        self._continues = continues
        self._full, self._pieces = self.kept, self._kept_tokens

    def take(self, piece: str) -> None:
        """Add a piece of text; raise Diverged if the text is not the one that was shown."""
        self._pieces += 1
        self._full, self.cut = cut_at_stop(self._full + piece, self.request.sampling.stop)
        if self.cut:
            self.end("stop")
        else:
            self._show(hold_back(self._full, self.request.sampling.stop), None)

    def end(self, reason: FinishReason | None = None) -> None:
        """End the completion, by default for the reason that its length tells.

        Raises Diverged if its text is not the one that was shown.
        """
        self._show(self._full, reason or ("length" if self._pieces >= self._limit else "stop"))

    def ends_as_before(self) -> bool:
        """Say whether the answer for this text ended at the same place twice, though nobody said that it is the end."""
        same, self._ended = self._ended == self._full, self._full
        return same

    def fail(self, error: str) -> None:
        """End the completion with a sentence for the person."""
        self.last = failed(error, self.last.prompt_tokens, time.monotonic() - self._started)

    def used(self, prompt_tokens: int, completion_tokens: int) -> None:
        """Put the server's own counts in the place of ours, where they can be right and it wrote the whole text."""
        if completion_tokens > self._limit:
            completion_tokens = 0
        if not self.kept and not self.last.error:
            self.last = replace(
                self.last,
                prompt_tokens=prompt_tokens or self.last.prompt_tokens,
                completion_tokens=completion_tokens or self.last.completion_tokens,
            )

    def tell(self, tell: Callable[[int, Completion], None]) -> None:
        """Tell of the end of the completion, once."""
        if not self._told:
            self._told = True
            tell(self.index, self.last)

    def _show(self, text: str, reason: FinishReason | None) -> None:
        text, shown = text.rstrip("\ufffd"), self.last.text
        if not text.startswith(shown):
            if reason is None and shown.startswith(text):
                return
            if self._continues:
                self.kept, self._kept_tokens = shown, self._tokens(shown)
                raise Diverged
        tokens = self._tokens(text) if reason else self._pieces
        self.last = Completion(text, reason, "", self.last.prompt_tokens, tokens, time.monotonic() - self._started)

    def _tokens(self, text: str) -> int:
        return self._count(text) if self._count else self._pieces

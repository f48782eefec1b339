"""One answer of a server, read into the completions that it is for."""

from collections.abc import Callable, Sequence

from bonsai.engines.base import Completion
from bonsai.engines.remote.streamed_completion import StreamedCompletion
from bonsai.engines.remote.wire.frames import Frame, Mark
from bonsai.engines.remote.wire.pieces import Piece, Usage, error_in, finish_reason, pieces_in, usage_in
from bonsai.engines.remote.wire.server_errors import ServerError, Trouble

Tell = Callable[[int, Completion], None]
_THOUGHT, _END_OF_THOUGHT = "<think>\n", "\n</think>\n\n"


class UnnumberedTexts(Exception):
    """Of several texts it is not said which is which."""


class Reply:
    """Puts the frames of an answer into its rows, and tells of each snapshot.

    What comes after the end of all texts does no harm, whatever it is.
    """

    def __init__(self, rows: Sequence[StreamedCompletion], key: str, tell: Tell) -> None:
        self._rows, self._key, self._tell = rows, key, tell
        self._usage: Usage | None = None
        self._thinking: set[int] = set()
        self._begun = self._done = False

    @property
    def is_finished(self) -> bool:
        """Whether all texts have come to their end."""
        return all(row.last.finished for row in self._rows)

    @property
    def is_cut(self) -> bool:
        """Whether all texts were ended here, so that the server may write on in vain."""
        return self.is_finished and any(row.cut for row in self._rows)

    def read(self, frame: Frame | Mark) -> None:
        """Take the next frame; raise ServerError, UnnumberedTexts or Diverged if it does not go on so."""
        if frame is Mark.TORN and not self.is_finished:
            raise ServerError(Trouble.LOST if self._begun else Trouble.UNREADABLE)
        if frame is Mark.DONE:
            self._done = True
            self._settle()
        elif frame is Mark.END:
            self._end()
        elif isinstance(frame, Frame):
            self._read(frame)

    def close(self) -> None:
        """End the texts whose end was not told, if the answer came to its end; else raise ServerError."""
        self._settle()
        if not self.is_finished and not any(row.last.finished for row in self._rows):
            raise ServerError(Trouble.LOST)

    def _end(self) -> None:
        """Take the end of the answer for that of its text if the server counted, or ended it there before."""
        row = self._rows[0]
        if len(self._rows) == 1 and not row.last.finished and row.has_begun:
            self._done = self._done or self._usage is not None or row.ends_as_before()

    def _read(self, frame: Frame) -> None:
        error = None if self.is_finished else error_in(frame, self._key)
        if error:
            raise error
        usage = usage_in(frame.payload)
        self._usage = usage or self._usage
        pieces = list(pieces_in(frame.payload))
        for place, piece in enumerate(pieces):
            row = self._row_of(piece, place, len(pieces))
            if row:
                # The counts that come with the end of one of several texts are its own.
                self._take(piece, row, usage if len(pieces) == 1 < len(self._rows) else None)
        # A JSON text that is all of the answer needs no other end.
        self._done = (
            self._done or bool(pieces) and not frame.in_stream and "chunk" not in str(frame.payload.get("object"))
        )
        if self.is_finished and (self._usage or len(self._rows) > 1):
            self._settle()

    def _row_of(self, piece: Piece, place: int, count: int) -> StreamedCompletion | None:
        if len(self._rows) == 1:
            # Some servers count their pieces instead of their texts.
            return self._rows[0] if place == 0 else None
        index = place if piece.index is None and count == len(self._rows) else piece.index
        if index is None or not 0 <= index < len(self._rows):
            raise UnnumberedTexts
        return self._rows[index]

    def _take(self, piece: Piece, row: StreamedCompletion, usage: Usage | None) -> None:
        if row.last.finished:
            return
        self._begun = True
        text = self._with_thought(piece, row)
        if text:
            row.take(text)
        if piece.reason and not row.last.finished:
            row.end(finish_reason(piece.reason))
        if not row.last.finished:
            self._tell(row.index, row.last)
        elif len(self._rows) > 1:
            if usage:
                row.used(*usage)
            row.tell(self._tell)

    def _with_thought(self, piece: Piece, row: StreamedCompletion) -> str:
        """Return the text of a piece; what a server keeps apart as a thought is marked as models mark it."""
        text = piece.text
        if text and row.index in self._thinking:
            self._thinking.remove(row.index)
            text = _END_OF_THOUGHT + text
        if piece.thought and not piece.text:
            text = piece.thought if row.index in self._thinking else _THOUGHT + piece.thought
            self._thinking.add(row.index)
        elif piece.thought:
            text = f"{_THOUGHT}{piece.thought}{_END_OF_THOUGHT}{piece.text}"
        return text

    def _settle(self) -> None:
        """End what the server says is at its end, with its counts, and tell of it."""
        for row in self._rows:
            if not row.last.finished and self._done and self._begun and (row.has_begun or len(self._rows) == 1):
                long = self._usage is not None and self._usage.completion_tokens >= row.limit
                row.end("length" if long else None)
            if row.last.finished:
                if self._usage and len(self._rows) == 1:
                    row.used(*self._usage)
                row.tell(self._tell)

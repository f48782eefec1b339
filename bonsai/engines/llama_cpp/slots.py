"""The slots of llama.cpp's server: which of them a text is written in, so that no more is kept than serves again."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bonsai.engines.llama_cpp.shared_prefix import Tokens, shared

# With every token the server passes over all that its slots keep, from the first to the last of it. Chains go on within
# moments; what was idle for longer, and is more than so many tokens, is read again if it is wanted.
_MOST_IDLE_TOKENS = 512
_IDLE_SECONDS = 2.0
# A prompt that shares less with what a slot keeps leaves it to the text that will go on there. One whose Reasoning was
# replaced shares a little less than half, and goes on all the same.
_WORTH_GOING_ON = 0.4


@dataclass(eq=False)
class _Slot:
    number: int
    prompt: Tokens = ()
    written: int = 0
    """The most tokens that were written after the prompt."""
    scale: float = 0.0
    """The scale of the adapter by which both were read."""
    busy: bool = True
    idle_since: float = 0.0
    """When its text was over, in seconds of the clock."""

    @property
    def size(self) -> int:
        return len(self.prompt) + self.written

    def worth(self, prompt: Tokens, scale: float) -> int:
        """Return how many tokens a prompt can go on from; 0 if it is better read elsewhere."""
        found = shared(self.prompt, prompt) if self.scale == scale else 0
        return found if found == len(self.prompt) or found >= _WORTH_GOING_ON * len(prompt) else 0


class Slots:
    """The slots of one server, for all who ask it; threads may share it.

    A prompt goes on in the slot that keeps most of it; another one takes an empty slot. What is idle for a while, and
    more than `most_idle` tokens with all that is idle, is to be emptied: left alone, the server keeps it.
    """

    def __init__(
        self, count: int, most_idle: int = _MOST_IDLE_TOKENS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._empty = list(range(count))
        self._used: list[_Slot] = []
        self._most_idle, self._clock = most_idle, clock
        self._lock = threading.Lock()

    @contextmanager
    def taken(self, prompt: Tokens, most: int, scale: float) -> Iterator[int | None]:
        """Give the number of the slot for a prompt, after which `most` tokens at most are written.

        None leaves the choice to the server: every slot is in use. Further texts of the same prompt are written in
        slots that the server chooses, and empties.
        """
        with self._lock:
            slot = self._choose(prompt, scale)
            if slot:
                slot.prompt, slot.written, slot.scale, slot.busy = prompt, most, scale, True
        try:
            yield slot.number if slot else None
        finally:
            if slot:
                with self._lock:
                    slot.busy, slot.idle_since = False, self._clock()

    def surplus(self) -> list[int]:
        """Return the slots that are to be emptied now; they are taken for empty from here on."""
        with self._lock:
            over = self._idle_for_long()
            self._used = [slot for slot in self._used if slot not in over]
            self._empty += [slot.number for slot in over]
            return [slot.number for slot in over]

    def _idle_for_long(self) -> list[_Slot]:
        """Return what is idle for long and too much to keep; the slot whose text was over last stays."""
        idle = sorted((slot for slot in self._used if not slot.busy), key=lambda slot: slot.idle_since)
        kept, long_ago = sum(slot.size for slot in idle), self._clock() - _IDLE_SECONDS
        over: list[_Slot] = []
        for slot in idle[:-1]:
            if kept > self._most_idle and slot.idle_since <= long_ago:
                over.append(slot)
                kept -= slot.size
        return over

    def _choose(self, prompt: Tokens, scale: float) -> _Slot | None:
        idle = [slot for slot in self._used if not slot.busy]
        best = max(idle, key=lambda slot: slot.worth(prompt, scale), default=None)
        if best and best.worth(prompt, scale):
            return best
        if self._empty:
            self._used.append(_Slot(self._empty.pop()))
            return self._used[-1]
        return min(idle, key=lambda slot: slot.idle_since, default=None)

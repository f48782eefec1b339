"""The local engine: a model of this machine completes prompts in batches, token by token."""

import threading
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Any

import torch
from transformers import DynamicCache

from bonsai.engines.base import Completion, RequestQueue, Snapshots
from bonsai.engines.local.decoding_cache import DecodingCache
from bonsai.engines.local.prefix_cache import PrefixCache
from bonsai.engines.model.engine import ModelEngine
from bonsai.engines.model.loaded_model import LoadedModel
from bonsai.engines.model.loading import load_model
from bonsai.engines.model.rows import ActiveCompletion, sample
from bonsai.errors import first_line
from bonsai.settings import Settings

# On ZeroGPU each run is leased a GPU of its own; the queue there gives them out.
ZERO_GPU_RUNS_AT_ONCE = 16


def load(settings: Settings) -> "LocalEngine":
    """Return an engine with the model and adapter of `settings`; raise EngineError, saying what to do, if it cannot."""
    return LocalEngine(load_model(settings), settings.concurrency, ZERO_GPU_RUNS_AT_ONCE if settings.zero_gpu else 1)


class LocalEngine(ModelEngine):
    """An engine that decodes with a transformers model, at most `max_batch_size` completions in a batch.

    A completion leaves the batch when it is finished, and the next request takes its place. Each snapshot costs at most
    one pass through the model, so whoever closes the iterator waits for one pass at most. Several threads may each run
    `stream`: their passes take turns.
    """

    def __init__(self, loaded: LoadedModel, max_batch_size: int, max_concurrent_runs: int) -> None:
        super().__init__(loaded)
        self.info = replace(
            loaded.info("local"), max_batch_size=max_batch_size, max_concurrent_runs=max_concurrent_runs
        )
        self._model: Any = loaded.model
        # A GPU reads 256 tokens in about the time of one; a CPU takes time for each.
        block = 64 if self._model.device.type == "cpu" else 256
        kept = min(4 * self.info.context_length, loaded.affordable_tokens)
        self._prefixes = PrefixCache(block, kept)
        self._turn = threading.Lock()

    def stream(self, queue: RequestQueue) -> Snapshots:
        """Yield (number of the request, snapshot) as the completions grow; see Engine."""
        work = _Work(self._model.device, self.info.max_batch_size)
        taken = 0
        while queue or work.waiting or work.rows:
            while queue and len(work.waiting) + len(work.rows) < work.room:
                row = self._row(taken, queue.take())
                taken += 1
                if row.last.finished:
                    yield row.index, row.last
                else:
                    work.waiting.append(row)
            # The error is dropped at once, since its traceback holds the memory of the attempt.
            failure = yield from self._try(work)
            if failure:
                failed = work.retreat()
                self._free()
                if failed:
                    failed.fail(failure)
                    yield failed.index, failed.last

    def _try(self, work: "_Work") -> Generator[tuple[int, Completion], None, str]:
        """Let waiting rows begin and all rows write a token; return why that could not be done."""
        try:
            if work.begin():
                logits = yield from self._read(work)
                yield from work.take(logits, work.beginning)
                work.join()
            if work.rows:
                work.cache.grow()
                logits = self._forward([row.new[-1:] for row in work.rows], work.cache.cache, work.cache.mask)
                yield from work.take(logits, work.rows)
                work.drop_finished()
            return ""
        except RuntimeError as failure:
            return _sentence(failure)

    def _read(self, work: "_Work") -> Generator[tuple[int, Completion], None, torch.Tensor]:
        """Read every different prompt of the rows that begin once; return the logits of these rows."""
        rows = work.beginning
        different: dict[tuple[int, ...], int] = {}
        places = [different.setdefault(tuple(row.ids), len(different)) for row in rows]
        caches, logits = [], []
        for place in range(len(different)):
            first = rows[places.index(place)]
            cache, done = self._prefixes.start(first.ids)
            while done < len(first.ids):
                yield first.index, first.last
                part = first.ids[done : done + self._prefixes.block]
                done += len(part)
                last = self._forward([part], cache, torch.ones(1, done, dtype=torch.long, device=self._model.device))
            self._prefixes.keep(first.ids, cache)
            caches.append(cache)
            logits.append(last)
        work.cache.add(caches, places)
        return torch.cat([logits[place] for place in places])

    def _forward(self, tokens: list[list[int]], cache: DynamicCache, mask: torch.Tensor) -> torch.Tensor:
        """Return the logits after the last of `tokens`, and leave their keys and values in `cache`."""
        positions = (mask.cumsum(dim=1) - 1).clamp_min(0)[:, -len(tokens[0]) :]
        with self._turn, torch.no_grad():
            output = self._model(
                input_ids=torch.tensor(tokens, device=mask.device),
                attention_mask=mask,
                position_ids=positions,
                cache=cache,
                use_cache=True,
                logits_to_keep=1,
            )
            logits: torch.Tensor = output.logits[:, -1, : self._loaded.vocabulary].float()
        return logits

    def _free(self) -> None:
        self._prefixes.clear()
        if self._model.device.type == "cuda":
            torch.cuda.empty_cache()


class _Work:
    """The rows of one call: those that wait, those that begin now, and those in the batch that is being decoded."""

    def __init__(self, device: torch.device, room: int) -> None:
        self.waiting: deque[ActiveCompletion] = deque()
        self.beginning: list[ActiveCompletion] = []
        self.rows: list[ActiveCompletion] = []
        self.room = self._most = room
        self._device = device
        self.cache = DecodingCache(device)

    def begin(self) -> bool:
        """Let as many rows as there is room for begin; return whether any does."""
        self.beginning = [self.waiting.popleft() for _ in range(min(len(self.waiting), self.room - len(self.rows)))]
        for row in self.beginning:
            row.restart(self._device)
        return bool(self.beginning)

    def take(self, logits: torch.Tensor, rows: Sequence[ActiveCompletion]) -> Snapshots:
        """Yield the rows with a token more."""
        for row, token in zip(rows, sample(logits, rows), strict=True):
            row.take(token)
            yield row.index, row.last

    def join(self) -> None:
        """Put the rows that have begun into the batch."""
        self.rows += self.beginning
        self.beginning = []
        self.drop_finished()

    def drop_finished(self) -> None:
        """Keep the rows of the batch that go on."""
        going_on = [place for place, row in enumerate(self.rows) if not row.last.finished]
        if len(going_on) < len(self.rows):
            self.cache.keep(going_on)
            self.rows = [self.rows[place] for place in going_on]

    def retreat(self) -> ActiveCompletion | None:
        """Make room after a failure, and return the row that failed, if it can be but one.

        Rows that could not begin wait until others have ended; if it was the batch itself, half of it goes on, from
        its beginning.
        """
        if self.beginning and self.rows and self.cache.whole:
            tried, self.room = self.beginning, len(self.rows)
        else:
            tried = [row for row in (*self.rows, *self.beginning) if not row.last.finished]
            self.rows, self.cache = [], DecodingCache(self._device)
            if len(tried) == 1:
                self.beginning, self.room = [], self._most
                return tried[0]
            self.room = max(1, len(tried) // 2)
        self.beginning = []
        self.waiting.extendleft(reversed(tried))
        return None


def _sentence(error: RuntimeError) -> str:
    if isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error):
        return (
            "There is not enough memory for this prompt. Ask for fewer new tokens or fewer candidates, "
            "or load the model with BONSAI_QUANTIZATION=4bit."
        )
    return f"The model failed on this prompt: {first_line(error)}"

"""The batching engine: the requests of all callers share each pass through a model of this machine."""

import weakref
from dataclasses import replace
from queue import Empty, SimpleQueue

from bonsai.engines.base import DEFAULT_OPTIONS, RequestQueue, Snapshots
from bonsai.engines.batching.shared_batch import BatchUpdate, SharedBatch
from bonsai.engines.model.engine import ModelEngine
from bonsai.engines.model.loaded_model import LoadedModel
from bonsai.engines.model.loading import load_model
from bonsai.engines.model.rows import ActiveCompletion
from bonsai.errors import SettingError
from bonsai.settings import Settings

_SIGN_OF_LIFE_SECONDS = 0.1


def load(settings: Settings) -> "BatchingEngine":
    """Return an engine with the model and adapter of `settings`; raise EngineError or SettingError if it cannot."""
    if settings.zero_gpu:
        raise SettingError(
            "BONSAI_ENGINE is 'batching'; on ZeroGPU it must be auto or local, "
            "since there each run has a process of its own."
        )
    return BatchingEngine(load_model(settings), settings.concurrency)


class BatchingEngine(ModelEngine):
    """An engine whose callers, on any number of threads, share each pass through the model.

    At most `max_batch_size` completions are in the making, of all callers together; those beyond wait for room. The
    batch decodes ahead of whoever reads its snapshots. A completion that is not read on is cancelled when its call is
    closed.
    """

    def __init__(self, loaded: LoadedModel, max_batch_size: int) -> None:
        super().__init__(loaded)
        self._batch = SharedBatch(loaded, max_batch_size)
        penalty = set() if self._batch.supports_repetition_penalty else {"repetition_penalty"}
        self.info = replace(
            loaded.info("batching"),
            context_length=self._batch.cache_size.context_length,
            options=DEFAULT_OPTIONS - penalty,
            max_batch_size=max_batch_size,
            max_concurrent_runs=max_batch_size,
        )
        # Also at the end of the process: a thread that is in the middle of a pass then would take it down.
        weakref.finalize(self, self._batch.stop)

    def stream(self, queue: RequestQueue) -> Snapshots:
        """Yield (number of the request, snapshot) as the completions grow; see Engine."""
        news: SimpleQueue[BatchUpdate] = SimpleQueue()
        rows: dict[str, ActiveCompletion] = {}
        taken = 0
        try:
            while queue or rows:
                while queue and len(rows) < self.info.max_batch_size:
                    row = self._row(taken, queue.take())
                    taken += 1
                    if row.last.finished:
                        yield row.index, row.last
                    else:
                        rows[self._batch.submit(row.ids, row.params, row.limit, news.put)] = row
                if rows:
                    yield from self._read(news, rows)
        finally:
            for key in rows:
                self._batch.cancel(key)

    def _read(self, news: "SimpleQueue[BatchUpdate]", rows: dict[str, ActiveCompletion]) -> Snapshots:
        """Yield the row that there is news of, or a sign of life if there is none for a while."""
        try:
            told = news.get(timeout=_SIGN_OF_LIFE_SECONDS)
        except Empty:
            waiting = next(iter(rows.values()))
            yield waiting.index, waiting.last
            return
        # What was under way when a stop text appeared is not wanted any more.
        if not (row := rows.get(told.key)):
            return
        if told.error:
            row.fail(told.error)
        known = len(row.new)
        for token, left in zip(told.tokens[known:], told.left[known:], strict=True):
            if not row.last.finished:
                row.take(token if left == 0 else -1)
        if row.last.finished:
            del rows[told.key]
            self._batch.cancel(told.key)
        yield row.index, row.last

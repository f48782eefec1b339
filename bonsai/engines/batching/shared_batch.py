"""The batch that all callers share: transformers' continuous batching, begun anew once if it breaks off."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from types import SimpleNamespace
from typing import Any

import torch
from transformers import ContinuousBatchingConfig, GenerationConfig

from bonsai.engines.base import SamplingParams
from bonsai.engines.batching.cache_size import CacheSize
from bonsai.engines.batching.cpu_attention import use_cpu_passes
from bonsai.engines.batching.seeded_sampling import SeededSampler
from bonsai.engines.model.loaded_model import LoadedModel
from bonsai.errors import EngineError, first_line

# The most tokens of a pass: a CPU takes time for each token that it reads.
_PASS = {"cpu": 256, "cuda": 2048}
_SECONDS_TO_STOP = 10.0


@dataclass(frozen=True)
class BatchUpdate:
    """What became of a request: its tokens so far, or why it failed."""

    key: str
    tokens: list[int] = field(default_factory=list)
    left: list[float] = field(default_factory=list)
    """A number for each token: 0, or less where the logits were no numbers; see SeededSampler."""
    error: str = ""


@dataclass
class _PendingRequest:
    """A request that is not finished."""

    key: str
    ids: list[int]
    sampling: SamplingParams
    limit: int
    on_update: Callable[[BatchUpdate], None]
    submitted_after_failure: bool = False
    """Whether it came after its batch had broken off."""
    waiting_for_prefix: "list[_PendingRequest]" = field(default_factory=list)
    """Those with the same prompt, which begin when this one has read it."""


class SharedBatch:
    """Decodes the requests of all callers together, on a thread of its own.

    If that thread breaks off, every request in the batch fails with a sentence and the batch begins anew; if it breaks
    off again, so does every later request. Requests with the same prompt wait until the first of them has read it.
    `supports_repetition_penalty` says whether there can be one. Raises EngineError, saying what to do, if the model
    cannot be decoded in this way or there is no memory for its cache.
    """

    def __init__(self, loaded: LoadedModel, rows: int) -> None:
        self.supports_repetition_penalty = True
        self._loaded, self._rows = loaded, rows
        self._lock = threading.RLock()
        self._keys = count()
        self._pending: dict[str, _PendingRequest] = {}
        self._reading: dict[tuple[int, ...], _PendingRequest] = {}
        self._failure = ""
        self._restarted = self._stopping = False
        use_cpu_passes(loaded.model)
        self.cache_size = CacheSize.of(loaded, rows)
        self._manager = self._open()
        self._watcher = threading.Thread(target=self._supervise, name="bonsai-batch", daemon=True)
        self._watcher.start()

    def submit(self, ids: list[int], sampling: SamplingParams, limit: int, tell: Callable[[BatchUpdate], None]) -> str:
        """Put a prompt of tokens into the batch and return its key; `tell` is called with its news, on another thread.

        The last news has `limit` tokens, a token that ends, or an error.
        """
        with self._lock:
            asked = _PendingRequest(str(next(self._keys)), ids, sampling, limit, tell)
            self._pending[asked.key] = asked
            if self._failure:
                self._fail([asked], self._failure)
            else:
                self._begin(asked)
            return asked.key

    def cancel(self, key: str) -> None:
        """Take a request out of the batch before its next pass, and free its part of the cache."""
        with self._lock:
            asked = self._pending.pop(key, None)
            if asked:
                self._manager.cancel_request(key)
                for follower in self._take_waiting(asked):
                    self._begin(follower)

    def stop(self) -> None:
        """End the thread within one pass."""
        with self._lock:
            self._stopping = True
            status = self._manager.background_thread_status
            status.request_stop(status.HARD_STOP, 0)
        # The garbage collector may call this on any thread, one that is to end among them.
        if threading.current_thread() not in (self._watcher, self._manager._generation_thread):
            self._watcher.join(_SECONDS_TO_STOP)

    def _open(self) -> Any:
        model, ends = self._loaded.model, sorted(self._loaded.eos_token_ids)
        greedy = GenerationConfig(do_sample=False, eos_token_id=ends or -1, pad_token_id=ends[0] if ends else 0)
        sizes = ContinuousBatchingConfig(
            page_size=self.cache_size.page,
            num_blocks=self.cache_size.pages,
            max_batch_tokens=_PASS[model.device.type],
            max_requests_per_batch=self._rows,
            max_memory_percent=0.9,
            return_logprobs=True,
        )
        try:
            with torch.inference_mode():
                manager = model.init_continuous_batching(generation_config=greedy, continuous_batching_config=sizes)
                chosen = manager.continuous_batching_config
                self.supports_repetition_penalty = not (any(chosen.cuda_graph_booleans) or chosen.use_async_batching)
                manager.logit_processor = SeededSampler(
                    self._loaded.vocabulary, recorded=not self.supports_repetition_penalty
                )
                # Outputs are handed on at once, and not queued.
                manager.output_router.output_queue = SimpleNamespace(put=self._deliver)
                manager.warmup()
        except (MemoryError, torch.OutOfMemoryError) as error:
            raise EngineError(
                f"There is not enough memory for the cache of {self._loaded.model_id}; set BONSAI_CONCURRENCY to less "
                f"than {self._rows}, or BONSAI_QUANTIZATION to 8bit or 4bit."
            ) from error
        except (ValueError, RuntimeError, AttributeError, TypeError, KeyError, ImportError, OSError) as error:
            raise EngineError(
                f"The model {self._loaded.model_id} cannot be decoded by the batching engine; set BONSAI_ENGINE to "
                f"local. ({first_line(error)})"
            ) from error
        return manager

    def _begin(self, asked: _PendingRequest) -> None:
        """Add a request, after another one with its prompt has read that, if there is one."""
        prompt = tuple(asked.ids)
        if first := self._reading.get(prompt):
            first.waiting_for_prefix.append(asked)
            return
        if len(prompt) > self.cache_size.page:
            self._reading[prompt] = asked
        self._add(asked)

    def _add(self, asked: _PendingRequest) -> None:
        key = self._manager.add_request(
            asked.ids, request_id=asked.key, max_new_tokens=asked.limit, streaming=True, sampling=asked.sampling
        )
        asked.submitted_after_failure = key is None

    def _take_waiting(self, first: _PendingRequest) -> "list[_PendingRequest]":
        """Return those that waited for this request to read their prompt: they wait no more."""
        if self._reading.get(tuple(first.ids)) is first:
            del self._reading[tuple(first.ids)]
        followers, first.waiting_for_prefix = first.waiting_for_prefix, []
        return [asked for asked in followers if asked.key in self._pending]

    def _deliver(self, output: Any) -> None:
        """Hand what the batch has of a request to its caller; called on the batch's thread."""
        with self._lock:
            asked = self._pending.get(output.request_id)
            if asked is None:
                # It was cancelled before the batch had taken it.
                if not output.is_finished():
                    self._manager.cancel_request(output.request_id)
            elif output.error:
                self._fail([asked], _broke_off(output.error))
                for follower in self._take_waiting(asked):
                    self._begin(follower)
            else:
                if output.is_finished():
                    del self._pending[asked.key]
                for follower in self._take_waiting(asked):
                    self._add(follower)
                asked.on_update(BatchUpdate(asked.key, output.generated_tokens, output.logprobs))

    def _fail(self, requests: "list[_PendingRequest]", error: str) -> None:
        for asked in requests:
            del self._pending[asked.key]
            asked.on_update(BatchUpdate(asked.key, error=error))

    def _supervise(self) -> None:
        while True:
            with self._lock:
                if self._stopping:
                    return
                # Its thread is a daemon because this one is, and decodes in the mode that it is started in.
                with torch.inference_mode():
                    self._manager.start()
            self._manager._generation_thread.join()
            with self._lock:
                if self._stopping or not self._restart():
                    return

    def _restart(self) -> bool:
        """Begin anew after the batch broke off, with the requests that came since; return whether that is done."""
        status = self._manager.background_thread_status
        failure = first_line(status.fatal_error or "its thread ended")
        # The traceback holds the cache, which must be free before there is another.
        status.fatal_error = self._manager.batch_processor = None
        self._reading.clear()
        self._fail(
            [asked for asked in self._pending.values() if not asked.submitted_after_failure], _broke_off(failure)
        )
        late = list(self._pending.values())
        self._failure = _gave_up(failure) if self._restarted else self._reopen()
        if self._failure:
            self._fail(late, self._failure)
            return False
        for asked in late:
            self._begin(asked)
        return True

    def _reopen(self) -> str:
        """Open another manager; return why that cannot be done, if it cannot."""
        self._restarted = True
        try:
            self._manager = self._open()
        except EngineError as error:
            return str(error)
        return ""


def _broke_off(failure: str) -> str:
    return f"The batch that this prompt was in broke off ({first_line(failure)}). Ask again."


def _gave_up(failure: str) -> str:
    return (
        f"The batching engine broke off twice and takes no more prompts ({failure}). Start Bonsai again, or set "
        "BONSAI_ENGINE to local."
    )

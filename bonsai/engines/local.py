"""The local engine: a model of this machine completes prompts in batches, token by token."""

import threading
from collections import deque
from collections.abc import Generator, Sequence
from typing import Any

import torch
from transformers import DynamicCache

from bonsai.engines.base import DEFAULT_OPTIONS, Completion, SamplingParams, Snapshots, one_each, too_long
from bonsai.engines.loading import LoadedModel, load_model
from bonsai.engines.prefix_cache import PrefixCache, join
from bonsai.engines.rows import Row, draw
from bonsai.settings import Settings

ROWS_AT_ONCE = 32


def load(settings: Settings) -> "LocalEngine":
    """Return an engine with the model and adapter of `settings`; raise EngineError, saying what to do, if it cannot."""
    return LocalEngine(load_model(settings))


class LocalEngine:
    """An engine that decodes with a transformers model, at most `rows_at_once` prompts in a batch.

    Each snapshot costs at most one pass through the model, so whoever closes the iterator waits for one pass at most.
    Several threads may each run `generate`: their passes take turns.
    """

    name = "local"
    options = DEFAULT_OPTIONS

    def __init__(self, loaded: LoadedModel, rows_at_once: int = ROWS_AT_ONCE) -> None:
        self.model_id = loaded.model_id
        self.adapter_id = loaded.adapter_id
        self.device = loaded.device
        self.is_stand_in = loaded.is_stand_in
        self.context_length = loaded.context_length
        self._model: Any = loaded.model
        self._tokenizer: Any = loaded.tokenizer
        self._ends = loaded.ends
        # Ids beyond the tokenizer's are untrained filling; they have no text.
        self._vocabulary = max(loaded.tokenizer.get_vocab().values()) + 1
        self._rows_at_once = rows_at_once
        # A GPU reads 256 tokens in about the time of one; a CPU takes time for each.
        block = 64 if self._model.device.type == "cpu" else 256
        self._prefixes = PrefixCache(block, 4 * self.context_length)
        self._turn = threading.Lock()

    def count_tokens(self, text: str) -> int:
        """Return how many tokens of the context `text` takes as a prompt."""
        return len(self._encode(text))

    def generate(self, prompts: Sequence[str], sampling: SamplingParams | Sequence[SamplingParams]) -> Snapshots:
        """Yield (index of the prompt, snapshot) as the completions grow; see Engine."""
        return self._run(list(prompts), one_each(self, prompts, sampling))

    def _run(self, prompts: list[str], each: list[SamplingParams]) -> Snapshots:
        rows = []
        for index, (prompt, params) in enumerate(zip(prompts, each, strict=True)):
            ids = self._encode(prompt)
            room = self.context_length - len(ids)
            if room < 1:
                yield index, too_long(len(ids), self.context_length)
            else:
                limit = min(params.max_new_tokens, room)
                rows.append(Row(index, ids, params, limit, self._tokenizer, self._ends))
        waiting = deque(rows[at : at + self._rows_at_once] for at in range(0, len(rows), self._rows_at_once))
        while waiting:
            group = waiting.popleft()
            error = yield from self._try(group)
            unfinished = [row for row in group if not row.last.finished]
            if error and len(unfinished) == 1:
                unfinished[0].fail(error)
                yield unfinished[0].index, unfinished[0].last
            elif error:
                half = len(unfinished) // 2
                waiting.extendleft((unfinished[half:], unfinished[:half]))

    def _try(self, rows: list[Row]) -> Generator[tuple[int, Completion], None, str]:
        """Complete the rows; return why it could not be done, with the memory of the attempt free again."""
        try:
            yield from self._complete(rows)
            return ""
        except RuntimeError as failure:
            error = _sentence(failure)
        self._prefixes.clear()
        if self._model.device.type == "cuda":
            torch.cuda.empty_cache()
        return error

    def _complete(self, rows: list[Row]) -> Snapshots:
        for row in rows:
            row.restart(self._model.device)
        logits, cache, mask = yield from self._read_all(rows)
        while rows:
            for row, token in zip(rows, draw(logits, rows), strict=True):
                row.take(token)
                yield row.index, row.last
            going_on = [place for place, row in enumerate(rows) if not row.last.finished]
            if going_on and len(going_on) < len(rows):
                keep = torch.tensor(going_on, device=mask.device)
                cache.batch_select_indices(keep)
                mask = mask[keep]
            rows = [rows[place] for place in going_on]
            if rows:
                mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)
                logits = self._forward([row.new[-1:] for row in rows], cache, mask)

    def _read_all(
        self, rows: list[Row]
    ) -> Generator[tuple[int, Completion], None, tuple[torch.Tensor, DynamicCache, torch.Tensor]]:
        """Read every different prompt once; return the logits, cache and mask of all rows, ready for decoding."""
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
        cache, mask = join(caches, places)
        return torch.cat([logits[place] for place in places]), cache, mask

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
            logits: torch.Tensor = output.logits[:, -1, : self._vocabulary].float()
        return logits

    def _encode(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer(text, verbose=False)["input_ids"]
        return ids or [self._tokenizer.eos_token_id]


def _sentence(error: RuntimeError) -> str:
    if isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error):
        return (
            "There is not enough memory for this prompt. Ask for fewer new tokens or fewer candidates, "
            "or load the model with BONSAI_QUANTIZATION=4bit."
        )
    return f"The model failed on this prompt: {str(error).strip().splitlines()[0] if str(error).strip() else error!r}"

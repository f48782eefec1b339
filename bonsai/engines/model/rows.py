"""One completion in the making: its tokens, its text, and how its next token is drawn."""

import time
from collections.abc import Sequence
from typing import Any

import torch
from transformers import (
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from bonsai.engines.base import Completion, FinishReason, SamplingParams, cut_at_stop, failed, hold_back

_WINDOW = 32
_OVERLAP = 8
# Bytes of a character whose last one is missing; each may be a token.
_MOST_UNFINISHED = 3


class IncrementalText:
    """The text of tokens that arrive one by one; only the latest of them are decoded again at each token."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._window: list[int] = []
        self._settled = ""
        self._skip = 0

    def add(self, token: int) -> str:
        """Return the whole text with `token` at its end; an unfinished character shows as U+FFFD."""
        self._window.append(token)
        recent = self._finished(self._decode(self._window))
        text = self._settled + recent[self._skip :]
        if len(self._window) >= _WINDOW and not recent.endswith("\ufffd"):
            self._settle(recent, text)
        return text

    def _finished(self, recent: str) -> str:
        """Return the text of the window; some tokenizers let an unfinished character spoil those before it."""
        if recent.endswith("\ufffd"):
            for unfinished in range(1, min(_MOST_UNFINISHED, len(self._window)) + 1):
                before = self._decode(self._window[:-unfinished])
                if not before.endswith("\ufffd"):
                    return before + "\ufffd"
        return recent

    def _settle(self, recent: str, text: str) -> None:
        """Let go of all tokens but the last few, which begin with a whole character.

        Some stay, since a tokenizer may write a token differently at the start of a text.
        """
        for kept in range(_OVERLAP, 2 * _OVERLAP):
            tail = self._decode(self._window[-kept:])
            if recent.endswith(tail.lstrip(" ")):
                self._window = self._window[-kept:]
                self._settled, self._skip = text, len(tail)
                return

    def _decode(self, tokens: list[int]) -> str:
        # Special tokens stay visible: a stop text may be one of them.
        return str(self._tokenizer.decode(tokens, skip_special_tokens=False, clean_up_tokenization_spaces=False))


class ActiveCompletion:
    """The completion of one prompt while it is written; `last` is its latest snapshot."""

    def __init__(
        self, index: int, ids: list[int], params: SamplingParams, limit: int, tokenizer: Any, ends: frozenset[int]
    ) -> None:
        self.index, self.ids, self.params = index, ids, params
        self.new: list[int] = []
        self.last = Completion(prompt_tokens=len(ids))
        self.rng = torch.Generator()
        self.limit, self._tokenizer, self._eos_token_ids = limit, tokenizer, ends
        self._started = time.monotonic()
        self._text = IncrementalText(tokenizer)
        self._full = ""

    def restart(self, device: torch.device) -> None:
        """Begin the completion (again): the same seed passes through the same texts."""
        self.new = []
        self._full = ""
        self._text = IncrementalText(self._tokenizer)
        self.rng = torch.Generator(device)
        self.rng.manual_seed(self.params.seed)

    def take(self, token: int) -> None:
        """Add a token; `last` is the snapshot with it."""
        if token < 0:
            self.fail("The model's numbers overflowed; set BONSAI_DTYPE to bfloat16 or float32, without 8 bit weights.")
            return
        if token in self._eos_token_ids:
            self._show(self._full, "stop")
            return
        self.new.append(token)
        self._full, stopped = cut_at_stop(self._text.add(token), self.params.stop)
        if stopped:
            self._show(self._full, "stop")
        elif len(self.new) >= self.limit:
            self._show(self._full, "length")
        else:
            self._show(hold_back(self._full.rstrip("\ufffd"), self.params.stop), None)

    def fail(self, error: str) -> None:
        """End the completion with a sentence for the person."""
        self.last = failed(error, len(self.ids), self._seconds)

    def _show(self, text: str, reason: FinishReason | None) -> None:
        # Until a row that had to begin again is where it was, its snapshots do not shrink.
        if reason is None and len(text) < len(self.last.text):
            return
        self.last = Completion(text.rstrip("\ufffd"), reason, "", len(self.ids), len(self.new), self._seconds)

    @property
    def _seconds(self) -> float:
        return time.monotonic() - self._started


def sample(logits: torch.Tensor, rows: Sequence[ActiveCompletion]) -> list[int]:
    """Return the next token of each row, drawn as its sampling asks; -1 where the logits are no numbers."""
    groups: dict[tuple[float, float, int, float], list[int]] = {}
    for place, row in enumerate(rows):
        params = row.params
        key = (params.temperature, params.top_p, params.top_k, params.repetition_penalty)
        groups.setdefault(key, []).append(place)
    chosen = torch.empty(len(rows), dtype=torch.long, device=logits.device)
    for places in groups.values():
        index = torch.tensor(places, device=logits.device)
        chosen[index] = _choose(logits[index], [rows[place] for place in places])
    broken = ~(logits.amax(dim=-1) < torch.inf)
    return [int(token) for token in chosen.masked_fill(broken, -1).tolist()]


def _choose(logits: torch.Tensor, rows: Sequence[ActiveCompletion]) -> torch.Tensor:
    params = rows[0].params
    scores: torch.Tensor = _processors(params)(_tokens(rows, logits.device), logits)
    if params.temperature == 0:
        return scores.argmax(dim=-1)
    # The likeliest token after Gumbel noise is a draw from the softmax. Each row's noise comes from its own seed, so
    # its text does not depend on the rows beside it.
    noise = torch.stack([torch.empty_like(scores[0]).exponential_(generator=row.rng).clamp_min_(1e-20) for row in rows])
    return (scores - noise.log()).argmax(dim=-1)


def _processors(params: SamplingParams) -> LogitsProcessorList:
    chain = LogitsProcessorList()
    if params.repetition_penalty != 1:
        chain.append(RepetitionPenaltyLogitsProcessor(float(params.repetition_penalty)))
    if params.temperature > 0:
        chain.append(TemperatureLogitsWarper(float(params.temperature)))
        if params.top_k > 0:
            chain.append(TopKLogitsWarper(params.top_k))
        if params.top_p < 1:
            chain.append(TopPLogitsWarper(params.top_p))
    return chain


def _tokens(rows: Sequence[ActiveCompletion], device: torch.device) -> torch.Tensor | None:
    """Return each row's own tokens for the repetition penalty, filled up with one of them, which changes nothing."""
    if rows[0].params.repetition_penalty == 1:
        return None
    tokens = [row.ids + row.new for row in rows]
    width = max(map(len, tokens))
    return torch.tensor([[ids[0]] * (width - len(ids)) + ids for ids in tokens], device=device)

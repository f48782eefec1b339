"""How the next tokens of all requests that share a pass are drawn: each as its own sampling and seed ask."""

from collections.abc import Sequence
from typing import Any

import torch

from bonsai.engines.base import SamplingParams

_ARGUMENTS = 5  # of each request: temperature, top_p, top_k, seed, place of the token
_GREEDY = SamplingParams(temperature=0)


class SeededSampler:
    """Stands where transformers' continuous batching keeps its logits processors, and draws the tokens itself.

    A request names its sampling as `sampling` when it is added. In what is returned in the place of the logits only the
    drawn token is left: the logarithm of its probability is 0. It is below 0 where the logits are no numbers.

    `recorded` says that a pass is recorded once and replayed (a CUDA graph): then every pass must do the same, so that
    repetition penalties, which need each request's own tokens, are left out.
    """

    do_processing = True
    tensors_required = _ARGUMENTS

    def __init__(self, vocabulary: int, *, recorded: bool) -> None:
        self._vocabulary, self._recorded = vocabulary, recorded
        self._width = vocabulary
        self._penalties: list[tuple[int, torch.Tensor, float]] = []

    def check_kwargs(self, kwargs: dict[str, Any]) -> None:
        """Accept what a request was added with."""

    def fill_defaults(self, arguments: torch.Tensor) -> None:
        """Fill the arguments of rows that no request has."""
        arguments.copy_(self._arguments([_GREEDY], [0]))

    def prepare_tensor_args(self, requests_in_batch: Sequence[Any], arg_storage: torch.Tensor) -> torch.Tensor:
        """Lay out what the next pass needs to know of the requests that get a token in it."""
        states = [request.state for request in requests_in_batch if request.has_new_token]
        each = [state.logit_processor_kwargs.get("sampling", _GREEDY) for state in states]
        # The place is counted from the beginning of the prompt: it is known before the token that comes first is.
        arguments = self._arguments(each, [state.position_offset for state in states])
        arg_storage[:, : len(states)] = arguments.to(arg_storage.device)
        self._width = self._vocabulary if self._recorded else int(arguments[2].max()) if states else 1
        self._penalties = [
            (row, torch.tensor(state.initial_tokens + state.generated_tokens), params.repetition_penalty)
            for row, (state, params) in enumerate(zip(states, each, strict=True))
            if params.repetition_penalty != 1
        ]
        return arg_storage

    def __call__(self, _ids: torch.Tensor, scores: torch.Tensor, arguments: torch.Tensor) -> torch.Tensor:
        """Return scores (rows, vocabulary) in which only the token drawn for each row is left."""
        for row, ids, penalty in self._penalties:
            ids = ids.to(scores.device)
            own = scores[row, ids]
            scores[row, ids] = torch.where(own < 0, own * penalty, own / penalty)
        chosen, whole = _sample(scores[:, : self._vocabulary], arguments[:, : len(scores)], self._width)
        left = torch.full_like(scores, -torch.inf).scatter_(1, chosen, 0)
        return left.masked_fill_(~whole, 0)

    def _arguments(self, each: Sequence[SamplingParams], places: Sequence[int]) -> torch.Tensor:
        most = self._vocabulary
        # The likeliest token alone, for a temperature of 0, is a draw among one.
        top_k = [min(params.top_k or most, most) if params.temperature else 1 for params in each]
        temperatures = [params.temperature or 1.0 for params in each]
        numbers = torch.tensor([temperatures, [params.top_p for params in each]], dtype=torch.float32)
        whole = torch.tensor([top_k, [params.seed for params in each], list(places)], dtype=torch.int32)
        return torch.cat([numbers.view(torch.int32), whole])


def _sample(scores: torch.Tensor, arguments: torch.Tensor, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the token drawn for each row, among its `width` likeliest at most, and whether its scores are numbers."""
    if width == 1:
        best, tokens = scores.max(dim=-1, keepdim=True)
        return tokens, best < torch.inf
    temperature, top_p = arguments[:2].view(torch.float32).unsqueeze(-1)
    top_k, seed, place = arguments[2:].unsqueeze(-1)
    if width < scores.shape[1]:
        best, tokens = scores.topk(width)
    else:
        best, tokens = scores.sort(descending=True)
    kept = torch.arange(best.shape[1], device=scores.device) < top_k
    likely = (best / temperature).masked_fill(~kept, -torch.inf)
    share = likely.softmax(dim=-1)
    kept &= (share.cumsum(dim=-1) - share < top_p) | (top_p >= 1)
    # The likeliest token after Gumbel noise is a draw from the softmax.
    drawn = (likely + gumbel(seed, place, tokens)).masked_fill(~kept, -torch.inf).argmax(dim=-1, keepdim=True)
    return tokens.gather(1, drawn), best[:, :1] < torch.inf


def gumbel(seed: torch.Tensor, place: torch.Tensor, token: torch.Tensor) -> torch.Tensor:
    """Return Gumbel noise that is a pure function of the three, so that it is the same whatever shares the pass."""
    key = _mixed((seed.long() << 32) | place.long())
    bits = _shifted(_mixed(key + (token.long() + 1) * -0x61C8864680B583EB), 12)
    uniform = (bits.double() + 0.5) / 2**52
    return -torch.log(-torch.log(uniform))


def _mixed(bits: torch.Tensor) -> torch.Tensor:
    """Return 64 bits each of which depends on all of the bits given (the finaliser of SplitMix64)."""
    bits = (bits ^ _shifted(bits, 30)) * -0x40A7B892E31B1A47
    bits = (bits ^ _shifted(bits, 27)) * -0x6B2FB644ECCEEE15
    return bits ^ _shifted(bits, 31)


def _shifted(bits: torch.Tensor, by: int) -> torch.Tensor:
    # torch keeps the sign of what it shifts; here the places that become free hold 0.
    return (bits >> by) & ((1 << (64 - by)) - 1)

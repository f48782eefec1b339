"""Keys and values of the completions in the making: rows of one batch, which come and go."""

from collections.abc import Sequence
from typing import Any

import torch
from transformers import DynamicCache


class DecodingCache:
    """The keys and values of a batch whose rows are padded on the left, and the mask that hides the padding.

    `mask` (rows, width) is 1 where a row has a token. `whole` is False after memory ran out in the middle of `add`.
    """

    def __init__(self, device: torch.device) -> None:
        self.whole = True
        self.cache: Any = DynamicCache()
        self.mask = torch.zeros(0, 0, dtype=torch.long, device=device)

    def add(self, caches: Sequence[DynamicCache], places: Sequence[int]) -> None:
        """Add a row for each of `places` (positions in `caches`, of one row each).

        The caches given are emptied on the way, so that their memory is not held twice.
        """
        self.whole = False
        lengths = [cache.get_seq_length() for cache in caches]
        width = max(self.mask.shape[1], *lengths)
        grown: Any = DynamicCache()
        # The rows that there are already come first.
        every, order = ([*caches, self.cache], [-1, *places]) if len(self.mask) else (caches, places)
        for index in range(len(caches[0].layers)):
            layers: list[Any] = [cache.layers[index] for cache in every]
            keys = [_pad(layer.keys, width) for layer in layers]
            values = [_pad(layer.values, width) for layer in layers]
            grown.update(torch.cat([keys[at] for at in order]), torch.cat([values[at] for at in order]), index)
            for layer in layers:
                layer.reset()
        columns = torch.arange(width)
        new = torch.stack([columns >= width - lengths[place] for place in places]).long().to(self.mask.device)
        before = torch.nn.functional.pad(self.mask, (width - self.mask.shape[1], 0))
        self.cache, self.mask, self.whole = grown, torch.cat([before, new]), True

    def keep(self, places: Sequence[int]) -> None:
        """Keep the rows at `places` alone, and no more columns than they need."""
        rows = torch.tensor(places, dtype=torch.long, device=self.mask.device)
        self.mask = self.mask[rows]
        padding = int(self.mask.any(dim=0).long().argmax()) if places else self.mask.shape[1]
        self.mask = self.mask[:, padding:]
        if not places:
            self.cache = DynamicCache()
            return
        self.cache.batch_select_indices(rows)
        for layer in self.cache.layers:
            layer.keys, layer.values = layer.keys[:, :, padding:], layer.values[:, :, padding:]

    def grow(self) -> None:
        """Make room in the mask for one token more in every row."""
        self.mask = torch.cat([self.mask, self.mask.new_ones(len(self.mask), 1)], dim=1)


def _pad(tensor: torch.Tensor, width: int) -> torch.Tensor:
    return torch.nn.functional.pad(tensor, (0, 0, width - tensor.shape[-2], 0))

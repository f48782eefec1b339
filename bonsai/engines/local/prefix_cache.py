"""Keys and values that a model has computed for the beginnings of prompts, kept between calls."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
from transformers import DynamicCache

Block = list[tuple[torch.Tensor, torch.Tensor]]


class PrefixCache:
    """The beginnings of prompts read lately, so that a prompt that begins like one of them is read from there on.

    Prompts are kept in whole blocks of `block` tokens, at most `capacity` tokens in all; the blocks unused for longest
    go first. Whoever reads prompts in these same blocks gets the same numbers whether or not a block was kept: a
    repeated run is repeated exactly, which a cache of arbitrary prefixes would not give in bfloat16.
    """

    def __init__(self, block: int, capacity: int) -> None:
        self.block = block
        self._most = max(1, capacity // block)
        self._blocks: OrderedDict[tuple[int, ...], Block] = OrderedDict()
        self._lock = threading.Lock()

    def start(self, ids: Sequence[int]) -> tuple[DynamicCache, int]:
        """Return a cache that holds the longest known beginning of `ids`, less than all of it, and its length."""
        found: list[Block] = []
        with self._lock:
            keys = [tuple(ids[:end]) for end in range(self.block, len(ids), self.block)]
            for key in keys:
                if key not in self._blocks:
                    break
                found.append(self._blocks[key])
            self._touch(keys[: len(found)])
        cache: Any = DynamicCache()
        for layer, parts in enumerate(zip(*found, strict=True)):
            cache.update(torch.cat([k for k, _ in parts], dim=-2), torch.cat([v for _, v in parts], dim=-2), layer)
        return cache, len(found) * self.block

    def keep(self, ids: Sequence[int], cache: DynamicCache) -> None:
        """Keep the whole blocks of `ids`, whose keys and values `cache` holds."""
        ends = range(self.block, len(ids) + 1, self.block)
        keys = [tuple(ids[:end]) for end in ends]
        with self._lock:
            for key, end in zip(keys, ends, strict=True):
                if key not in self._blocks:
                    self._blocks[key] = _cut(cache, end - self.block, end)
            self._touch(keys)
            while len(self._blocks) > self._most:
                self._blocks.popitem(last=False)

    def clear(self) -> None:
        """Forget everything and free its memory."""
        with self._lock:
            self._blocks.clear()

    def _touch(self, keys: Sequence[tuple[int, ...]]) -> None:
        # The first block last: it must outlive those that build on it.
        for key in reversed(keys):
            self._blocks.move_to_end(key)


def _cut(cache: Any, start: int, end: int) -> Block:
    return [(layer.keys[:, :, start:end].clone(), layer.values[:, :, start:end].clone()) for layer in cache.layers]

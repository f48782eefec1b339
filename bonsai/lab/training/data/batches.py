"""Batches: which trees are trained together, and their tensors."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from bonsai.lab.training.data.rows import TokenTree

_SORTED_TOGETHER = 8


@dataclass(frozen=True)
class Batch:
    """Some trees as tensors, filled up to one length."""

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    attention_mask: torch.Tensor
    """What each token sees, added to the attention: 0 for its ancestors and itself, else the lowest number."""
    at: tuple[torch.Tensor, torch.Tensor]
    """Row and place at which each target is predicted."""
    targets: torch.Tensor


def collate(trees: Sequence[TokenTree], filler: int, dtype: torch.dtype, device: torch.device) -> Batch:
    """Return the batch of some trees."""
    width = max(len(tree) for tree in trees)
    ids = torch.full((len(trees), width), filler)
    positions = torch.zeros((len(trees), width), dtype=torch.long)
    seen = np.zeros((len(trees), width, width), dtype=bool)
    seen[:, np.arange(width), np.arange(width)] = True
    at: list[tuple[int, int]] = []
    targets: list[int] = []
    for row, tree in enumerate(trees):
        ids[row, : len(tree)] = torch.tensor(tree.tokens)
        positions[row, : len(tree)] = torch.tensor(tree.positions)
        for place, parent in enumerate(tree.parents):
            if parent >= 0:
                seen[row, place] |= seen[row, parent]
        at += [(row, tree.parents[place]) for place in tree.targets]
        targets += [tree.tokens[place] for place in tree.targets]
    mask = torch.zeros((len(trees), 1, width, width), dtype=dtype)
    mask.masked_fill_(~torch.from_numpy(seen).unsqueeze(1), torch.finfo(dtype).min)
    predicted = torch.tensor(at, device=device)
    return Batch(
        ids.to(device),
        positions.to(device),
        mask.to(device),
        (predicted[:, 0], predicted[:, 1]),
        torch.tensor(targets, device=device),
    )


def batch_order(lengths: Sequence[int], batch_size: int, epochs: float, seed: int) -> list[list[int]]:
    """Return which trees each step trains: all of them once an epoch, shuffled, with trees of like length together."""
    steps_of_epoch = -(-len(lengths) // batch_size)
    total = max(1, round(steps_of_epoch * epochs))
    order: list[list[int]] = []
    epoch = 0
    while len(order) < total:
        chance = random.Random(f"{seed} {epoch}")
        places = list(range(len(lengths)))
        chance.shuffle(places)
        batches = []
        for start in range(0, len(places), batch_size * _SORTED_TOGETHER):
            alike = sorted(places[start : start + batch_size * _SORTED_TOGETHER], key=lengths.__getitem__)
            batches += [alike[first : first + batch_size] for first in range(0, len(alike), batch_size)]
        chance.shuffle(batches)
        order += batches
        epoch += 1
    return order[:total]

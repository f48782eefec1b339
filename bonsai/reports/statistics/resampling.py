"""How sure a mean is: bootstrap intervals and sign-flip tests of many samples at once.

Samples of one length share their resamples, so that a whole table takes little more time than one figure of it. The
numbers are those of `scipy.stats.bootstrap` and `scipy.stats.permutation_test` with the same seed.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

_LEVEL = 0.95
_RESAMPLES = 2000
_SEED = 0
# Numbers in memory at a time, whatever the length of a sample.
_BLOCK = 4_000_000
# Two means are the same if they differ by less than this share of the larger: they are sums of the same values.
_SAME = 1e-12


def intervals(samples: Sequence[Array]) -> list[tuple[float, float]]:
    """Return the 95% interval of the mean of each sample (percentile bootstrap; Efron 1979)."""
    return [(float(low), float(high)) for low, high in _by_length(samples, _intervals)]


def p_values(samples: Sequence[Array]) -> list[float]:
    """Return for each sample how likely a mean so far from 0 is by chance, 0 to 1 (two-sided sign-flip test)."""
    return [float(value) for value in _by_length(samples, _p_values)]


def _by_length(samples: Sequence[Array], compute: Callable[[Array], Array]) -> list[Any]:
    """Return what `compute` gives for each sample; it is called with all samples of a length, as (items, samples)."""
    places: dict[int, list[int]] = defaultdict(list)
    for place, sample in enumerate(samples):
        places[len(sample)].append(place)
    found: list[Any] = [None] * len(samples)
    for same in places.values():
        for place, value in zip(same, compute(np.column_stack([samples[place] for place in same])), strict=True):
            found[place] = value
    return found


def _intervals(samples: Array) -> Array:
    tail = (1 - _LEVEL) / 2
    bounds: Array = np.percentile(_means(samples, _draws_with_replacement), [100 * tail, 100 * (1 - tail)], axis=0).T
    # Exactly: where all items are the same there is nothing that rounding may add to.
    constant = np.ptp(samples, axis=0) == 0
    bounds[constant] = samples[0][constant, None]
    return bounds


def _p_values(samples: Array) -> Array:
    observed = samples.mean(axis=0)
    null = _means(samples, _signs)
    slack = _SAME * np.abs(samples).mean(axis=0)
    below = (np.count_nonzero(null <= observed + slack, axis=0) + 1) / (_RESAMPLES + 1)
    above = (np.count_nonzero(null >= observed - slack, axis=0) + 1) / (_RESAMPLES + 1)
    found: Array = np.clip(2 * np.minimum(below, above), 0, 1)
    return found


def _means(samples: Array, weights: Callable[[np.random.Generator, int, int], Array]) -> Array:
    """Return the mean of each sample in each resample, as (resamples, samples)."""
    rng, items = np.random.default_rng(_SEED), len(samples)
    blocks = (weights(rng, rows, items) @ samples for rows in _rows(items))
    return np.concatenate(list(blocks)) / items


def _rows(items: int) -> Iterator[int]:
    most = max(1, _BLOCK // items)
    for begun in range(0, _RESAMPLES, most):
        yield min(most, _RESAMPLES - begun)


def _draws_with_replacement(rng: np.random.Generator, rows: int, items: int) -> Array:
    """Return how often each item is drawn in each resample, as (rows, items)."""
    drawn = rng.integers(0, items, (rows, items)) + items * np.arange(rows)[:, None]
    return np.bincount(drawn.ravel(), minlength=rows * items).reshape(rows, items).astype(float)


def _signs(rng: np.random.Generator, rows: int, items: int) -> Array:
    """Return 1 or -1 for each item in each resample, as (rows, items)."""
    pairs = np.tile(np.array([1.0, -1.0]), (rows, items, 1))
    return rng.permuted(pairs, axis=-1)[..., 0]

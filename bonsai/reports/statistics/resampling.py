"""How sure a mean is: bootstrap intervals and sign-flip tests of many samples at once.

Samples of one length share their resamples, so that a whole table takes little more time than one figure of it. The
numbers are those of `scipy.stats.bootstrap` and `scipy.stats.permutation_test` with the same seed, which take several
times as long, and a second to import.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

_LEVEL = 0.95
_RESAMPLES, _AT_ONCE = 2000, 100
_SEED = 0
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
    found: dict[int, Any] = {}
    for same in places.values():
        found |= zip(same, compute(np.column_stack([samples[place] for place in same])), strict=True)
    return [found[place] for place in range(len(samples))]


def _intervals(samples: Array) -> Array:
    means = _means(samples, lambda rng, items: np.bincount(rng.integers(0, items, items), minlength=items))
    tail = (1 - _LEVEL) / 2
    bounds: Array = np.quantile(means, [tail, 1 - tail], axis=0).T
    # Exactly: where all items are the same there is nothing that rounding may add to.
    constant = np.ptp(samples, axis=0) == 0
    bounds[constant] = samples[0][constant, None]
    return bounds


def _p_values(samples: Array) -> Array:
    signs = np.tile([1.0, -1.0], (len(samples), 1))
    null = _means(samples, lambda rng, _: rng.permuted(signs, axis=1)[:, 0])
    observed, slack = samples.mean(axis=0), _SAME * np.abs(samples).mean(axis=0)
    below = (np.count_nonzero(null <= observed + slack, axis=0) + 1) / (_RESAMPLES + 1)
    above = (np.count_nonzero(null >= observed - slack, axis=0) + 1) / (_RESAMPLES + 1)
    found: Array = np.clip(2 * np.minimum(below, above), 0, 1)
    return found


def _means(samples: Array, weights: Callable[[np.random.Generator, int], Array]) -> Array:
    """Return the mean of each sample in each resample, as (resamples, samples); `weights` draws those of the items."""
    rng, items = np.random.default_rng(_SEED), len(samples)
    blocks = (np.array([weights(rng, items) for _ in range(_AT_ONCE)], float) for _ in range(_RESAMPLES // _AT_ONCE))
    return np.concatenate([block @ samples for block in blocks]) / items

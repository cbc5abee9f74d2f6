"""Confidence intervals by resampling groups (speakers, dialogues, films), seeded.

Clips of one speaker are not independent: resampling clips would make intervals too narrow. Whole groups are drawn with
replacement, as many as there are (Field & Welsh 2007, the cluster bootstrap); the interval is the percentile interval.

A resample is a vector of weights: how often each group was drawn. All metrics and slices of a run are scored on the
same resamples, and so are two runs over the same samples: differences between any two scores have intervals as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Codes = NDArray[np.int64]
RESAMPLES = 10_000
LEVEL = 0.95
# Resamples are drawn and scored in blocks of at most this many, and this many weights, so that memory stays bounded.
BLOCK = 500
CELLS = 5_000_000


def group_codes(names: Sequence[str]) -> tuple[Codes, int]:
    """Number of each sample's group, int64 [samples], and how many groups there are; in the order of their names, so
    that resamples do not depend on the order of the samples."""
    found, codes = np.unique(np.array(names, dtype=object).astype(str), return_inverse=True)
    return codes.reshape(-1).astype(np.int64), len(found)


def weights(groups: int, count: int = RESAMPLES, seed: int = 0) -> Iterator[Array]:
    """How often each group is in each of `count` resamples, in blocks [block, groups]; rows sum to `groups`."""
    rng = np.random.default_rng(seed)
    block = max(1, min(BLOCK, CELLS // max(groups, 1)))
    for start in range(0, count, block):
        size = min(block, count - start)
        drawn = rng.integers(0, groups, (size, groups)) + groups * np.arange(size)[:, None]
        yield np.bincount(drawn.ravel(), minlength=size * groups).reshape(size, groups).astype(np.float64)


def interval(scores: Array, level: float = LEVEL) -> tuple[float, float]:
    """Percentile interval of a score over its resamples [resamples]; NaN, NaN when it is undefined in all of them.

    Resamples in which the score is undefined are left out.
    """
    known = scores[~np.isnan(scores)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)

"""Confidence intervals by resampling groups (speakers, dialogues, films), seeded.

Clips of one speaker are not independent: resampling clips would make intervals too narrow. Whole groups are drawn with
replacement, as many as there are (Field & Welsh 2007, the cluster bootstrap); the interval is the percentile interval.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
RESAMPLES = 10_000
LEVEL = 0.95
# Resamples are scored in blocks of this many, so that memory stays bounded.
BLOCK = 1_000


def group_sums(statistics: Array, groups: Sequence[str]) -> Array:
    """Sums of per-sample statistics [samples, ...] over the groups, [groups, ...], in order of first appearance."""
    places: dict[str, int] = {}
    rows = np.array([places.setdefault(group, len(places)) for group in groups], dtype=np.int64)
    sums = np.zeros((len(places), *statistics.shape[1:]))
    np.add.at(sums, rows, statistics)
    return sums


def resamples(sums: Array, count: int = RESAMPLES, seed: int = 0) -> list[Array]:
    """Statistics of `count` resamples of the groups in blocks, each [block, ...]."""
    rng = np.random.default_rng(seed)
    groups = len(sums)
    flat = sums.reshape(groups, -1)
    blocks = []
    for start in range(0, count, BLOCK):
        size = min(BLOCK, count - start)
        weights = rng.multinomial(groups, np.full(groups, 1 / groups), size=size)
        blocks.append((weights @ flat).reshape(size, *sums.shape[1:]))
    return blocks


def interval(value: Callable[[Array], Array], blocks: Sequence[Array], level: float = LEVEL) -> tuple[float, float]:
    """Percentile interval of a score over the resamples; NaN, NaN when it is undefined in all of them.

    Resamples in which the score is undefined are left out.
    """
    scores = np.concatenate([value(block) for block in blocks])
    scores = scores[~np.isnan(scores)]
    if not len(scores):
        return float("nan"), float("nan")
    low, high = np.quantile(scores, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)

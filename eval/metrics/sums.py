"""Statistics of samples, summed over groups: what resampling needs, whatever the metric."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Codes = NDArray[np.int64]
# Above this many numbers a table of counts is kept sparse: scores that hardly ever repeat, such as probabilities.
CELLS = 5_000_000


class Gathered(NamedTuple):
    """Statistics by group: `sums` [groups, columns] (an array, or a scipy sparse array) whose columns have `shape`.
    For a list of a ranked metric the columns are the distinct `rows` [rows, columns], the sums say how often each
    occurs in the group."""

    sums: Any
    shape: tuple[int, ...]
    rows: Array | None = None


def gather(statistics: Array, codes: Codes, groups: int, *, ranked: bool = False) -> list[Gathered]:
    """Per-sample statistics summed over groups; of a ranked metric, each list [samples, lists, columns] on its own.

    `codes` [samples] are the groups of the samples, from 0 to `groups` - 1.
    """
    if not ranked:
        sums = np.zeros((groups, *statistics.shape[1:]))
        np.add.at(sums, codes, statistics)
        return [Gathered(sums.reshape(groups, -1), statistics.shape[1:])]
    return [_counted(statistics[:, place], codes, groups) for place in range(statistics.shape[1])]


def _counted(column: Array, codes: Codes, groups: int) -> Gathered:
    """How often each distinct row of [samples, columns] occurs in each group."""
    order = np.lexsort(column.T[::-1]) if len(column) else np.zeros(0, dtype=np.int64)
    ordered = column[order]
    fresh = np.ones(len(ordered), dtype=bool)
    fresh[1:] = (ordered[1:] != ordered[:-1]).any(1)
    place = np.zeros(len(column), dtype=np.int64)
    place[order] = np.cumsum(fresh) - 1
    rows = ordered[fresh]
    if groups * len(rows) <= CELLS:
        counts = np.bincount(codes * len(rows) + place, minlength=groups * len(rows)).astype(np.float64)
        return Gathered(counts.reshape(groups, len(rows)), (len(rows),), rows)
    from scipy.sparse import csr_array  # type: ignore[import-untyped]  # scipy comes with scikit-learn

    ones = np.ones(len(column))
    return Gathered(csr_array((ones, (codes, place)), shape=(groups, len(rows))), (len(rows),), rows)


def weighted(gathered: Sequence[Gathered], block: Array) -> list[Array]:
    """Sums over each resample of a block of weights [block, groups]: [block, ...] for each part of `gathered`."""
    return [np.asarray(block @ part.sums).reshape(len(block), *part.shape) for part in gathered]

"""Statistics of samples, summed over groups: what resampling needs, whatever the metric."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Codes = NDArray[np.int64]
# Above this many numbers a table of counts is kept sparse: scores that hardly ever repeat, such as probabilities.
CELLS = 5_000_000


class Gathered(NamedTuple):
    """Statistics of samples by group: `sums` [groups, columns], an array or a scipy sparse array; the columns have
    `shape`. Of a ranked metric the columns are the distinct rows of its lists, one list after the other, and the sums
    say how often each occurs: `lists` are those rows [rows, …], in ascending order of their columns."""

    sums: Any
    shape: tuple[int, ...]
    lists: tuple[Array, ...] = ()


def gather(statistics: Array, codes: Codes, groups: int, *, ranked: bool = False) -> Gathered:
    """Per-sample statistics [samples, …] summed over groups; of a ranked metric [samples, lists, columns], counted.

    `codes` [samples] are the groups of the samples, from 0 to `groups` - 1.
    """
    if not ranked:
        sums = np.zeros((groups, *statistics.shape[1:]))
        np.add.at(sums, codes, statistics)
        return Gathered(sums.reshape(groups, -1), statistics.shape[1:])
    lists, places, start = [], [], 0
    for index in range(statistics.shape[1]):
        rows, place = distinct(statistics[:, index])
        lists.append(rows)
        places.append(place + start)
        start += len(rows)
    columns = np.concatenate(places)
    owners = np.tile(codes, len(places))
    if groups * start <= CELLS:
        counts = np.bincount(owners * start + columns, minlength=groups * start).astype(np.float64)
        return Gathered(counts.reshape(groups, start), (start,), tuple(lists))
    from scipy.sparse import csr_array  # type: ignore[import-untyped]  # scipy comes with scikit-learn

    sparse = csr_array((np.ones(len(columns)), (owners, columns)), shape=(groups, start))
    return Gathered(sparse, (start,), tuple(lists))


def distinct(table: Array) -> tuple[Array, Codes]:
    """The distinct rows of a table [samples, columns], ascending by the first column, then the second …, and the place
    of each sample among them, int64 [samples]."""
    order = np.lexsort(table.T[::-1]) if len(table) else np.zeros(0, dtype=np.int64)
    ordered = table[order]
    fresh = np.ones(len(ordered), dtype=bool)
    fresh[1:] = (ordered[1:] != ordered[:-1]).any(1)
    place = np.zeros(len(table), dtype=np.int64)
    place[order] = np.cumsum(fresh) - 1
    return ordered[fresh], place


def weighted(gathered: Gathered, block: Array) -> Array:
    """Sums over each resample of a block of weights [block, groups]: [block, columns]."""
    return np.ascontiguousarray(block @ gathered.sums)

"""Which answered utterance is which gold one, and which answered point in time which gold one; both one to one.

Two rules pair utterances. `greedy` wants an intersection over union (IoU) of at least 0.5, the usual bar of temporal
detection (ActivityNet, THUMOS); answers have no confidence by which those could be ordered, so the highest IoU is taken
first. `assign` asks for any overlap and takes the pairs whose IoUs have the largest sum (Kuhn 1955, as
scipy.optimize.linear_sum_assignment solves it): coarse times, which the gold of EmoS has, still find their partner.
Neither looks at labels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from eval.metrics.metric import ratio
from eval.metrics.sums import Array
from eval.timeline.spans import Span

Pairs = list[tuple[int, int]]
Rule = Callable[[Array], Pairs]
IOU = 0.5
# Of assignments with one sum of IoUs (but for so much a pair), the one with more pairs; far above rounding.
_MORE = 1e-9


def iou_table(gold: Sequence[Span], told: Sequence[Span]) -> Array:
    """Intersection over union in time, |g ∩ t| / |g ∪ t|, of every pair: [gold, told], in [0, 1], 0 without overlap."""
    g, t = (np.array([span[:2] for span in each], dtype=np.float64).reshape(-1, 2) for each in (gold, told))
    starts, ends = np.maximum(g[:, None, 0], t[None, :, 0]), np.minimum(g[:, None, 1], t[None, :, 1])
    shared = np.maximum(ends - starts, 0.0)
    length = (g[:, 1] - g[:, 0])[:, None] + (t[:, 1] - t[:, 0])[None, :]
    return ratio(shared, length - shared, empty=0.0)


def greedy(table: Array, threshold: float = IOU) -> Pairs:
    """Pairs (gold, told) of an IoU of at least `threshold`, each index once, the highest IoU first; of equal ones the
    earlier gold, then the earlier answer. Ascending by gold."""
    candidates = sorted((-table[g, t], int(g), int(t)) for g, t in np.argwhere(table >= threshold))
    taken: dict[int, int] = {}
    used: set[int] = set()
    for _, g, t in candidates:
        if g not in taken and t not in used:
            taken[g] = t
            used.add(t)
    return sorted(taken.items())


def assign(table: Array) -> Pairs:
    """Pairs (gold, told) of a positive IoU, each index once, with the largest sum of IoUs; of equal sums the most
    pairs. Ascending by gold."""
    return _best(np.where(table > 0, table + _MORE, 0.0))


def match_points(gold: Sequence[int], told: Sequence[int], tolerance: int) -> Pairs:
    """Pairs (gold, told) of points at most `tolerance` apart, each index once: as many as can be, and of those the ones
    with the smallest sum of distances. Ascending by gold."""
    g, t = (np.array(each, dtype=np.float64) for each in (gold, told))
    apart = np.abs(g[:, None] - t[None, :])
    # One more pair is worth more than all the distance that it can cost.
    reach = tolerance * min(len(g), len(t)) + 1
    return _best(np.where(apart <= tolerance, reach - apart, 0.0))


def _best(weights: Array) -> Pairs:
    """The one-to-one pairs of positive weight with the largest sum of weights [gold, told]."""
    from scipy.optimize import linear_sum_assignment  # type: ignore[import-untyped]  # comes with scikit-learn

    rows, columns = linear_sum_assignment(weights, maximize=True)
    return [(int(g), int(t)) for g, t in zip(rows, columns, strict=True) if weights[g, t] > 0]

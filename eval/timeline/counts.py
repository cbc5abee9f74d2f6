"""Precision, recall and F1 of things found: utterances, boundaries, turning points.

Sums [..., 3 or more] hold, first of all, how many were found (pairs of a gold and an answered one), answered, and gold.
All clips are pooled, so that a clip counts by what it holds.
"""

from __future__ import annotations

from eval.metrics.classification import precision_recall_f1
from eval.metrics.sums import Array


def _all(sums: Array) -> tuple[Array, Array, Array]:
    return precision_recall_f1(sums[..., 0], sums[..., 1], sums[..., 2])


def found_precision(sums: Array) -> Array:
    """found / answered; [..., 3] -> [...], in [0, 1], best 1. 0 where nothing is answered though there is gold.

    NaN where nothing is gold nor answered. Equals sklearn.metrics.precision_score, a pair being a true positive.
    """
    return _all(sums)[0]


def found_recall(sums: Array) -> Array:
    """found / gold; [..., 3] -> [...], in [0, 1], best 1. 0 where nothing is gold though something is answered.

    NaN where nothing is gold nor answered. Equals sklearn.metrics.recall_score, a pair being a true positive.
    """
    return _all(sums)[1]


def found_f1(sums: Array) -> Array:
    """2 found / (answered + gold); [..., 3] -> [...], in [0, 1], best 1; NaN where nothing is gold nor answered.

    Equals sklearn.metrics.f1_score, a pair being a true positive.
    """
    return _all(sums)[2]

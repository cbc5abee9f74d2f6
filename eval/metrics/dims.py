"""Numbers in named dimensions, such as the Big Five of MER2025 track 4 (MER-PR): RMSE, PCC, CCC.

Each is taken for every dimension over all samples, then averaged over the dimensions. A number that is missing (no
answer, or an answer that leaves this dimension out) counts as the end of the scale that is farther from gold, the high
end in the exact middle: the worst answer that the task admits. So n never shrinks, RMSE never gains by silence, and
what is missing pulls against the correlation; the mean of the scale would make silence a fair guess, and the gold mean
would tell an answer what it cannot know. Sums are over deviations from means of the whole set, which keeps digits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from eval.metrics.metric import DEFAULTS, Options, Value, dimensions, ratio
from eval.metrics.sums import Array
from tasks.task import AnswerKind, Dims

TRAITS = ("extraversion", "agreeableness", "conscientiousness", "neuroticism", "openness")
# A variance below this share of the mean square is rounding: the numbers are constant.
CONSTANT = 64 * float(np.finfo(np.float64).eps)


def number_table(gold: Sequence[Value], answers: Sequence[Value | None], kind: Dims) -> tuple[Array, Array]:
    """Gold and answered numbers, float64 [samples, dimensions] each, what is missing filled in.

    Raises ValueError for gold or answers that are no finite numbers of the scale.
    """
    if len(gold) != len(answers):
        raise ValueError(f"{len(gold)} gold values, but {len(answers)} answers")
    shape = (len(gold), len(kind.names))
    wanted = np.array([[_number(value[name], name, kind) for name in kind.names] for value in gold]).reshape(shape)
    told = np.full(shape, np.nan)
    for row, value in enumerate(answers):
        for column, name in enumerate(kind.names):
            if value is not None and value[name] is not None:
                told[row, column] = _number(value[name], name, kind)
    far = np.where(wanted > (kind.low + kind.high) / 2, kind.low, kind.high)
    return wanted, np.where(np.isnan(told), far, told)


def is_number(value: Any, kind: Dims) -> bool:
    """Whether a value is a finite number of the scale."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return False
    return kind.low <= value <= kind.high


def _number(value: Any, name: str, kind: Dims) -> float:
    if not is_number(value, kind):
        raise ValueError(f"{name} is {value!r}; it is not one of the numbers from {kind.low:g} to {kind.high:g}")
    return float(value)


def moments(
    gold: Sequence[Value], answers: Sequence[Value | None], kind: AnswerKind, options: Options = DEFAULTS
) -> Array:
    """Per sample and dimension: 1, gold t, answer p (both less their means over the set), t², p², tp, the error, its
    square; float64 [samples, dimensions, 8]."""
    del options  # a number is what it is
    wanted, told = number_table(gold, answers, dimensions(kind))
    t, p = (table - table.mean(0) if len(table) else table for table in (wanted, told))
    error = told - wanted
    return np.stack([np.ones_like(t), t, p, t * t, p * p, t * p, error, error * error], axis=-1)


def trait_moments(
    gold: Sequence[Value], answers: Sequence[Value | None], kind: AnswerKind, options: Options = DEFAULTS
) -> Array:
    """`moments` of the five traits, in the order of TRAITS; float64 [samples, 5, 8]."""
    names = dimensions(kind).names
    return moments(gold, answers, kind, options)[:, [names.index(trait) for trait in TRAITS]]


def rmse(sums: Array, *, place: int | None = None) -> Array:
    """sqrt(mean((p - t)²)), of one dimension or averaged over all; sums of `moments` [..., dimensions, 8] -> [...].

    At least 0, best 0; NaN for n = 0. Equals sklearn.metrics.root_mean_squared_error.
    """
    return _mean(np.sqrt(ratio(sums[..., 7], sums[..., 0])), place)


def pcc(sums: Array, *, place: int | None = None) -> Array:
    """Pearson's correlation cov / (sd_p sd_t), of one dimension or averaged over all; [..., dimensions, 8] -> [...].

    In [-1, 1], best 1; NaN where gold or answers are constant in a dimension. Equals numpy.corrcoef (MER2025-PR).
    """
    covariance, varied_t, varied_p, _ = _spread(sums)
    below = np.sqrt(varied_t * varied_p)
    return _mean(np.clip(ratio(covariance, below), -1.0, 1.0), place)


def ccc(sums: Array, *, place: int | None = None) -> Array:
    """Lin's concordance 2 cov / (var_p + var_t + (mean_p - mean_t)²), of one dimension or averaged over all;
    [..., dimensions, 8] -> [...].

    In [-1, 1], best 1; 0 for constant answers, NaN where gold and answers are one constant. Population moments, which
    equals the definition of Lin 1989 and the code of MER2025-PR.
    """
    covariance, varied_t, varied_p, shift = _spread(sums)
    return _mean(np.clip(ratio(2 * covariance, varied_t + varied_p + shift * shift), -1.0, 1.0), place)


def _spread(sums: Array) -> tuple[Array, Array, Array, Array]:
    """Covariance, variance of gold and of answers, and the mean error; [..., dimensions] each."""
    n, t, p, tt, pp, tp, error = (ratio(sums[..., part], sums[..., 0]) for part in range(7))
    del n
    varied_t, varied_p = (
        np.where(square - mean * mean > CONSTANT * square, square - mean * mean, 0.0 * square)
        for square, mean in ((tt, t), (pp, p))
    )
    there = (varied_t > 0) & (varied_p > 0)
    return np.where(there, tp - t * p, 0.0 * tp), varied_t, varied_p, error


def _mean(found: Array, place: int | None) -> Array:
    return found.mean(-1) if place is None else found[..., place]

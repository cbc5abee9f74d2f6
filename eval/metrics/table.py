"""The table of metrics. A further metric is one function and one row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.metrics import classification
from tasks.task import AnswerKind, OneOf, Pick, Record

Array = NDArray[np.float64]
Value = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Metric:
    """A score of a set of samples; call it with gold values, answer values (None: no answer) and the answer kind.

    It is computed in two steps, which is what makes resampling fast: `statistics` gives per-sample statistics
    [samples, ...] that may be summed, `value` maps such sums [..., ...] to scores [...]. `low`, `high` and `best` bound
    it; `source` names its definition.
    """

    name: str
    title: str
    statistics: Callable[[Sequence[Value], Sequence[Value | None], AnswerKind], Array]
    value: Callable[[Array], Array]
    low: float
    high: float
    best: float
    source: str

    def __call__(self, gold: Sequence[Value], answers: Sequence[Value | None], kind: AnswerKind) -> float:
        """The score, a float in [low, high], NaN where it is undefined (no samples)."""
        return float(self.value(self.statistics(gold, answers, kind).sum(0)))


def primary(kind: AnswerKind) -> tuple[str, tuple[str, ...]]:
    """The key of a value that holds its single label, and the labels; ValueError for kinds without one."""
    match kind:
        case OneOf(labels=labels):
            return "label", labels
        case Record(emotion=emotion):
            return "emotion", emotion.labels
        case Pick(options=options):
            return "choice", options
        case _:
            raise ValueError(f"answers of kind {type(kind).__name__} hold no single label")


def label_of(value: Value | None, kind: AnswerKind) -> str | None:
    """The single label of a value, None for no answer."""
    return None if value is None else str(value[primary(kind)[0]])


def confusions(gold: Sequence[Value], answers: Sequence[Value | None], kind: AnswerKind) -> Array:
    """One confusion matrix a sample, float64 [samples, labels, labels + 1]; the last column is "no answer"."""
    labels = primary(kind)[1]
    codes = classification.encode(
        [str(label_of(value, kind)) for value in gold], [label_of(value, kind) for value in answers], labels
    )
    table = np.zeros((len(codes), len(labels), len(labels) + 1))
    table[np.arange(len(codes)), codes[:, 0], codes[:, 1]] = 1.0
    return table


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "accuracy",
            "Accuracy",
            confusions,
            classification.accuracy,
            low=0,
            high=1,
            best=1,
            source="sklearn.metrics.accuracy_score",
        ),
        Metric(
            "macro_f1",
            "Macro-F1",
            confusions,
            classification.macro_f1,
            low=0,
            high=1,
            best=1,
            source="sklearn.metrics.f1_score(average='macro', labels=…, zero_division=nan)",
        ),
        Metric(
            "weighted_f1",
            "Weighted-F1",
            confusions,
            classification.weighted_f1,
            low=0,
            high=1,
            best=1,
            source="sklearn.metrics.f1_score(average='weighted', labels=…)",
        ),
    )
}

"""The table of metrics. A further metric is one function and one row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.metrics import classification
from tasks.task import AnswerKind, OneOf, Pick, Record

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Metric:
    """A score of a set of samples.

    `value` maps summed statistics [..., *shape] to scores [...]; it is what makes the bootstrap fast: a resample is a
    weighted sum of the samples' statistics. `low`, `high`, `best` bound it; `source` says where its definition is from.
    """

    name: str
    title: str
    value: Callable[[Array], Array]
    low: float
    high: float
    best: float
    source: str


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", "Accuracy", classification.accuracy, 0, 1, 1, "sklearn.metrics.accuracy_score"),
        Metric("macro_f1", "Macro-F1", classification.macro_f1, 0, 1, 1, "sklearn f1_score(average='macro')"),
        Metric("weighted_f1", "Weighted-F1", classification.weighted_f1, 0, 1, 1, "sklearn f1_score(average='weighted')"),
    )
}


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


def label_of(value: Mapping[str, Any] | None, kind: AnswerKind) -> str | None:
    """The single label of a value, None for no answer."""
    return None if value is None else str(value[primary(kind)[0]])

"""Sentiment of two classes (MER-UniBench: CMU-MOSI, CMU-MOSEI, CH-SIMS, CH-SIMS v2): positive, or not positive.

Samples whose true value is 0 (gold `neutral`) are dropped; an answer is positive if it says so, and whatever else it is
(negative, neutral, no answer) it is not positive. Source: AffectGPT, `calculate_dimension_zeroshot`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eval.metrics.classification import Counts, encode
from eval.metrics.metric import DEFAULTS, Options, Value, label_of, primary
from tasks.task import AnswerKind

LABELS = ("positive", "negative", "neutral")


def sentiments(
    gold: Sequence[Value], answers: Sequence[Value | None], kind: AnswerKind, options: Options = DEFAULTS
) -> Counts:
    """One confusion matrix of (positive, not positive) a sample, float64 [samples, 2, 3], of zeros for gold `neutral`;
    the scores of eval.metrics.classification take them. Raises ValueError for other labels."""
    del options  # a sentiment is what it is
    labels = primary(kind)[1]
    codes = encode([str(label_of(value, kind)) for value in gold], [label_of(value, kind) for value in answers], labels)
    table = np.zeros((len(codes), 2, 3))
    classes = (codes != labels.index("positive")).astype(np.int64)
    kept = np.flatnonzero(codes[:, 0] != labels.index("neutral"))
    table[kept, classes[kept, 0], classes[kept, 1]] = 1.0
    return table

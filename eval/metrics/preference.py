"""Preference between two descriptions of a clip (MER2026 track 3, EmoPrefer): `a1`, `a2` or `same`.

The published reader has no unreadable reply: what names none of the three is `same`. So is no answer here. The official
score has two classes: samples whose gold is `same` are dropped, and an answer `same` counts as `a1`. The score of three
classes counts all samples. Source: MER2026 track 3, baseline code.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eval.metrics.classification import Counts, encode
from eval.metrics.metric import DEFAULTS, Options, Value, label_of, primary
from tasks.task import AnswerKind

LABELS = ("a1", "a2", "same")


def preferences(
    gold: Sequence[Value], answers: Sequence[Value | None], kind: AnswerKind, options: Options = DEFAULTS
) -> Counts:
    """One confusion matrix of (a1, a2, same) a sample, float64 [samples, 3, 4]; the last column stays empty. The scores
    of eval.metrics.classification take them. Raises ValueError for other labels."""
    del options  # a choice is what it is
    labels = primary(kind)[1]
    told = [label_of(value, kind) or "same" for value in answers]
    codes = encode([str(label_of(value, kind)) for value in gold], told, labels)
    place = np.array([LABELS.index(label) for label in labels])
    table = np.zeros((len(codes), 3, 4))
    table[np.arange(len(codes)), place[codes[:, 0]], place[codes[:, 1]]] = 1.0
    return table


def two_class(
    gold: Sequence[Value], answers: Sequence[Value | None], kind: AnswerKind, options: Options = DEFAULTS
) -> Counts:
    """One confusion matrix of (a1, a2) a sample, float64 [samples, 2, 3], of zeros for gold `same`; `same` is answered
    `a1`. Raises ValueError for other labels."""
    table = preferences(gold, answers, kind, options)
    pairs = table[:, :2, :3].copy()
    pairs[:, :, 0] += pairs[:, :, 2]
    pairs[:, :, 2] = 0.0
    return pairs

"""Sets of labels out of a closed set, such as GoEmotions-28: F1, exact match, Jaccard, Hamming loss, mAP.

Gold holds the share of annotators behind each label, an answer the labels it lists, each with a confidence or None.
A label is gold from `Options.threshold`, answered from `Options.answer_threshold` (a listed label without confidence
counts as confidence 1). Votes for "unsure" are no label: they lower the shares of the others (the denominator stays
three annotators), and an answer cannot list it. A sample may have no gold label at all; the right answer is then the
empty list. No answer (None) is not the empty list: it misses every gold label and is wrong as a set.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eval.metrics.classification import ClassScore, class_scores, precision_recall_f1
from eval.metrics.metric import DEFAULTS, Options, Value, list_of, multiple, ratio
from eval.metrics.sums import Array
from tasks.task import AnswerKind

# The score of a label that an answer does not list: below every confidence.
UNLISTED = -1.0


def share_table(values: Sequence[Value | None], kind: AnswerKind) -> Array:
    """Shares or confidences of every label, float64 [samples, labels]; UNLISTED where a label is not listed.

    Rows of None (no answer) are UNLISTED throughout. Raises ValueError for a label outside the label set.
    """
    labels = multiple(kind)[1]
    place = {label: index for index, label in enumerate(labels)}
    table = np.full((len(values), len(labels)), UNLISTED)
    for row, value in enumerate(values):
        for item in list_of(value, kind) or ():
            if item["label"] not in place:
                raise ValueError(f"label {item['label']!r} is not one of {', '.join(labels)}")
            share = item.get("confidence")
            table[row, place[item["label"]]] = 1.0 if share is None else share
    return table


def binary(
    gold: Sequence[Value], answers: Sequence[Value | None], kind: AnswerKind, options: Options = DEFAULTS
) -> tuple[Array, Array, Array]:
    """Gold and answered labels as 0 or 1, [samples, labels] each, and whether there is an answer, 0 or 1 [samples].

    Shares are thirds: a share within 1e-9 of the threshold reaches it.
    """
    if len(gold) != len(answers):
        raise ValueError(f"{len(gold)} gold labels, but {len(answers)} answers")
    wanted = (share_table(gold, kind) >= options.threshold - 1e-9).astype(np.float64)
    told = (share_table(answers, kind) >= options.answer_threshold - 1e-9).astype(np.float64)
    there = np.array([list_of(answer, kind) is not None for answer in answers], dtype=np.float64)
    return wanted, told, there


def set_counts(
    gold: Sequence[Value], answers: Sequence[Value | None], kind: AnswerKind, options: Options = DEFAULTS
) -> Array:
    """Per sample and label: hit, answered, gold; float64 [samples, labels, 3]."""
    wanted, told, _ = binary(gold, answers, kind, options)
    return np.stack([wanted * told, told, wanted], axis=-1)


def set_micro_f1(counts: Array) -> Array:
    """2 hits / (answered + gold), all labels pooled; [..., labels, 3] -> [...], in [0, 1], best 1.

    NaN where nothing is gold nor answered. Equals sklearn.metrics.f1_score(average="micro") on indicator matrices.
    """
    hits, answered, support = np.moveaxis(counts.sum(-2), -1, 0)
    return ratio(2 * hits, answered + support)


def set_macro_f1(counts: Array) -> Array:
    """Unweighted mean of the labels' F1; [..., labels, 3] -> [...], in [0, 1], best 1.

    A label that is neither gold nor answered anywhere is left out (sklearn.metrics.f1_score(average="macro",
    zero_division=nan)); NaN where that is all of them.
    """
    f1 = precision_recall_f1(*np.moveaxis(counts, -1, 0))[2]
    there = ~np.isnan(f1)
    return ratio(np.where(there, f1, 0.0).sum(-1), there.sum(-1).astype(np.float64))


def set_means(
    gold: Sequence[Value], answers: Sequence[Value | None], kind: AnswerKind, options: Options = DEFAULTS
) -> Array:
    """Per sample: F1, exact match, Jaccard, Hamming loss of the sets, and 1; float64 [samples, 5].

    With gold set G and answered set A of L labels: F1 = 2|G∩A| / (|G|+|A|), Jaccard = |G∩A| / |G∪A| (both 1 where
    both are empty), Hamming loss = (|G∪A| - |G∩A|) / L. No answer: F1, exact match and Jaccard 0, Hamming loss 1.
    """
    wanted, told, there = binary(gold, answers, kind, options)
    both, either = (wanted * told).sum(1), np.maximum(wanted, told).sum(1)
    f1 = ratio(2 * both, wanted.sum(1) + told.sum(1), empty=1.0) * there
    jaccard = ratio(both, either, empty=1.0) * there
    hamming = np.where(there > 0, (either - both) / wanted.shape[1], 1.0)
    return np.stack([f1, (either == both) * there, jaccard, hamming, np.ones(len(there))], axis=-1)


def set_sample_f1(sums: Array) -> Array:
    """Mean F1 of the samples' sets; sums of `set_means` [..., 5] -> [...], in [0, 1], best 1; NaN for n = 0.

    Equals sklearn.metrics.f1_score(average="samples", zero_division=1) where all are answered.
    """
    return ratio(sums[..., 0], sums[..., -1])


def set_exact(sums: Array) -> Array:
    """Share of samples whose sets are equal; [..., 5] -> [...], in [0, 1], best 1; NaN for n = 0.

    Equals sklearn.metrics.accuracy_score on indicator matrices where all are answered.
    """
    return ratio(sums[..., 1], sums[..., -1])


def set_jaccard(sums: Array) -> Array:
    """Mean Jaccard index of the samples' sets; [..., 5] -> [...], in [0, 1], best 1; NaN for n = 0.

    Equals sklearn.metrics.jaccard_score(average="samples", zero_division=1) where all are answered.
    """
    return ratio(sums[..., 2], sums[..., -1])


def set_hamming(sums: Array) -> Array:
    """Share of wrong label decisions; [..., 5] -> [...], in [0, 1], best 0; NaN for n = 0.

    Equals sklearn.metrics.hamming_loss on indicator matrices where all are answered.
    """
    return ratio(sums[..., 3], sums[..., -1])


def label_scores(
    gold: Sequence[Value], answers: Sequence[Value | None], kind: AnswerKind, options: Options = DEFAULTS
) -> list[ClassScore]:
    """Precision, recall, F1, gold and answered counts of every label (the layout of EmoS Table 12)."""
    sums = set_counts(gold, answers, kind, options).sum(0)
    return class_scores(sums[:, 0], sums[:, 1], sums[:, 2], multiple(kind)[1])


def listings(
    gold: Sequence[Value], answers: Sequence[Value | None], kind: AnswerKind, options: Options = DEFAULTS
) -> Array:
    """For each label, a list of all samples: confidence (UNLISTED where not listed) and gold 0 or 1;
    float64 [samples, labels, 2]."""
    wanted, _, _ = binary(gold, answers, kind, options)
    return np.stack([share_table(answers, kind), wanted], axis=-1)


def average_precision(rows: Array, counts: Array) -> Array:
    """Σ (recall_k - recall_k-1) · precision_k over the distinct confidences k of one label, highest first.

    `rows` [rows, (confidence, gold)] ascending, `counts` [resamples, rows] -> [resamples], in [0, 1], best 1; NaN
    where the label is never gold. A gold sample whose answer does not list the label is never found and adds nothing
    (as a document that is not retrieved, Manning et al. 2008, 8.4). Where every answer lists the label it equals
    sklearn.metrics.average_precision_score, ties being one step.
    """
    positives = counts @ rows[:, 1]
    first = int((rows[:, 0] <= UNLISTED).sum())
    if first == len(rows):
        return ratio(np.zeros(len(counts)), positives)
    rows, counts = rows[first:][::-1], counts[:, first:][:, ::-1]
    starts = np.flatnonzero(np.r_[True, rows[1:, 0] != rows[:-1, 0]])
    retrieved = np.add.reduceat(counts, starts, axis=1)
    found = np.add.reduceat(counts * rows[:, 1], starts, axis=1)
    precision = ratio(found.cumsum(1), retrieved.cumsum(1), empty=0.0)
    return ratio((found * precision).sum(1), positives)

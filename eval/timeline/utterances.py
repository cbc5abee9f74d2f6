"""Whether utterances are found, and whether what is said about them is right.

Labels are compared on the pairs of `match.assign`. `…_matched` scores look at those pairs alone: how well an emotion is
named once the utterance is found; they leave out what is not found. The others keep every gold utterance, one without a
partner being wrong. An answered utterance without a partner costs precision of detection, and nothing here.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from eval.metrics.classification import accuracy, macro_f1
from eval.metrics.labelsets import set_macro_f1, set_micro_f1
from eval.metrics.metric import DEFAULTS, Options, Value, ratio
from eval.metrics.sums import Array
from eval.timeline.match import Rule, assign, greedy, iou_table
from eval.timeline.spans import INTENSITIES, pairs, parts
from tasks.task import AnswerKind

# --- detection


def detection(
    gold: Sequence[Value],
    answers: Sequence[Value | None],
    kind: AnswerKind,
    options: Options = DEFAULTS,
    *,
    rule: Rule = assign,
) -> Array:
    """Per clip: utterances paired by `rule`, answered, gold; float64 [clips, 3]."""
    del options  # times are what they are
    clips = pairs(gold, answers, kind)
    rows = [(len(rule(iou_table(wanted, told))), len(told), len(wanted)) for wanted, told in clips]
    return np.array(rows, dtype=np.float64).reshape(-1, 3)


overlapping = partial(detection, rule=assign)
half_covered = partial(detection, rule=greedy)

# --- the primary label


def label_counts(
    gold: Sequence[Value], answers: Sequence[Value | None], kind: AnswerKind, options: Options = DEFAULTS
) -> Array:
    """Per clip, utterances by gold label (row) and by answer (column), float64 [clips, labels, labels + 2]; the last
    two columns: paired with an utterance that states no label, and not paired."""
    del options
    labels = parts(kind)[0]
    place: dict[str | None, int] = {label: index for index, label in enumerate((*labels, None))}
    table = np.zeros((len(gold), len(labels), len(labels) + 2))
    for counts, (wanted, told) in zip(table, pairs(gold, answers, kind), strict=True):
        partner = dict(assign(iou_table(wanted, told)))
        for index, span in enumerate(wanted):
            column = place[told[partner[index]].primary] if index in partner else len(labels) + 1
            counts[place[span.primary], column] += 1
    return table


def _whole(counts: Array) -> Array:
    """Label counts as confusion counts [..., labels, labels + 1]; what is not paired is not answered."""
    return np.concatenate([counts[..., :-2], counts[..., -2:].sum(-1, keepdims=True)], axis=-1)


def label_accuracy(counts: Array) -> Array:
    """Gold utterances whose partner has their primary label / gold utterances; [..., labels, labels + 2] -> [...], in
    [0, 1], best 1, NaN without gold utterances. Equals sklearn.metrics.accuracy_score, no partner being a wrong label.
    """
    return accuracy(_whole(counts))


def label_macro_f1(counts: Array) -> Array:
    """Mean of the labels' F1 over all gold utterances; [..., labels, labels + 2] -> [...], in [0, 1], best 1.

    A label neither gold nor answered is left out; NaN without gold utterances. Equals
    sklearn.metrics.f1_score(average="macro", labels=labels, zero_division=nan), no partner being a label of its own.
    """
    return macro_f1(_whole(counts))


def matched_accuracy(counts: Array) -> Array:
    """`label_accuracy` over the gold utterances that have a partner; in [0, 1], best 1, NaN where none has.

    Equals sklearn.metrics.accuracy_score on the pairs.
    """
    return accuracy(counts[..., :-1])


def matched_macro_f1(counts: Array) -> Array:
    """`label_macro_f1` over the gold utterances that have a partner; in [0, 1], best 1, NaN where none has.

    Equals sklearn.metrics.f1_score(average="macro", labels=labels, zero_division=nan) on the pairs.
    """
    return macro_f1(counts[..., :-1])


# --- the secondary labels


def secondary_counts(
    gold: Sequence[Value], answers: Sequence[Value | None], kind: AnswerKind, options: Options = DEFAULTS
) -> Array:
    """Per clip, over all gold utterances [:, 0] and over the paired ones [:, 1], and per secondary label: hit,
    answered, gold; float64 [clips, 2, labels, 3]. An utterance without a partner is answered with no label; one whose
    gold set is not known (null) is left out."""
    del options
    labels = parts(kind)[1]
    table = np.zeros((len(gold), 2, len(labels), 3))
    for counts, (wanted, told) in zip(table, pairs(gold, answers, kind), strict=True):
        partner = dict(assign(iou_table(wanted, told)))
        for index, span in enumerate(wanted):
            if span.secondary is None:
                continue
            given = (told[partner[index]].secondary if index in partner else None) or frozenset()
            row = np.array([(x in span.secondary & given, x in given, x in span.secondary) for x in labels])
            counts[0] += row
            counts[1] += row * (index in partner)
    return table


def secondary_micro_f1(counts: Array) -> Array:
    """2 hits / (answered + gold) of the secondary labels over all gold utterances; [..., 2, labels, 3] -> [...], in
    [0, 1], best 1, NaN where no label is gold nor answered. Equals sklearn.metrics.f1_score(average="micro")."""
    return set_micro_f1(counts[..., 0, :, :])


def secondary_macro_f1(counts: Array) -> Array:
    """Mean of the secondary labels' F1 over all gold utterances, labels neither gold nor answered left out; in [0, 1],
    best 1, NaN where that is all. Equals sklearn.metrics.f1_score(average="macro", zero_division=nan)."""
    return set_macro_f1(counts[..., 0, :, :])


def matched_secondary_micro_f1(counts: Array) -> Array:
    """`secondary_micro_f1` over the gold utterances that have a partner; in [0, 1], best 1, NaN as there.

    Equals sklearn.metrics.f1_score(average="micro") on the pairs.
    """
    return set_micro_f1(counts[..., 1, :, :])


def matched_secondary_macro_f1(counts: Array) -> Array:
    """`secondary_macro_f1` over the gold utterances that have a partner; in [0, 1], best 1, NaN as there.

    Equals sklearn.metrics.f1_score(average="macro", zero_division=nan) on the pairs.
    """
    return set_macro_f1(counts[..., 1, :, :])


# --- intensity


def intensity_counts(
    gold: Sequence[Value], answers: Sequence[Value | None], kind: AnswerKind, options: Options = DEFAULTS
) -> Array:
    """Per clip, pairs in which both state an intensity, by the gold one (row) and the answered one (column);
    float64 [clips, 5, 5]."""
    del options
    table = np.zeros((len(gold), len(INTENSITIES), len(INTENSITIES)))
    for counts, (wanted, told) in zip(table, pairs(gold, answers, kind), strict=True):
        for g, t in assign(iou_table(wanted, told)):
            one, other = wanted[g].intensity, told[t].intensity
            if one is not None and other is not None:
                counts[one - 1, other - 1] += 1
    return table


_STEPS = np.abs(np.subtract.outer(INTENSITIES, INTENSITIES)).astype(np.float64)


def intensity_error(counts: Array) -> Array:
    """Mean |gold - answered| of the pairs' intensities; [..., 5, 5] -> [...], at least 0, at most 4, best 0.

    NaN without pairs that state both. Equals sklearn.metrics.mean_absolute_error on the pairs.
    """
    return ratio((counts * _STEPS).sum((-2, -1)), counts.sum((-2, -1)))


def intensity_kappa(counts: Array) -> Array:
    """Quadratic weighted kappa 1 - Σ w o / Σ w e of the pairs' intensities; [..., 5, 5] -> [...], in [-1, 1], best 1.

    w = (i - j)², o the pairs, e what the margins would give by chance (Cohen 1968); 0 is chance. NaN where all pairs
    state one and the same intensity. Equals sklearn.metrics.cohen_kappa_score(weights="quadratic").
    """
    chance = counts.sum(-1)[..., :, None] * counts.sum(-2)[..., None, :]
    total = counts.sum((-2, -1))
    return 1 - ratio((counts * _STEPS**2).sum((-2, -1)) * total, (chance * _STEPS**2).sum((-2, -1)))

"""The two procedures by which the EmoS release turned GoEmotions into one basic emotion for MELD-Core.

The first 3,000 and the last 2,000 clips were done differently: with another table from GoEmotions to the basic seven,
and with another meaning of confidence (a share of label mass there, a posterior here). Both were recovered from the
release's tables, which they reproduce; the paper describes neither. Each rule is written here as the release has it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from eval.annotators.dawid_skene import DawidSkene, dawid_skene
from tasks.labels import label_space

_SHARED = {
    "Anger": "anger annoyance disapproval",
    "Disgust": "disgust",
    "Fear": "fear nervousness",
    "Joy": "admiration amusement approval desire excitement gratitude joy love optimism pride relief",
    "Neutral": "confusion curiosity realization neutral unsure",
    "Sadness": "disappointment grief remorse sadness",
    "Surprise": "surprise",
}
# The two labels that the halves map differently.
_MOVED = {
    "first3000": {"caring": "Neutral", "embarrassment": "Sadness"},
    "last2000": {"caring": "Joy", "embarrassment": "Disgust"},
}
# At least this share of the label mass, or this posterior, is the release's high confidence.
HIGH = 0.5


@cache
def basic_of(part: str) -> Mapping[str, str]:
    """GoEmotions label (unsure included) -> basic emotion, as the half `part` (first3000, last2000) maps it."""
    return {label: basic for basic, labels in _SHARED.items() for label in labels.split()} | _MOVED[part]


class Corrected(NamedTuple):
    """One clip: the basic emotion, its confidence, the two best with their scores, and the rule that decided."""

    label: str
    confidence: float
    best: str
    second: str
    second_score: float
    reason: str


def by_share(soft: Mapping[str, int], original: str) -> Corrected:
    """The procedure of the first 3,000: `soft` counts annotators by GoEmotions label, `original` is the MELD emotion.

    The score of a basic emotion is its share of all counts; ranks are by score, ties in label order; the confidence is
    always the best score. From 0.5 on the best is taken (`high_goemotion`). Below it: the best where it is the
    original (`agree_orig`); the original where it ties with the best (`prefer_orig_second` if it ranks second, else
    `prefer_orig_close`); else the best (`override_low_conf`). Counts are whole, so ties are exact.
    Raises ValueError where no annotator gave a label: no share is defined.
    """
    labels = label_space("basic7").labels
    mass = dict.fromkeys(labels, 0)
    for label, count in soft.items():
        mass[basic_of("first3000")[label]] += count
    total = sum(mass.values())
    if not total:
        raise ValueError("no annotator gave a GoEmotions label: the basic emotion is undefined")
    best, second, *_ = sorted(labels, key=lambda label: -mass[label])
    taken, reason = best, "override_low_conf"
    if mass[best] / total >= HIGH:
        reason = "high_goemotion"
    elif best == original:
        reason = "agree_orig"
    elif mass[original] == mass[best]:
        taken, reason = original, "prefer_orig_second" if original == second else "prefer_orig_close"
    return Corrected(taken, mass[best] / total, best, second, mass[second] / total, reason)


def vote(labels: Collection[str], original: str) -> str:
    """One annotator's basic emotion in the last 2,000: the most frequent among the mapped GoEmotions labels; a tie
    goes to the original MELD emotion if it is among the tied, else to the first in label order; without a label it is
    the original."""
    mapped = [basic_of("last2000")[label] for label in labels]
    most = max(map(mapped.count, mapped), default=0)
    tied = [basic for basic in label_space("basic7").labels if mapped.count(basic) == most]
    return original if not mapped or original in tied else tied[0]


def by_votes(votes: Sequence[Sequence[str]]) -> tuple[list[Corrected], DawidSkene]:
    """The procedure of the last 2,000: Dawid-Skene over the annotators' basic emotions, votes [clips][annotators].

    Label and confidence are the most probable emotion and its posterior, the second likewise; `ds_high_conf` from 0.5
    on, else `ds_low_conf`. The original emotion enters through `vote` alone. Also gives the model back.
    """
    labels = label_space("basic7").labels
    codes = np.array([[labels.index(basic) for basic in row] for row in votes], dtype=np.int64)
    model = dawid_skene(codes, len(labels))
    found = []
    for best, row in zip(model.label, model.posterior, strict=True):
        rest = [k for k in range(len(labels)) if k != best]
        second = max(rest, key=lambda k: row[k])
        score = float(row[best])
        reason = "ds_high_conf" if score >= HIGH else "ds_low_conf"
        found.append(Corrected(labels[best], score, labels[best], labels[second], float(row[second]), reason))
    return found, model

"""Consensus labels of Ratings, and the CSV that holds them.

Two methods. `dawid-skene` weighs annotators by how they err; label sets are taken label by label, given or not given.
`share` is the share of an item's annotators behind a label (the soft label of the EmoS release). One label an item:
the most probable one. Label sets: every label above one half. By default single labels take Dawid-Skene and label sets
the share: where a label is rare, Dawid-Skene without smoothing may follow one annotator alone (on the GoEmotions of
EmoS it does).
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from eval.annotators.dawid_skene import STEPS, TIED, TOLERANCE, DawidSkene, Floats, dawid_skene, most_probable
from eval.annotators.ratings import MISSING, SEPARATOR, Codes, Flags, Ratings

METHODS = ("dawid-skene", "share")
COLUMNS = ("id", "label", "confidence", "votes")


class Line(NamedTuple):
    """One item of a consensus: its labels with their probabilities (both empty where there is none), and the votes."""

    id: str
    labels: tuple[str, ...]
    confidences: tuple[float, ...]
    votes: dict[str, int]


@dataclass(frozen=True, eq=False)
class Consensus:
    """The consensus of Ratings.

    chosen: bool [items, labels]; no label for an item that nobody annotated, and possible for label sets.
    probability: float64 [items, labels] of each label, NaN for an item that nobody annotated.
    models: of Dawid-Skene, one for single labels, one a label for label sets; none for shares.
    method: one of METHODS.
    """

    chosen: Flags
    probability: Floats
    models: tuple[DawidSkene, ...]
    method: str

    @property
    def code(self) -> Codes:
        """Position of the first label, int64 [items]; MISSING where there is none."""
        return np.where(self.chosen.any(1), self.chosen.argmax(1), MISSING)

    @property
    def confidence(self) -> Floats:
        """Mean probability of the labels of an item, float64 [items]; NaN where there is none."""
        count = self.chosen.sum(1)
        total = np.where(self.chosen, self.probability, 0.0).sum(1)
        mean: Floats = np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)
        return mean


def consensus(
    ratings: Ratings, method: str | None = None, steps: int = STEPS, tolerance: float = TOLERANCE
) -> Consensus:
    """The consensus of single labels or of label sets by a method of METHODS, or by the default (see the module).

    Ties go to the first label; in a set, a label that is as probable as not is left out. `steps` and `tolerance` are
    those of Dawid-Skene. Raises ValueError for an unknown method.
    """
    method = method or METHODS[0 if ratings.single else 1]
    if method not in METHODS:
        raise ValueError(f"no consensus method {method!r}; there are: {', '.join(METHODS)}")
    models: tuple[DawidSkene, ...] = ()
    if method == "share":
        raters = ratings.rated.sum(1)[:, None]
        share = np.full(ratings.chosen.shape[::2], np.nan)
        probability = np.divide(ratings.chosen.sum(1), raters, out=share, where=raters > 0)
    elif ratings.single:
        models = (dawid_skene(ratings.votes, len(ratings.labels), steps, tolerance),)
        probability = models[0].posterior
    else:
        given = np.where(ratings.rated[:, :, None], ratings.chosen, MISSING).astype(np.int64)
        models = tuple(dawid_skene(given[:, :, at], 2, steps, tolerance) for at in range(len(ratings.labels)))
        probability = np.stack([model.posterior[:, 1] for model in models], axis=1)
    if ratings.single:
        chosen = most_probable(probability)[:, None] == np.arange(len(ratings.labels))
    else:
        chosen = probability > 0.5 + TIED
    return Consensus(chosen, probability, models, method)


def consensus_lines(ratings: Ratings, found: Consensus) -> Iterator[Line]:
    """The consensus of every item, in their order."""
    counts = ratings.chosen.sum(1)
    for i, id_ in enumerate(ratings.ids):
        at = np.flatnonzero(found.chosen[i])
        labels = tuple(ratings.labels[k] for k in at)
        yield Line(id_, labels, tuple(map(float, found.probability[i, at])), tally(ratings.labels, counts[i]))


def tally(labels: Sequence[str], counts: Codes) -> dict[str, int]:
    """Labels that anyone gave, with how many did, by falling count, ties in label order."""
    order = sorted(np.flatnonzero(counts), key=lambda k: -int(counts[k]))
    return {labels[k]: int(counts[k]) for k in order}


def to_csv(lines: Iterable[Line]) -> str:
    """Consensus as CSV with a header: id, label, confidence, votes. Labels and confidences of a set are joined by `;`,
    votes are `Joy 2;Anger 1`; numbers keep every digit."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for line in lines:
        votes = SEPARATOR.join(f"{label} {count}" for label, count in line.votes.items())
        confidences = SEPARATOR.join(map(repr, line.confidences))
        writer.writerow([line.id, SEPARATOR.join(line.labels), confidences, votes])
    return stream.getvalue()


def plain(value: float) -> float | None:
    """A number for JSON: None for NaN."""
    return None if math.isnan(value) else float(value)

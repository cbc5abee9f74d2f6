"""Consensus labels of Ratings, and the CSV that holds them.

One label an item: Dawid-Skene. Label sets: Dawid-Skene for every label by itself (given or not given); the consensus
set holds the labels that are more probable than not. The share of annotators behind a label (the soft label) is in
the votes.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from eval.annotators.dawid_skene import STEPS, TIED, TOLERANCE, DawidSkene, Floats, dawid_skene
from eval.annotators.ratings import MISSING, SEPARATOR, Codes, Flags, Ratings

COLUMNS = ("id", "label", "confidence", "votes")


@dataclass(frozen=True, eq=False)
class Consensus:
    """The consensus of Ratings.

    chosen: bool [items, labels]; no label for an item that nobody annotated, and possible for label sets.
    probability: float64 [items, labels] of each label, NaN for an item that nobody annotated.
    model: the Dawid-Skene model, one for single labels, one a label for label sets.
    """

    chosen: Flags
    probability: Floats
    models: tuple[DawidSkene, ...]

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


def consensus(ratings: Ratings, steps: int = STEPS, tolerance: float = TOLERANCE) -> Consensus:
    """The consensus of single labels or of label sets; see this module's docstring. Pure; ties go to the first label,
    and a label that is as probable as not is not chosen."""
    if ratings.single:
        model = dawid_skene(ratings.votes, len(ratings.labels), steps, tolerance)
        chosen = model.label[:, None] == np.arange(len(ratings.labels))
        return Consensus(chosen, model.posterior, (model,))
    given = np.where(ratings.rated[:, :, None], ratings.chosen, MISSING).astype(np.int64)
    models = tuple(dawid_skene(given[:, :, at], 2, steps, tolerance) for at in range(len(ratings.labels)))
    probability = np.stack([model.posterior[:, 1] for model in models], axis=1)
    return Consensus(probability > 0.5 + TIED, probability, models)


def rows(ratings: Ratings, found: Consensus) -> Iterator[tuple[str, str, str, str]]:
    """(id, label, confidence, votes) of every item, in their order.

    A label set is joined by `;` and has one confidence a label, joined alike; both are empty where there is no
    consensus. Votes are `label count` by falling count, joined by `;`.
    """
    counts = ratings.chosen.sum(1)
    for i, id_ in enumerate(ratings.ids):
        at = np.flatnonzero(found.chosen[i])
        order = sorted(np.flatnonzero(counts[i]), key=lambda k: -int(counts[i, k]))
        yield (
            id_,
            SEPARATOR.join(ratings.labels[k] for k in at),
            SEPARATOR.join(repr(float(found.probability[i, k])) for k in at),
            SEPARATOR.join(f"{ratings.labels[k]} {counts[i, k]}" for k in order),
        )


def to_csv(lines: Iterable[tuple[str, str, str, str]]) -> str:
    """The consensus rows as CSV with a header; numbers keep every digit."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(lines)
    return stream.getvalue()


def plain(value: float) -> float | None:
    """A number for JSON: None for NaN."""
    return None if math.isnan(value) else float(value)

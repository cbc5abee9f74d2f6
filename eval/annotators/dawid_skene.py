"""Dawid-Skene: the labels that several annotators most likely meant, and how sure that is.

Source: Dawid and Skene, Maximum likelihood estimation of observer error-rates using the EM algorithm, Applied
Statistics 28 (1979). The number of steps is part of the result: the EmoS release stops before convergence, and the
defaults here are its settings (recovered from its numbers; the paper does not state them).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.annotators.ratings import MISSING, Codes

Floats = NDArray[np.float64]
STEPS = 50
TOLERANCE = 1e-6
# Posteriors that differ by less are one number computed in another order, and tie.
TIED = 1e-9


@dataclass(frozen=True, eq=False)
class DawidSkene:
    """What the annotators meant and how each of them errs.

    posterior: float64 [items, labels], rows sum to 1; NaN for an item that nobody annotated.
    prior: float64 [labels], the share of each label.
    confusion: float64 [annotators, labels, labels], P(annotator says column | label is row); rows sum to 1.
    steps: how many were taken. change: mean |change of posterior| of the last one, 0 for no item. converged: whether
    that was below the tolerance.
    """

    posterior: Floats
    prior: Floats
    confusion: Floats
    steps: int
    change: float
    converged: bool

    @property
    def label(self) -> Codes:
        """Most probable label, int64 [items]; ties go to the first; MISSING where there is none."""
        return most_probable(self.posterior)

    @property
    def confidence(self) -> Floats:
        """Probability of that label, float64 [items], in (0, 1]; NaN where there is none."""
        best: Floats = self.posterior.max(axis=1, initial=0.0)
        return best


def most_probable(posterior: Floats) -> Codes:
    """Position of the highest of each row, int64 [items], of [items, labels]; ties (within 1e-9) go to the first, and
    a row of NaN has MISSING."""
    best = np.nanmax(posterior, axis=1, initial=-np.inf, keepdims=True)
    tied = posterior >= best - TIED
    return np.where(tied.any(1), tied.argmax(1), MISSING)


def dawid_skene(votes: Codes, labels: int, steps: int = STEPS, tolerance: float = TOLERANCE) -> DawidSkene:
    """Dawid-Skene by expectation maximisation, without smoothing, once per distinct pattern of votes.

    `votes`: int64 [items, annotators], positions of labels below `labels`, MISSING for "not annotated".
    T_ik, the posterior, starts as the share of votes for k. A step is
        prior_k = mean_i T_ik;  C_mkj = sum_i T_ik [x_im = j] / sum_i T_ik [x_im is a vote];
        T_ik = prior_k prod_m C_mk,x_im, normalised over k (only votes enter the product).
    It stops once the mean of |change of T| over items and labels is below `tolerance`, or after `steps`.
    Undefined: the row C_mk of an annotator who voted on no item that may be k is uniform, which says nothing.
    Items without a vote take no part. With one annotator every vote is taken as true, with confidence 1.
    Equals crowdkit.aggregation.DawidSkene for equal steps up to its rounding (it adds 1e-10 to probabilities).
    Raises ValueError for votes outside the labels.
    """
    if votes.ndim != 2 or labels < 1 or (votes.size and not (votes.min() >= MISSING and votes.max() < labels)):
        raise ValueError(f"votes must be a table of numbers from 0 to {labels - 1}, or {MISSING} for not annotated")
    annotated = (votes != MISSING).any(1)
    patterns, where, counts = np.unique(votes[annotated], axis=0, return_inverse=True, return_counts=True)
    weights = counts / max(counts.sum(), 1)
    hot = np.stack([patterns == label for label in range(labels)], axis=-1).astype(float)
    belief = hot.sum(1) / np.maximum(hot.sum((1, 2)), 1)[:, None]
    taken, change = 0, np.inf
    while taken < steps and change >= tolerance and len(patterns):
        prior, confusion = _maximise(belief, hot, weights)
        old, belief = belief, _expect(patterns, prior, confusion)
        change = float((np.abs(belief - old).mean(1) * weights).sum())
        taken += 1
    prior, confusion = _maximise(belief, hot, weights)
    posterior = np.full((len(votes), labels), np.nan)
    posterior[annotated] = belief[where.reshape(-1)]
    change = change if taken else 0.0
    return DawidSkene(posterior, prior, confusion, taken, change, change < tolerance or not taken)


def _maximise(belief: Floats, hot: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Prior [labels] and confusion [annotators, labels, labels] from posteriors [patterns, labels]."""
    weighted = belief * weights[:, None]
    mass = np.einsum("pk,pmj->mkj", weighted, hot)
    rows = mass.sum(-1, keepdims=True)
    uniform = np.full_like(mass, 1 / hot.shape[-1])
    return weighted.sum(0), np.divide(mass, rows, out=uniform, where=rows > 0)


def _expect(patterns: Codes, prior: Floats, confusion: Floats) -> Floats:
    """Posteriors [patterns, labels]; logarithms, since many annotators would underflow."""
    with np.errstate(divide="ignore"):
        log = np.tile(np.log(prior), (len(patterns), 1))
        for m, own in enumerate(np.log(confusion)):
            voted = patterns[:, m] != MISSING
            log[voted] += own[:, patterns[voted, m]].T
    likelihood = np.exp(log - log.max(1, keepdims=True))
    posterior: Floats = likelihood / likelihood.sum(1, keepdims=True)
    return posterior

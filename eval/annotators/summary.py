"""Everything that is said about Ratings, as one record of plain values: for tables, and for JSON as it stands."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np

from eval.annotators.agreement import (
    DISTANCES,
    cardinality,
    cohen_kappa,
    exact_match,
    fleiss_kappa,
    jaccard,
    krippendorff_alpha,
    union,
    union_sizes,
)
from eval.annotators.consensus import Consensus, consensus, plain
from eval.annotators.ratings import MISSING, Codes, Flags, Ratings


def summarise(ratings: Ratings, found: Consensus | None = None) -> dict[str, Any]:
    """Sizes, agreement, distribution, consensus. Undefined values are None. Keys are in the order of the tables.

    Single labels have cohen (pairs), fleiss, alpha and confusion (rows: consensus, columns: annotator, counts); label
    sets have cardinality, jaccard (pairs), alpha by distance, and by annotator and label the items on which the
    annotator agrees with the consensus, adds the label to it, or lacks it. Pairs are compared on the items that both
    annotated, exact match on those that all annotated.
    """
    found = found or consensus(ratings)
    whole = ratings.chosen[ratings.rated.all(1)]
    record: dict[str, Any] = {
        "kind": "one label" if ratings.single else "label sets",
        "items": len(ratings.ids),
        "annotators": list(ratings.annotators),
        "labels": list(ratings.labels),
        "annotated": dict(zip(ratings.annotators, ratings.rated.sum(0).tolist(), strict=True)),
        "annotated_by_all": len(whole),
        "annotated_by_none": int((~ratings.rated.any(1)).sum()),
        "exact_match": plain(exact_match(whole)) if len(ratings.annotators) > 1 else None,
        "alpha": {
            name: plain(krippendorff_alpha(ratings.chosen, ratings.rated, distance))
            for name, distance in DISTANCES.items()
            if name == "nominal" or not ratings.single
        },
        "different_labels": _histogram(union_sizes(ratings.chosen[ratings.rated.any(1)])),
        **(_single(ratings, found) if ratings.single else _sets(ratings, found)),
        "distribution": _distribution(ratings, found),
        "consensus": _consensus(ratings, found),
        "notes": _notes(ratings, found),
    }
    return record


def _histogram(values: Codes) -> dict[str, int]:
    found, counts = np.unique(values, return_counts=True)
    return {str(value): int(count) for value, count in zip(found, counts, strict=True)}


def _pairs(ratings: Ratings) -> list[tuple[str, int, int]]:
    names = ratings.annotators
    return [(f"{names[a]} / {names[b]}", a, b) for a, b in combinations(range(len(names)), 2)]


def _single(ratings: Ratings, found: Consensus) -> dict[str, Any]:
    votes, size, code = ratings.votes, len(ratings.labels), found.code
    confusion = {}
    for m, name in enumerate(ratings.annotators):
        table = np.zeros((size, size), dtype=np.int64)
        rated = votes[:, m] != MISSING
        np.add.at(table, (code[rated], votes[rated, m]), 1)
        confusion[name] = table.tolist()
    return {
        "fleiss_kappa": plain(fleiss_kappa(votes, size)),
        "cohen_kappa": {name: plain(cohen_kappa(votes[:, a], votes[:, b], size)) for name, a, b in _pairs(ratings)},
        "agrees_with_consensus": {
            name: plain(_share((votes[:, m] == code)[votes[:, m] != MISSING]))
            for m, name in enumerate(ratings.annotators)
        },
        "confusion": confusion,
    }


def _share(hits: Any) -> float:
    return float(hits.mean()) if len(hits) else float("nan")


def _sets(ratings: Ratings, found: Consensus) -> dict[str, Any]:
    chosen, rated = ratings.chosen, ratings.rated
    both = {name: rated[:, a] & rated[:, b] for name, a, b in _pairs(ratings)}
    against: dict[str, dict[str, list[int]]] = {}
    for m, name in enumerate(ratings.annotators):
        own: Flags = chosen[rated[:, m], m]
        ours: Flags = found.chosen[rated[:, m]]
        kinds = (own & ours, own & ~ours, ~own & ours)
        counts = np.stack([np.count_nonzero(kind, axis=0) for kind in kinds], axis=1)
        against[name] = dict(zip(ratings.labels, counts.tolist(), strict=True))
    return {
        "cardinality": {name: plain(cardinality(chosen[rated[:, m], m])) for m, name in enumerate(ratings.annotators)},
        "union_mean": plain(cardinality(union(chosen[rated.any(1)]))),
        "jaccard": {
            name: plain(jaccard(chosen[both[name], a], chosen[both[name], b])) for name, a, b in _pairs(ratings)
        },
        "against_consensus": against,
    }


def _distribution(ratings: Ratings, found: Consensus) -> dict[str, dict[str, int]]:
    """Items by label, for every annotator and for the consensus."""
    counts = {name: ratings.chosen[:, m].sum(0).tolist() for m, name in enumerate(ratings.annotators)}
    counts["consensus"] = found.chosen.sum(0).tolist()
    return {name: dict(zip(ratings.labels, own, strict=True)) for name, own in counts.items()}


def _consensus(ratings: Ratings, found: Consensus) -> dict[str, Any]:
    """`against_majority`: items on which some label that more than half gave is not in the consensus. `from_nobody`:
    items with a label in the consensus that no annotator gave."""
    confidence = found.confidence[~np.isnan(found.confidence)]
    counts = ratings.chosen.sum(1)
    majority = 2 * counts > ratings.rated.sum(1)[:, None]
    return {
        "method": found.method,
        "items_with_a_label": len(confidence),
        "mean_confidence": plain(float(confidence.mean())) if len(confidence) else None,
        "median_confidence": plain(float(np.median(confidence))) if len(confidence) else None,
        "against_majority": int((majority & ~found.chosen).any(1).sum()),
        "from_nobody": int((found.chosen & (counts == 0)).any(1).sum()),
        "steps": max((model.steps for model in found.models), default=0),
        "last_change": max((model.change for model in found.models), default=0.0),
    }


def _notes(ratings: Ratings, found: Consensus) -> list[str]:
    """What a reader of the numbers must know."""
    notes = []
    if len(ratings.annotators) == 1:
        notes.append("one annotator: agreement is undefined, and the consensus is this annotator with confidence 1")
    for m, name in enumerate(ratings.annotators):
        used = ratings.chosen[:, m].any(0)
        if not ratings.rated[:, m].any():
            notes.append(f"{name} annotated nothing")
        elif used.sum() == 1 and len(ratings.labels) > 1:
            notes.append(f"{name} gave no other label than {ratings.labels[int(used.argmax())]}")
    if not all(model.converged for model in found.models):
        notes.append("Dawid-Skene stopped at its last step before it converged; more steps can change confidences")
    return notes

"""BLEMORE, beside its metrics: the official scorer, decoding with fitted thresholds, baselines, breakdowns, ablations.

official.py the official score of a prediction file; thresholds.py from a distribution to a blend: thresholds, their
fit, cross-validation, votes; stated.py shares as a reply states them, before they are moved to the grid; tables.py
trivial baselines, scores by blend and ratio; shown.py the tables of a report; ablation.py what a run without sound, or
without pictures, loses.
"""

from __future__ import annotations

from eval.blends.ablation import drops, importance
from eval.blends.official import official_scores
from eval.blends.shown import sections
from eval.blends.stated import stated_value, stated_values
from eval.blends.tables import breakdown, trivial
from eval.blends.thresholds import (
    CrossFit,
    Search,
    Thresholds,
    cross_fitted,
    decode,
    distributions_of,
    fit,
    post_process,
    search,
    top_two,
    vote,
    votes_of,
)

__all__ = [
    "CrossFit",
    "Search",
    "Thresholds",
    "breakdown",
    "cross_fitted",
    "decode",
    "distributions_of",
    "drops",
    "fit",
    "importance",
    "official_scores",
    "post_process",
    "search",
    "sections",
    "stated_value",
    "stated_values",
    "top_two",
    "trivial",
    "vote",
    "votes_of",
]

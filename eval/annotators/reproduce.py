"""Recomputes what the EmoS release derived from its annotators' books, and says row by row whether it is the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np

from eval.annotators.books import Annotated, as_released, basic_votes, goemotion_sets, originals, soft_labels
from eval.annotators.consensus import consensus
from eval.annotators.corrected import Corrected, by_share, by_votes, vote
from tasks.emos_release import goemotions
from tasks.emos_tables import read_table

T = TypeVar("T")
NEAR = 1e-9
SHOWN = 5
# Rows of a part whose released soft labels are not those of the books, and why; found by comparing them all.
KNOWN = {("latter", 357): "the release joined by a clip id that two clips share, and took the other clip's labels"}


@dataclass(frozen=True)
class Check:
    """One column of the release against its recomputation: how many rows agree, and which do not (from 0)."""

    part: str
    column: str
    rows: int
    equal: int
    largest: float | None = None  # difference, of a column of numbers
    other: tuple[int, ...] = field(default=())

    @property
    def notes(self) -> list[str]:
        """What is known of the rows that differ, the first few."""
        shown = [f"row {i}: {KNOWN.get((self.part, i), 'differs')}" for i in self.other[:SHOWN]]
        return shown + ([f"and {len(self.other) - SHOWN} rows more"] if len(self.other) > SHOWN else [])


def compare(part: str, column: str, ours: Sequence[object], released: Sequence[object]) -> Check:
    """Equality row by row; numbers are equal within 1e-9 (soft labels are compared as counts, exactly)."""
    if all(isinstance(value, float) for value in ours):
        far = np.abs(np.array(ours, dtype=float) - np.array(released, dtype=float))
        other = np.flatnonzero(~(far <= NEAR))
        largest = float(far.max()) if len(far) else 0.0
        return Check(part, column, len(ours), len(ours) - len(other), largest, tuple(map(int, other)))
    differs = tuple(i for i, (a, b) in enumerate(zip(ours, released, strict=True)) if a != b)
    return Check(part, column, len(ours), len(ours) - len(differs), None, differs)


def reproduce(base: Path, parts: dict[str, Annotated]) -> list[Check]:
    """Every derived column of the release: votes and Dawid-Skene (first, latter, last2000), soft labels (all four),
    the corrected basic emotion by both procedures (first3000, last2000)."""
    checks = []
    for annotated in parts.values():
        checks += _soft(annotated)
        checks += _corrected(base, annotated) if annotated.part.language == "en" else _dawid_skene(annotated)
    return checks


def _dawid_skene(annotated: Annotated) -> list[Check]:
    name, ratings = annotated.part.name, basic_votes(annotated)
    found = consensus(ratings)
    votes = [tuple(ratings.labels[k] for k in row) for row in ratings.votes]
    columns: tuple[tuple[str, list[object], Callable[..., object]], ...] = (
        ("votes", list(votes), lambda row: row.votes),
        ("unique_labels", [len(set(row)) for row in votes], lambda row: row.unique),
        ("ds_label", [ratings.labels[k] for k in found.code], lambda row: row.label),
        ("ds_confidence", list(map(float, found.confidence)), lambda row: row.confidence),
    )
    return [compare(name, column, ours, [of(row) for row in annotated.rows]) for column, ours, of in columns]


def _soft(annotated: Annotated) -> list[Check]:
    ours = goemotion_sets(annotated).chosen.sum(1)
    theirs = as_released(annotated)
    return [
        compare(annotated.part.name, f"goemotion_prob_* ({len(goemotions())} columns)",
                list(map(tuple, ours.tolist())), list(map(tuple, theirs.tolist()))),
    ]  # fmt: skip


def _corrected(base: Path, annotated: Annotated) -> list[Check]:
    part, rows = annotated.part, annotated.rows
    sets, original = goemotion_sets(annotated), originals(annotated)
    checks = []
    found: list[Corrected]
    if part.votes:
        named = [[{sets.labels[k] for k in np.flatnonzero(cell)} for cell in row] for row in sets.chosen]
        votes = [tuple(vote(cell, first) for cell in row) for row, first in zip(named, original, strict=True)]
        checks.append(compare(part.name, "basic_vote_*", votes, [row.votes for row in rows]))
        found, _ = by_votes(votes)
    else:
        found = [by_share(soft, first) for soft, first in zip(soft_labels(sets), original, strict=True)]
    extra = [f"basic_goemotion_{which}" for which in ("best", "best_prob", "second", "second_prob")]
    table = read_table(base / part.labels, [*extra, "basic_changed"])
    text = table.columns
    changed = [str(f.label != first) for f, first in zip(found, original, strict=True)]
    columns: tuple[tuple[str, list[object], list[object]], ...] = (
        ("basic_orig", list(original), [row.original for row in rows]),
        ("basic_corrected", [f.label for f in found], [row.label for row in rows]),
        ("basic_corrected_conf", [f.confidence for f in found], [row.confidence for row in rows]),
        ("basic_correction_reason", [f.reason for f in found], [row.reason for row in rows]),
        (extra[0], [f.best for f in found], list(text[extra[0]])),
        (extra[1], [f.confidence for f in found], list(map(float, text[extra[1]]))),
        (extra[2], [f.second for f in found], list(text[extra[2]])),
        (extra[3], [f.second_score for f in found], list(map(float, text[extra[3]]))),
        ("basic_changed", list(changed), list(text["basic_changed"])),
    )
    return checks + [compare(part.name, *column) for column in columns]

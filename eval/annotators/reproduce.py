"""Recomputes what the EmoS release derived from its annotators' books, and says row by row whether it is the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from eval.annotators.books import Annotated, as_released, basic_votes, goemotion_sets, originals, soft_labels
from eval.annotators.consensus import Line, consensus, consensus_lines, tally
from eval.annotators.corrected import Corrected, by_share, by_votes, vote
from eval.annotators.ratings import Ratings
from tasks.emos_release import goemotions
from tasks.emos_tables import read_table

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


def reproduce(base: Path, parts: Mapping[str, Annotated]) -> list[Check]:
    """Every derived column of the release: votes and Dawid-Skene (first, latter, last2000), soft labels (all four),
    the corrected basic emotion by both procedures (first3000, last2000)."""
    checks = []
    for annotated in parts.values():
        checks += _soft(annotated)
        checks += _corrected(base, annotated) if annotated.part.language == "en" else _dawid_skene(annotated)
    return checks


def unexplained(checks: Sequence[Check]) -> list[Check]:
    """The checks with a row that differs for no known reason."""
    return [check for check in checks if any((check.part, i) not in KNOWN for i in check.other)]


def _dawid_skene(annotated: Annotated) -> list[Check]:
    name, ratings = annotated.part.name, basic_votes(annotated)
    found = consensus(ratings)
    voted = [tuple(ratings.labels[k] for k in row) for row in ratings.votes]
    columns: tuple[tuple[str, list[object], Callable[..., object]], ...] = (
        ("votes", list(voted), lambda row: row.votes),
        ("unique_labels", [len(set(row)) for row in voted], lambda row: row.unique),
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


def votes(annotated: Annotated) -> Ratings | None:
    """The basic emotions of the annotators of a part, recomputed: from their books (zh), or from their GoEmotions and
    the original emotion (last2000). None for first3000, which was corrected without votes."""
    if annotated.part.language == "zh":
        return basic_votes(annotated)
    return basic_votes(annotated, _votes(annotated)) if annotated.part.votes else None


def _votes(annotated: Annotated) -> list[tuple[str, ...]]:
    sets = goemotion_sets(annotated)
    named = [[{sets.labels[k] for k in np.flatnonzero(cell)} for cell in row] for row in sets.chosen]
    return [tuple(vote(cell, o) for cell in row) for row, o in zip(named, originals(annotated), strict=True)]


def _shares(annotated: Annotated) -> list[Corrected]:
    softs, original = soft_labels(goemotion_sets(annotated)), originals(annotated)
    found = []
    for row, soft, first in zip(annotated.rows, softs, original, strict=True):
        try:
            found.append(by_share(soft, first))
        except ValueError as error:
            raise ValueError(f"{row.id} in part {annotated.part.name}: {error}") from None
    return found


def release_lines(parts: Mapping[str, Annotated]) -> Iterator[Line]:
    """The basic emotion of every clip, recomputed by the procedure of its part, in release order.

    Votes are of basic emotions, in first3000 of GoEmotions labels, which is all that its annotators gave.
    """
    for annotated in parts.values():
        ratings = votes(annotated)
        if ratings is not None:
            yield from consensus_lines(ratings, consensus(ratings))
            continue
        sets = goemotion_sets(annotated)
        for row, found, counts in zip(annotated.rows, _shares(annotated), sets.chosen.sum(1), strict=True):
            yield Line(row.id, (found.label,), (found.confidence,), tally(sets.labels, counts))


def _corrected(base: Path, annotated: Annotated) -> list[Check]:
    part, rows, original = annotated.part, annotated.rows, originals(annotated)
    checks = []
    if part.votes:
        voted = _votes(annotated)
        checks.append(compare(part.name, "basic_vote_*", voted, [row.votes for row in rows]))
        found, _ = by_votes(voted)
    else:
        found = _shares(annotated)
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

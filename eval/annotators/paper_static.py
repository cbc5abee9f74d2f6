"""Tables 1 to 5 and 9 of the EmoS paper from the static release; what each line means stands in published.toml."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from eval.annotators.agreement import cardinality, exact_match, jaccard, union, union_sizes
from eval.annotators.books import Annotated, goemotion_sets
from eval.annotators.ratings import Flags, Ratings
from tasks.emos import SOURCE, TIERS, tier
from tasks.emos_release import Row
from tasks.labels import label_space

# The intermediate tables of the release are windows of 2,500 rows at both ends of the 4,403 Chinese clips.
WINDOW = 2500
HEADED = {"zh": "CH-SIMS v2", "en": "MELD-Core"}
Values = Mapping[str, tuple[float, float | None]]


class Static(NamedTuple):
    """Books and rows by part, the GoEmotions sets of every part, and those of the two windows (first, latter)."""

    parts: Mapping[str, Annotated]
    sets: Mapping[str, Ratings]
    windows: Mapping[str, Ratings]

    def rows(self, *languages: str) -> list[Row]:
        """Rows of these languages in the order of the release."""
        return [row for a in self.parts.values() if a.part.language in languages for row in a.rows]


def static(parts: Mapping[str, Annotated]) -> Static:
    """What the tables read, from the books of a release."""
    windows = {}
    for name in ("first", "latter"):
        clips = len(parts[name].books[0].goemotions)
        start = 0 if name == "first" else max(0, clips - WINDOW)
        windows[name] = goemotion_sets(parts[name], start, min(WINDOW, clips))
    return Static(parts, {name: goemotion_sets(annotated) for name, annotated in parts.items()}, windows)


def percent(part: float, whole: float) -> float:
    """`part` in percent of `whole`; NaN for no whole."""
    return 100 * part / whole if whole else float("nan")


def table_1(release: Static) -> Values:
    """Rows, tiers and different labels of the Chinese parts."""
    found: dict[str, tuple[float, float | None]] = {}
    for name in ("first", "latter"):
        rows = release.parts[name].rows
        found[f"{name}: rows"] = (len(rows), None)
        for level, _ in TIERS["zh"]:
            found[f"{name}: {level}"] = (sum(tier("zh", row.confidence) == level for row in rows), None)
        for count in (1, 2, 3):
            found[f"{name}: {count} label{'s'[: count > 1]}"] = (sum(row.unique == count for row in rows), None)
    return found


def table_2(release: Static) -> Values:
    """Labels by annotator, unions and equal sets of the Chinese parts; as counted: over the windows."""
    found: dict[str, tuple[float, float | None]] = {}
    for name in ("first", "latter"):
        own, window = release.sets[name].chosen, release.windows[name].chosen
        for m, annotator in enumerate(release.parts[name].names):
            found[f"{annotator} labels"] = (cardinality(own[:, m]), cardinality(window[:, m]))
        sizes, others = union_sizes(own), union_sizes(window)
        found[f"{name}: union"] = (float(sizes.mean()), float(others.mean()))
        found[f"{name}: union >= 4"] = (float((sizes >= 4).sum()), float((others >= 4).sum()))
        found[f"{name}: equal, %"] = (100 * exact_match(own), 100 * exact_match(window))
    return found


def table_3(release: Static) -> Values:
    """Confidence, changes and unions of MELD-Core; as counted: the first half alone, for the share of changes."""
    rows = release.rows("en")
    sets = np.concatenate([release.sets[name].chosen for name in ("first3000", "last2000")])
    sizes, confidence = union_sizes(sets), np.array([row.confidence for row in rows])
    changed = np.array([row.label != row.original for row in rows])
    half = changed[: len(release.parts["first3000"].rows)]
    return {
        "confidence >= .7": (float((confidence >= 0.7).sum()), None),
        "confidence .5 to .7": (float(((confidence >= 0.5) & (confidence < 0.7)).sum()), None),
        "confidence < .5": (float((confidence < 0.5).sum()), None),
        "changed": (float(changed.sum()), None),
        "changed, %": (percent(changed.sum(), len(rows)), percent(half.sum(), len(half))),
        "union >= 4": (float((sizes >= 4).sum()), None),
        "union >= 5": (float((sizes >= 5).sum()), None),
        "equal": (exact_match(sets) * len(sets), None),
    }


def _pairs(chosen: Flags) -> tuple[float, float]:
    """Lowest and highest mean Jaccard of the pairs of annotators; blank cells are empty sets, as the paper has them."""
    found = [jaccard(chosen[:, a], chosen[:, b]) for a, b in combinations(range(chosen.shape[1]), 2)]
    return min(found), max(found)


def table_4(release: Static) -> Values:
    """Annotators of all parts; as counted: the latter window."""
    found: dict[str, tuple[float, float | None]] = {}
    for name, annotated in release.parts.items():
        own = release.sets[name].chosen
        group = f"{annotated.names[0]}-{annotated.names[-1]}"
        if annotated.part.language == "en":  # the Chinese ones stand in Table 2
            for m, annotator in enumerate(annotated.names):
                found[f"{annotator} labels"] = (cardinality(own[:, m]), None)
        other = _pairs(release.windows[name].chosen) if name == "latter" else (None, None)
        for which, value, counted in zip(("lowest", "highest"), _pairs(own), other, strict=True):
            found[f"{group}: {which} Jaccard"] = (value, counted)
        if annotated.part.language == "en":
            found[f"{group}: equal, %"] = (100 * exact_match(own), None)
    return found


def _shares(rows: Sequence[Row]) -> list[float]:
    return [percent(sum(row.label == label for row in rows), len(rows)) for label in label_space("basic7").labels]


def table_5(release: Static) -> Values:
    """Basic emotions by language and over both; as counted: without the last 2,000 English clips."""
    rows = {HEADED[language]: release.rows(language) for language in SOURCE} | {"both": release.rows(*SOURCE)}
    found: dict[str, tuple[float, float | None]] = {}
    for heading, own in rows.items():
        counted = [row for row in own if row.part != "last2000"]
        pairs = zip(label_space("basic7").labels, _shares(own), _shares(counted), strict=True)
        for label, value, other in pairs:
            found[f"{heading}: {label}"] = (value, other if len(counted) < len(own) else None)
    return found


def table_9(release: Static) -> Values:
    """Clips to which anyone gave a GoEmotions label (without unsure); as counted: windows, and the first 3,000."""
    sets = {name: union(ratings.chosen) for name, ratings in release.sets.items()}
    windows = np.concatenate([union(ratings.chosen) for ratings in release.windows.values()])
    columns: dict[str, tuple[Flags, Flags]] = {
        "CN": (np.concatenate([sets["first"], sets["latter"]]), windows),
        "EN": (np.concatenate([sets["first3000"], sets["last2000"]]), sets["first3000"]),
    }
    columns["ALL"] = (
        np.concatenate([own for own, _ in columns.values()]),
        np.concatenate([counted for _, counted in columns.values()]),
    )
    return {
        f"{label} {column}": (100 * float(own[:, at].mean()), 100 * float(counted[:, at].mean()))
        for at, label in enumerate(label_space("goemotions28").labels)
        for column, (own, counted) in columns.items()
    }

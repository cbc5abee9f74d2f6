"""A small EmoS release whose derived columns are right: the miniature of tests/tasks with what its votes give."""

from __future__ import annotations

from typing import Any

from tests.eval.test_annotators_dawid_skene import plain_dawid_skene
from tests.tasks import emos_fixture as mini

B7 = ("Anger", "Disgust", "Fear", "Joy", "Neutral", "Sadness", "Surprise")
# MELD-Core by hand: label, confidence, reason, best, best score, second, second score, changed.
FIRST_3000 = (
    ("Joy", 0.5, "high_goemotion", "Joy", 0.5, "Neutral", 0.5, True),
    ("Anger", 2 / 3, "high_goemotion", "Anger", 2 / 3, "Neutral", 1 / 3, True),
    ("Joy", 1.0, "high_goemotion", "Joy", 1.0, "Anger", 0.0, False),
)
LAST_2000 = (
    ("Joy", 1.0, "ds_high_conf", "Joy", 1.0, "Anger", 0.0, False),
    ("Fear", 1.0, "ds_high_conf", "Fear", 1.0, "Anger", 0.0, False),
)
LAST_VOTES = (["Joy", "Joy", "Joy"], ["Fear", "Fear", "Fear"])
COLUMNS = (
    "basic_corrected",
    "basic_corrected_conf",
    "basic_correction_reason",
    "basic_goemotion_best",
    "basic_goemotion_best_prob",
    "basic_goemotion_second",
    "basic_goemotion_second_prob",
    "basic_changed",
)


def put(rows: mini.Rows, column: str, values: list[Any]) -> None:
    """Sets a column of a table, which is added at the end where it is missing."""
    if column not in rows[0]:
        rows[0].append(column)
        for row in rows[1:]:
            row.append(None)
    at = rows[0].index(column)
    for row, value in zip(rows[1:], values, strict=True):
        row[at] = value


def release(steps: int = 50) -> dict[str, mini.Rows]:
    """The tables; ds_label and ds_confidence come from the plain Dawid-Skene of the tests."""
    tables = mini.release()
    for path, rows in ((mini.FIRST_BASIC, mini.ZH_FIRST), (mini.LATTER_BASIC, mini.ZH_LATTER)):
        votes = [[B7.index(vote) for vote in row[3].split()] for row in rows]
        found = plain_dawid_skene(votes, len(B7), steps)
        put(tables[path], "ds_label", [B7[row.index(max(row))] for row in found])
        put(tables[path], "ds_confidence", [max(row) for row in found])
    for path, lines in ((mini.FIRST_3000, FIRST_3000), (mini.LAST_2000, LAST_2000)):
        for column, values in zip(COLUMNS, zip(*lines, strict=True), strict=True):
            put(tables[path], column, list(values))
    for name, own in zip(("a10", "a11", "a12"), zip(*LAST_VOTES, strict=True), strict=True):
        put(tables[mini.LAST_2000], f"basic_vote_{name}", list(own))
    return tables

"""What stands beside the scores of a run: differences to other runs, and the tables of the paper.

Published numbers are never mixed into the scores: they are tables of their own (eval/layouts.py), each with its source,
its notes and the caveat of every system.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from eval.compare import compare
from eval.layouts import layouts
from eval.report import RunResult
from eval.scores import ALL

DIFFERENCES = (
    "Each run minus the first, on the same resamples of the groups; marked where the 95% interval leaves out 0. "
    "p: McNemar's exact test, accuracy only. Neither is corrected for the number of comparisons."
)


def differences(results: Sequence[RunResult]) -> dict[str, Any]:
    """Paired differences of the other runs to the first, over all samples; and why there are none, where a run is over
    other samples."""
    rows: list[dict[str, Any]] = []
    problems: list[str] = []
    for other in results[1:]:
        try:
            compared = other.comparison if other.comparison and other.comparison.first == results[0].name else None
            found = (compared or compare(results[0], other)).differences
        except ValueError as error:  # runs over different samples can stand side by side, but have no difference
            problems.append(str(error))
            continue
        rows += [
            {"run": other.name, "metric": d.metric, "value": [d.difference, d.low, d.high], "p": d.p, "mark": d.mark}
            for d in found
            if d.slice == ALL
        ]
    return {"rows": rows, "problems": problems, "note": DIFFERENCES}


def published(result: RunResult) -> list[dict[str, Any]]:
    """The published tables of the run's task with the run's own numbers: {title, head, rows, notes}, all text."""
    return [dataclasses.asdict(layout) for layout in layouts(result)]


def challenge(result: RunResult) -> list[dict[str, Any]]:
    """What the task's challenge asks for, of this run: {title, head, rows, notes}, all text."""
    return [dataclasses.asdict(layout) for layout in result.sections]

"""What each modality is worth: the scores that a run loses when the sound, or the pictures, are left out.

The runs are over the same samples and scored on the same resamples of actors (eval.compare), so each loss has an
interval. A modality that a blend needs shows in the row of that blend.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from eval.blends.tables import SHOWN
from eval.compare import Difference, compare
from eval.layouts import Layout
from eval.metrics.table import METRICS
from eval.report import RunResult, difference
from eval.scores import ALL
from tasks.task import Blend

# Behind a loss or gain whose 95% interval leaves out 0.
MARK = "●"


def left_out(full: RunResult, other: RunResult) -> str:
    """What `full` was fed and `other` was not: `sound`, `pictures`, `sound and pictures`; "" for nothing."""
    media = [run.facts.get("config", {}).get("media", {}) for run in (full, other)]
    missing = [
        title
        for key, title in (("audio", "sound"), ("video", "pictures"))
        if media[0].get(key) and not media[1].get(key)
    ]
    return " and ".join(missing)


def drops(full: RunResult, other: RunResult) -> list[Difference]:
    """`full` minus `other` in every metric and slice, positive where `other` is worse; `mark` is MARK where the 95%
    interval leaves out 0. Raises ValueError where the runs are not over the same samples."""
    return [
        dataclasses.replace(
            found,
            difference=-found.difference,
            low=None if found.high is None else -found.high,
            high=None if found.low is None else -found.low,
            mark=MARK if found.mark else "",
        )
        for found in compare(full, other).differences
    ]


def importance(results: Sequence[RunResult]) -> list[Layout]:
    """One table a metric: what the runs after the first, which is the full one, lose for what they were not fed.

    Empty where the task is no blend, or no run lacks a modality that the first has. Columns are ordered by what is
    lost, the most first; each is titled by what was left out and the run's name.
    """
    if not results or not isinstance(results[0].task.answer, Blend):
        return []
    full = results[0]
    columns = [
        (f"without {missing} ({run.name})", drops(full, run)) for run in results[1:] if (missing := left_out(full, run))
    ]
    if not columns:
        return []
    columns.sort(key=lambda column: -_of(column[1], SHOWN[0], ALL).difference)
    slices = list(dict.fromkeys(found.slice for found in columns[0][1]))
    blends = [name for name in slices if not name.startswith(("kind=single", "single="))]
    note = (
        f"{full.name} minus the run without it: positive where the score falls. {MARK} the 95% interval leaves out 0 "
        "(both runs on the same resamples of groups; not corrected for the number of comparisons)."
    )
    return [
        Layout(
            f"What each modality is worth: {METRICS[metric].title}",
            ["", *(title for title, _ in columns)],
            [
                [name, *(difference(_of(found, metric, name)) for _, found in columns)]
                for name in (slices if metric == "acc_presence" else blends)
            ],
            [note],
        )
        for metric in SHOWN
    ]


def _of(found: Sequence[Difference], metric: str, name: str) -> Difference:
    return next(each for each in found if (each.metric, each.slice) == (metric, name))

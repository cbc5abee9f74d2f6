"""What a challenge asks for beside its scores, as tables of the report: one line here for each family of tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from eval.answers import Answer
from eval.blends import importance
from eval.blends import sections as of_blends
from eval.layouts import Layout
from eval.metrics.metric import Options
from eval.official_reading import official_reading
from eval.report import RunResult
from eval.swapped import swap_consistency
from eval.wheels.shown import open_vocabulary
from infer.engine import Reply
from tasks.task import Sample, Task


def sections(
    task: Task,
    samples: Sequence[Sample],
    answers: Sequence[Answer],
    stored: Sequence[Reply],
    options: Options,
    *,
    count: int,
    seed: int,
) -> list[Layout]:
    """The tables of one run. `answers` are in the order of `samples`, `stored` all its replies; intervals are over
    `count` resamples."""
    first: Mapping[str, Reply] = {reply.id: reply for reply in stored if reply.attempt == 0}
    values = [answer.value for answer in answers]
    return [
        *of_blends(task, samples, answers, first, count=count, seed=seed),
        *open_vocabulary(task, samples, values, options),
        *official_reading(task, samples, values, stored, options),
    ]


def sections_of_several(results: Sequence[RunResult]) -> list[Layout]:
    """The tables that need several runs: what each modality is worth, whether the order of two texts matters."""
    return [*importance(results), *swap_consistency(results)]

"""Blends decoded from label probabilities, by thresholds that are fitted on another run: `omnimer submit --fit RUN`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from eval.blends import Thresholds, decode, distributions_of, fit
from eval.submit.collect import Answered
from infer.store import read_replies, read_run, read_samples
from tasks.task import Blend

HOW = "Run with --decode label"
# The rule by which such an answer was read.
THRESHOLDS = "thresholds"


def fitted_on(folder: Path, task: str) -> Thresholds:
    """The thresholds that are best on a run with gold and label probabilities, every sample of it.

    Raises ValueError for a run of another task, without gold, or without label probabilities.
    """
    found = str(read_run(folder)["config"].get("task", ""))
    if found != task:
        raise ValueError(f"--fit {folder} is a run of {found or 'no task'}; the thresholds are for {task}")
    samples = [(sample.id, sample.gold) for sample in read_samples(folder)]
    gold = [(name, value) for name, value in samples if value is not None]
    spreads = distributions_of(read_replies(folder))
    if not gold or not any(name in spreads for name, _ in gold):
        raise ValueError(f"--fit {folder}: no sample has gold and label probabilities. {HOW} and a split with gold")
    return fit([value for _, value in gold], [spreads.get(name) for name, _ in gold])


def decoded(run: Answered, thresholds: Thresholds) -> Answered:
    """The run with the answers that the thresholds make of its label probabilities.

    Raises ValueError where its answers are no blends, or none of its replies has label probabilities.
    """
    if not isinstance(run.task.answer, Blend):
        raise ValueError(f"--fit decodes blends; {run.folder} is a run of {run.task.name}")
    spreads: Mapping[str, Mapping[str, float]] = distributions_of(read_replies(run.folder))
    if not spreads:
        raise ValueError(f"--fit: the replies of {run.folder} have no label probabilities. {HOW}")
    answers = [
        replace(answer, value=decode(spreads[answer.id], thresholds), rule=THRESHOLDS, reason=None, error=None)
        if answer.id in spreads
        else answer
        for answer in run.answers
    ]
    return run._replace(answers=answers)

"""`omnimer eval RUN [RUN ...]`: answers, scores and a report from stored replies. No model, no media."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from eval.answers import read_answers
from eval.bootstrap import RESAMPLES
from eval.report import RunResult, markdown, print_scores
from eval.scores import Scores, score
from infer.store import RUN, read_replies, read_samples, to_line, write_atomic
from tasks.registry import task as task_named
from tasks.task import Task

ANSWERS, SCORES, REPORT = "answers.jsonl", "scores.json", "report.md"


@dataclass(frozen=True)
class EvalConfig:
    """Answers, scores and a report from the stored replies of one run or several."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Run directories."""
    resamples: int = RESAMPLES
    """Bootstrap resamples behind each interval."""
    seed: int = 0
    """Seed of the resampling."""
    reask: bool = True
    """Count the replies to re-asks; without, only the first reply to each sample counts."""


def run(config: EvalConfig) -> int:
    """Evaluates the runs and prints their scores; 1 when a request of some run failed."""
    if not config.runs:
        raise ValueError("no run directory given: omnimer eval RUN [RUN ...]")
    results = [evaluate(folder, config.resamples, config.seed, reask=config.reask) for folder in config.runs]
    print_scores(results)
    for folder in config.runs:
        print(f"{folder / REPORT}", file=sys.stderr)
    return int(any(answer.error is not None for result in results for answer in result.answers))


def evaluate(folder: Path, count: int = RESAMPLES, seed: int = 0, *, reask: bool = True) -> RunResult:
    """Reads a run, writes answers.jsonl, scores.json and report.md into it, and returns what they hold.

    Raises ValueError when `folder` holds no run, or a run of another version of its task.
    """
    if not (folder / RUN).is_file():
        raise ValueError(f"{folder}: no {RUN} there; a run directory of `omnimer infer` was expected")
    facts: dict[str, Any] = json.loads((folder / RUN).read_text(encoding="utf-8"))
    task = _task_of(facts["config"]["task"], folder)
    samples = list(read_samples(folder))
    stored = list(read_replies(folder))
    answers = read_answers(samples, stored, task.answer, reask=reask)
    replies = {reply.id: reply for reply in stored if reply.attempt == 0}
    write_atomic(folder / ANSWERS, "".join(to_line(answer.record()) for answer in answers))
    scores = score(task, samples, answers, count, seed)
    write_atomic(folder / SCORES, json.dumps(_record(scores), indent=1, ensure_ascii=False) + "\n")
    asked = {sample.id: replies[sample.id] for sample in samples if sample.id in replies}
    result = RunResult(folder, task, facts, samples, scores, answers, asked)
    write_atomic(folder / REPORT, markdown(result))
    return result


def _task_of(full_name: str, folder: Path) -> Task:
    name, _, version = full_name.partition("@")
    task = task_named(name)
    if task.version != version:
        raise ValueError(f"{folder} is a run of {full_name}; {name} has version {task.version} here: not comparable")
    return task


def _record(scores: Scores) -> dict[str, Any]:
    """Scores as JSON: NaN becomes null."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [plain(item) for item in value]
        return None if isinstance(value, float) and math.isnan(value) else value

    record: dict[str, Any] = plain(dataclasses.asdict(scores))
    return record

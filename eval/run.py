"""`omnimer eval RUN [RUN ...]`: answers, scores and a report from stored replies. No model, no media."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from eval.answers import Answer, read_answers
from eval.bootstrap import RESAMPLES
from eval.calibrate import calibrate
from eval.compare import compare
from eval.html import build
from eval.html.samples import fed_in_all
from eval.metrics.metric import DEFAULTS, Options
from eval.published import crosses_for
from eval.report import RunResult, markdown
from eval.scores import Scores, score
from eval.sections import sections, sections_of_several
from eval.swapped import is_swap_of
from eval.terminal import print_scores
from eval.timeline.export import write_exports
from infer.engine import Reply
from infer.store import RUN, SAMPLES, read_replies, read_run, read_samples, to_json, to_line, write_atomic
from infer.stream.parts import by_index
from tasks.registry import task as task_named
from tasks.select import check_at_least
from tasks.task import Sample, Task, Timeline

# Where the wheel tables lie makes no difference to a score.
PLACES = ("wheel_folder", "wheels_checked")
ANSWERS, SCORES, REPORT, PAGE = "answers.jsonl", "scores.json", "report.md", "report.html"


@dataclass(frozen=True)
class EvalConfig:
    """Answers, scores and a report from the stored replies of one run or several."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Run directories. Several over the same samples are compared with the first."""
    resamples: int = RESAMPLES
    """Bootstrap resamples behind each interval."""
    seed: int = 0
    """Seed of the resampling."""
    reask: bool = True
    """Count the replies to re-asks; without, only the first reply to each sample counts."""
    threshold: float = DEFAULTS.threshold
    """Share of the annotators from which a label of a set (GoEmotions) is gold: 0.5 is two of three, 0.3 any."""
    answer_threshold: float = DEFAULTS.answer_threshold
    """Confidence from which a listed label is answered; at 0 every listed label is."""
    smoothing: float = DEFAULTS.smoothing
    """Share of the uniform distribution mixed in before KL and cross-entropy are taken."""
    bins: int = DEFAULTS.bins
    """Bins of calibration errors and reliability diagrams."""
    wheels: Path | None = None
    """Folder of the emotion wheel tables (open vocabulary); if not given OMNIMER_WHEELS, then the user's cache."""
    timelines: Path | None = None
    """Write answered timelines into this folder, as SubRip, WebVTT and ELAN files."""
    calibrate: bool = False
    """Fit a temperature to label probabilities on the train samples of the run, and judge it on the others."""


def run(config: EvalConfig) -> int:
    """Evaluates the runs and prints their scores; 1 when a request of some run failed.

    Several runs are compared with the first; ValueError where they are not over the same samples of one task.
    """
    if not config.runs:
        raise ValueError("no run directory given: omnimer eval RUN [RUN ...]")
    check_at_least("--resamples", config.resamples, 1)
    check_at_least("--seed", config.seed, 0)
    options = Options(
        config.threshold, config.answer_threshold, config.smoothing, config.bins, wheel_folder=config.wheels
    )
    results = [
        evaluate(
            folder,
            config.resamples,
            config.seed,
            reask=config.reask,
            options=options,
            calibrated=config.calibrate,
        )
        for folder in config.runs
    ]
    for place, other in enumerate(results[1:], 1):
        if not is_swap_of(results[0], other):  # whose gold is the other way round
            results[place] = dataclasses.replace(other, comparison=compare(results[0], other))
            write(results[place])
    shared = sections_of_several(results)
    if shared:
        results[0] = dataclasses.replace(results[0], sections=[*results[0].sections, *shared])
        write(results[0])
    for place, folder in enumerate(config.runs):  # the page of the first run shows the others beside it
        write_atomic(folder / PAGE, build(results[place : place + 1] if place else results))
    print_scores(results)
    if config.timelines is not None:
        print(f"{_export(results, config.timelines)} files in {config.timelines}", file=sys.stderr)
    for folder in config.runs:
        print(f"{folder / REPORT} and {PAGE}", file=sys.stderr)
    return int(any(answer.error is not None for result in results for answer in result.answers))


def evaluate(
    folder: Path,
    count: int = RESAMPLES,
    seed: int = 0,
    *,
    reask: bool = True,
    options: Options = DEFAULTS,
    calibrated: bool = False,
) -> RunResult:
    """Reads a run, writes answers.jsonl, scores.json and report.md into it, and returns what they hold.

    Raises ValueError when `folder` holds no run, or a run of another version of its task, and for `calibrated` where a
    temperature cannot be fitted (see eval.calibrate).
    """
    facts = _facts(folder)
    task = _task_of(facts["config"]["task"], folder)
    samples = list(read_samples(folder))
    stored = list(read_replies(folder))
    answers = read_answers(samples, stored, task.answer, reask=reask)
    write_atomic(folder / ANSWERS, "".join(to_line(answer.record()) for answer in answers))
    logprobs = _logprobs(answers, stored)
    crosses = crosses_for(task)
    scores = Scores([], options=options)  # of a run without gold: candidates of a challenge, a user's own clips
    if any(sample.gold is not None for sample in samples):
        try:
            scores = score(task, samples, answers, count, seed, options=options, logprobs=logprobs, crosses=crosses)
        except ValueError as error:  # about the gold of a sample: say where it stands
            raise ValueError(f"{folder / SAMPLES}: {error}") from error
    fitted = calibrate(task, samples, answers, logprobs, options) if calibrated else None
    asked = _first_replies(samples, stored)
    found = sections(task, samples, answers, stored, options, count=count, seed=seed)
    result = RunResult(folder, task, facts, samples, scores, answers, asked, calibration=fitted, sections=found)
    write(result)
    return result


def _first_replies(samples: Iterable[Sample], stored: Iterable[Reply]) -> dict[str, Reply]:
    """The first reply by sample id; of a clip that was asked about in parts, that to the first part with what all
    parts were fed."""
    own: dict[str, list[Reply]] = {}
    for reply in stored:
        if reply.attempt == 0:
            own.setdefault(reply.id, []).append(reply)
    found = {}
    for sample in samples:
        replies = own.get(sample.id, [])
        parts = [tried[0] for tried in by_index(replies).values()]
        if parts:
            fed = fed_in_all([reply.fed for reply in parts if reply.text is not None])
            found[sample.id] = dataclasses.replace(parts[0], fed=fed)
        elif replies:
            found[sample.id] = replies[-1]
    return found


def _export(results: Sequence[RunResult], folder: Path) -> int:
    """Writes the answered timelines of the runs below `folder`, a folder a run; returns how many files."""
    count = 0
    for result in results:
        if not isinstance(result.task.answer, Timeline):
            raise ValueError(f"--timelines: {result.folder} is a run of {result.task.name}, which has no timelines")
        for sample, answer in zip(result.samples, result.answers, strict=True):
            if answer.value is not None:
                media = sample.media[0] if sample.media else None
                count += len(write_exports(answer.value, sample.id, media, folder / result.folder.resolve().name))
    return count


def write(result: RunResult) -> None:
    """Writes scores.json and report.md of a run."""
    write_atomic(result.folder / SCORES, to_json(_record(result), indent=1) + "\n")
    write_atomic(result.folder / REPORT, markdown(result))


def _logprobs(answers: Sequence[Answer], replies: Iterable[Reply]) -> dict[str, Mapping[str, float]]:
    """Label log-probabilities of the replies that were taken as answers, by sample id."""
    attempts = {answer.id: answer.attempt for answer in answers if answer.value is not None}
    return {
        reply.id: reply.label_logprobs
        for reply in replies
        if reply.label_logprobs is not None and attempts.get(reply.id) == reply.attempt
    }


def _facts(folder: Path) -> dict[str, Any]:
    """run.json of a run directory; ValueError where there is none, or where it names no task and model."""
    path, facts = folder / RUN, read_run(folder)
    try:
        names = facts["config"]["task"], facts["config"]["model"]["model"]
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path}: does not name the task and the model of a run ({error}); it is damaged") from error
    if not all(isinstance(name, str) for name in names):
        raise ValueError(f"{path}: task and model are {names!r}; names were expected")
    return facts


def _task_of(full_name: str, folder: Path) -> Task:
    name, _, version = full_name.partition("@")
    task = task_named(name)
    if task.version != version:
        raise ValueError(f"{folder} is a run of {full_name}; {name} has version {task.version} here: not comparable")
    return task


def _record(result: RunResult) -> dict[str, Any]:
    """What scores.json holds: everything but the resamples; NaN becomes null."""
    scores = result.scores
    left_out = ("draws", "members", "correct")
    fields = {f.name: getattr(scores, f.name) for f in dataclasses.fields(scores) if f.name not in left_out}
    fields["options"] = {name: value for name, value in _plain(scores.options).items() if name not in PLACES}
    for name in ("comparison", "calibration"):
        if getattr(result, name) is not None:
            fields[name] = getattr(result, name)
    if result.sections:
        fields["sections"] = list(result.sections)
    record: dict[str, Any] = _plain(fields)
    return record


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value

"""The report of a run as Markdown."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.answers import Answer
from eval.calibrate import Calibration
from eval.compare import Comparison, Difference
from eval.layouts import Layout, layouts
from eval.metrics.metric import Part
from eval.metrics.table import METRICS
from eval.scores import ALL, Row, Scores, crossed
from infer.engine import Reply
from tasks.task import Sample, Task

# Metrics by the part of an answer that they measure; the first that a task has makes the main table.
FAMILIES: dict[Part, str] = {
    "label": "Scores",
    "open": "Open labels",
    "blend": "Blends",
    "dims": "Numbers",
    "timeline": "Timelines",
    "labels": "Sets of labels",
    "confidence": "Stated confidence",
    "distribution": "Label probability",
}
NO_GOLD = "No sample has gold: the answers were read, and nothing was scored."
# So many metrics have a column of the main table; the others of their family get a table of their own.
COLUMNS = 5


@dataclass(frozen=True, slots=True)
class RunResult:
    """Everything that a report shows of one run. `answers` are in the order of `samples`; `replies` are the first
    replies by sample id; `facts` is run.json. `sections` are what the task's challenge asks for (eval/sections.py).
    `comparison` with the first of several runs, and `calibration`, are there where they were asked for."""

    folder: Path
    task: Task
    facts: Mapping[str, Any]
    samples: Sequence[Sample]
    scores: Scores
    answers: Sequence[Answer]
    replies: Mapping[str, Reply]
    comparison: Comparison | None = None
    calibration: Calibration | None = None
    sections: Sequence[Layout] = ()

    @property
    def name(self) -> str:
        """What tells the run from others: its directory's name."""
        return self.folder.name


def number(value: float | None, digits: int = 3) -> str:
    """A score for people: fixed digits, `–` where it is undefined."""
    return "–" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def with_interval(row: Row) -> str:
    """`0.612 [0.570, 0.655]`, without the interval where there is none."""
    shown = number(row.value)
    return shown if row.low is None else f"{shown} [{number(row.low)}, {number(row.high)}]"


def cell(text: object) -> str:
    """Text that is safe inside a Markdown table: model and file text may hold pipes, line breaks and HTML."""
    plain = " ".join(str(text).split())
    for mark, replacement in (("\\", "\\\\"), ("|", "\\|"), ("<", "&lt;"), (">", "&gt;"), ("`", "'")):
        plain = plain.replace(mark, replacement)
    return plain


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """A Markdown table as lines."""
    lines = ["| " + " | ".join(map(cell, head)) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(map(cell, row)) + " |" for row in rows] + [""]


def families(results: Sequence[RunResult]) -> dict[Part, list[str]]:
    """Names of the metrics that the runs have, by family, in the order of FAMILIES."""
    names = dict.fromkeys(row.metric for result in results for row in result.scores.rows)
    found = {part: [name for name in names if METRICS[name].part == part] for part in FAMILIES}
    return {part: chosen for part, chosen in found.items() if chosen}


def score_rows(results: Sequence[RunResult]) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the main table: one line a run and slice, one column a metric of the first family."""
    several = len(results) > 1
    names = next(iter(families(results).values()), [])[:COLUMNS]
    head = (["run"] if several else []) + ["slice", *(METRICS[name].title for name in names), "n", "unparsed", "errors"]
    lines = []
    for slice_name in dict.fromkeys(row.slice for result in results for row in result.scores.rows):
        for result in results if not crossed(slice_name) else ():
            rows = {row.metric: row for row in result.scores.rows if row.slice == slice_name}
            if rows:
                first = next(iter(rows.values()))
                scores = [with_interval(rows[name]) if name in rows else "–" for name in names]
                counts = [f"{first.n:,}", f"{first.unparsed:,}", f"{first.errors:,}"]
                lines.append([*([result.name] if several else []), slice_name, *scores, *counts])
    return head, lines


def family_rows(result: RunResult, names: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """Head and rows of a table with one line a metric, one column a slice, and how many answers lack that part."""
    slices = [name for name in dict.fromkeys(row.slice for row in result.scores.rows) if not crossed(name)]
    lines = []
    for name in names:
        found = [result.scores.row(name, place) for place in slices]
        missing = found[0].missing if found and found[0] else 0
        lines.append(
            [METRICS[name].title, *("–" if row is None else with_interval(row) for row in found), str(missing)]
        )
    return ["", *slices, "lacking"], lines


def difference(found: Difference | None) -> str:
    """`+0.021 [+0.004, +0.040] ▲`, the mark where the interval leaves out 0."""
    if found is None or math.isnan(found.difference):
        return "–"
    shown = _signed(found.difference)
    if found.low is not None and found.high is not None:
        shown += f" [{_signed(found.low)}, {_signed(found.high)}]"
    return f"{shown} {found.mark}".rstrip()


def _signed(value: float) -> str:
    return f"{round(value, 3) + 0.0:+.3f}"  # + 0.0: never -0.000


def parse_counts(answers: Sequence[Answer]) -> list[tuple[str, int]]:
    """How the replies were read: valid as they stood, repaired, unreadable by reason, failed."""
    read = [answer for answer in answers if answer.value is not None]
    again = sum(answer.attempt > 0 for answer in read)
    repaired = sum(bool(answer.repairs) and answer.attempt == 0 for answer in read)
    reasons = Counter(answer.reason for answer in answers if answer.reason is not None)
    return [
        ("valid as they stood", len(read) - repaired - again),
        ("repaired", repaired),
        *([("read after a re-ask", again)] if again else []),
        *((f"unreadable: {reason}", count) for reason, count in reasons.most_common()),
        ("failed requests", sum(answer.error is not None for answer in answers)),
    ]


def fed_counts(replies: Iterable[Reply]) -> list[tuple[str, str]]:
    """What the answered requests carried: medians and ranges, and the clips that went without sound."""
    answered = [reply for reply in replies if reply.text is not None]
    if not answered:
        return []
    rows = []
    for title, values in (
        ("frames", [reply.fed.frames for reply in answered]),
        ("frames a second", [round(reply.fed.fps, 3) for reply in answered]),
        ("seconds of sound", [round(reply.fed.audio_s, 2) for reply in answered]),
        ("audio tokens", [reply.fed.audio_tokens for reply in answered]),
        ("video tokens", [reply.fed.video_tokens for reply in answered]),
    ):
        ordered = sorted(values)
        rows.append((title, f"{ordered[len(ordered) // 2]} ({ordered[0]} to {ordered[-1]})"))
    rows.append(("clips without audio tokens", str(sum(reply.fed.audio_tokens == 0 for reply in answered))))
    rows.append(("clips without video tokens", str(sum(reply.fed.video_tokens == 0 for reply in answered))))
    notes = Counter(note for reply in answered for note in reply.fed.notes)
    return rows + [(f"note: {note}", str(count)) for note, count in notes.most_common(5)]


def markdown(result: RunResult) -> str:
    """The whole report of one run."""
    config = result.facts["config"]
    sections = [
        f"# {cell(config['task'])}: {cell(config['model']['model'])}",
        "",
        *_scored(result),
        *_first_family(result),
        *_compared(result),
        *_families(result),
        *_published(result),
        *_classes(result.scores),
        "## How the replies were read",
        "",
        *table(["outcome", "replies", "share"], _shares(parse_counts(result.answers), len(result.answers))),
        *_counted("Repairs", (name for answer in result.answers for name in answer.repairs)),
        "## What was fed",
        "",
        *table(["", "median (range)"], fed_counts(result.replies.values())),
        *_counted("Errors", (answer.error for answer in result.answers if answer.error is not None)),
        "## Run",
        "",
        *table(["setting", "value"], _settings(result.facts)),
    ]
    return "\n".join(sections)


def _scored(result: RunResult) -> list[str]:
    """The main table, or why there is none."""
    if not result.scores.rows:
        return [NO_GOLD, ""]
    return [
        *table(*score_rows([result])),
        "Intervals: 95%, percentile bootstrap over groups. n counts every sample; a reply without a readable answer "
        "(unparsed) and a failed request (errors) count as wrong.",
        "",
    ]


def _first_family(result: RunResult) -> list[str]:
    """What has to be known of the main table, where it is not that of a single label."""
    part = next(iter(families([result])), None)
    return [] if part in (None, "label") else [*_about(part, result), ""]


def _compared(result: RunResult) -> list[str]:
    """Differences to the first run, metrics by slices, and McNemar's test."""
    if result.comparison is None:
        return []
    found = result.comparison.differences
    slices = [name for name in dict.fromkeys(d.slice for d in found) if not crossed(name)]
    names = list(dict.fromkeys(d.metric for d in found))
    rows = [
        [METRICS[name].title, *(difference(result.comparison.of(name, place)) for place in slices)] for name in names
    ]
    return [
        f"## Compared with {cell(result.comparison.first)}",
        "",
        *table(["", *slices], rows),
        *mcnemar_lines(result.comparison),
        "",
        "This run minus the other, on the same resamples of groups. ▲ better, ▼ worse, ≠ unequal: the 95% interval "
        "leaves out 0; not corrected for the number of comparisons.",
        "",
    ]


def mcnemar_lines(comparison: Comparison) -> list[str]:
    """McNemar's test as a line of text, none where the runs have no accuracy."""
    found = comparison.of("accuracy", ALL)
    if found is None or found.p is None:
        return []
    return [
        f"McNemar's exact test of accuracy: {found.only_this:,} samples right here alone, {found.only_first:,} there "
        f"alone, p = {found.p:.2g} (takes clips for independent)."
    ]


def _families(result: RunResult) -> list[str]:
    """A section for each family of metrics beside the main table's."""
    lines: list[str] = []
    found = families([result])
    rest = next(iter(found.values()), [])[COLUMNS:]
    if rest:
        lines += ["## Further scores", "", *table(*family_rows(result, rest))]
    for part, names in list(found.items())[1:]:
        lines += [f"## {FAMILIES[part]}", "", *table(*family_rows(result, names)), *_about(part, result), ""]
        bins = result.scores.details[ALL].reliability.get(part, [])
        if bins:
            lines += table(
                ["confidence", "answers", "mean confidence", "accuracy"],
                (
                    [f"{b.low:.2f} to {b.high:.2f}", b.count, number(b.confidence), number(b.accuracy)]
                    for b in bins
                    if b.count
                ),
            )
        if part == "distribution":
            lines += _calibrated(result.calibration)
    return lines


ABOUT: dict[Part, str] = {
    "open": "Words are led to clusters of emotion wheels, and what no wheel knows is dropped: look at the share of "
    "unknown words and at the length of the lists, since long lists raise recall. No answer is an empty list.",
    "blend": "Presence: the set of emotions is right. Salience: so are the shares, over the clips of two emotions.",
    "timeline": "Utterances are matched by the overlap of their times; label scores count unmatched gold as wrong, "
    "those with `matched` look at pairs alone. Tolerances of boundaries and turns stand in the titles.",
    "dims": "Numbers are compared over all samples; an answer without one of them counts as its metrics say.",
}


def _about(part: Part, result: RunResult) -> list[str]:
    """What has to be known to read a family's numbers."""
    options = result.scores.options
    if part in ABOUT:
        return [ABOUT[part]]
    if part == "labels":
        return [
            f"A label is gold where at least a share of {options.threshold:g} of the annotators gave it "
            f"({result.scores.silent:,} samples have no such label); Unsure votes are no label. Listed labels are "
            f"answered from confidence {options.answer_threshold:g}. KL and cross-entropy: both distributions mixed "
            f"with {options.smoothing:g} of the uniform one. Answers without this part (lacking) count as wrong. "
            "Intervals of mAP lean upwards where labels are rare."
        ]
    return [
        f"Over the answers that have it (the others: lacking); AURC over all, no answer last and wrong. ECE with "
        f"{options.bins} bins. A risk-coverage curve is in scores.json."
    ]


def _calibrated(found: Calibration | None) -> list[str]:
    """Metrics before and after temperature scaling."""
    if found is None:
        return []
    titles = {**{name: METRICS[name].title for name in found.before if name in METRICS}, "nll": "NLL (nats)"}
    rows = [[titles[name], number(found.before[name]), number(found.after[name])] for name in found.before]
    bound = " The best temperature lies outside of what is tried." if found.at_bound else ""
    return [
        "### Temperature scaling",
        "",
        *table(["", "as it is", f"T = {found.temperature:.3f}"], rows),
        f"Fitted on {found.fitted:,} train samples of {found.groups:,} groups, judged on {found.judged:,} others."
        + bound,
        "",
    ]


def _published(result: RunResult) -> list[str]:
    lines: list[str] = []
    for shown in [*result.sections, *layouts(result)]:
        lines += [f"## {cell(shown.title)}", "", *table(shown.head, shown.rows)]
        lines += [*(f"- {cell(note)}" for note in shown.notes), ""]
    return lines


def _classes(scores: Scores) -> list[str]:
    """Per-class scores and the confusion matrix, for tasks with a single label."""
    if not scores.labels:
        return []
    return [
        "## Per class",
        "",
        *table(
            ["class", "precision", "recall", "F1", "gold", "answered"],
            (
                [c.label, number(c.precision), number(c.recall), number(c.f1), c.support, c.answered]
                for c in scores.classes
            ),
        ),
        "## Confusion (rows: gold, columns: answer)",
        "",
        *table(
            ["", *scores.labels, "no answer"],
            ([label, *row] for label, row in zip(scores.labels, scores.confusion, strict=True)),
        ),
    ]


def _shares(counts: Sequence[tuple[str, int]], total: int) -> list[list[object]]:
    return [[name, count, f"{100 * count / total:.1f}%"] for name, count in counts]


def _counted(title: str, names: Iterable[str]) -> list[str]:
    counts = Counter(names)
    if not counts:
        return []
    return [f"## {title}", "", *table([title.lower(), "count"], counts.most_common(20))]


def _settings(facts: Mapping[str, Any]) -> list[tuple[str, object]]:
    config = facts["config"]
    flat = [(name, value) for name, value in config.items() if not isinstance(value, Mapping)]
    flat += [
        (f"{name}.{key}", value)
        for name, group in config.items()
        if isinstance(group, Mapping)
        for key, value in group.items()
    ]
    flat += [(name, version) for name, version in facts.get("versions", {}).items()]
    return flat

"""The report of a run as Markdown, and the same numbers for a terminal."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.answers import Answer
from eval.metrics.table import METRICS
from eval.scores import ALL, Row, Scores
from infer.engine import Reply
from tasks.task import Sample, Task

# Narrower than this rich would cut numbers off; a narrow terminal wraps the lines instead.
TABLE_WIDTH = 130


@dataclass(frozen=True, slots=True)
class RunResult:
    """Everything that a report shows of one run. `answers` are in the order of `samples`; `replies` are the first
    replies by sample id; `facts` is run.json."""

    folder: Path
    task: Task
    facts: Mapping[str, Any]
    samples: Sequence[Sample]
    scores: Scores
    answers: Sequence[Answer]
    replies: Mapping[str, Reply]

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


def score_rows(results: Sequence[RunResult]) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the main table: one line a run and slice, one column a metric."""
    several = len(results) > 1
    names = list(dict.fromkeys(row.metric for result in results for row in result.scores.rows))
    head = (["run"] if several else []) + ["slice", *(METRICS[name].title for name in names), "n", "unparsed", "errors"]
    lines = []
    for slice_name in dict.fromkeys(row.slice for result in results for row in result.scores.rows):
        for result in results:
            rows = {row.metric: row for row in result.scores.rows if row.slice == slice_name}
            if rows:
                first = next(iter(rows.values()))
                scores = [with_interval(rows[name]) if name in rows else "–" for name in names]
                counts = [f"{first.n:,}", f"{first.unparsed:,}", f"{first.errors:,}"]
                lines.append([*([result.name] if several else []), slice_name, *scores, *counts])
    return head, lines


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
        *table(*score_rows([result])),
        "Intervals: 95%, percentile bootstrap over groups. n counts every sample; a reply without a readable answer "
        "(unparsed) and a failed request (errors) count as wrong.",
        "",
        "## Per class",
        "",
        *table(
            ["class", "precision", "recall", "F1", "gold", "answered"],
            (
                [c.label, number(c.precision), number(c.recall), number(c.f1), c.support, c.answered]
                for c in result.scores.classes
            ),
        ),
        "## Confusion (rows: gold, columns: answer)",
        "",
        *table(
            ["", *result.scores.labels, "no answer"],
            ([label, *row] for label, row in zip(result.scores.labels, result.scores.confusion, strict=True)),
        ),
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


def print_scores(results: Sequence[RunResult]) -> None:
    """The main table and the outcome of reading on the terminal."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    console.width = max(console.width, TABLE_WIDTH)
    head, lines = score_rows(results)
    shown = Table(title=", ".join(dict.fromkeys(str(result.facts["config"]["task"]) for result in results)))
    for name in head:
        shown.add_column(name, justify="left" if name in ("run", "slice") else "right", no_wrap=True)
    for line in lines:
        shown.add_row(*map(Text, line), end_section=False, style="bold" if ALL in line[:2] else "")
    console.print(shown)
    for result in results:
        parts = [f"{count} {name}" for name, count in parse_counts(result.answers) if count]
        console.print(Text(f"{result.name}: {', '.join(parts)}"))

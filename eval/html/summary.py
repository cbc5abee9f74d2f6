"""The numbers of the page, as JSON-able data. How they look is decided in assets/."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from eval.html.charts import histogram, reliability
from eval.html.samples import SINGLE, confidence_of, error_group, media_place, outcome, plain_json
from eval.metrics.table import METRICS, label_of
from eval.report import RunResult
from eval.scores import ALL, Row
from infer.engine import Fed, Reply

# What of run.json is no setting: shown elsewhere, or too long for a table.
APART = ("prompt_of_first_request", "command", "sitting")
ERRORS_SHOWN = 50

FED: tuple[tuple[str, int, Callable[[Fed], float]], ...] = (
    ("audio tokens", 0, lambda fed: fed.audio_tokens),
    ("video tokens", 0, lambda fed: fed.video_tokens),
    ("frames", 0, lambda fed: fed.frames),
    ("frames a second", 2, lambda fed: fed.fps),
    ("seconds of sound", 1, lambda fed: fed.audio_s),
)


def summary(results: Sequence[RunResult]) -> dict[str, Any]:
    """Everything above the sample browser. The page is of the first run; the others stand beside its scores."""
    result = results[0]
    place = media_place(result)
    rows = result.scores.rows
    return {
        "run": result.name,
        "task": result.task.full_name,
        "source": result.task.source,
        "group": result.task.group,
        "model": model_of(result),
        "finished": str(result.facts.get("finished") or result.facts.get("started") or ""),
        "metrics": _metrics(results),
        "runs": [_run(each) for each in results],
        "slices": [_slice(name, rows) for name in dict.fromkeys(row.slice for row in rows)],
        "labels": list(result.scores.labels),
        "confusion": [list(row) for row in result.scores.confusion],
        "classes": [
            {
                "label": c.label,
                "precision": number(c.precision),
                "recall": number(c.recall),
                "f1": number(c.f1),
                "gold": int(c.support),
                "answered": int(c.answered),
            }
            for c in result.scores.classes
        ],
        "calibration": calibration(result),
        "outcomes": outcomes(result),
        "repairs": Counter(name for answer in result.answers for name in set(answer.repairs)).most_common(),
        "fed": fed(result.replies.values()),
        "errors": errors(result),
        "settings": settings(result.facts),
        "prompt": str(result.facts.get("prompt_of_first_request") or ""),
        "command": " ".join(map(str, result.facts.get("command") or ())),
        "media": None if place is None else {"folder": place.folder, "base": place.base},
    }


def number(value: float | None) -> float | None:
    """A score as JSON: None where it is undefined."""
    return None if value is None or math.isnan(value) else float(value)


def model_of(result: RunResult) -> str:
    """The model of a run as run.json names it, with its adapter."""
    model = result.facts["config"].get("model")
    if not isinstance(model, Mapping):
        return str(model)
    adapter = model.get("adapter")
    name = adapter.get("name", adapter) if isinstance(adapter, Mapping) else adapter
    return f"{model.get('model', '')}" + (f" + {name}" if name else "")


def _metrics(results: Sequence[RunResult]) -> list[dict[str, Any]]:
    names = dict.fromkeys(row.metric for result in results for row in result.scores.rows)
    return [
        {
            "name": name,
            "title": METRICS[name].title,
            "low": number(METRICS[name].low) if math.isfinite(METRICS[name].low) else None,
            "high": number(METRICS[name].high) if math.isfinite(METRICS[name].high) else None,
            "best": METRICS[name].best,
            "source": METRICS[name].source,
        }
        for name in names
    ]


def _scores(rows: Iterable[Row]) -> dict[str, list[float | None]]:
    return {row.metric: [number(row.value), number(row.low), number(row.high)] for row in rows}


def _run(result: RunResult) -> dict[str, Any]:
    rows = [row for row in result.scores.rows if row.slice == ALL]
    return {
        "name": result.name,
        "task": result.task.full_name,
        "model": model_of(result),
        "scores": _scores(rows),
        "n": rows[0].n if rows else 0,
        "groups": rows[0].groups if rows else 0,
        "unparsed": rows[0].unparsed if rows else 0,
        "errors": rows[0].errors if rows else 0,
    }


def _slice(name: str, rows: Iterable[Row]) -> dict[str, Any]:
    mine = [row for row in rows if row.slice == name]
    first = mine[0]
    counts = {"n": first.n, "groups": first.groups, "unparsed": first.unparsed, "errors": first.errors}
    return {"slice": name, **counts, "scores": _scores(mine)}


def calibration(result: RunResult) -> list[dict[str, Any]]:
    """Reliability of the stated confidence and of the label probability, over answered samples with gold."""
    kind = result.task.answer
    if not isinstance(kind, SINGLE):
        return []
    stated: list[float | None] = []
    counted: list[float | None] = []
    right: list[bool] = []
    for sample, answer in zip(result.samples, result.answers, strict=True):
        if sample.gold is None or answer.value is None:
            continue
        given = label_of(answer.value, kind)
        stated.append(confidence_of(answer.value))
        counted.append(_probability(result.replies.get(sample.id), given))
        right.append(given == label_of(sample.gold, kind))
    found = [
        reliability("stated confidence", stated, right),
        reliability("label probability", counted, right),
    ]
    return [diagram for diagram in found if diagram is not None]


def _probability(reply: Reply | None, label: str | None) -> float | None:
    logs = None if reply is None else reply.label_logprobs
    return min(1.0, math.exp(logs[label])) if logs and label in logs else None


def outcomes(result: RunResult) -> list[list[Any]]:
    """How the replies were read: [outcome, count, [[reason, count], ...]]; every sample is in exactly one outcome."""
    names = ("valid as it stood", "repaired", "read after a re-ask", "unreadable", "failed request")
    counts = Counter(map(outcome, result.answers))
    reasons = Counter(answer.reason for answer in result.answers if answer.reason is not None)
    return [[name, counts[name], reasons.most_common() if name == "unreadable" else []] for name in names]


def fed(replies: Iterable[Reply]) -> dict[str, Any]:
    """Distributions of what the answered requests carried, and how many carried no sound, no pictures."""
    answered = [reply for reply in replies if reply.text is not None]
    notes = Counter(note for reply in answered for note in dict.fromkeys(reply.fed.notes))
    return {
        "n": len(answered),
        "charts": [
            histogram(title, [read(reply.fed) for reply in answered], digits) for title, digits, read in FED if answered
        ],
        "silent": sum(reply.fed.audio_tokens == 0 for reply in answered),
        "blind": sum(reply.fed.video_tokens == 0 for reply in answered),
        "notes": notes.most_common(ERRORS_SHOWN),
    }


def errors(result: RunResult) -> list[dict[str, Any]]:
    """Failed requests by cause, most frequent first, each with its first message."""
    found: dict[str, dict[str, Any]] = {}
    for sample, answer in zip(result.samples, result.answers, strict=True):
        if answer.error is not None:
            group = error_group(answer.error, sample)
            row = found.setdefault(group, {"group": group, "count": 0, "first": answer.error, "id": sample.id})
            row["count"] += 1
    return sorted(found.values(), key=lambda row: -row["count"])[:ERRORS_SHOWN]


def settings(facts: Mapping[str, Any]) -> list[list[str]]:
    """run.json as [section, name, value], nested names joined by dots."""
    found: list[list[str]] = []
    for section, value in facts.items():
        if section not in APART and value is not None:
            found += [[section, name, plain_json(leaf)] for name, leaf in _leaves(value)]
    return found


def _leaves(value: Any, name: str = "") -> Iterable[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _leaves(item, f"{name}.{key}" if name else str(key))
    else:
        yield name, value

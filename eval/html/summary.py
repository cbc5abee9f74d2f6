"""The numbers of the page, as JSON-able data. How they look is decided in assets/."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from eval.html.beside import challenge, differences, published
from eval.html.charts import histogram
from eval.html.samples import error_group, media_place, outcome, plain_json
from eval.metrics.classification import ClassScore
from eval.metrics.table import METRICS
from eval.report import RunResult
from eval.scores import ALL, Row
from infer.engine import Fed, Reply

# What of run.json is no setting: shown elsewhere, or too long for a table.
APART = ("prompt_of_first_request", "command", "sitting")
ERRORS_SHOWN = 50
# Parts of an answer that metrics measure, in the order in which the page shows them.
TITLES = {
    "label": "single label",
    "open": "open labels",
    "blend": "blends",
    "timeline": "timelines",
    "dims": "numbers",
    "labels": "set of labels",
    "confidence": "stated confidence",
    "distribution": "label probability",
}

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
        "missing": {row.metric: row.missing for row in rows if row.slice == ALL and row.missing},
        "differences": differences(results),
        "published": published(result),
        "challenge": challenge(result),
        "slices": [_slice(name, rows) for name in dict.fromkeys(row.slice for row in rows)],
        "labels": list(result.scores.labels),
        "confusion": [list(row) for row in result.scores.confusion],
        "classes": _classes(result.scores.classes),
        "sets": _sets(result),
        "calibration": calibration(result),
        "temperature": temperature(result),
        "outcomes": outcomes(result),
        "repairs": Counter(name for answer in result.answers for name in set(answer.repairs)).most_common(),
        "fed": fed(result.replies.values()),
        "errors": errors(result),
        "settings": settings(result.facts),
        "prompt": str(result.facts.get("prompt_of_first_request") or ""),
        "command": " ".join(map(str, result.facts.get("command") or ())),
        "media": None if place is None else {"folder": place.folder, "base": place.base},
    }


def _classes(scores: Iterable[ClassScore]) -> list[dict[str, Any]]:
    return [
        {
            "label": c.label,
            "precision": number(c.precision),
            "recall": number(c.recall),
            "f1": number(c.f1),
            "gold": int(c.support),
            "answered": int(c.answered),
        }
        for c in scores
    ]


def _sets(result: RunResult) -> list[dict[str, Any]]:
    """Per-label scores of a set of labels, by what makes a label gold."""
    detail = result.scores.details.get(ALL)
    if detail is None:
        return []
    share = result.scores.options.threshold
    tables = (
        (f"labels that at least {share:g} of the annotators gave", detail.label_scores),
        ("labels that any annotator gave", detail.any_annotator),
    )
    return [{"gold": title, "rows": _classes(scores)} for title, scores in tables if scores]


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
    ordered = sorted(names, key=lambda name: list(TITLES).index(METRICS[name].part))
    return [
        {
            "name": name,
            "title": METRICS[name].title,
            "low": number(METRICS[name].low) if math.isfinite(METRICS[name].low) else None,
            "high": number(METRICS[name].high) if math.isfinite(METRICS[name].high) else None,
            "best": METRICS[name].best,
            "source": METRICS[name].source,
            "part": TITLES[METRICS[name].part],
        }
        for name in ordered
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
    """Reliability diagram and risk-coverage curve of each source of confidence. ECE = sum over bins of
    n_bin / n * |accuracy - mean confidence|, that of the bins shown."""
    detail = result.scores.details.get(ALL)
    answered = sum(answer.value is not None for answer in result.answers)
    found: list[dict[str, Any]] = []
    if detail is None:
        return found
    for source, bins in detail.reliability.items():
        total = sum(b.count for b in bins)
        filled = [
            {"low": b.low, "high": b.high, "n": b.count, "confidence": b.confidence, "accuracy": b.accuracy}
            for b in bins
            if b.confidence is not None and b.accuracy is not None
        ]
        curve = [[number(coverage), number(risk)] for coverage, risk in detail.risk_coverage.get(source, ())]
        found.append(
            {
                "title": TITLES.get(source, source),
                "bins": filled,
                "n": total,
                "missing": max(0, answered - total),
                "ece": sum(b.count * abs((b.accuracy or 0.0) - (b.confidence or 0.0)) for b in bins) / total,
                "confidence": sum(b.count * (b.confidence or 0.0) for b in bins) / total,
                "accuracy": sum(b.count * (b.accuracy or 0.0) for b in bins) / total,
                "curve": curve,
            }
        )
    return found


def temperature(result: RunResult) -> dict[str, Any] | None:
    """The fitted temperature with scores before and after, None where none was fitted."""
    fitted = result.calibration
    if fitted is None:
        return None
    title = {name: METRICS[name].title if name in METRICS else name.upper() for name in fitted.before}
    return {
        "value": fitted.temperature,
        "note": f"Fitted on {fitted.fitted:,} train samples of {fitted.groups:,} groups, judged on {fitted.judged:,} "
        "others." + (" The best temperature lies outside what was tried." if fitted.at_bound else ""),
        "rows": [[title[name], number(fitted.before[name]), number(fitted.after.get(name))] for name in fitted.before],
    }


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

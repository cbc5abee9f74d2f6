"""The samples of a run for the browser in the page.

Two forms: `columns` is what filters and the list need, parsed when the page opens; `rows` is what is looked at
one sample at a time (transcript, reply, meta), in chunks that the page parses when it needs them.
"""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from eval.answers import Answer
from eval.html.media import Place, place_of, roots_of, tail_of
from eval.metrics.table import label_of
from eval.report import RunResult
from infer.engine import Reply
from infer.store import REPLIES, read_replies
from tasks.select import slice_value
from tasks.task import AnswerKind, AnyOf, Blend, Described, OneOf, Pick, Record, Sample

CHUNK = 500
NO_CODE = -1
# Groups of tags, in the order in which the page offers them.
OUTCOME, REPAIR, DROPPED, UNREADABLE, ERROR, FED = "outcome", "repair", "dropped", "unreadable", "error", "fed"
SINGLE = (OneOf, Record, Pick)


def labels_in(value: Mapping[str, Any] | None, kind: AnswerKind) -> list[str]:
    """The labels that a gold value or an answer names, in its order; [] for no answer and for kinds without labels."""
    if value is None:
        return []
    match kind:
        case OneOf() | Record() | Pick():
            return [str(label_of(value, kind))]
        case AnyOf() | Described():
            return [str(item["label"] if isinstance(item, Mapping) else item) for item in value["labels"]]
        case Blend():
            return [str(item["emotion"]) for item in value["emotions"]]
        case _:
            return []


def confidence_of(value: Mapping[str, Any] | None) -> float | None:
    """The confidence that the model gave for its answer as a whole, None where it gave none."""
    found = None if value is None else value.get("confidence")
    return float(found) if isinstance(found, int | float) else None


def outcome(answer: Answer) -> str:
    """How the reply was read: exactly one of the outcomes that the report counts."""
    if answer.error is not None:
        return "failed request"
    if answer.value is None:
        return "unreadable"
    if answer.attempt:
        return "read after a re-ask"
    return "repaired" if answer.repairs else "valid as it stood"


def error_group(error: str, sample: Sample) -> str:
    """An error without what is peculiar to its sample (id, paths, numbers), so that equal causes are counted as one."""
    for medium in sample.media:
        error = error.replace(str(medium.path), "FILE")
    if len(sample.id) > 3:
        error = error.replace(sample.id, "ID")
    return " ".join(re.sub(r"\d+(\.\d+)?", "N", error).split())[:200]


def tags_of(sample: Sample, answer: Answer, reply: Reply | None) -> Iterator[tuple[str, str]]:
    """What a sample can be found by, besides its labels and slices: (group, name)."""
    yield OUTCOME, outcome(answer)
    for name in dict.fromkeys(answer.repairs):
        yield REPAIR, name
    if answer.dropped:
        yield DROPPED, "something was dropped"
    if answer.reason is not None:
        yield UNREADABLE, answer.reason
    if answer.error is not None:
        yield ERROR, error_group(answer.error, sample)
    if reply is not None and reply.text is not None:
        if reply.fed.audio_tokens == 0:
            yield FED, "no audio tokens"
        if reply.fed.video_tokens == 0:
            yield FED, "no video tokens"
        for note in dict.fromkeys(reply.fed.notes):
            yield FED, note


def columns(results: Sequence[RunResult]) -> dict[str, Any]:
    """Columns over the samples of the first run, each in sample order; the other runs give their answers beside it."""
    result = results[0]
    kind = result.task.answer
    gold = [labels_in(sample.gold, kind) for sample in result.samples]
    given = [labels_in(answer.value, kind) for answer in result.answers]
    others = [_answers_of(other, result) for other in results[1:]]
    names = dict.fromkeys(result.scores.labels)
    for labels in itertools.chain(gold, given, *others):
        names.update(dict.fromkeys(labels or ()))
    codes = {label: place for place, label in enumerate(names)}
    tags = [
        list(tags_of(sample, answer, result.replies.get(sample.id)))
        for sample, answer in zip(result.samples, result.answers, strict=True)
    ]
    counted = Counter(tag for found in tags for tag in found)
    groups = (OUTCOME, REPAIR, DROPPED, UNREADABLE, ERROR, FED)
    table = sorted(counted, key=lambda tag: (groups.index(tag[0]), -counted[tag], tag[1]))
    numbers = {tag: place for place, tag in enumerate(table)}
    return {
        "count": len(result.samples),
        "chunk": CHUNK,
        "single": isinstance(kind, SINGLE),
        "labels": list(names),
        "ids": [sample.id for sample in result.samples],
        "gold": [_code(labels, codes) for labels in gold],
        "given": [_code(labels, codes) for labels in given],
        "answered": [int(answer.value is not None) for answer in result.answers],
        "confidence": [_short(confidence_of(answer.value)) for answer in result.answers],
        "tagTable": [[group, name, counted[group, name]] for group, name in table],
        "tags": [[numbers[tag] for tag in found] for found in tags],
        "slices": [_slice_column(name, result.samples) for name in result.task.slices],
        "others": [
            {"name": other.name, "given": [None if labels is None else _code(labels, codes) for labels in column]}
            for other, column in zip(results[1:], others, strict=True)
        ],
    }


def _answers_of(other: RunResult, result: RunResult) -> list[list[str] | None]:
    """The labels that another run gave to the samples of this one; None for a sample that it was not asked about."""
    found = {answer.id: labels_in(answer.value, other.task.answer) for answer in other.answers}
    return [found.get(sample.id) for sample in result.samples]


def _code(labels: Sequence[str], codes: Mapping[str, int]) -> int | list[int]:
    """One label as its number, none as NO_CODE, several as a list of numbers: most columns are one number a sample."""
    if len(labels) == 1:
        return codes[labels[0]]
    return [codes[label] for label in labels] if labels else NO_CODE


def _slice_column(name: str, samples: Sequence[Sample]) -> dict[str, Any]:
    values = [slice_value(sample, name) for sample in samples]
    counts = Counter(values)
    table = sorted(counts)
    numbers = {value: place for place, value in enumerate(table)}
    return {"name": name, "values": [[value, counts[value]] for value in table], "of": [numbers[v] for v in values]}


def media_place(result: RunResult) -> Place | None:
    """The folder that holds the clips of a run, seen from its report."""
    return place_of(result.samples, roots_of(result.facts), result.folder)


def rows(result: RunResult) -> Iterator[list[dict[str, Any]]]:
    """The samples of a run in chunks of CHUNK, each with everything that is known of it. Empty entries are left out."""
    roots, place = roots_of(result.facts), media_place(result)
    asked_again = _later_replies(result)
    chunk: list[dict[str, Any]] = []
    for sample, answer in zip(result.samples, result.answers, strict=True):
        row = _row(sample, answer, result.replies.get(sample.id), asked_again.get(sample.id, []))
        if place is not None:
            row["media"] = [
                {"kind": m.kind, "tail": tail_of(m, roots, place), "start": m.start_s, "end": m.end_s}
                for m in sample.media
            ]
        chunk.append({name: value for name, value in row.items() if value not in (None, "", [], {})})
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _row(sample: Sample, answer: Answer, reply: Reply | None, later: Sequence[Reply]) -> dict[str, Any]:
    first = reply or Reply(sample.id, "")
    fed = first.fed
    return {
        "text": sample.text,
        "language": sample.language,
        "context": list(sample.context),
        "gold": sample.gold,
        "answer": answer.value,
        "rule": answer.rule,
        "repairs": list(answer.repairs),
        "dropped": list(answer.dropped),
        "reason": answer.reason,
        "error": answer.error,
        "attempt": answer.attempt or None,
        "reply": first.text,
        "later": [again.text if again.text is not None else f"(failed: {again.error})" for again in later],
        "finish": first.finish,
        "usage": dict(first.usage),
        "fed": [fed.frames, round(fed.fps, 3), round(fed.audio_s, 2), fed.audio_tokens, fed.video_tokens]
        if first.text is not None
        else None,
        "notes": list(fed.notes),
        "logprobs": [[label, round(value, 4)] for label, value in (first.label_logprobs or {}).items()],
        "meta": {name: value for name, value in sample.meta.items() if value not in (None, "")},
    }


def _later_replies(result: RunResult) -> dict[str, list[Reply]]:
    """Replies to re-asks by sample id: an answer may have been read from one of them."""
    found: dict[str, dict[int, Reply]] = {}
    if any(answer.attempt for answer in result.answers) and (result.folder / REPLIES).exists():
        for reply in read_replies(result.folder):
            if reply.attempt:
                found.setdefault(reply.id, {})[reply.attempt] = reply
    return {name: [reply for _, reply in sorted(attempts.items())] for name, attempts in found.items()}


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def plain_json(value: object) -> str:
    """A JSON-able value as text for a table of settings."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)

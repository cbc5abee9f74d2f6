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
from eval.html.brief import brief, counts, kind_facts, longest
from eval.html.media import Place, place_of, roots_of, tail_of
from eval.html.timeline import Picture
from eval.metrics.table import label_of
from eval.report import RunResult
from infer.engine import Fed, Reply
from infer.store import REPLIES, read_replies
from infer.stream.parts import by_index
from tasks.select import slice_value
from tasks.task import AnswerKind, AnyOf, Blend, Described, OneOf, Pick, Record, Sample, Timeline

CHUNK = 500
NOT_DRAWN: Mapping[str, Picture] = {}
NO_CODE = -1
# Groups of tags, in the order in which the page offers them.
OUTCOME, REPAIR, DROPPED, UNREADABLE, ERROR, FED = "outcome", "repair", "dropped", "unreadable", "error", "fed"
UTTERANCES, EMOTION = "utterances", "emotion that lasts longest"
GROUPS = (OUTCOME, UTTERANCES, EMOTION, REPAIR, DROPPED, UNREADABLE, ERROR, FED)
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
            return [str(item["emotion"]) for item in value["emotions"] or ()]
        case Timeline():
            return [label for label in kind.primary.labels if any(u["primary"] == label for u in value["utterances"])]
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


def _found_tags(drawn: Picture) -> Iterator[tuple[str, str]]:
    """What a timeline can be found by beside its labels."""
    if drawn.told is None:
        return
    if not drawn.told[0]:
        yield UTTERANCES, "none answered"
    if drawn.gold is None:
        return
    if drawn.found < drawn.gold[0]:
        yield UTTERANCES, "some not found"
    else:
        yield UTTERANCES, "all found"
    if drawn.found < drawn.told[0]:
        yield UTTERANCES, "more than in gold"
    yield EMOTION, "as in gold" if drawn.gold[1] == drawn.told[1] else "another than in gold"


def columns(results: Sequence[RunResult], drawn: Mapping[str, Picture] = NOT_DRAWN) -> dict[str, Any]:
    """Columns over the samples of the first run, each in sample order; the other runs give their answers beside it.

    `drawn`: the timelines by sample id (`timelines`), where answers are timelines. `brief` holds gold and answers in a
    few words for kinds whose labels do not say it. `measure`: what `confidence` holds, by which the list can be sorted.
    """
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
        + (list(_found_tags(drawn[sample.id])) if sample.id in drawn else [])
        for sample, answer in zip(result.samples, result.answers, strict=True)
    ]
    counted = Counter(tag for found in tags for tag in found)
    table = sorted(counted, key=lambda tag: (GROUPS.index(tag[0]), -counted[tag], tag[1]))
    numbers = {tag: place for place, tag in enumerate(table)}
    return {
        "count": len(result.samples),
        "chunk": CHUNK,
        "kind": kind_facts(kind),
        "single": isinstance(kind, SINGLE),
        "labels": list(names),
        "ids": [sample.id for sample in result.samples],
        "gold": [_code(labels, codes) for labels in gold],
        "given": [_code(labels, codes) for labels in given],
        "answered": [int(answer.value is not None) for answer in result.answers],
        "measure": "agreement" if isinstance(kind, Timeline) else "confidence",
        "confidence": [
            _short(drawn[answer.id].agreement if answer.id in drawn else confidence_of(answer.value))
            for answer in result.answers
        ],
        "brief": _briefs(result, drawn),
        "tagTable": [[group, name, counted[group, name]] for group, name in table],
        "tags": [[numbers[tag] for tag in found] for found in tags],
        "slices": [_slice_column(name, result.samples) for name in result.task.slices],
        "others": [
            {"name": other.name, "given": [None if labels is None else _code(labels, codes) for labels in column]}
            for other, column in zip(results[1:], others, strict=True)
        ],
    }


def _briefs(result: RunResult, drawn: Mapping[str, Picture]) -> dict[str, list[str | None]] | None:
    """Gold and answers in a few words, and for timelines the counts of utterances; None where labels say it all."""
    kind = result.task.answer
    if drawn:
        found = [drawn[sample.id] for sample in result.samples]
        return {
            "gold": [longest(each.gold) for each in found],
            "given": [longest(each.told) for each in found],
            "counts": [counts(each) for each in found],
        }
    gold = [brief(sample.gold, kind) for sample in result.samples]
    given = [brief(answer.value, kind) for answer in result.answers]
    return {"gold": gold, "given": given} if any(gold) or any(given) else None


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


def rows(result: RunResult, drawn: Mapping[str, Picture] = NOT_DRAWN) -> Iterator[list[dict[str, Any]]]:
    """The samples of a run in chunks of CHUNK, each with everything that is known of it. Empty entries are left out."""
    roots, place = roots_of(result.facts), media_place(result)
    stored = _all_replies(result)
    chunk: list[dict[str, Any]] = []
    for sample, answer in zip(result.samples, result.answers, strict=True):
        row = _row(sample, answer, result.replies.get(sample.id), stored.get(sample.id, []))
        if sample.id in drawn:
            row |= {"timeline": drawn[sample.id].data, "gold": _beside(row["gold"]), "answer": _beside(row["answer"])}
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


def _beside(value: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A timeline without its utterances, which are drawn."""
    return None if value is None else {name: item for name, item in value.items() if name != "utterances"}


def _row(sample: Sample, answer: Answer, reply: Reply | None, stored: Sequence[Reply]) -> dict[str, Any]:
    parts = by_index(stored)
    attempts = {each.attempt: each for each in stored}  # of several replies to one attempt the last counts
    first = reply or Reply(sample.id, "")
    asked = [tried[0] for tried in parts.values()] if parts else [first]
    fed = fed_in_all([each.fed for each in asked if each.text is not None])
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
        "reply": None if parts else first.text,
        "later": [] if parts else [_text(again) for attempt, again in sorted(attempts.items()) if attempt],
        "parts": [
            {
                "start": (tried[0].part or {})["start_s"],
                "end": (tried[0].part or {})["end_s"],
                "replies": list(map(_text, tried)),
            }
            for tried in parts.values()
        ],
        "finish": first.finish,
        "usage": dict(first.usage),
        "fed": [fed.frames, round(fed.fps, 3), round(fed.audio_s, 2), fed.audio_tokens, fed.video_tokens]
        if any(each.text is not None for each in asked)
        else None,
        "notes": list(fed.notes),
        "logprobs": [[label, round(value, 4)] for label, value in (first.label_logprobs or {}).items()],
        "meta": {name: value for name, value in sample.meta.items() if value not in (None, "")},
    }


def fed_in_all(fed: Sequence[Fed]) -> Fed:
    """What several requests about one clip carried in all; the rate of frames is that of the first."""
    if len(fed) < 2:
        return fed[0] if fed else Fed()
    return Fed(
        frames=sum(each.frames for each in fed),
        fps=fed[0].fps,
        audio_s=sum(each.audio_s for each in fed),
        audio_tokens=sum(each.audio_tokens for each in fed),
        video_tokens=sum(each.video_tokens for each in fed),
        notes=tuple(dict.fromkeys(note for each in fed for note in each.notes)),
    )


def _text(reply: Reply) -> str:
    return reply.text if reply.text is not None else f"(failed: {reply.error})"


def _all_replies(result: RunResult) -> dict[str, list[Reply]]:
    """The stored replies by sample id, where there are more than the first ones: re-asks, and replies to parts."""
    found: dict[str, list[Reply]] = {}
    several = any(answer.attempt for answer in result.answers) or any(
        reply.part is not None for reply in result.replies.values()
    )
    if several and (result.folder / REPLIES).exists():
        for reply in read_replies(result.folder):
            found.setdefault(reply.id, []).append(reply)
    return found


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def plain_json(value: object) -> str:
    """A JSON-able value as text for a table of settings."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)

"""Replies to answers: answers.jsonl is always rebuilt from replies.jsonl by the parser, never edited.

A clip that was asked about in parts (infer/stream) has a reply for each; they become one answer, parts that cannot be
read being gaps on record.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eval.stitch import Seen, chronological, merged, stitch
from infer.engine import Reply
from infer.stream.parts import ONE_UTTERANCE, by_index, utterances_of
from prompts.parsing import Parsed, parse
from prompts.parsing.outcome import in_order
from tasks.task import AnswerKind, Sample, Timeline

NEVER_ASKED = "no reply is stored"
# The rule of an answer that was made of several replies.
PARTS = "parts"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a sample was answered: `value` in the shape of the task's kind; or None with the parser's `reason`; or
    None with the `error` of a request that failed (or was never made)."""

    id: str
    value: Mapping[str, Any] | None = None
    rule: str | None = None
    repairs: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    reason: str | None = None
    error: str | None = None
    attempt: int = 0

    def record(self) -> dict[str, Any]:
        """The line of answers.jsonl."""
        again = {"attempt": self.attempt} if self.attempt else {}
        if self.error is not None:
            return {"id": self.id, "value": None, "error": self.error, **again}
        if self.value is None:
            return {"id": self.id, "value": None, "reason": self.reason, **again}
        found = {"id": self.id, "value": self.value, "rule": self.rule}
        return {**found, "repairs": self.repairs, "dropped": self.dropped, **again}


def read_answer(sample_id: str, reply: Reply | None, kind: AnswerKind) -> Answer:
    """The answer in one reply."""
    if reply is None:
        return Answer(sample_id, error=NEVER_ASKED)
    if reply.text is None:
        return Answer(sample_id, error=reply.error or NEVER_ASKED)
    outcome = parse(reply.text, kind)
    if isinstance(outcome, Parsed):
        return Answer(
            sample_id,
            outcome.value,
            outcome.rule,
            tuple(outcome.repairs),
            tuple(outcome.dropped),
            attempt=reply.attempt,
        )
    return Answer(sample_id, reason=outcome.reason, attempt=reply.attempt)


def read_answers(
    samples: Iterable[Sample], replies: Iterable[Reply], kind: AnswerKind, *, reask: bool = True
) -> list[Answer]:
    """One answer a sample, in the order of the samples.

    Of the replies to one attempt the last counts (an earlier one failed, or belongs to a clip that was replaced). Of
    several attempts the first that can be read counts, else the last; without `reask` only the first attempt does.
    """
    stored: dict[str, list[Reply]] = {}
    for reply in replies:
        if reask or reply.attempt == 0:
            stored.setdefault(reply.id, []).append(reply)
    answers = []
    for sample in samples:
        own = stored.get(sample.id, [])
        if own and own[-1].part is not None and isinstance(kind, Timeline):
            answers.append(answer_of_parts(sample.id, own, kind))
        else:
            attempts = {reply.attempt: reply for reply in own}
            answers.append(_first_read(sample.id, [reply for _, reply in sorted(attempts.items())], kind))
    return answers


def _first_read(sample_id: str, tried: Sequence[Reply], kind: AnswerKind) -> Answer:
    """The first attempt that can be read, else the last one."""
    answers = [read_answer(sample_id, reply, kind) for reply in tried] or [read_answer(sample_id, None, kind)]
    return next((answer for answer in answers if answer.value is not None), answers[-1])


def answer_of_parts(sample_id: str, replies: Sequence[Reply], kind: Timeline) -> Answer:
    """One answer from the replies to the parts of a clip, in the order in which they were stored.

    The utterances of its value say in `parts` where they come from. `dropped` names every part without an answer
    (`part[2]:truncated`, `part[3]:error`) and what parts dropped. Where no part can be read, the answer is that of the
    first part: a reason, or an error. A whole, the only part, is read as a reply about the clip.
    """
    stored = by_index(replies)
    count = max((int((tried[-1].part or {})["of"]) for tried in stored.values()), default=0)
    answers = [_first_read(sample_id, stored.get(index, []), kind) for index in range(count)]
    if stored and (next(iter(stored.values()))[-1].part or {})["mode"] == "whole":
        return answers[0]
    if all(answer.value is None for answer in answers):
        return next(iter(answers), Answer(sample_id, error=NEVER_ASKED))
    seen: list[tuple[Seen, Mapping[str, Any]]] = []
    dropped: list[str] = []
    mode = ""
    for index, answer in enumerate(answers):
        lost = [*answer.dropped] if answer.value is not None else [answer.reason or "error"]
        if answer.value is not None:
            part = stored[index][-1].part or {}
            mode = part["mode"]
            spoken, outside = utterances_of(answer.value, part)
            seen.append((Seen(index, part["start_s"], part["end_s"], spoken), answer.value))
            lost += outside
        dropped += [f"part[{index}]:{name}" for name in lost]
    windows = [window for window, _ in seen]
    if mode in ONE_UTTERANCE:
        timeline, clipped = chronological(
            {**each, "parts": [window.index]} for window in windows for each in window.utterances
        )
    else:
        timeline, clipped = stitch(windows)
    repairs = {name for answer in answers for name in answer.repairs} | ({"overlap_clipped"} if clipped else set())
    value = merged(seen, timeline, kind.primary.labels)
    return Answer(sample_id, value, PARTS, in_order(repairs), tuple(dropped))

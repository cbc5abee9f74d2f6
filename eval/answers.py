"""Replies to answers: answers.jsonl is always rebuilt from replies.jsonl by the parser, never edited."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from infer.engine import Reply
from prompts.parsing import Parsed, parse
from tasks.task import AnswerKind, Sample

NEVER_ASKED = "no reply is stored"


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
    attempts: dict[str, dict[int, Reply]] = {}
    for reply in replies:
        if reask or reply.attempt == 0:
            attempts.setdefault(reply.id, {})[reply.attempt] = reply
    answers = []
    for sample in samples:
        tried = [reply for _, reply in sorted(attempts.get(sample.id, {}).items())]
        read = [read_answer(sample.id, reply, kind) for reply in tried] or [read_answer(sample.id, None, kind)]
        answers.append(next((answer for answer in read if answer.value is not None), read[-1]))
    return answers

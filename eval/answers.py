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

    def record(self) -> dict[str, Any]:
        """The line of answers.jsonl."""
        if self.error is not None:
            return {"id": self.id, "value": None, "error": self.error}
        if self.value is None:
            return {"id": self.id, "value": None, "reason": self.reason}
        return {
            "id": self.id,
            "value": self.value,
            "rule": self.rule,
            "repairs": self.repairs,
            "dropped": self.dropped,
        }


def read_answer(sample_id: str, reply: Reply | None, kind: AnswerKind) -> Answer:
    """The answer in one reply."""
    if reply is None:
        return Answer(sample_id, error=NEVER_ASKED)
    if reply.text is None:
        return Answer(sample_id, error=reply.error or NEVER_ASKED)
    outcome = parse(reply.text, kind)
    if isinstance(outcome, Parsed):
        return Answer(sample_id, outcome.value, outcome.rule, tuple(outcome.repairs), tuple(outcome.dropped))
    return Answer(sample_id, reason=outcome.reason)


def read_answers(samples: Iterable[Sample], replies: Mapping[str, Reply], kind: AnswerKind) -> list[Answer]:
    """One answer a sample, in the order of the samples; `replies` by sample id."""
    return [read_answer(sample.id, replies.get(sample.id), kind) for sample in samples]

"""The follow-up to a reply that could not be read: the reply itself, what was wrong with it, and the schema again."""

from __future__ import annotations

import json

from prompts.parsing import REASONS
from prompts.render import Messages, plain
from prompts.schema import schema
from tasks.task import AnswerKind

# A runaway reply is not sent back whole: its beginning shows what went wrong.
QUOTED = 2_000


def reask(text: str, reason: str, kind: AnswerKind) -> Messages:
    """The turns to append to the first question: the model's own reply, then a request to answer again.

    `reason` is a code of the parser (prompts.parsing.REASONS). The wording is fixed, so that a re-asked run can be
    repeated.
    """
    quoted = plain(text[:QUOTED])
    request = (
        f"That reply could not be read as an answer ({reason}: {REASONS[reason]}). Answer the same question again, "
        "with one JSON object that satisfies this JSON Schema, and nothing else:\n"
        + json.dumps(schema(kind), ensure_ascii=False)
    )
    return [
        {"role": "assistant", "content": [{"type": "text", "text": quoted}]},
        {"role": "user", "content": [{"type": "text", "text": request}]},
    ]

"""`omnimer parse (--task T | --kind K) < replies.jsonl`: answers from replies, without a model.

stdin: JSON lines {"id", "text"}; other keys are ignored, so the replies of a run can be piped in as they are. stdout:
one line a reply, {"id", "value", "rule", "repairs", "dropped", "reason"}, in the order of the input. A bad line is
reported on stderr with its number and does not stop the rest.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import IO, Any

from tasks.kinds import kind
from tasks.task import AnswerKind


@dataclass(frozen=True)
class ParseConfig:
    """Read replies from stdin as answers; give --task or --kind."""

    task: str | None = None
    """A task of `omnimer tasks`; its answer kind is used."""

    kind: str | None = None
    """An answer kind by name: OneOf:basic7, OneOf:mer6, OneOf:sentiment3, AnyOf:goemotions28, AnyOf:open, Record:emos,
    Described:open, Blend:blemore6, Timeline:emos, Pick:preference, Pick:abcd, Dims:va, Dims:big5, Official:mer_list,
    Official:preference."""


def run(config: ParseConfig) -> int:
    """Parse stdin to stdout, a line at a time. 0: done; 1: done, but some lines were bad; 2: bad arguments."""
    try:
        answer_kind = _answer_kind(config)
    except ValueError as error:
        print(f"omnimer parse: {error}", file=sys.stderr)
        return 2
    return 1 if stream(sys.stdin.buffer, sys.stdout, sys.stderr, answer_kind) else 0


def _answer_kind(config: ParseConfig) -> AnswerKind:
    if (config.task is None) == (config.kind is None):
        raise ValueError("give either --task NAME or --kind NAME, e.g. --kind OneOf:basic7")
    if config.kind is not None:
        return kind(config.kind)
    from tasks.registry import task

    return task(str(config.task)).answer


def stream(lines: IO[bytes], out: IO[str], err: IO[str], answer_kind: AnswerKind) -> int:
    """Write the outcome of each reply of `lines` to `out`; gives the number of bad lines, each reported to `err`."""
    bad = 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            request = _request(line)
        except ValueError as error:
            bad += 1
            print(f"omnimer parse: line {number}: {error}", file=err)
            continue
        out.write(json.dumps(outcome_row(request["text"], answer_kind, request["id"])) + "\n")
    out.flush()
    return bad


def _request(line: bytes) -> dict[str, Any]:
    """The id and the text of one input line. Raises ValueError."""
    try:
        request = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f'not JSON ({error}); wanted {{"id": ..., "text": "..."}}') from None
    if not isinstance(request, dict) or not isinstance(request.get("text"), str) or "id" not in request:
        found = f"keys {sorted(request)}" if isinstance(request, dict) else type(request).__name__
        raise ValueError(f'found {found}; wanted an object with an "id" and a string "text"')
    return request


def outcome_row(text: str, answer_kind: AnswerKind, sample_id: Any) -> dict[str, Any]:
    """One line of answers: the outcome of `parse`, with null and empty lists for what there is not."""
    from prompts.parsing import Parsed, parse

    result = parse(text, answer_kind)
    if isinstance(result, Parsed):
        found = {"value": result.value, "rule": result.rule, "repairs": result.repairs, "dropped": result.dropped}
        return {"id": sample_id, **found, "reason": None}
    return {"id": sample_id, "value": None, "rule": None, "repairs": [], "dropped": [], "reason": result.reason}

"""Shares as replies state them. The parser scales shares to 100 and moves them to 50/50 or 70/30; the official scorer
does neither: it rounds what it is given. The same replies scored both ways tell what the snapping is worth.

Names of emotions are read as always (`anger` is ang): this is about shares.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from eval.answers import Answer
from eval.metrics.metric import Value
from infer.engine import Reply
from prompts.parsing import Parsed, envelope, judge, numbers
from prompts.parsing.labels import Space, items_of_list, one_label
from prompts.parsing.outcome import Log
from prompts.parsing.readers import read
from prompts.parsing.spec import Spec
from prompts.parsing.tables import Fields
from prompts.parsing.views import compiled
from tasks.task import Blend

# An answer without any of these says the shares as its reply does.
TOUCHED = {"snapped", "normalised", "zero_share", "default_share", "duplicates", "truncated"}


def stated_value(text: str, kind: Blend) -> Value | None:
    """What a reply states, `{"emotions": [{"emotion", "salience"}]}` with shares as they were written (a share of 0
    included, a missing one 0); None for a reply that the parser cannot read as a blend or that ends inside its
    reasoning."""
    body, names, tail = envelope.opened(text)
    if tail is not None:
        return None
    spec = dataclasses.replace(compiled(kind), judge=_as_written)
    outcome = read(spec, envelope.cleaned(body, names))
    return outcome.value if isinstance(outcome, Parsed) else None


def _as_written(spec: Spec, fields: Fields, log: Log) -> dict[str, Any]:
    """The judge of blends without the last steps; it refuses what the judge of blends refuses."""
    judge.blend(spec, fields, log.aside())
    entries = judge.needed(fields["emotions"], partial(_entries, space=spec.space), log)
    return {"emotions": [{"emotion": label, "salience": share} for label, share in entries]}


def _entries(value: Any, log: Log, space: Space) -> list[tuple[str, float]]:
    found = []
    for item in items_of_list(judge.embedded(value, log), space, log, judge.BLEND_FORM):
        if item is None:
            continue
        share, text = numbers.share(item.score, log), item.text or ""
        known = space.resolve(text)
        if share == 0:  # the parser leaves it out, so it need not be a label
            found.append((known[0] if known else text, 0.0))
        else:
            found.append((str(one_label(text, space, log, scores=False).text), share or 0.0))
    return found


def stated_values(answers: Sequence[Answer], replies: Mapping[str, Reply], kind: Blend) -> list[Value | None]:
    """What the answers' replies state, in their order; None where there is no answer.

    `replies`: sample id -> its reply. Where the parser did not touch the shares, or the reply is another attempt than
    the one that was read, it is the answer itself.
    """
    found: list[Value | None] = []
    for answer in answers:
        reply = replies.get(answer.id)
        touched = answer.value is not None and TOUCHED & set(answer.repairs)
        if touched and reply is not None and reply.text is not None and reply.attempt == answer.attempt:
            found.append(stated_value(reply.text, kind))
        else:
            found.append(answer.value)
    return found

"""Reads a model's reply as an answer: `parse(text, kind) -> Parsed | Unparsed`.

The readers, in order: `schema` (the reply is valid), `json` (JSON, also broken), `fields` (named text fields), `label`
and `list` (the whole reply is a label, a list). The first that finds a candidate decides. Readers find, one judge for
each kind decides (judge.py); the words are data (words.toml, keys.toml, tasks/label_spaces). Form is repaired, meaning
is not; every repair and every dropped label is on record, and "no answer" is an outcome with a reason.
"""

from __future__ import annotations

from prompts.parsing import envelope
from prompts.parsing.official import mer_clean_up, official
from prompts.parsing.outcome import REASONS, REPAIRS, Parsed, Unparsed, in_order
from prompts.parsing.readers import read, value_at_end
from prompts.parsing.spec import Spec
from prompts.parsing.valid import valid_text
from prompts.parsing.views import compiled
from tasks.task import AnswerKind, Official

__all__ = ["REASONS", "REPAIRS", "Parsed", "Unparsed", "mer_clean_up", "parse", "visible"]


def parse(text: str, kind: AnswerKind) -> Parsed | Unparsed:
    """Read a reply as an answer of `kind`. Total: returns for every str, in time linear in its length."""
    if isinstance(kind, Official):
        return official(text, kind)
    spec = compiled(kind)
    value = valid_text(text, spec)
    if value is not None:
        return Parsed(value, "schema")
    body, names, tail = envelope.opened(text)
    if tail is not None:
        return _after_open_reasoning(spec, body, names, tail)
    return _noted(read(spec, envelope.cleaned(body, names)), names)


def visible(text: str) -> str:
    """What a reply says: without reasoning, role markers, answer tags and fences."""
    body, names, _ = envelope.opened(text)
    return envelope.cleaned(body, names)


def _after_open_reasoning(spec: Spec, body: str, names: set[str], tail: str) -> Parsed | Unparsed:
    """E3.3: reasoning that was never closed. The answer is an answer block in it, a JSON value that ends it, or what
    stood before it."""
    names.add("reasoning")
    answer = envelope.tagged(tail)
    found: Parsed | Unparsed | None
    if answer is not None:
        aside = names | {"answer_tag"}
        found = read(spec, envelope.without_fences(answer, aside).strip())
        if isinstance(found, Parsed):
            return _noted(found, aside)
    aside = set(names)
    rest = envelope.without_fences(tail, aside).strip()
    found = value_at_end(spec, rest) if rest else None
    if isinstance(found, Parsed):
        return _noted(found, aside)
    found = read(spec, envelope.cleaned(body, names))
    return _noted(found, names) if isinstance(found, Parsed) else Unparsed("truncated_reasoning")


def _noted(outcome: Parsed | Unparsed, names: set[str]) -> Parsed | Unparsed:
    """The outcome with the repairs of the envelope."""
    if isinstance(outcome, Unparsed) or not names:
        return outcome
    return Parsed(outcome.value, outcome.rule, in_order({*outcome.repairs, *names}), outcome.dropped)

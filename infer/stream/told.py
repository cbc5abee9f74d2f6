"""What a part is told of the clip around it. Asking makes it of replies, training (finetune/stream.py) of gold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from infer.feed import Question
from infer.stream.modes import SUMMARY_TOKENS, WORDS_TOKENS, Told, shortened, spoken
from infer.stream.parts import Part, utterances_of
from prompts.parsing import Parsed, parse
from tasks.task import AnswerKind

NO_WORDS = "…"
Answered = tuple[Part, Mapping[str, Any] | None]


def read(text: str | None, kind: AnswerKind) -> Mapping[str, Any] | None:
    """The answer in a reply; None without a reply, and for one that cannot be read."""
    outcome = None if text is None else parse(text, kind)
    return outcome.value if isinstance(outcome, Parsed) else None


def told_of(past: Sequence[Answered], question: Question, recall: int) -> Told:
    """What a part of a clip is told of the parts before it, given with their answers (None: without one)."""
    summary, lines = "", list[str]()
    for part, value in past[-max(1, recall) :]:
        if value is None:
            lines += [f"{_words(part, question)} — no answer"] if part.mode == "online" else []
            continue
        summary = shortened(value["summary"] or summary, SUMMARY_TOKENS)
        lines += [_line(part, each, question) for each in utterances_of(value, part.record())[0]]
    return Told(summary, tuple(lines[-recall:] if recall else ()))


def around(part: Part, parts: Sequence[Part], question: Question, recall: int) -> Told:
    """The words around a part whose times are given, out of all parts of its clip."""
    near = parts[max(0, part.index - recall) : part.index + recall + 1]
    if not question.transcript or not any(each.text for each in near):
        return Told()
    marks = {part.index: ">>"}
    return Told(lines=tuple(f"{marks.get(each.index, '  ')} {_words(each, question)}" for each in near))


def _line(part: Part, utterance: Mapping[str, Any], question: Question) -> str:
    """An utterance and how it was judged, in one line."""
    words = _words(part, question) if part.mode == "online" else spoken(utterance, part.clip.language) or NO_WORDS
    said = shortened(f"{utterance['speaker']}: {words}" if utterance["speaker"] else words, WORDS_TOKENS)
    judged = [utterance["primary"], *(utterance["secondary"] or ())]
    strength = f", intensity {utterance['intensity']}" if utterance["intensity"] is not None else ""
    return f"{said} — {', '.join(dict.fromkeys(judged))}{strength}"


def _words(part: Part, question: Question) -> str:
    """What the data says is spoken in a part, where that may be shown."""
    shown = part.text if question.transcript else ""
    return shortened(shown, WORDS_TOKENS) or NO_WORDS

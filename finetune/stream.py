"""Parts of clips as training samples: what `omnimer infer --mode` asks about them, and gold as the answer.

Clips are divided, and parts are told of their surroundings, by the functions that ask (infer/stream). Where asking
tells a part of the model's earlier answers, learning tells it of the replies that are learned for those parts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from eval.stitch import dominant
from finetune.recipe import Recipe
from finetune.samples import Chosen
from finetune.targets import target
from finetune.towers import ahead
from infer.feed import Question
from infer.stream.modes import divide, part_sample
from infer.stream.parts import ONE_UTTERANCE, SHARED, Part, shown, whole_seconds
from infer.stream.told import Answered, around, read, told_of
from tasks.task import Sample, Timeline

NO_UTTERANCE = "gold has no utterance at the time of the part"


def divide_clips(chosen: Chosen, recipe: Recipe, question: Question) -> None:
    """Puts parts in place of the chosen clips, as the recipe's `[stream]` says; clips that cannot be divided and parts
    that gold says nothing about are left out with the reason. Held-out parts are asked about even so.

    The containers of the clips are read (their sound too, where pauses are looked for). Raises ValueError when nothing
    is left to learn from.
    """
    whole = recipe.stream.mode == "whole" and not recipe.stream.marks
    if whole or not isinstance(chosen.task.answer, Timeline):
        return
    clips = [*chosen.train, *chosen.held_out]
    room = recipe.stream.max_model_len - question.sampling.max_tokens
    work = partial(divide, question=question, options=recipe.stream, room=room)
    threads = recipe.run.threads
    plans = dict(zip((clip.id for clip in clips), ahead(clips, work, threads, 2 * threads), strict=True))
    chosen.leave_out({name: found for name, found in plans.items() if isinstance(found, str)})
    divided = {name: found for name, found in plans.items() if not isinstance(found, str)}
    chosen.train = [
        each for clip in chosen.train for each in _samples(clip, divided[clip.id], chosen, recipe, question)
    ]
    chosen.held_out = [
        each for clip in chosen.held_out for each in _samples(clip, divided[clip.id], chosen, recipe, question)
    ]
    silent = {sample.id: NO_UTTERANCE for sample in chosen.train if sample.id not in chosen.replies}
    chosen.leave_out(silent, held_out=False)


def _samples(clip: Sample, parts: Sequence[Part], chosen: Chosen, recipe: Recipe, question: Question) -> list[Sample]:
    """The samples of a clip's parts, whose replies and places `chosen` is told; the clip itself without any."""
    samples: list[Sample] = []
    past: list[Answered] = []
    recall, kind = recipe.stream.recall, chosen.task.answer
    for part in parts:
        told = around(part, parts, question, recall) if part.mode == "given" else told_of(past, question, recall)
        sample = dataclasses.replace(part_sample(part, told), gold=gold_of(part, kind))
        reply = None
        if sample.gold is not None:
            reply = chosen.replies[sample.id] = target(sample, chosen.task, chosen.template, recipe.options)
        past.append((part, read(reply, kind)))
        chosen.parts[sample.id] = part
        samples.append(sample)
    return samples or [clip]


def gold_of(part: Part, kind: Any) -> dict[str, Any] | None:
    """What gold says about a part, in the part's own times; None where it has no utterance at given times."""
    gold = part.clip.gold or {}
    return _utterance(part, gold) if part.mode in ONE_UTTERANCE else _window(part, gold, kind)


def _utterance(part: Part, gold: Mapping[str, Any]) -> dict[str, Any] | None:
    """The utterance that overlaps the part most, at the times that the question names."""

    def shared(each: Mapping[str, Any]) -> float:
        return float(min(each["end"], part.end_s) - max(each["start"], part.start_s))

    best = max(gold["utterances"], key=shared, default=None)
    if best is None or shared(best) < SHARED * min(part.end_s - part.start_s, best["end"] - best["start"]):
        return None
    start, end = part.within
    return {
        "summary": None,
        "trend": {"dominant": None, "trajectory": None},
        "utterances": [{**best, "start": float(start), "end": float(end)}],
    }


def _window(part: Part, gold: Mapping[str, Any], kind: Timeline) -> dict[str, Any]:
    """The utterances that a window shows, as far as it shows them, in whole seconds; none is an answer too.

    The dominant emotion is that of the window (of a whole, what gold says). The summary, which is of the clip up to
    here, is the last window's.
    """
    start, end = part.start_s, part.end_s
    inside = []
    for each in gold["utterances"]:
        if seen := shown(each["start"], each["end"], start, end):
            first, last = whole_seconds(*seen, end - start)
            inside.append({**each, "start": float(first), "end": float(last)})
    trend: dict[str, str | None] = {"dominant": None, "trajectory": None}
    trend |= gold.get("trend") or {}
    if part.mode != "whole":
        stated = trend["dominant"] is not None
        trend = {"dominant": dominant(inside, kind.primary.labels) if stated else None, "trajectory": None}
    return {
        "summary": gold.get("summary") if part.index == part.of - 1 else None,
        "trend": trend,
        "utterances": inside,
    }

"""The reply that is learned for a sample, character by character as constrained decoding can write it.

`prompts.schema.dump` says what the canonical reply holds. Its form is another matter: under `schema` decoding vLLM
lets no white space stand between the parts, writes Chinese as it is, and gives a number in [0, 1] at most six decimals
(tests/finetune/test_targets.py asks the grammar compiler). A reply learned in another form could not be given.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Set
from typing import Any

from finetune.recipe import OptionsPart
from infer.feed import PART
from infer.store import to_json
from infer.stream.modes import utterance_schema
from infer.stream.parts import ONE_UTTERANCE
from prompts.render import Template
from prompts.schema import UTTERANCE_KEYS, dump, schema
from tasks.task import AnswerKind, AnyOf, Described, Dims, Official, OneOf, Record, Sample, Task, Timeline
from tasks.validate import gold_problems

DECIMALS = 2
# Two of three annotators: the threshold at which eval takes a label of a set as gold.
MOST = 0.5


def target(sample: Sample, task: Task, template: Template, options: OptionsPart) -> str:
    """The reply that is learned for a sample with gold.

    Raises ValueError, with the reason for leaving the sample out, for gold that the task does not allow and for a
    template whose form of reply is free text.
    """
    if sample.gold is None:
        raise ValueError("no gold answer")
    problems = gold_problems(task, [dataclasses.replace(sample, id="")])
    if problems:
        raise ValueError(problems[0].removesuffix(" (1: )"))
    if "labels" in sample.gold and not sample.gold["labels"]:
        raise ValueError("gold names no label")
    if isinstance(task.answer, Described) and not sample.gold.get("description"):
        raise ValueError("gold has no description")
    value = _value(sample, task.answer, options)
    if options.fields is not None:
        value = _blanked(value, {*optional_fields(task.answer)} - {*options.fields})
    if template.reply == "text" and not isinstance(task.answer, Official):
        if isinstance(task.answer, OneOf):
            return str(value["label"])
        raise ValueError(f"template {template.name} asks for free text, of which there is no canonical form")
    text = dump(value, task.answer)
    if isinstance(task.answer, Official):
        return text
    reply = json.loads(text)
    if isinstance(task.answer, Timeline) and sample.meta.get(PART, [""])[0] in ONE_UTTERANCE:
        reply = _of_one_utterance(reply, task.answer)
    return to_json(reply)


def optional_fields(kind: AnswerKind) -> tuple[str, ...]:
    """The fields of a kind's value that a reply may leave null for every sample (the option `fields`)."""
    match kind:
        case Record():
            return "goemotions", "evidence", "rationale"
        case Timeline():
            said = [name for name in UTTERANCE_KEYS.values() if name != "primary"]
            return "summary", "dominant", "trajectory", *said
        case _:
            return ()


def check_fields(task: Task, options: OptionsPart) -> None:
    """Raises ValueError for a field that replies to the task do not have, or cannot do without."""
    legal = optional_fields(task.answer)
    for name in options.fields or ():
        if name not in legal:
            there = ", ".join(legal) or "none"
            raise ValueError(f"options.fields: {name!r} is no optional field of a reply to {task.name}; legal: {there}")


def label_key(sample: Sample, kind: AnswerKind) -> str:
    """What balanced sampling counts a sample as: its single label, or its labels (those of its utterances) in order."""
    gold = sample.gold or {}
    single = gold.get("label") or gold.get("emotion") or gold.get("choice")
    if single:
        return str(single)
    if "utterances" in gold:
        return ", ".join(sorted({each["primary"] for each in gold["utterances"]}))
    listed = gold.get("labels") or gold.get("emotions") or []
    names = [item.get("label") or item.get("emotion") if isinstance(item, Mapping) else item for item in listed]
    return ", ".join(sorted(map(str, names)))


def confidence_of(sample: Sample, options: OptionsPart) -> float:
    """The confidence of a sample's label, 0 to 1; ValueError where its meta does not hold it."""
    value = sample.meta.get(options.confidence)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(f"meta {options.confidence!r} is {value!r}; a confidence from 0 to 1 was expected")
    return float(value)


def _value(sample: Sample, kind: AnswerKind, options: OptionsPart) -> Mapping[str, Any]:
    """The gold value with every key that a reply has, in the order of the schema; null where gold says nothing."""
    gold = dict(sample.gold or {})
    match kind:
        case OneOf():
            stated = {"confidence": _stated(sample, options)} if options.state_confidence else {}
            return {"label": gold["label"], **stated}
        case AnyOf(labels=labels) if labels:
            return {"labels": _listed(gold["labels"], options)}
        case Record():
            gold["confidence"] = _stated(sample, options) if options.state_confidence else None
            listed = gold.get("goemotions")
            gold["goemotions"] = None if listed is None else _listed(listed, options)
        case Dims(names=names):
            return {name: None if gold[name] is None else round(gold[name], DECIMALS) for name in names}
        case Timeline():
            trend = {"dominant": None, "trajectory": None} | dict(gold.get("trend") or {})
            blank = dict.fromkeys(UTTERANCE_KEYS.values())
            spoken = [blank | dict(each) for each in gold["utterances"]]
            return {"summary": gold.get("summary"), "trend": trend, "utterances": spoken}
        case Official():
            return gold
    return {key: gold.get(key) for key in schema(kind)["properties"]}


def _blanked(value: Any, names: Set[str]) -> Any:
    """A value in which the fields of these names are null."""
    if isinstance(value, Mapping):
        return {key: None if key in names else _blanked(item, names) for key, item in value.items()}
    return [_blanked(item, names) for item in value] if isinstance(value, list) else value


def _of_one_utterance(reply: Mapping[str, Any], kind: Timeline) -> dict[str, Any]:
    """The reply without what the schema of a reply to one utterance does not have."""
    known = utterance_schema(kind)["properties"]["utterances"]["items"]["properties"]
    kept = [{key: each[key] for key in known} for each in reply["utterances"]]
    return {**reply, "utterances": kept}


def _stated(sample: Sample, options: OptionsPart) -> float:
    return round(confidence_of(sample, options), DECIMALS)


def _listed(items: Iterable[Mapping[str, Any]], options: OptionsPart) -> list[dict[str, Any]]:
    """Labels of a set, the surest first; without a confidence a label is sure."""
    said = [(one["label"], 1.0 if one.get("confidence") is None else float(one["confidence"])) for one in items]
    ranked = sorted(said, key=lambda pair: -pair[1])
    if options.soft_labels:
        return [{"label": label, "confidence": round(share, DECIMALS)} for label, share in ranked if share > 0]
    return [{"label": label} for label, share in ranked if share >= MOST - 1e-9]

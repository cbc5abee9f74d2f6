"""The same replies, read as the script of the challenge reads them: no repair, no cap, no label set.

A challenge script splits text at quotes and commas and takes what is left for labels, so prose around a list, a fence
or a slash costs answers there. Both scores stand in the report: ours is what a submission of this run gets, since it is
written from the answers that were read.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from eval.answers import read_answers
from eval.layouts import Layout, half_up
from eval.metrics.metric import Options, Value, has_open
from eval.metrics.table import METRICS
from infer.engine import Reply
from prompts.parsing import mer_clean_up
from tasks.labels import label_space
from tasks.task import AnswerKind, Official, Pick, Sample, Task

DIGITS = 4


def official_reader(kind: AnswerKind) -> Official | None:
    """The reader of the challenge for answers of a kind, None where no challenge has one."""
    if has_open(kind):
        return Official("mer_list")
    if isinstance(kind, Pick) and kind.options == label_space("preference").labels:
        return Official("preference")
    return None


def read_officially(samples: Iterable[Sample], replies: Iterable[Reply], reader: Official) -> list[Value | None]:
    """The official reading of the first reply to each sample; None for a request that failed.

    Replies with lists are cleaned up first, as the challenge's own script does it.
    """
    if reader.reader == "mer_list":
        replies = [
            reply if reply.text is None else dataclasses.replace(reply, text=mer_clean_up(reply.text))
            for reply in replies
        ]
    return [answer.value for answer in read_answers(samples, replies, reader, reask=False)]


def official_reading(
    task: Task,
    samples: Sequence[Sample],
    values: Sequence[Value | None],
    replies: Sequence[Reply],
    options: Options,
) -> list[Layout]:
    """A table of the task's scores by both readings; none for tasks without an official reader.

    `values` are the answers of the samples as omnimer read them, `replies` all that are stored.
    """
    reader = official_reader(task.answer)
    rows = [(sample.gold, place) for place, sample in enumerate(samples) if sample.gold is not None]
    if reader is None or not rows:
        return []
    gold: list[Mapping[str, object]] = [value for value, _ in rows]
    ours = [values[place] for _, place in rows]
    found = read_officially(samples, replies, reader)
    theirs = [found[place] for _, place in rows]
    settled = dataclasses.replace(options, wheels=options.wheels or task.wheels)
    lines = []
    for name in task.metrics:
        pair = [METRICS[name](gold, given, task.answer, settled) for given in (ours, theirs)]
        lines.append([METRICS[name].title, *(half_up(value, DIGITS) for value in pair)])
    unlike = sum(one != other for one, other in zip(map(_said, ours), map(_said, theirs), strict=True))
    notes = [
        f"The official reader makes something else of {unlike:,} of {len(rows):,} replies: it repairs nothing.",
        "A submission is written from the answers as omnimer reads them.",
    ]
    return [Layout("Read as the challenge's script reads", ["", "omnimer", "official reader"], lines, notes)]


def _said(value: Value | None) -> object:
    """What an answer says, for comparing: the set of labels, or the choice."""
    if value is None:
        return None
    return value["choice"] if "choice" in value else frozenset(map(str, value["labels"]))

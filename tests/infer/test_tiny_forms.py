"""Replies that the tiny checkpoint learns to write: legal, and named by their questions."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from infer.tiny_forms import named
from prompts.parsing import Parsed, parse
from prompts.render import Messages
from tasks.emos_stream import KIND
from tasks.synthetic import SYNTHETIC


def text_of(messages: Messages) -> str:
    return messages[-1]["content"][-1]["text"]


def test_without_timelines_every_reply_is_a_label() -> None:
    rng = np.random.default_rng(3)
    found = [named(rng) for _ in range(50)]
    for messages, reply in found:
        outcome = parse(reply, SYNTHETIC.answer)
        assert isinstance(outcome, Parsed)
        assert f"The answer is {outcome.value['label']}." in text_of(messages)
    assert len({reply for _, reply in found}) == 7


def test_timelines_are_read_without_a_repair_and_named_by_the_question() -> None:
    rng = np.random.default_rng(3)
    counts: Counter[int] = Counter()
    for _ in range(200):
        messages, reply = named(rng, 1.0)
        outcome = parse(reply, KIND)
        assert isinstance(outcome, Parsed)
        assert (outcome.rule, outcome.repairs) == ("schema", ())
        said: list[dict[str, Any]] = outcome.value["utterances"]
        counts[len(said)] += 1
        for each in said:
            assert f"{each['primary']} {each['intensity']}" in text_of(messages)
            assert each["start"] < each["end"]
    assert set(counts) == {0, 1, 2, 3}


def test_labels_and_timelines_come_as_often_as_asked() -> None:
    rng = np.random.default_rng(3)
    share = sum("utterances" in named(rng, 0.7)[1] for _ in range(400)) / 400
    assert abs(share - 0.7) < 0.07

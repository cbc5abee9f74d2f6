"""Parts of the real EmoS clips: every reply that is learned can be read, and the counts of what gold knows."""

from __future__ import annotations

import dataclasses
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from finetune.recipe import OptionsPart
from finetune.stream import gold_of
from finetune.targets import target
from infer.stream.modes import Told, part_sample
from infer.stream.parts import Part
from infer.stream.windows import cut_between, plan_windows
from prompts.parsing import Parsed, parse
from prompts.render import load_template
from tasks.emos_stream import EMOS_STREAM, KIND
from tasks.task import Root, Sample

EMOS = Path(__file__).parents[3] / "shared" / "data" / "emos"
pytestmark = pytest.mark.skipif(not EMOS.is_dir(), reason=f"{EMOS} is not there")


def parts_of(clip: Sample, mode: str) -> list[Part]:
    """Without the media, which are not there: windows of a minute; utterances by gold or by sentence."""
    seconds = clip.meta["duration_s"]
    sentences = [(start, end) for start, end, _ in clip.meta["sentences"]]
    told = [(each["start"], each["end"]) for each in (clip.gold or {})["utterances"]]
    windows = plan_windows(seconds, 60.0, 5.0, partial(cut_between, sentences))
    spans = {"windows": windows, "given": told, "online": sentences}[mode]
    return [Part(clip, mode, k, len(spans), *span, media=span, clip_s=seconds) for k, span in enumerate(spans)]


@pytest.mark.parametrize(("mode", "count", "silent"), [("windows", 129, 0), ("given", 447, 0), ("online", 1694, 124)])
def test_every_reply_about_a_part_is_read_without_a_repair(mode: str, count: int, silent: int) -> None:
    found: Counter[str] = Counter()
    template = load_template(EMOS_STREAM.template)
    for clip in EMOS_STREAM.adapter(Root(EMOS), "all"):
        for part in parts_of(clip, mode):
            gold = gold_of(part, KIND)
            found["silent" if gold is None else "known"] += 1
            if gold is not None:
                sample = dataclasses.replace(part_sample(part, Told()), gold=gold)
                outcome = parse(target(sample, EMOS_STREAM, template, OptionsPart()), KIND)
                assert isinstance(outcome, Parsed), clip.id
                assert (outcome.rule, outcome.repairs) == ("schema", ()), clip.id
                assert [each["primary"] for each in outcome.value["utterances"]] == [
                    each["primary"] for each in gold["utterances"]
                ]
    assert found == Counter(known=count - silent, silent=silent)

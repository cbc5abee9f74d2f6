"""Timelines in the report page before a browser sees them: lanes, turning points, partners, agreement; and the hues."""

from __future__ import annotations

import itertools
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.answers import answer_of_parts
from eval.html.brief import brief, counts
from eval.html.samples import columns, fed_in_all, rows
from eval.html.timeline import ONLY_GOLD, ONLY_TOLD, OTHER, SAME, agreed, lane, length_of, picture, timelines
from eval.metrics.table import METRICS
from eval.scores import Scores
from eval.timeline.spans import Span, spans
from infer.engine import Fed, Reply
from infer.store import REPLIES
from tasks.kinds import KINDS
from tasks.task import Media, Sample, Timeline
from tests.eval.html_runs import STREAM, moved, run, streams, utterances

assert isinstance(STREAM.answer, Timeline)
KIND = STREAM.answer
CSS = (Path(__file__).parents[2] / "eval" / "html" / "assets" / "timeline.css").read_text(encoding="utf-8")


def said(*found: tuple[float, float, str]) -> dict[str, Any]:
    return {"utterances": [{"start": start, "end": end, "primary": label} for start, end, label in found]}


GOLD = said((0, 2, "Joy"), (2, 4, "Anger"), (6, 8, "Joy"))
TOLD = said((1, 2, "Joy"), (2, 5, "Fear"), (9, 10, "Neutral"))


def test_a_clip_is_drawn_with_what_gold_and_answer_share() -> None:
    drawn = picture(Sample("a", GOLD, meta={"duration_s": 12}), TOLD, KIND, [("second", GOLD), ("third", None)])
    assert drawn.data["length"] == 12
    assert [each["who"] for each in drawn.data["lanes"]] == ["gold", "run", "other", "other"]
    gold, told, second, third = drawn.data["lanes"]
    assert gold["turns"] == [[2.0, "Joy", "Anger", 1], [6.0, "Anger", "Joy", 0]]
    assert told["turns"] == [[2.0, "Joy", "Fear", 1], [9.0, "Fear", "Neutral", 0]]
    assert [turn[3] for turn in second["turns"]] == [1, 1]
    assert (second["name"], second["silent"], third["silent"], third["utterances"]) == ("second", False, True, [])
    assert drawn.data["pairs"] == [[0, 0, 0.5], [1, 1, 0.667]]
    assert drawn.data["strip"] == [[0, 1, ONLY_GOLD], [1, 2, SAME], [2, 4, OTHER], [4, 5, ONLY_TOLD], [6, 8, ONLY_GOLD],
                                   [9, 10, ONLY_TOLD]]  # fmt: skip
    assert (drawn.gold, drawn.told, drawn.found) == ((3, "Joy"), (3, "Fear"), 2)
    assert drawn.agreement == pytest.approx(1 / 6)
    assert counts(drawn) == "2 of 3 utterances found, 1 more"


@pytest.mark.parametrize(
    ("gold", "told", "lanes", "text"),
    [
        (None, TOLD, ["run"], "3 utterances"),
        (GOLD, None, ["gold", "run"], "3 utterances"),
        (None, None, ["run"], ""),
        (GOLD, said(), ["gold", "run"], "0 of 3 utterances found"),
        (said(), said(), ["gold", "run"], "0 of 0 utterances found"),
        (said((0, 1, "Joy")), said((0, 1, "Joy")), ["gold", "run"], "1 of 1 utterance found"),
    ],
)
def test_what_is_missing_has_no_lane_and_is_not_compared(gold: Any, told: Any, lanes: list[str], text: str) -> None:
    drawn = picture(Sample("a", gold), told, KIND)
    assert [each["who"] for each in drawn.data["lanes"]] == lanes
    assert ("strip" in drawn.data) == (gold is not None and told is not None)
    assert drawn.data["lanes"][-1]["silent"] == (told is None)
    assert counts(drawn) == text
    json.dumps(drawn.data, allow_nan=False)


times = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 9), st.sampled_from((*KIND.primary.labels, None))), max_size=8
)


def tied(lane: list[Span], moment: int) -> bool:
    """Whether several labels hold at a moment whose utterances began last, and together."""
    over = [span for span in lane if span.start <= moment < span.end and span.primary is not None]
    latest = max((span.start for span in over), default=0)
    return len({span.primary for span in over if span.start == latest}) > 1


@given(times, times)
def test_the_strip_holds_every_labelled_moment_once(first: Any, second: Any) -> None:
    gold, told = (
        spans({"utterances": [{"start": a, "end": a + n, "primary": label} for a, n, label in each]}, KIND)
        for each in (first, second)
    )
    strip = agreed(gold, told, KIND)
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(strip))
    for moment in range(500, 70_000, 1000):
        holds = []
        for each in (gold, told):
            over = [span for span in each if span.start <= moment < span.end and span.primary is not None]
            holds.append(max(over, key=lambda span: span[:2]).primary if over else None)
        code = [code for start, end, code in strip if start <= moment < end]
        wanted = {(True, True): OTHER, (True, False): ONLY_GOLD, (False, True): ONLY_TOLD, (False, False): None}[
            (holds[0] is not None, holds[1] is not None)
        ]
        if any(tied(each, moment) for each in (gold, told)):
            continue  # which of two that begin together holds is the metric's to say
        assert code == ([] if wanted is None else [SAME if wanted == OTHER and holds[0] == holds[1] else wanted])


def test_the_share_that_the_list_shows_is_the_metric_of_that_clip() -> None:
    gold = utterances(40, 120)
    drawn = picture(Sample("a", {"utterances": gold}), {"utterances": moved(gold)}, KIND)
    metric = METRICS["tl_time_agreement"]
    assert drawn.agreement == pytest.approx(metric([{"utterances": gold}], [{"utterances": moved(gold)}], KIND))


def test_utterances_are_drawn_by_time_and_without_what_they_do_not_state() -> None:
    value = {"utterances": [{"start": 5.00049, "end": 6, "primary": "Joy", "speaker": None, "transcript_en": ""},
                            {"start": 1, "end": 1e300, "primary": None, "parts": [0, 1]}]}  # fmt: skip
    assert [item["start"] for item in lane(value, KIND).utterances] == [1, 5.00049]
    (only,) = picture(Sample("a", None), value, KIND).data["lanes"]
    assert only["utterances"] == [{"start": 1.0, "end": 1e6, "parts": [0, 1]}, {"start": 5.0, "end": 6.0,
                                                                             "primary": "Joy"}]  # fmt: skip


@pytest.mark.parametrize(
    ("sample", "length"),
    [
        (Sample("a", None, meta={"duration_s": 61.5}), 61.5),
        (Sample("a", None, media=(Media("video", Path("a"), 10.0, 25.0),)), 15.0),
        (Sample("a", None, media=(Media("video", Path("a")),), meta={"duration_s": "long"}), None),
    ],
)
def test_the_length_of_a_clip_is_known_or_left_to_the_player(sample: Sample, length: float | None) -> None:
    assert length_of(sample) == length


def test_only_timelines_are_drawn_and_only_beside_timelines() -> None:
    assert timelines([run(Path("r"), 3)]) == {}
    first = streams(Path("first"), [(None, 60, [], [])])
    other = streams(Path("other"), [(None, 60, [], [])])
    drawn = timelines([first, run(Path("r"), 3), other])
    assert [each.get("name") for each in drawn["clip_0"].data["lanes"]] == [None, None, "other"]


def test_columns_tell_timelines_in_a_few_words() -> None:
    gold = utterances(6, 60)
    none = [{**item, "start": item["start"] + 100, "end": item["end"] + 100} for item in gold]
    result = streams(Path("r"), [(None, 60, gold, gold), (None, 60, gold, none), (None, 60, gold, []),
                                 (None, 60, gold, None), (None, 60, None, gold)])  # fmt: skip
    table = columns([result], timelines([result]))
    assert (table["measure"], table["single"]) == ("agreement", False)
    assert table["kind"] == {"name": "Timeline", "labels": KIND.primary.labels}
    assert table["confidence"] == [1.0, 0.0, 0.0, None, None]
    label = table["brief"]["gold"][0]
    assert label in KIND.primary.labels
    assert table["brief"]["gold"] == [label] * 4 + [None]
    assert table["brief"]["given"] == [label, label, "no utterances", None, label]
    assert table["brief"]["counts"] == ["6 of 6 utterances found", "0 of 6 utterances found, 6 more",
                                        "0 of 6 utterances found", "6 utterances", "6 utterances"]  # fmt: skip
    names = [{tuple(table["tagTable"][code][:2]) for code in codes} for codes in table["tags"]]
    found = ("utterances", "all found"), ("emotion that lasts longest", "as in gold")
    assert names[0] == {("outcome", "valid as it stood"), *found}
    assert {("utterances", "some not found"), ("utterances", "more than in gold")} <= names[1]
    assert {("utterances", "none answered"), ("emotion that lasts longest", "another than in gold")} <= names[2]
    assert names[3] == {("outcome", "unreadable"), ("unreadable", "no_answer")}
    assert names[4] == {("outcome", "valid as it stood")}


def test_rows_hold_utterances_once() -> None:
    result = streams(Path("r"), [(None, 60, utterances(2, 60), utterances(2, 60))])
    (row,) = next(rows(result, timelines([result])))
    assert row["gold"].keys() == row["answer"].keys() == {"summary", "trend"}
    assert [len(each["utterances"]) for each in row["timeline"]["lanes"]] == [2, 2]


def test_a_clip_asked_about_in_parts_shows_every_reply(tmp_path: Path) -> None:
    def reply(index: int, attempt: int, text: str) -> Reply:
        part = {"mode": "window", "index": index, "of": 2, "start_s": 30.0 * index, "end_s": 30.0 * index + 30,
                "media_s": [0, 30]}  # fmt: skip
        return Reply("clip_0", "k", text, "stop", {}, Fed(8, 2.0, 30.0, 100, 50, ("cut",)), attempt=attempt, part=part)

    utterance = {"start": 1, "end": 2, "primary_7class": "Joy", "secondary_Goemotions": [], "intensity": 3}
    stored = [reply(0, 0, "no"), reply(1, 0, json.dumps({"utterances": [utterance]})), reply(0, 1, "still no")]
    (tmp_path / REPLIES).write_text(
        "".join(
            json.dumps({"id": r.id, "key": "k", "text": r.text, "attempt": r.attempt, "part": r.part,
                        "fed": {"frames": 8, "fps": 2.0, "audio_s": 30.0, "audio_tokens": 100, "video_tokens": 50,
                                "notes": ["cut"]}}) + "\n"
            for r in stored
        )
    )  # fmt: skip
    result = streams(tmp_path, [(None, 60, [], [])])
    answer = answer_of_parts("clip_0", stored, KIND)
    changed = type(result)(tmp_path, STREAM, result.facts, result.samples, Scores([]), [answer], {"clip_0": stored[1]})
    (row,) = next(rows(changed, timelines([changed])))
    assert [(part["start"], part["end"], part["replies"][0]) for part in row["parts"]] == [
        (0.0, 30.0, "no"),
        (30.0, 60.0, stored[1].text),
    ]
    assert row["parts"][0]["replies"] == ["no", "still no"]
    assert "reply" not in row
    assert row["fed"] == [16, 2.0, 60.0, 200, 100]
    assert row["notes"] == ["cut"]
    assert row["timeline"]["lanes"][-1]["utterances"][0]["parts"] == [1]


def test_what_several_requests_carried_is_added_up() -> None:
    assert fed_in_all([]) == Fed()
    assert fed_in_all([Fed(4, 2.0, 1.5, 3, 2, ("a",)), Fed(2, 1.0, 1.0, 1, 1, ("a", "b"))]) == Fed(
        6, 2.0, 2.5, 4, 3, ("a", "b")
    )


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        ({"valence": 0.31234, "arousal": None}, "Dims:va", "valence 0.312, arousal ?"),
        ({"emotions": [{"emotion": "joy", "salience": 70}, {"emotion": "fear", "salience": 30}]}, "Blend:blemore6",
         "joy 70 + fear 30"),
        ({"emotions": None}, "Blend:blemore6", ""),
        ({"label": "Joy"}, "OneOf:basic7", None),
        (None, "Dims:va", None),
    ],
)  # fmt: skip
def test_values_in_a_few_words(value: Any, kind: str, text: str | None) -> None:
    assert brief(value, KINDS[kind]) == text


# --- hues

# Simulation of dichromats in linear RGB, severity 1 (Machado, Oliveira & Fernandes 2009), after plain sight.
EYES = {
    "all": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protan": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deutan": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritan": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}
GROUND = ("#ffffff", "#14171a")


def linear(colour: str) -> list[float]:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]


def contrast(one: str, other: str) -> float:
    low, high = sorted(sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear(x), strict=True)) + 0.05
                       for x in (one, other))  # fmt: skip
    return high / low


def oklab(colour: str, eye: str) -> tuple[float, float, float]:
    r, g, b = (min(1.0, max(0.0, sum(w * c for w, c in zip(row, linear(colour), strict=True)))) for row in EYES[eye])
    long = (0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b) ** (1 / 3)
    middle = (0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b) ** (1 / 3)
    short = (0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b) ** (1 / 3)
    return (0.2104542553 * long + 0.7936177850 * middle - 0.0040720468 * short,
            1.9779984951 * long - 2.4285922050 * middle + 0.4505937099 * short,
            0.0259040371 * long + 0.7827717662 * middle - 0.8086757660 * short)  # fmt: skip


def hues(letter: str, theme: int) -> list[str]:
    return [pair[theme] for pair in re.findall(rf"--{letter}\d: light-dark\((#\w+), (#\w+)\)", CSS)]


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_hues_stand_out_and_letters_on_them_are_readable(theme: int) -> None:
    for hue, ink in zip(hues("e", theme), hues("i", theme), strict=True):
        assert contrast(hue, GROUND[theme]) >= 3
        assert contrast(hue, ink) >= 4.5


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_hues_are_told_apart_by_every_eye(theme: int, eye: str) -> None:
    """Grey on black is 1 apart; two hues differ by at least 0.085 in OKLab, over four times what is just noticed."""
    found = [oklab(hue, eye) for hue in hues("e", theme)]
    assert len(found) == len(KIND.primary.labels)
    assert min(math.dist(a, b) for a, b in itertools.combinations(found, 2)) >= 0.085

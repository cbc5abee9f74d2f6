"""Timeline metrics on small timelines, every value worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from eval.metrics.metric import Options, Value
from eval.timeline.describe import describe
from eval.timeline.match import assign, greedy, iou_table, match_points
from eval.timeline.spans import Span, spans
from eval.timeline.table import TIMELINE
from eval.timeline.trajectory import valence_costs
from eval.timeline.turning import Turn, boundaries, joints, turns
from tasks.kinds import KINDS
from tasks.task import AnyOf, OneOf, Timeline

KIND = KINDS["Timeline:emos"]
ROWS = {metric.name: metric for metric in TIMELINE}
NAN = math.nan


def said(
    start: float, end: float, primary: str | None, secondary: list[str] | None = None, intensity: int | None = None
) -> dict[str, Any]:
    return {"start": start, "end": end, "primary": primary, "secondary": secondary, "intensity": intensity}


def timeline(*utterances: dict[str, Any]) -> dict[str, Any]:
    return {"summary": None, "trend": {"dominant": None, "trajectory": None}, "utterances": list(utterances)}


def scores(gold: Sequence[Value], answers: Sequence[Value | None], names: Any = ROWS) -> dict[str, float]:
    return {name: ROWS[name](gold, answers, KIND) for name in names}


# 0        10        20   25   30 s
# |  Joy   |  Anger  |    | Anger |      25 s have a label, 20-25 has none
#    3         4             5           intensity
GOLD = timeline(
    said(0, 10, "Joy", ["joy", "love"], 3),
    said(10, 20, "Anger", ["anger"], 4),
    said(25, 30, "Anger", ["annoyance"], 5),
)
ONE, TWO, THREE = GOLD["utterances"]

# name: answer, what its scores are
CASES: dict[str, tuple[Value | None, dict[str, float]]] = {
    "itself": (GOLD, {name: 0.0 if name in ("tl_intensity_mae", "tl_valence_dtw") else 1.0 for name in ROWS}),
    # everything 2 s late; IoU 8/12, 8/12, 3/7
    "shifted": (
        timeline(*({**item, "start": item["start"] + 2, "end": item["end"] + 2} for item in GOLD["utterances"])),
        {
            "tl_iou50_p": 2 / 3, "tl_iou50_r": 2 / 3, "tl_iou50_f1": 2 / 3, "tl_match_f1": 1,
            "tl_accuracy": 1, "tl_macro_f1": 1, "tl_secondary_micro_f1": 1, "tl_intensity_mae": 0,
            # boundaries 0 10 20 25 30 and 2 12 22 27 32: none within 1 s
            "tl_boundary_p_1s": 0, "tl_boundary_r_1s": 0, "tl_boundary_f1_1s": 0,
            # one turn, at 10 and at 12: the tolerance counts in
            "tl_turn_f1_500ms": 0, "tl_turn_f1_1s": 0, "tl_turn_f1_2s": 1, "tl_turn_type_1s": NAN, "tl_turn_type_2s": 1,
            "tl_joint_f1_1s": 0, "tl_joint_f1_2s": 1,
            # within 0-30: Joy 2-12 (8 s shared), Anger 12-22 and 27-30 (8 + 3 s shared)
            "tl_time_agreement": 19 / 25,
            "tl_time_macro_f1": (16 / 20 + 22 / 28) / 2,
            "tl_time_weighted_f1": (10 * 16 / 20 + 15 * 22 / 28) / 25,
            # silent at 0-2 and 25-27: the first cell costs 2 * 2, three steps to the right 2 each, the rest warps away
            "tl_valence_dtw": (4 + 2 + 2 + 2) / 50,
        },
    ),
    # every utterance in two; the last second half says Joy
    "split": (
        timeline(
            said(0, 5, "Joy"), said(5, 10, "Joy"), said(10, 15, "Anger"), said(15, 20, "Anger"),
            said(25, 28, "Anger"), said(28, 30, "Joy"),
        ),
        {
            # IoU 1/2 1/2, 1/2 1/2, 3/5 2/5
            "tl_iou50_p": 3 / 6, "tl_iou50_r": 1, "tl_iou50_f1": 6 / 9, "tl_match_p": 3 / 6, "tl_match_r": 1,
            "tl_accuracy": 1, "tl_accuracy_matched": 1, "tl_macro_f1": 1,
            "tl_secondary_micro_f1": 0, "tl_intensity_mae": NAN, "tl_intensity_qwk": NAN,
            # 0 5 10 15 20 25 28 30 for 0 10 20 25 30
            "tl_boundary_p_250ms": 5 / 8, "tl_boundary_r_250ms": 1, "tl_boundary_f1_250ms": 10 / 13,
            # turns at 10 and at 28; joints 5 10 15 25 28 for 10 25
            "tl_turn_p_500ms": 1 / 2, "tl_turn_r_500ms": 1, "tl_turn_f1_500ms": 2 / 3, "tl_turn_type_500ms": 1,
            "tl_joint_p_500ms": 2 / 5, "tl_joint_r_500ms": 1, "tl_joint_f1_500ms": 4 / 7,
            "tl_time_agreement": 23 / 25,
            "tl_time_macro_f1": (20 / 22 + 26 / 28) / 2,
            "tl_time_weighted_f1": (10 * 20 / 22 + 15 * 26 / 28) / 25,
            # down to the last row along Anger for nothing, then two steps to the right at 2 each
            "tl_valence_dtw": 4 / 50,
        },
    ),
    # the first two in one
    "merged": (
        timeline(said(0, 19, "Joy", ["joy"], 3), THREE),
        {
            # IoU 10/19 with the first, 9/20 with the second
            "tl_iou50_p": 1, "tl_iou50_r": 2 / 3, "tl_iou50_f1": 4 / 5, "tl_match_p": 1, "tl_match_r": 2 / 3,
            "tl_accuracy": 2 / 3, "tl_accuracy_matched": 1,
            "tl_macro_f1": (1 + 2 / 3) / 2, "tl_macro_f1_matched": 1,
            # hits joy, annoyance; answered the same; gold joy love anger annoyance
            "tl_secondary_micro_f1": 4 / 6, "tl_secondary_macro_f1": 2 / 4,
            "tl_secondary_micro_f1_matched": 4 / 5, "tl_secondary_macro_f1_matched": 2 / 3,
            "tl_intensity_mae": 0, "tl_intensity_qwk": 1,
            # 0 19 25 30 for 0 10 20 25 30
            "tl_boundary_p_250ms": 3 / 4, "tl_boundary_r_250ms": 3 / 5, "tl_boundary_p_1s": 1,
            "tl_boundary_r_1s": 4 / 5,
            # from Joy to Anger, but at 25
            "tl_turn_p_2s": 0, "tl_turn_r_2s": 0, "tl_turn_type_2s": NAN, "tl_joint_p_1s": 1, "tl_joint_r_1s": 1 / 2,
            "tl_time_agreement": 15 / 25,
            "tl_time_macro_f1": (20 / 29 + 10 / 20) / 2,
        },
    ),
    # without the first
    "missing": (
        timeline(TWO, THREE),
        {
            "tl_iou50_p": 1, "tl_iou50_r": 2 / 3, "tl_match_f1": 4 / 5,
            "tl_accuracy": 2 / 3, "tl_accuracy_matched": 1, "tl_macro_f1": 1 / 2, "tl_macro_f1_matched": 1,
            "tl_secondary_micro_f1": 4 / 6, "tl_secondary_micro_f1_matched": 1,
            "tl_boundary_p_1s": 1, "tl_boundary_r_1s": 4 / 5,  # 10 20 25 30
            "tl_turn_p_1s": 0, "tl_turn_r_1s": 0, "tl_turn_f1_1s": 0, "tl_joint_p_1s": 1, "tl_joint_r_1s": 1 / 2,
            "tl_time_agreement": 15 / 25, "tl_time_macro_f1": 1 / 2, "tl_time_weighted_f1": 15 / 25,
            "tl_valence_dtw": 10 * 2 * 2 / 50,  # ten silent seconds
        },
    ),
    # one more in the gap, one after the end
    "extra": (
        timeline(*GOLD["utterances"], said(20, 24, "Fear", ["fear"], 1), said(40, 50, "Joy", ["joy"], 1)),
        {
            "tl_iou50_p": 3 / 5, "tl_iou50_r": 1, "tl_match_p": 3 / 5, "tl_match_r": 1, "tl_match_f1": 6 / 8,
            "tl_accuracy": 1, "tl_macro_f1": 1, "tl_secondary_macro_f1": 1, "tl_intensity_mae": 0,
            # 0 10 20 24 25 30 40 50
            "tl_boundary_p_250ms": 5 / 8, "tl_boundary_r_250ms": 1,
            # turns at 10, 20 (to Fear), 25 (from Fear), 40 (to Joy)
            "tl_turn_p_500ms": 1 / 4, "tl_turn_r_500ms": 1,
            "tl_time_agreement": 1,
            "tl_time_macro_f1": (1 + 1 + 0) / 3,  # Fear holds for 4 s where gold has nothing; after 30 s nothing counts
            "tl_time_weighted_f1": 1,
            "tl_valence_dtw": 0,
        },
    ),
    "empty": (timeline(), {name: 0.0 for name in ROWS if "matched" not in name and "type" not in name}
              | {name: NAN for name in ROWS if "matched" in name or "type" in name}
              | {"tl_intensity_mae": NAN, "tl_intensity_qwk": NAN, "tl_valence_dtw": 2.0}),
    "one utterance": (
        timeline(said(0, 15, "Joy", ["joy", "love"], 3)),
        {
            # IoU 10/15 with the first, 5/20 with the second
            "tl_iou50_p": 1, "tl_iou50_r": 1 / 3, "tl_iou50_f1": 1 / 2, "tl_match_r": 1 / 3,
            "tl_accuracy": 1 / 3, "tl_accuracy_matched": 1, "tl_macro_f1": (1 + 0) / 2, "tl_macro_f1_matched": 1,
            "tl_secondary_micro_f1": 2 * 2 / (2 + 4), "tl_intensity_mae": 0, "tl_intensity_qwk": NAN,
            "tl_boundary_p_1s": 1 / 2, "tl_boundary_r_1s": 1 / 5,
            "tl_turn_p_1s": 0, "tl_turn_r_1s": 0, "tl_turn_type_1s": NAN, "tl_joint_f1_2s": 0,
            "tl_time_agreement": 10 / 25, "tl_time_macro_f1": (20 / 25 + 0) / 2,
            "tl_time_weighted_f1": 10 * 20 / 25 / 25,
            "tl_valence_dtw": (15 * 2 + 10 * 2) / 50,  # 15 rows of Anger, 10 silent columns
        },
    ),
    # times right, all else wrong
    "wrong labels": (
        timeline(said(0, 10, "Anger", ["anger"], 3), said(10, 20, "Joy", [], 5), said(25, 30, "Joy", None, 3)),
        {
            "tl_iou50_f1": 1, "tl_accuracy": 0, "tl_macro_f1_matched": 0, "tl_secondary_micro_f1": 0,
            "tl_intensity_mae": (0 + 1 + 2) / 3,
            # Σ(i-j)² = 0 + 1 + 4; by chance, gold 3 4 5 with each of 3 5 3: (0+4+0 + 1+1+1 + 4+0+4) / 3
            "tl_intensity_qwk": 1 - 5 / 5,
            "tl_turn_f1_500ms": 1, "tl_turn_type_500ms": 0, "tl_time_agreement": 0,
        },
    ),
    # the second states no label: it is found, and wrong; the turn is then at 25
    "no label": (
        timeline(ONE, {**TWO, "primary": None}, THREE),
        {
            "tl_match_f1": 1, "tl_accuracy": 2 / 3, "tl_accuracy_matched": 2 / 3, "tl_macro_f1": (1 + 2 / 3) / 2,
            "tl_macro_f1_matched": (1 + 2 / 3) / 2, "tl_secondary_micro_f1": 1,
            "tl_turn_r_2s": 0, "tl_joint_r_500ms": 1, "tl_time_agreement": 15 / 25,
        },
    ),
    # from 5 s on Fear, said over Joy: the later one holds
    "overlap": (
        timeline(*GOLD["utterances"], said(5, 10, "Fear")),
        {
            "tl_match_p": 3 / 4, "tl_accuracy": 1, "tl_time_agreement": 20 / 25,
            "tl_time_macro_f1": (10 / 15 + 1 + 0) / 3,  # Joy: 5 s of 5 and 10
        },
    ),
    # the last one goes on for ages: 5 s of 10^9
    "beyond the clip": (
        timeline(ONE, TWO, {**THREE, "end": 1e300}),
        {"tl_iou50_r": 2 / 3, "tl_match_r": 1, "tl_accuracy": 1, "tl_time_agreement": 1, "tl_time_macro_f1": 1,
         "tl_boundary_p_1s": 4 / 5, "tl_valence_dtw": 0},
    ),
    # utterances of no length: answered, never found
    "of no length": (
        timeline(said(0, 0, "Joy"), said(10, 10, "Anger"), said(30, 30, "Joy")),
        {"tl_match_p": 0, "tl_match_r": 0, "tl_accuracy": 0, "tl_turn_r_500ms": 1, "tl_turn_p_500ms": 1 / 2,
         "tl_time_agreement": 0, "tl_valence_dtw": 2},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_timeline_by_hand(name: str) -> None:
    answer, expected = CASES[name]
    assert scores([GOLD], [answer], expected) == pytest.approx(expected, nan_ok=True)


def test_no_answer_is_the_empty_timeline() -> None:
    assert scores([GOLD], [None]) == pytest.approx(CASES["empty"][1], nan_ok=True)


def test_nothing_in_gold_and_nothing_answered_is_undefined() -> None:
    assert all(math.isnan(score) for score in scores([timeline()], [timeline()]).values())
    assert all(math.isnan(score) for score in scores([timeline()], [None]).values())


def test_an_answer_where_gold_is_empty_costs_precision() -> None:
    found = scores([timeline()], [GOLD])
    assert {name for name, score in found.items() if score == 0} == {
        name for name in ROWS if name.startswith(("tl_iou50_", "tl_match_", "tl_boundary_", "tl_joint_"))
        or (name.startswith("tl_turn_") and "type" not in name)
    }  # fmt: skip
    assert all(math.isnan(score) for score in found.values() if score != 0)
    # a second, perfect clip: three of six are found
    assert scores([timeline(), GOLD], [GOLD, GOLD], ["tl_match_p", "tl_match_r", "tl_accuracy"]) == {
        "tl_match_p": 3 / 6, "tl_match_r": 1, "tl_accuracy": 1
    }  # fmt: skip


def test_clips_are_pooled_and_a_missing_one_counts() -> None:
    # one clip of three utterances perfect, one of one utterance without an answer: 3 of 4, not the mean of 1 and 0
    gold = [GOLD, timeline(said(0, 75, "Joy", ["joy"], 1))]
    found = scores(gold, [GOLD, None], ["tl_accuracy", "tl_match_r", "tl_match_p", "tl_time_agreement"])
    assert found == {"tl_accuracy": 3 / 4, "tl_match_r": 3 / 4, "tl_match_p": 1, "tl_time_agreement": 25 / 100}


def test_one_utterance_has_no_turn_and_no_joint() -> None:
    lone = timeline(said(0, 4, "Joy", ["joy"], 2))
    found = scores([lone], [lone])
    undefined = {name for name, score in found.items() if math.isnan(score)}
    assert undefined == {name for name in ROWS if name.startswith(("tl_turn_", "tl_joint_"))} | {"tl_intensity_qwk"}
    assert all(score == ROWS[name].best for name, score in found.items() if name not in undefined)


def test_an_unknown_gold_set_of_secondary_labels_is_left_out() -> None:
    gold = timeline(ONE, {**TWO, "secondary": None}, {**THREE, "secondary": []})
    told = timeline({**ONE, "secondary": None}, {**TWO, "secondary": ["anger"]}, THREE)
    # answered: nothing for joy, love; annoyance where gold is empty; the second is not counted
    counts = ROWS["tl_secondary_micro_f1"].statistics([gold], [told], KIND, Options())
    assert counts.sum(-2).tolist() == [[[0, 1, 2], [0, 1, 2]]]


# --- the parts


def span(start: int, end: int, primary: str | None = "Joy") -> Span:
    return Span(start, end, primary, frozenset(), None)


def test_iou_by_hand() -> None:
    table = iou_table([span(0, 10), span(10, 20)], [span(5, 15), span(0, 10), span(30, 40), span(4, 4)])
    assert table.tolist() == [[5 / 15, 1, 0, 0], [5 / 15, 0, 0, 0]]
    assert iou_table([span(4, 4)], [span(4, 4)]).tolist() == [[0]], "of no length"
    assert iou_table([], [span(0, 1)]).shape == (0, 1)


def test_the_two_rules_differ_where_the_highest_pair_blocks_two() -> None:
    # IoU 10/12 and 1 with the first gold, 2/20 and 0 with the second ...
    table = iou_table([span(0, 10), span(10, 20)], [span(0, 12), span(0, 10)])
    assert greedy(table) == [(0, 1)]
    assert assign(table) == [(0, 1), (1, 0)]
    # ... and here the best pair, 0.6, leaves nothing for the other, while 0.55 + 0.5 is more
    costs = np.array([[0.6, 0.55], [0.5, 0.0]])
    assert greedy(costs) == [(0, 0)]
    assert assign(costs) == [(0, 1), (1, 0)]


def test_greedy_takes_an_iou_of_exactly_a_half() -> None:
    assert greedy(iou_table([span(0, 10)], [span(0, 5)])) == [(0, 0)]
    assert greedy(iou_table([span(0, 10)], [span(0, 4)])) == []


def test_points_are_paired_as_often_as_can_be_and_then_as_near_as_can_be() -> None:
    assert match_points([1000, 2000], [2000], 1000) == [(1, 0)], "the nearer one"
    assert match_points([1000, 2000], [2000, 3000], 1000) == [(0, 0), (1, 1)], "two pairs before one that is exact"
    assert match_points([0], [1000], 1000) == [(0, 0)], "the tolerance counts in"
    assert match_points([0], [1001], 1000) == []
    assert match_points([], [5], 1000) == []


def test_points_of_a_timeline() -> None:
    found = spans(timeline(said(20, 25, "Anger"), said(0, 10, "Joy"), said(10, 15, None), said(30, 31, "Anger")), KIND)
    assert boundaries(found) == [0, 10_000, 15_000, 20_000, 25_000, 30_000, 31_000]
    assert joints(found) == [10_000, 20_000, 30_000]
    assert turns(found) == [Turn(20_000, "Joy", "Anger")]


def test_facts_by_hand() -> None:
    facts = describe([GOLD, None, timeline(ONE)], KIND)
    assert (facts.clips, facts.utterances, facts.turning_points, facts.joints, facts.seconds) == (3, 4, 1, 2, 35)
    assert (facts.most_turning_points, facts.most_joints) == (1, 2)
    assert {label: count for label, count in facts.primary.items() if count} == {"Joy": 2, "Anger": 2}
    assert facts.secondary["love"] == 2
    assert facts.intensity == {1: 0, 2: 0, 3: 2, 4: 1, 5: 1}


# --- what is refused


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (said(5, 4, "Joy"), "from 5 s to 4 s"),
        ({"end": 4, "primary": "Joy"}, "a time is None"),
        (said(math.nan, 4, "Joy"), "a time is nan"),
        ({"start": True, "end": 4, "primary": "Joy"}, "a time is True"),
        (said(0, 4, "Contempt"), "'Contempt' is not one of Anger"),
        (said(0, 4, "joy"), "'joy' is not one of"),
        (said(0, 4, "Joy", ["Unsure"]), "'Unsure' is not one of admiration"),
        (said(0, 4, "Joy", [], 6), "intensity is 6; legal are 1 to 5"),
        ("Joy", "is 'Joy'; an object"),
    ],
)
def test_what_is_no_utterance_is_refused_with_its_number(item: Any, message: str) -> None:
    wrong = {"utterances": [said(0, 1, "Joy"), item]}
    for gold, answer in ((wrong, None), (GOLD, wrong)):
        with pytest.raises(ValueError, match="utterance 2") as caught:
            ROWS["tl_accuracy"]([gold], [answer], KIND)
        assert message in str(caught.value)


def test_gold_needs_a_label_and_a_length() -> None:
    with pytest.raises(ValueError, match="None is not one of"):
        spans(timeline(said(0, 1, None)), KIND, gold=True)
    with pytest.raises(ValueError, match="from 1 s to 1 s"):
        spans(timeline(said(1, 1, "Joy")), KIND, gold=True)
    with pytest.raises(ValueError, match="a list of utterances"):
        spans({"utterances": "none"}, KIND)


def test_valence_is_set_for_the_seven_emotions_only() -> None:
    kind = Timeline(OneOf(("Joy", "Contempt")), AnyOf(("joy",)))
    with pytest.raises(ValueError, match="no valence is set for 'Contempt'"):
        valence_costs([], [], kind)

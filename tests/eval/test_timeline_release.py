"""The timelines of the real streaming release of EmoS: its counts, and its gold against itself."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from eval.annotators.paper_streaming import table_6, table_10
from eval.timeline.describe import describe
from eval.timeline.spans import spans
from eval.timeline.table import TIMELINE
from eval.timeline.turning import joints, turns
from tasks.emos_stream import KIND, timeline
from tasks.emos_stream_release import Emotions, find_streaming, read_streaming

RELEASE = Path(__file__).parents[2].parent / "shared" / "data" / "emos"


@pytest.fixture(scope="module")
def clips() -> list[Emotions]:
    if not RELEASE.is_dir():
        pytest.skip("needs the EmoS release beside the checkout")
    return [emotions for emotions, _ in read_streaming(find_streaming(RELEASE))]


def test_counts_of_the_release(clips: list[Emotions]) -> None:
    facts = describe([timeline(clip) for clip in clips], KIND)
    assert (facts.clips, facts.utterances, facts.turning_points, facts.joints) == (46, 447, 233, 401)
    assert (facts.most_turning_points, facts.most_joints) == (15, 25)
    assert facts.intensity == {1: 3, 2: 65, 3: 157, 4: 131, 5: 91}
    shares = {label: round(100 * count / 447, 2) for label, count in facts.primary.items()}
    assert shares == {"Anger": 23.04, "Disgust": 6.71, "Fear": 3.80, "Joy": 20.36, "Neutral": 20.58,
                      "Sadness": 24.16, "Surprise": 1.34}  # fmt: skip
    # 89 of 1,044 labels are outside the vocabulary as written, 73 are still once emojis are taken off
    assert sum(facts.secondary.values()) == 1044 - 73
    exact = {label: round(4.47 * share) for label, (share, _) in table_10(clips).items()}
    assert sum(exact.values()) == 1044 - 89
    assert all(exact[label] <= facts.secondary[label] for label in exact)


def test_the_annotators_tables_count_the_same(clips: list[Emotions]) -> None:
    facts = describe([timeline(clip) for clip in clips], KIND)
    assert table_6(clips)["turning points"] == (facts.turning_points, facts.joints)
    assert table_6(clips)["most in a clip"] == (facts.most_turning_points, facts.most_joints)


def test_turning_points_of_single_clips(clips: list[Emotions]) -> None:
    found = {clip.title: spans(timeline(clip), KIND) for clip in clips}
    changes = {title: len(turns(one)) for title, one in found.items()}
    assert {title for title, count in changes.items() if count == 0} == {"Heat", "The Imitation Game", "Macbeth"}
    assert (changes["Wait and See"], changes["Any Given Sunday"], len(joints(found["Any Given Sunday"]))) == (
        15,
        14,
        25,
    )


def test_gold_against_itself_is_best_on_every_clip_and_on_all(clips: list[Emotions]) -> None:
    gold = [timeline(clip) for clip in clips]
    for metric in TIMELINE:
        assert metric(gold, gold, KIND) == metric.best, metric.name
        for value, clip in zip(gold, clips, strict=True):
            found = metric([value], [value], KIND)
            assert found == metric.best or (
                math.isnan(found) and metric.name.startswith(("tl_turn_", "tl_intensity_qwk"))
            ), (metric.name, clip.title)


def test_the_release_unanswered_is_worst(clips: list[Emotions]) -> None:
    gold = [timeline(clip) for clip in clips]
    for metric in TIMELINE:
        found = metric(gold, [None] * len(gold), KIND)
        if metric.missing == "left out":
            assert math.isnan(found), metric.name
        else:
            assert found == (metric.high if metric.best == metric.low else metric.low), metric.name

"""The two procedures behind basic_corrected, worked out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.annotators.books import labels_in
from eval.annotators.corrected import Corrected, basic_of, by_share, by_votes, vote
from tasks.emos_release import goemotions
from tasks.labels import label_space

B7 = label_space("basic7").labels


@pytest.mark.parametrize(
    ("soft", "original", "label", "best", "second", "score", "reason"),
    [
        # 2 of 4 for Joy
        ("joy 1 love 1 fear 1 anger 1", "Anger", "Joy", "Joy", "Anger", 2 / 4, "high_goemotion"),
        # 2 of 5 for Sadness, which is the original
        ("grief 2 joy 1 fear 1 anger 1", "Sadness", "Sadness", "Sadness", "Anger", 2 / 5, "agree_orig"),
        # Anger and Joy tie at 2 of 5; the original ranks second
        ("anger 2 joy 2 fear 1", "Joy", "Joy", "Anger", "Joy", 2 / 5, "prefer_orig_second"),
        # Anger, Fear and Joy tie at 1 of 3; the original ranks third
        ("anger 1 joy 1 fear 1", "Joy", "Joy", "Anger", "Fear", 1 / 3, "prefer_orig_close"),
        # the original has less than the best
        ("anger 2 joy 1 fear 1 disgust 1", "Joy", "Anger", "Anger", "Disgust", 2 / 5, "override_low_conf"),
        # caring is Neutral here, embarrassment Sadness; unsure is Neutral
        ("caring 1 unsure 1 embarrassment 1", "Joy", "Neutral", "Neutral", "Sadness", 2 / 3, "high_goemotion"),
    ],
)
def test_the_first_3000_by_hand(
    soft: str, original: str, label: str, best: str, second: str, score: float, reason: str
) -> None:
    words = soft.split()
    found = by_share(dict(zip(words[::2], map(int, words[1::2]), strict=True)), original)
    assert (found.label, found.best, found.second, found.reason) == (label, best, second, reason)
    assert found.confidence == pytest.approx(score)


def test_a_clip_without_labels_has_no_share() -> None:
    with pytest.raises(ValueError, match="no annotator gave a GoEmotions label"):
        by_share({"joy": 0}, "Joy")


@pytest.mark.parametrize(
    ("labels", "original", "expected"),
    [
        ("joy love anger", "Anger", "Joy"),
        ("joy anger", "Joy", "Joy"),
        ("joy anger", "Fear", "Anger"),
        ("", "Fear", "Fear"),
        ("caring", "Fear", "Joy"),
        ("embarrassment", "Fear", "Disgust"),
        ("unsure", "Fear", "Neutral"),
    ],
)
def test_a_vote_of_the_last_2000_by_hand(labels: str, original: str, expected: str) -> None:
    assert vote(labels.split(), original) == expected


def test_the_last_2000_by_hand() -> None:
    """Two clips of one mind and one of three: T starts at 1, 1, and thirds over Joy, Fear, Anger; nobody else's votes
    tell the annotators apart, so annotator 1 says Joy for Joy always, …; the thirds stay, and the first label wins."""
    found, model = by_votes([["Joy"] * 3, ["Fear"] * 3, ["Anger", "Fear", "Joy"]])
    assert [one.label for one in found[:2]] == ["Joy", "Fear"]
    assert {one.reason for one in found[:2]} == {"ds_high_conf"}
    assert found[2].confidence + found[2].second_score <= 1 + 1e-12
    assert found[2].confidence >= found[2].second_score
    assert found[2].best == found[2].label != found[2].second
    assert model.steps <= 50


def test_the_two_halves_differ_in_two_labels() -> None:
    first, last = basic_of("first3000"), basic_of("last2000")
    assert set(first) == set(last) == set(goemotions())
    assert {label: (first[label], last[label]) for label in first if first[label] != last[label]} == {
        "caring": ("Neutral", "Joy"),
        "embarrassment": ("Sadness", "Disgust"),
    }
    assert set(first.values()) == set(last.values()) == set(B7)


softs = st.dictionaries(st.sampled_from(goemotions()), st.integers(1, 3), min_size=1)


@given(softs, st.sampled_from(B7))
def test_every_soft_label_gives_a_coherent_result(soft: dict[str, int], original: str) -> None:
    found: Corrected = by_share(soft, original)
    assert 1 / 7 <= found.second_score + found.confidence <= 1 + 1e-12
    assert found.second_score <= found.confidence
    assert found.best != found.second
    assert found.label in (found.best, original)
    assert (found.reason == "high_goemotion") == (found.confidence >= 0.5)
    doubled = by_share({label: 2 * count for label, count in soft.items()}, original)
    assert doubled[:4:3] == found[:4:3]
    assert doubled.reason == found.reason


@pytest.mark.parametrize(
    ("cell", "labels"),
    [
        ("joy;love", "joy love"),
        (" joy ; love;", "joy love"),
        ("joy;joy", "joy"),
        ("Joy", ""),
        ("jou;grtitude", ""),
        ("anoyance", "annoyance"),
        ("realization          re", ""),
        ("", ""),
    ],
)
def test_only_exact_labels_count(cell: str, labels: str) -> None:
    assert labels_in(cell, goemotions()) == set(labels.split())

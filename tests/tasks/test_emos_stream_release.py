"""Reading the streaming EmoS part: fences, bilingual labels, emojis, and what is refused."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.emos_release import goemotions
from tasks.emos_stream_release import (
    Emotions,
    Sentences,
    find_streaming,
    primary_label,
    read_emotions,
    read_sentences,
    read_streaming,
    secondary_label,
    strip_fence,
    titles,
    turning_points,
)
from tests.tasks.emos_stream_fixture import clips, sentences, utterance, write_clips

SHARED = Path(__file__).parents[2].parent / "shared"
RELEASE = SHARED / "data" / "emos"
TITLE = "A Clip's Title"


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return write_clips(tmp_path, clips())


def test_what_a_clip_holds(base: Path) -> None:
    found = read_emotions(base, TITLE)
    assert (found.title, found.summary, found.dominant, found.trajectory) == (TITLE, "s", "Joy", "up")
    first, _, last = found.utterances
    assert (first.start_s, first.end_s, first.primary, first.as_written) == (0, 4, "Anger", "Anger/愤怒")
    assert first.secondary == ("anger 😠", "annoyance")
    assert (last.start_s, last.end_s, last.intensity, last.speaker) == (9, 72, 3, "x")
    assert read_emotions(base, "Another").utterances[0].speaker == ""
    assert turning_points([one.primary for one in found.utterances]) == 1


def test_what_the_sentences_of_a_clip_hold(base: Path) -> None:
    found = read_sentences(base, TITLE)
    assert (found.language, found.film, found.source, found.duration_s) == ("en", TITLE, "all/all.mp4", 72.5)
    assert [(one.index, one.start_s, one.end_s, one.text, one.file) for one in found.sentences] == [
        (1, 0.0, 1.5, "Yes.", "segment001.mp4"),
        (2, 1.5, 72.25, "No.", "segment002.mp4"),
    ]


@pytest.mark.parametrize("place", [".", "datasets", "datasets/data-final", "datasets/streaming-finalsplit"])
def test_the_folder_is_found_from_every_part_of_the_release(base: Path, place: str) -> None:
    root = base.parents[1]
    (root / "datasets/data-final").mkdir()
    assert find_streaming(root / place).samefile(base)
    assert titles(base) == [TITLE, "Another"]
    assert [(e.title, s.title) for e, s in read_streaming(base, expected=2)] == [(t, t) for t in titles(base)]


def test_a_folder_without_clips_is_refused(base: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no streaming part.*\n.*streaming-finalsplit"):
        find_streaming(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="2 clips, 46 expected"):
        list(read_streaming(base))


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ('```json\n{"a": 1}\n```', '{"a": 1}'),
        ('\ufeff```json\r\n{"a": 1}\n```\n\n', '{"a": 1}'),
        ('```\n{"a": 1}\n  ```', '{"a": 1}'),
        ('```json\n{"a": "```"}\n```', '{"a": "```"}'),
        ('{"a": 1}', '{"a": 1}'),
        ("```json", "```json"),
    ],
)
def test_fences(text: str, inside: str) -> None:
    assert strip_fence(text) == inside


@given(st.text(), st.sampled_from(["", "json"]))
def test_any_body_comes_out_of_its_fence(body: str, name: str) -> None:
    assert strip_fence(f"```{name}\n{body}\n```") == body


@pytest.mark.parametrize(
    ("text", "label"),
    [("Anger", "Anger"), ("Anger/愤怒", "Anger"), (" Joy /喜悦/x", "Joy"), ("anger", None), ("愤怒", None), ("", None)],
)
def test_primary_labels(text: str, label: str | None) -> None:
    assert primary_label(text) == label


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("grief 😢", "grief"),
        ("joy", "joy"),
        (" Joy🎉✨ ", "joy"),
        ("self-pity", "self-pity"),
        ("😢", "😢"),
        ("despair (悲)", "despair"),
        ("joy or fear?", "joy or fear"),
    ],
)
def test_secondary_labels(text: str, label: str) -> None:
    assert secondary_label(text) == label


@given(st.lists(st.sampled_from("abc"), max_size=8))
def test_turning_points_are_counted_between_neighbours(labels: list[str]) -> None:
    found = turning_points(labels)
    assert 0 <= found <= max(0, len(labels) - 1)
    assert found == turning_points(labels[::-1])
    assert turning_points([x for x in labels for _ in range(2)]) == found


# --- damage


def change(files: dict[str, dict[str, Any]], at: int, **values: Any) -> dict[str, dict[str, Any]]:
    files[TITLE]["utterances"][at] |= values
    return files


@pytest.mark.parametrize(
    ("at", "values", "said"),
    [
        (1, {"timestamp_range": "5-9"}, r"utterance 2: found the range '5-9'"),
        (1, {"timestamp_range": "00:09-00:05"}, "the end after the start"),
        (1, {"timestamp_range": "00:05-00:75"}, "legal is MM:SS-MM:SS"),
        (1, {"timestamp_range": "٠٠:٠٥-٠٠:٠٩"}, "legal is MM:SS-MM:SS"),
        (1, {"timestamp_range": "00:03-00:09"}, "utterance 2: starts at 3 s, before the one before it ends"),
        (0, {"emotion_primary": "Rage/愤怒"}, "utterance 1: found the emotion 'Rage/愤怒', legal is one of Anger"),
        (0, {"emotion_primary": None}, "field 'emotion_primary' should be str"),
        (0, {"emotion_secondary": "joy"}, "field 'emotion_secondary' should be list"),
        (0, {"emotion_secondary": ["joy", 3]}, "should be a list of words"),
        (0, {"intensity": 6}, "found the intensity 6, legal is 1 to 5"),
        (0, {"intensity": "3"}, "field 'intensity' should be int"),
        (0, {"intensity": True}, "field 'intensity' should be int"),
        (0, {"evidence": ["x"]}, "field 'evidence' should be str"),
    ],
)
def test_a_damaged_utterance_is_named(tmp_path: Path, at: int, values: dict[str, Any], said: str) -> None:
    base = write_clips(tmp_path, change(clips(), at, **values))
    with pytest.raises(ValueError, match=said) as caught:
        read_emotions(base, TITLE)
    assert f"{TITLE}.emotion.json" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["", "```json\n{\n```", "[1]", "null", '{"utterances": []}', "[" * 100_000, '{"summary": "s"', "\x00"],
    ids=["empty", "cut off", "list", "null", "no summary", "deep", "open", "zero byte"],
)
def test_a_file_that_is_no_annotation_is_refused(base: Path, text: str) -> None:
    path = base / TITLE / f"{TITLE}.emotion.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="take the file from the release"):
        read_emotions(base, TITLE)


def test_utterances_that_are_no_objects_are_refused(base: Path) -> None:
    path = base / TITLE / f"{TITLE}.emotion.json"
    path.write_text(json.dumps(clips()[TITLE] | {"utterances": ["hello"]}), encoding="utf-8")
    with pytest.raises(ValueError, match="utterance 1: field 'timestamp_range'"):
        read_emotions(base, TITLE)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"filename": "../../passwd"}, "found the file '../../passwd', legal is a name such as segment001.mp4"),
        ({"start": -1}, "field 'start' should be seconds from 0 on"),
        ({"end": math.nan}, "field 'end' should be seconds"),
        ({"end": "3"}, "field 'end' should be seconds"),
        ({"start": 80.0}, "ends at 72.25 s, before its start at 80.0 s"),
        ({"text": None}, "field 'text' should be str"),
    ],
)
def test_a_damaged_sentence_is_named(base: Path, values: dict[str, Any], said: str) -> None:
    record = sentences(TITLE)
    record["segments"][1] |= values
    (base / TITLE / "sentence_level_timestamps.json").write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(ValueError, match=f"segment 2: {said}"):
        read_sentences(base, TITLE)


def test_an_utterance_may_start_where_the_one_before_it_ends(tmp_path: Path) -> None:
    files = clips()
    files[TITLE]["utterances"] = [utterance("00:00-00:02", "Joy", []), utterance("00:02–00:03", "Joy", ["joy"])]
    found = read_emotions(write_clips(tmp_path, files), TITLE)
    assert [(one.start_s, one.end_s) for one in found.utterances] == [(0, 2), (2, 3)]


# --- the release


@pytest.fixture(scope="module")
def published() -> list[tuple[Emotions, Sentences]]:
    if not RELEASE.is_dir():
        pytest.skip("the EmoS release does not lie beside the checkout")
    return list(read_streaming(find_streaming(RELEASE)))


def test_totals_of_the_release(published: list[tuple[Emotions, Sentences]]) -> None:
    record = json.loads((SHARED / "spec/examples/emos.json").read_text(encoding="utf-8"))["streaming_totals"]
    utterances = [one for emotions, _ in published for one in emotions.utterances]
    turns = {e.title: turning_points([one.primary for one in e.utterances]) for e, _ in published}
    bounds = {e.title: len(e.utterances) - 1 for e, _ in published}
    assert len(published) == record["n_clips"] == 46
    assert len(utterances) == record["n_utterances"] == 447
    assert sum(len(s.sentences) for _, s in published) == record["n_segments"] == 1694
    assert sum(s.duration_s for _, s in published) == pytest.approx(record["total_seconds"], abs=0.005)
    assert sum(turns.values()) == record["turning_points"] == 233
    assert sum(bounds.values()) == record["utterance_boundaries"] == 401
    most = max(turns, key=lambda title: turns[title])
    assert [most, turns[most]] == record["max_turning_points"] == ["Wait and See", 15]
    most = max(bounds, key=lambda title: bounds[title])
    assert [most, bounds[most]] == record["max_boundaries"] == ["Any Given Sunday", 25]
    assert {title for title, count in turns.items() if not count} == {"Heat", "The Imitation Game", "Macbeth"}
    assert Counter(one.primary for one in utterances) == record["primary_normalised"]


def test_labels_as_written_in_the_release(published: list[tuple[Emotions, Sentences]]) -> None:
    utterances = [one for emotions, _ in published for one in emotions.utterances]
    words = [word for one in utterances for word in one.secondary]
    legal = set(goemotions())
    assert sum("/" in one.as_written for one in utterances) == 56
    assert Counter(one.intensity for one in utterances) == {1: 3, 2: 65, 3: 157, 4: 131, 5: 91}
    assert Counter(len(one.secondary) for one in utterances) == {1: 9, 2: 279, 3: 159}
    assert (len(words), len(set(words)), sum(word not in legal for word in words)) == (1044, 74, 89)
    others = [secondary_label(word) for word in words if secondary_label(word) not in legal]
    assert (len(others), len(set(others)), Counter(others)["determination"]) == (73, 37, 18)
    assert sum(not one.speaker for one in utterances) == 6
    late = sum(e.utterances[-1].end_s > s.duration_s + 1 for e, s in published)
    assert late == 8
    assert sum(s.language == "zh" for _, s in published) == 7

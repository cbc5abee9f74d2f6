"""The streaming EmoS task: gold as timelines, policies, where clips lie, and videos of one's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from prompts.parsing import Parsed, parse
from prompts.schema import dump
from tasks.emos_stream import EMOS_STREAM, KIND, OPTIONS, PUBLISHED, Counts, find_clips, own_videos, read_samples
from tasks.select import read_samples as select_samples
from tasks.task import Root, Sample
from tasks.validate import check_samples
from tests.tasks.emos_stream_fixture import clips, sentences, write_clips

RELEASE = Path(__file__).parents[2].parent / "shared" / "data" / "emos"
needs_release = pytest.mark.skipif(not RELEASE.is_dir(), reason="needs the EmoS release beside the checkout")
TITLE = "A Clip's Title"


def read(folder: Path, expected: Counts | None = None, media: Path | None = None, **options: str) -> list[Sample]:
    return read_samples(Root(folder, media, options), "all", expected)


@pytest.fixture
def release(tmp_path: Path) -> Path:
    write_clips(tmp_path, clips())
    return tmp_path


def test_a_clip_is_a_sample_with_its_timeline(release: Path) -> None:
    first, second = read(release)
    assert (first.id, second.id, first.language, first.text) == (TITLE, "Another", "en", "")
    assert first.gold is not None
    assert first.gold["summary"] == "s"
    assert first.gold["trend"] == {"dominant": "Joy", "trajectory": "up"}
    told = [(each["start"], each["end"], each["primary"], each["intensity"]) for each in first.gold["utterances"]]
    assert told == [(0, 4, "Anger", 3), (5, 9, "Anger", 3), (9, 72, "Joy", 3)], "a bilingual label is its English part"
    assert [each["secondary"] for each in first.gold["utterances"]] == [["anger", "annoyance"], ["anger"], ["joy"]]
    assert second.gold is not None
    assert second.gold["utterances"][0]["speaker"] is None, "the file names no speaker"


def test_meta_holds_what_modes_and_reports_need(release: Path) -> None:
    meta = read(release)[0].meta
    assert meta["film"] == TITLE
    assert meta["duration_s"] == 72.5
    assert meta["sentences"] == [[0.0, 1.5, "Yes."], [1.5, 72.25, "No."]]
    assert meta["outside"] == ["determination"]
    assert meta["turning_points"] == 1
    json.dumps(meta)


@pytest.mark.parametrize(("policy", "last"), [("drop", ["joy"]), ("null", None)])
def test_what_becomes_of_labels_outside_goemotions(release: Path, policy: str, last: list[str] | None) -> None:
    gold = read(release, outside=policy)[0].gold
    assert gold is not None
    assert [each["secondary"] for each in gold["utterances"]] == [["anger", "annoyance"], ["anger"], last]


def test_the_gold_is_what_a_reply_that_says_it_is_read_as(release: Path) -> None:
    for sample in read(release):
        assert sample.gold is not None
        outcome = parse(dump(sample.gold, KIND), KIND)
        assert isinstance(outcome, Parsed)
        assert (outcome.value, outcome.rule) == (sample.gold, "schema")


@pytest.mark.parametrize(
    ("expected", "number"), [(Counts(3, 5, 4), "2 clips"), (Counts(2, 6, 4), "utterances=5"), (Counts(2, 5, 5), "=4")]
)
def test_other_counts_than_expected_are_refused(release: Path, expected: Counts, number: str) -> None:
    assert len(read(release, Counts(2, 5, 4))) == 2
    with pytest.raises(ValueError, match=number):
        read(release, expected)


@pytest.mark.parametrize("place", ["{t}/{t}.mp4", "{t}.mp4"])
def test_clips_lie_in_folders_of_their_own_or_side_by_side(release: Path, tmp_path: Path, place: str) -> None:
    path = tmp_path / "films" / place.format(t=TITLE)
    path.parent.mkdir(parents=True)
    path.touch()
    first, second = read(release, media=tmp_path / "films")
    assert first.media[0].path == path
    assert second.media[0].path == tmp_path / "films" / "Another" / "Another.mp4", "a missing clip is found out later"


def test_media_folders_without_a_clip_are_refused(release: Path, tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    with pytest.raises(ValueError, match=r"films: no streaming clip.*A Clip's Title"):
        read(release, media=tmp_path / "films")
    base = release / "datasets" / "streaming-finalsplit"
    assert read(release)[0].media[0].path == base / TITLE / f"{TITLE}.mp4", "the release's own place"
    assert find_clips(base, [TITLE], strict=False)[TITLE] == base / TITLE / f"{TITLE}.mp4"


def test_unknown_splits_and_policies_are_refused(release: Path) -> None:
    with pytest.raises(ValueError, match="train"):
        read_samples(Root(release), "train", None)
    with pytest.raises(ValueError, match="outside = 'keep'"):
        read(release, outside="keep")


# --- videos of one's own


def test_a_folder_of_videos_is_read_without_gold(tmp_path: Path) -> None:
    for name in ("b/talk.mp4", "b/talk.mkv", "a.MOV", "notes.txt", "c/d/e.webm"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = read(tmp_path, PUBLISHED)
    assert [sample.id for sample in found] == ["a", "b/talk.mkv", "b/talk.mp4", "c/d/e"]
    assert all(sample.gold is None and sample.meta["film"] == sample.id for sample in found)
    assert [sample.media[0].path.name for sample in found] == ["a.MOV", "talk.mkv", "talk.mp4", "e.webm"]
    assert select_samples(EMOS_STREAM, Root(tmp_path)) == found
    check_samples(EMOS_STREAM, found)


def test_the_videos_may_be_named_by_the_media_folder(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "a.mp4").touch()
    (tmp_path / "empty").mkdir()
    assert [sample.id for sample in read(tmp_path / "empty", media=tmp_path / "videos")] == ["a"]


@pytest.mark.parametrize("name", ["nothing", "missing", "file"])
def test_a_folder_without_clips_says_what_was_looked_for(tmp_path: Path, name: str) -> None:
    (tmp_path / "nothing").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"(?s)emotion\.json.*\.mp4"):
        read(tmp_path / name)
    assert own_videos(tmp_path / name) == []


# --- the release


@pytest.fixture(scope="module")
def published() -> list[Sample]:
    if not RELEASE.is_dir():
        pytest.skip("needs the EmoS release beside the checkout")
    return select_samples(EMOS_STREAM, Root(RELEASE))


def test_the_release_holds_46_clips_and_447_utterances(published: list[Sample]) -> None:
    check_samples(EMOS_STREAM, published)
    assert len(published) == EMOS_STREAM.sizes["all"] == 46
    golds: list[Any] = [sample.gold for sample in published]
    utterances = [each for gold in golds for each in gold["utterances"]]
    assert len(utterances) == 447
    assert sum(len(sample.meta["sentences"]) for sample in published) == 1694
    assert sum(len(sample.meta["outside"]) for sample in published) == 73
    assert sum(each["secondary"] == [] for each in utterances) == 3
    assert sum(sample.meta["turning_points"] for sample in published) == 233
    assert len({sample.meta["film"] for sample in published}) == 46
    assert {sample.language for sample in published} == {"zh", "en"}


@needs_release
def test_unknown_sets_of_the_release_are_null_under_the_other_policy() -> None:
    found = select_samples(EMOS_STREAM, Root(RELEASE, None, {"outside": "null"}))
    golds: list[Any] = [sample.gold for sample in found]
    assert sum(each["secondary"] is None for gold in golds for each in gold["utterances"]) == 71


def test_the_gold_of_the_release_survives_writing_and_reading(published: list[Sample]) -> None:
    for sample in published:
        assert sample.gold is not None
        outcome = parse(dump(sample.gold, KIND), KIND)
        assert isinstance(outcome, Parsed), sample.id
        assert outcome.value == sample.gold, sample.id


def test_the_task_is_coherent() -> None:
    assert EMOS_STREAM.options is OPTIONS
    assert EMOS_STREAM.full_name == "emos-stream@1"
    assert sentences(TITLE)["segments"], "the fixture has sentence times"

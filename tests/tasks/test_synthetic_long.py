"""Long synthetic clips: what the table says is what the file shows, at any length, from the same seed the same."""

from __future__ import annotations

import csv
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.select import read_samples
from tasks.synthetic.clip import draw_clip
from tasks.synthetic.layout import ANNOTATIONS, CLIPS, MANIFEST
from tasks.synthetic.long import INTENSITIES, UNIT_S, generate_long, plan_long, speaker_bank, write_long
from tasks.synthetic.stream import SYNTHETIC_STREAM
from tasks.task import Root, Sample
from tasks.validate import check_samples

SIZE, SEED = 64, 7


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate_long(tmp_path_factory.mktemp("long") / "data", [30, 40, 300], seed=SEED, size=SIZE)


@pytest.fixture(scope="module")
def samples(data: Path) -> list[Sample]:
    return read_samples(SYNTHETIC_STREAM, Root(data))


def utterances(sample: Sample) -> list[dict[str, Any]]:
    assert sample.gold is not None
    found: list[dict[str, Any]] = sample.gold["utterances"]
    return found


def frames_and_sound(path: Path) -> tuple[list[NDArray[np.uint8]], NDArray[np.float32]]:
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    with av.open(str(path)) as container:
        sound = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    return frames, sound


# --- plans


@pytest.mark.parametrize("seconds", [10, 120, 3600])
def test_a_plan_is_as_long_as_asked_and_alternates(seconds: float) -> None:
    parts = list(plan_long(seconds, 0, SEED, 0))
    total = sum(part.seconds for part in parts)
    assert seconds <= total < seconds + 8
    assert [bool(part.label) for part in parts] == [k % 2 == 1 for k in range(len(parts))]
    spoken = [part for part in parts if part.label]
    for start in range(len(spoken) - 4):
        near = spoken[start : start + 5]
        assert len({part.text for part in near}) == len(near), "no words twice within a few utterances"


def test_a_speaker_says_every_label_at_every_intensity_in_words_of_its_own() -> None:
    for speaker in (0, 1):
        spoken = [part for part in speaker_bank(speaker, SEED) if part.label]
        assert len({(part.label, part.intensity) for part in spoken}) == 7 * len(INTENSITIES) == len(spoken)
        assert len({part.text for part in spoken}) == len(spoken)
    assert speaker_bank(0, SEED) != speaker_bank(0, SEED + 1)


def test_an_hour_holds_every_label() -> None:
    spoken = [part for part in plan_long(3600, 0, SEED, 2) if part.label]
    assert len({(part.label, part.intensity) for part in spoken}) == 35


# --- files


def test_the_files_are_as_long_as_their_parts(data: Path, samples: list[Sample]) -> None:
    for sample in samples:
        with av.open(str(sample.media[0].path)) as container:
            video, audio = container.streams.video[0], container.streams.audio[0]
            assert video.frames == round(sample.meta["duration_s"] * 25)
            assert float(video.duration * video.time_base) == pytest.approx(sample.meta["duration_s"])
            assert float(audio.duration * audio.time_base) == pytest.approx(sample.meta["duration_s"], abs=0.07)
            pts = [packet.pts for packet in container.demux(audio) if packet.pts is not None]
            assert {after - one for one, after in pairwise(pts)} == {1024}, "no gap in the sound"
        assert utterances(sample)[-1]["end"] <= sample.meta["duration_s"]
    assert [sample.meta["duration_s"] >= length for sample, length in zip(samples, [30, 40, 300], strict=True)] == [
        True
    ] * 3


def test_pictures_and_sound_are_the_drawn_ones_at_their_times(samples: list[Sample]) -> None:
    """Also in the middle of the clip, after many joints: to the frame, and to a few samples."""
    sample = samples[1]
    frames, sound = frames_and_sound(sample.media[0].path)
    bank = {part.text: part for part in speaker_bank(1, SEED) if part.label}
    assert len(utterances(sample)) > 4
    for each in utterances(sample):
        part = bank[each["transcript_en"]]
        drawn, voice = draw_clip(
            part.label, "en", part.text, SEED * 10_007 + 1, SEED * 10_007 + part.number, part.intensity / 5,
            part.seconds, SIZE,
        )  # fmt: skip
        first = round(each["start"] * 25)
        shown = np.stack(frames[first : first + len(drawn) - 1]).astype(float)
        distance = {k: np.abs(shown[2:-2] - drawn[2 + k : len(shown) - 2 + k]).mean() for k in (-2, 0, 2)}
        assert distance[0] == min(distance.values()) < 6
        at = round(each["start"] * 16_000)
        length = part.units * 5120 - 2048
        heard, said = sound[at + 1024 : at + 1024 + length], voice[1024 : 1024 + length]
        shifts = {k: float(np.dot(np.roll(heard, -k), said)) for k in range(-200, 201, 20)}
        assert max(shifts, key=lambda k: shifts[k]) == 0
        assert np.corrcoef(np.abs(heard), np.abs(said))[0, 1] > 0.8


def test_pauses_are_quiet_and_utterances_are_not(samples: list[Sample]) -> None:
    _, sound = frames_and_sound(samples[0].media[0].path)
    spoken = utterances(samples[0])
    for one, after in pairwise(spoken):
        pause = sound[round(one["end"] * 16_000) : round(after["start"] * 16_000)]
        assert np.sqrt(np.mean(pause**2)) < 0.005
        voice = sound[round(one["start"] * 16_000) : round(one["end"] * 16_000)]
        assert np.sqrt(np.mean(voice**2)) > 0.01


def test_a_seed_gives_the_same_bytes_and_another_seed_others(data: Path, tmp_path: Path) -> None:
    again = generate_long(tmp_path / "again", [30, 40, 300], seed=SEED, size=SIZE)
    for path in sorted(path.relative_to(data) for path in data.rglob("*") if path.is_file()):
        assert (data / path).read_bytes() == (again / path).read_bytes(), path
    other = generate_long(tmp_path / "other", [30], seed=SEED + 1, size=SIZE)
    assert (other / ANNOTATIONS).read_bytes() != (data / ANNOTATIONS).read_bytes()


def test_an_interrupted_generation_is_finished_and_another_one_refused(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    generate_long(folder, [30, 40, 300], seed=SEED, size=SIZE)
    lost = folder / CLIPS / "long001.mp4"
    lost.unlink()
    seen: list[tuple[int, int]] = []
    generate_long(folder, [30, 40, 300], seed=SEED, size=SIZE, progress=lambda done, all_: seen.append((done, all_)))
    assert lost.read_bytes() == (data / CLIPS / "long001.mp4").read_bytes()
    assert seen == [(1, 3), (2, 3), (3, 3)]
    with pytest.raises(ValueError, match="lengths"):
        generate_long(folder, [30, 40], seed=SEED, size=SIZE)


def test_a_failed_clip_leaves_nothing_behind(tmp_path: Path) -> None:
    def fail(_: object) -> Any:
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        write_long(tmp_path / "a.mp4", list(plan_long(10, 0, SEED, 0)), fail)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"lengths": []}, "clips"),
        ({"lengths": [3]}, "length"),
        ({"lengths": [1e9]}, "length"),
        ({"lengths": [float("nan")]}, "length"),
        ({"lengths": [30], "seed": -1}, "seed"),
        ({"lengths": [30], "speakers": 0}, "speakers"),
        ({"lengths": [30], "size": 65}, "size"),
    ],
)
def test_illegal_arguments_are_refused(tmp_path: Path, fields: dict[str, Any], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        generate_long(tmp_path / "data", **fields)
    assert not (tmp_path / "data").exists()


# --- the task


def test_samples_hold_the_timeline_of_the_table(data: Path, samples: list[Sample]) -> None:
    check_samples(SYNTHETIC_STREAM, samples)
    with (data / ANNOTATIONS).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    told = [
        (sample.id, each["start"], each["end"], each["primary"]) for sample in samples for each in utterances(sample)
    ]
    assert told == [(row["clip"], float(row["start"]), float(row["end"]), row["label"]) for row in rows]
    assert [sample.language for sample in samples] == ["zh", "en", "zh"]
    for sample in samples:
        times = [(each["start"], each["end"]) for each in utterances(sample)]
        assert [(start, end) for start, end, _ in sample.meta["sentences"]] == times
        assert all(one[1] < after[0] for one, after in pairwise(times))
        assert all(round(time / UNIT_S, 6).is_integer() for pair in times for time in pair)
        key, other = (
            ("transcript_zh", "transcript_en") if sample.language == "zh" else ("transcript_en", "transcript_zh")
        )
        assert all(each[key] and each[other] is None for each in utterances(sample))


def test_samples_are_read_without_clips_and_from_another_folder(data: Path, tmp_path: Path) -> None:
    (tmp_path / ANNOTATIONS).write_bytes((data / ANNOTATIONS).read_bytes())
    found = read_samples(SYNTHETIC_STREAM, Root(tmp_path, tmp_path / "films"))
    assert found[0].media[0].path == tmp_path / "films" / "long000.mp4"


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        (",Joy,", ",Glee,", "Glee"),
        ("long000,", "../evil,", "evil"),
        (",spk0000,", ",spk0000,x", "row 2"),
        (",zh,", ",xx,", "xx"),
    ],
)
def test_a_table_that_is_wrong_says_where(data: Path, tmp_path: Path, old: str, new: str, word: str) -> None:
    text = (data / ANNOTATIONS).read_text(encoding="utf-8")
    assert old in text
    (tmp_path / ANNOTATIONS).write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ValueError, match=rf"(?s){ANNOTATIONS}.*{word}"):
        read_samples(SYNTHETIC_STREAM, Root(tmp_path))


def test_a_table_that_was_cut_off_is_refused(data: Path, tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_bytes((data / MANIFEST).read_bytes())
    lines = (data / ANNOTATIONS).read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / ANNOTATIONS).write_text("".join(lines[:-3]), encoding="utf-8")
    with pytest.raises(ValueError, match="manifest"):
        read_samples(SYNTHETIC_STREAM, Root(tmp_path))
    (tmp_path / MANIFEST).write_text(json.dumps([]), encoding="utf-8")
    with pytest.raises(ValueError, match="manifest"):
        read_samples(SYNTHETIC_STREAM, Root(tmp_path))


def test_a_folder_without_a_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=ANNOTATIONS):
        read_samples(SYNTHETIC_STREAM, Root(tmp_path))

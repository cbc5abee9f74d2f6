"""Files that can be used in part: no sound, too short a sound, bit rot. What is missing is on record."""

from __future__ import annotations

import random
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest

from infer.media import (
    MIN_AUDIO_SAMPLES,
    SAMPLE_RATE,
    MediaError,
)
from tests.infer.clips import (
    boxes,
    corrupt,
    join_pictures,
    rename_codec,
    write_audio,
    write_coded_audio,
    write_music_with_cover,
    write_sound_with_gap,
    write_video,
)
from tests.infer.reading import harmless, media_error_at_most, sound, video

# Whatever a file holds, reading it comes to an end: the time limit in pyproject.toml holds it to that.


# --- Files that can be used in part


def test_a_video_without_sound_falls_back_and_says_so(tmp_path: Path) -> None:
    clip = video(write_video(tmp_path / "a.mp4", audio_rate=None))
    assert clip.frames is not None
    assert clip.audio is None
    assert not clip.has_audio
    assert clip.notes == ("no sound track",)


def test_a_silent_track_is_on_record(tmp_path: Path) -> None:
    clip = video(write_video(tmp_path / "a.mp4", loudness=0.0))
    assert clip.frames is not None
    assert any("silent" in note for note in clip.notes)


@pytest.mark.parametrize("seconds", [0.001, 0.01, 0.049])
def test_too_short_a_sound_is_left_out_and_said(tmp_path: Path, seconds: float) -> None:
    path = write_video(tmp_path / "a.mp4", audio_seconds=seconds)
    clip = video(path)
    assert clip.frames is not None
    assert clip.audio is None
    assert not clip.has_audio
    assert any("short" in note for note in clip.notes)
    with pytest.raises(MediaError, match="short"):
        sound(write_audio(tmp_path / "a.wav", seconds=seconds))


def test_the_shortest_sound_that_is_fed(tmp_path: Path) -> None:
    assert sound(write_audio(tmp_path / "a.wav", seconds=0.05)).audio_s == pytest.approx(0.05)
    assert MIN_AUDIO_SAMPLES == 0.05 * SAMPLE_RATE


def test_a_sound_that_ends_before_the_window_falls_back(tmp_path: Path) -> None:
    clip = video(write_video(tmp_path / "a.mp4", seconds=4, audio_seconds=1), 2.0, 3.5)
    assert clip.frames is not None
    assert clip.audio is None
    assert not clip.has_audio
    assert clip.notes


def test_a_sound_file_without_sound_is_refused(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", audio_rate=None)
    with pytest.raises(MediaError, match="no sound track") as caught:
        sound(path)
    assert str(path) in str(caught.value)


def test_music_with_a_cover_is_a_sound_file(tmp_path: Path) -> None:
    clip = sound(write_music_with_cover(tmp_path / "a.m4a"))
    assert clip.frames is None
    assert clip.audio_s == pytest.approx(1.0, abs=0.1)


def test_a_sound_whose_format_changes_midway(tmp_path: Path) -> None:
    """Two recordings one after the other in a stream (radio, pasted files): a clip or a MediaError."""
    first = write_coded_audio(tmp_path / "a.aac", rate=44_100, channels=2).read_bytes()
    second = write_coded_audio(tmp_path / "b.aac", rate=16_000, channels=1).read_bytes()
    path = tmp_path / "both.aac"
    path.write_bytes(first + second)
    with media_error_at_most(path):
        assert sound(path).audio_s > 0.9


@pytest.mark.parametrize("suffix", ["ts", "mkv"])
def test_pictures_whose_size_changes_midway(tmp_path: Path, suffix: str) -> None:
    """As video calls and spliced recordings have it."""
    wide = write_video(tmp_path / "wide.ts", size=(96, 64), audio_rate=None)
    tall = write_video(tmp_path / "tall.ts", size=(64, 128), audio_rate=None)
    clip = harmless(join_pictures(tmp_path / f"both.{suffix}", wide, tall))
    assert clip is None or clip.notes or clip.frames is not None


@pytest.mark.parametrize("gap_s", [20_000, 10_000_000])
def test_a_gap_in_time_does_not_fill_the_memory(tmp_path: Path, gap_s: int) -> None:
    """A second of sound whose time stamps jump by hours: bit rot, or a clock that was set."""
    path = write_sound_with_gap(tmp_path / "a.mkv", gap_s)
    with media_error_at_most(path):
        assert sound(path).audio_s < 3600


# --- Bit rot


def _stream_bytes(path: Path, kind: str) -> list[tuple[int, int]]:
    """Where the packets of the picture or sound track lie in a file."""
    with av.open(str(path)) as container:
        return [(p.pos, p.pos + p.size) for p in container.demux(**{kind: 0}) if p.size]


def _overwrite(path: Path, spans: list[tuple[int, int]]) -> Path:
    data, dice = bytearray(path.read_bytes()), random.Random(1)  # noqa: S311
    for begin, end in spans:
        data[begin:end] = dice.randbytes(end - begin)
    path.write_bytes(data)
    return path


def test_an_unknown_sound_codec_leaves_the_pictures(tmp_path: Path) -> None:
    path = rename_codec(write_video(tmp_path / "a.mp4"), b"mp4a")
    data = path.read_bytes()
    at = data.index(b"esds")
    path.write_bytes(
        data[:at] + data[at:].replace(b"\x40\x15", b"\xfe\x15", 1)
    )  # the second place that names the codec
    with media_error_at_most(path):
        clip = video(path)
        assert clip.frames is not None
        assert clip.audio is None
        assert not clip.has_audio
        assert clip.notes


def test_rotten_sound_leaves_the_pictures(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4")
    _overwrite(path, _stream_bytes(path, "audio"))
    clip = video(path)
    assert clip.frames is not None
    assert len(clip.frames) == 4
    assert clip.notes, "nothing says that the sound is broken"


def test_lost_sound_is_on_record_and_stays_in_time(tmp_path: Path) -> None:
    """A fifth of the sound cannot be decoded. What comes after it must not slide forward without a word."""
    path = write_video(tmp_path / "a.mp4", seconds=4)
    whole = video(path).audio
    spans = _stream_bytes(path, "audio")
    _overwrite(path, spans[len(spans) // 4 : len(spans) // 2])
    clip = harmless(path)
    assert whole is not None
    if clip is not None and clip.audio is not None:
        assert clip.notes, f"{len(whole) - len(clip.audio)} samples are gone without a word"
        tail = slice(-8000, None)
        assert np.abs(clip.audio[tail] - whole[tail]).max() < 0.05
        assert len(clip.audio) == len(whole)


def test_lost_pictures_are_on_record(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", seconds=4)
    whole = video(path).frames
    spans = _stream_bytes(path, "video")
    _overwrite(path, spans[len(spans) // 4 : len(spans) * 3 // 4])
    clip = harmless(path)
    assert whole is not None
    if clip is not None and clip.frames is not None:
        assert clip.frames.shape == whole.shape
        worst = np.abs(clip.frames.astype(float) - whole).mean((1, 2, 3)).max()
        assert worst < 5 or clip.notes, f"pictures are off by {worst:.0f} levels without a word"


def test_an_index_that_leads_nowhere(tmp_path: Path) -> None:
    """A wrong entry in the chunk table and a missing piece: the way back to the first frame is lost."""
    path = write_video(tmp_path / "a.mov", faststart=True, preset="medium", seconds=0.6)
    data = bytearray(path.read_bytes())
    data[data.index(b"stsc") + 20] = 1
    gone = boxes(bytes(data))["mdat"][0] + 170
    del data[gone : gone + 1175]
    path.write_bytes(data)
    harmless(path)


@pytest.mark.parametrize("seed", range(12))
def test_noise_in_the_media_data(tmp_path: Path, seed: int) -> None:
    begin = seed / 12
    path = corrupt(write_video(tmp_path / "a.mp4", seconds=1, preset="medium"), begin, begin + 0.1, seed)
    clip = harmless(path)
    assert clip is None or clip.frames is None or len(clip.frames) == 4


FUZZED = {
    "mp4": partial(write_video, seconds=0.6, audio_seconds=0.3),
    "mkv": partial(write_video, seconds=0.6, audio_seconds=0.3),
    "avi": partial(write_video, seconds=0.6, audio_seconds=0.3, codec="mpeg4", audio_codec="libmp3lame"),
    "wav": partial(write_audio, seconds=0.3),
    "mp3": partial(write_coded_audio, codec="libmp3lame", seconds=0.3),
}


@pytest.mark.parametrize("suffix", list(FUZZED))
def test_random_damage_anywhere(tmp_path: Path, suffix: str) -> None:
    """Flipped bytes (half of them where headers are), lost pieces and early ends: a clip or a MediaError."""
    path = FUZZED[suffix](tmp_path / f"a.{suffix}")
    whole, dice = path.read_bytes(), random.Random(suffix)  # noqa: S311
    index = boxes(whole).get("moov", (0, min(400, len(whole)))) if suffix == "mp4" else (0, min(600, len(whole)))
    for _ in range(60):
        data = bytearray(whole)
        for _ in range(dice.choice((1, 4, 30))):
            low, high = dice.choice((index, (0, len(data))))
            data[dice.randrange(low, high)] = dice.choice((0, 1, 127, 128, 255, dice.randrange(256)))
        if dice.random() < 0.3:
            at = dice.randrange(len(data))
            del data[at : at + dice.randrange(1, 2000)]
        path.write_bytes(data)
        harmless(path)
        with media_error_at_most(path):
            sound(path)

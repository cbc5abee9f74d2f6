"""Where clips are cut: windows that cover them, cuts in pauses, the budget of a window, speech in sound."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infer.decode import ClipInfo, MediaError
from infer.stream.pauses import HOP_S, loudness, quietest, speech
from infer.stream.windows import (
    MOST_OVERLAP,
    SEARCH,
    SHORTEST_S,
    cut_between,
    fits_whole,
    longest_window,
    media_tokens,
    plan_windows,
)
from tasks.task import MediaOptions
from tests.infer.clips import tone, write_audio, write_coded_audio, write_video

FACTOR = 28
OPTIONS = MediaOptions()


def info(seconds: float, *, fps: float = 25.0, width: int = 1280, height: int = 720, audio: int = 16_000) -> ClipInfo:
    return ClipInfo(seconds, round(seconds * fps), fps, width, height, audio, 1)


# --- windows


@given(
    duration=st.floats(0.5, 4000),
    window=st.floats(SHORTEST_S, 300),
    share=st.floats(0, MOST_OVERLAP),
    place=st.floats(-1, 2),
)
def test_windows_cover_the_clip_and_overlap_as_asked(
    duration: float, window: float, share: float, place: float
) -> None:
    """Wherever the cut is proposed, even outside of where it may be."""
    windows = plan_windows(duration, window, share * window, lambda low, high: low + place * (high - low))
    assert windows[0][0] == 0
    assert windows[-1][1] == duration
    assert windows[-1][1] - windows[-1][0] >= min(duration, 0.998), "the last one is not a scrap"
    assert all(0 < end - start <= window + 0.002 for start, end in windows)
    for (start, end), (after, _) in pairwise(windows):
        assert end - after == pytest.approx(share * window, abs=0.002)
        assert end - start >= SEARCH * window - 0.002
    for (_, end), (_, _), (later, _) in zip(windows, windows[1:], windows[2:], strict=False):
        assert later >= end - 0.01, "a moment lies in two windows at most"


def test_a_clip_shorter_than_a_window_is_one() -> None:
    assert plan_windows(59.9, 60, 5, lambda _low, high: high) == [(0.0, 59.9)]


@pytest.mark.parametrize(
    ("sentences", "expected"),
    [
        ([(0, 46), (48, 52), (52.2, 70)], 47.0),  # the longest gap
        ([(0, 46), (47, 52), (53, 70)], 52.5),  # of two equal ones the later
        ([(0, 50), (50, 58), (58, 90)], 58),  # no gap: where the last sentence ends
        ([(0, 100)], 60),  # none ends: as late as may be
        ([], 52.5),  # nobody speaks: anywhere is a pause
        ([(0, 44), (61, 70)], 52.5),
    ],
)
def test_a_cut_goes_between_sentences(sentences: list[tuple[float, float]], expected: float) -> None:
    assert cut_between(sentences, 45, 60) == expected


# --- the budget


def test_tokens_of_a_second() -> None:
    """720p: 2 frames a second share 768 tokens at most; sound has 25."""
    assert media_tokens(info(10), 10, OPTIONS, FACTOR) == pytest.approx(10 * (25 * 28 + 25), rel=0.1)
    assert media_tokens(info(10, audio=0), 10, OPTIONS, FACTOR) == media_tokens(info(10), 10, OPTIONS, FACTOR) - 250
    assert media_tokens(info(10), 10, MediaOptions(video=False), FACTOR) == 250
    assert media_tokens(ClipInfo(10, 0, 0, 0, 0, 16_000, 1), 10, OPTIONS, FACTOR) == 250


def test_a_whole_clip_fits_by_its_tokens_and_its_frames() -> None:
    small = MediaOptions(max_pixels=4 * FACTOR**2, min_pixels=1)
    assert fits_whole(info(20), OPTIONS, FACTOR, 20_000)
    assert not fits_whole(info(40), OPTIONS, FACTOR, 20_000)
    assert fits_whole(info(384), small, FACTOR, 100_000), "768 frames"
    assert not fits_whole(info(390), small, FACTOR, 100_000), "its frames would be thinned out"
    assert fits_whole(info(390), MediaOptions(video=False), FACTOR, 100_000), "sound has no frames"


@given(seconds=st.floats(4, 300), room=st.integers(1000, 200_000), width=st.integers(64, 2000))
def test_the_longest_window_fits_and_is_no_longer_than_asked(seconds: float, room: int, width: int) -> None:
    clip = info(3600, width=width)
    try:
        found = longest_window(clip, seconds, OPTIONS, FACTOR, room)
    except ValueError:
        assert media_tokens(clip, SHORTEST_S, OPTIONS, FACTOR) > room
        return
    assert SHORTEST_S <= found <= seconds
    assert media_tokens(clip, found, OPTIONS, FACTOR) <= room
    assert found * OPTIONS.fps <= OPTIONS.max_frames
    if found < min(seconds, OPTIONS.max_frames / OPTIONS.fps):
        assert media_tokens(clip, found + 1, OPTIONS, FACTOR) > room


# --- sound


def beeps(tmp_path: Path, suffix: str, spans: list[tuple[float, float]], seconds: float) -> Path:
    """A file with a tone in the spans and a soft noise everywhere."""
    import av

    rate = 16_000
    wave = 0.001 * np.random.default_rng(0).standard_normal((1, round(seconds * rate))).astype(np.float32)
    for start, end in spans:
        wave[:, round(start * rate) : round(end * rate)] += tone(end - start, rate)
    path = tmp_path / f"beeps.{suffix}"
    with av.open(str(path), "w") as container:
        track = container.add_stream("pcm_s16le" if suffix == "wav" else "aac", rate=rate, layout="mono")
        for at in range(0, wave.shape[1], 1024):
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(wave[:, at : at + 1024]), format="fltp", layout="mono"
            )
            frame.sample_rate, frame.pts = rate, at
            if suffix == "wav":
                frame = av.AudioResampler(format="s16").resample(frame)[0]
            container.mux(track.encode(frame))
        container.mux(track.encode(None))
    return path


SPANS = [(0.5, 2.0), (2.2, 3.0), (4.0, 5.5), (7.0, 7.1), (8.0, 9.0)]


@pytest.mark.parametrize("suffix", ["wav", "mp4"])
def test_speech_is_where_it_is_loud(tmp_path: Path, suffix: str) -> None:
    levels = loudness(beeps(tmp_path, suffix, SPANS, 10.0))
    assert len(levels) * HOP_S == pytest.approx(10.0, abs=0.1)
    # a gap of 0.2 s belongs to a sentence, 0.1 s of sound is none
    expected = [(0.5, 3.0), (4.0, 5.5), (8.0, 9.0)]
    found = speech(levels)
    assert len(found) == len(expected)
    for (start, end), (begin, finish) in zip(found, expected, strict=True):
        assert start == pytest.approx(begin - 0.1, abs=0.05)
        assert end == pytest.approx(finish + 0.1, abs=0.05)


def test_the_quietest_moment_is_in_the_pause(tmp_path: Path) -> None:
    levels = loudness(beeps(tmp_path, "wav", SPANS, 10.0))
    assert 3.1 < quietest(levels, 2.5, 5.0) < 3.9
    assert 5.5 < quietest(levels, 4.5, 9.0) < 8.0
    assert 4.0 <= quietest(levels, 4.0, 5.2) <= 5.2, "without a pause it stays where it may be"
    assert quietest(levels[:0], 3.0, 5.0) == 5.0, "no sound to go by"
    assert quietest(levels, 50.0, 60.0) == 60.0


@given(st.lists(st.floats(-100, 0), max_size=2000))
def test_speech_of_any_levels_is_in_order_and_apart(values: list[float]) -> None:
    found = speech(np.array(values, np.float32))
    assert all(0 <= start < end <= len(values) * HOP_S + 1e-3 for start, end in found)
    assert all(one[1] <= after[0] for one, after in pairwise(found))


def test_long_speech_is_cut_where_it_is_quietest() -> None:
    levels = np.full(1500, -20.0, np.float32)
    levels[:100] = levels[-100:] = -80
    levels[500:515] = -30
    found = speech(levels)
    assert len(found) == 3
    assert found[0][1] == found[1][0] == pytest.approx(10.15, abs=0.1)
    assert max(end - start for start, end in found) <= 12.5


@pytest.mark.parametrize("level", [-100.0, -99.0])
def test_silence_holds_no_speech(level: float) -> None:
    assert speech(np.full(500, level, np.float32)) == []
    assert speech(np.zeros(0, np.float32)) == []


def test_files_without_sound_and_without_anything(tmp_path: Path) -> None:
    assert len(loudness(write_video(tmp_path / "mute.mp4", audio_rate=None))) == 0
    (tmp_path / "text.mp4").write_text("no media", encoding="utf-8")
    with pytest.raises(MediaError, match=r"text\.mp4"):
        loudness(tmp_path / "text.mp4")


def test_loudness_of_other_rates_and_channels(tmp_path: Path) -> None:
    plain = loudness(write_audio(tmp_path / "a.wav", seconds=3))
    stereo = loudness(write_coded_audio(tmp_path / "a.m4a", seconds=3))
    assert len(plain) == pytest.approx(150, abs=2)
    assert len(stereo) == pytest.approx(150, abs=4)
    assert math.isclose(float(np.median(plain)), -15, abs_tol=1), "a sine of 0.4, swelling: 0.24 on average"

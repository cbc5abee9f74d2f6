"""The media path on good files: how frames are counted, sized and chosen, what a clip holds, windows in time."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infer.media import (
    SAMPLE_RATE,
    Clip,
    MediaError,
    frame_count,
    frame_indices,
    frame_size,
    load_clip,
    probe,
)
from tasks.task import Media, MediaOptions
from tests.infer.clips import (
    picture,
    rotate,
    write_audio,
    write_coded_audio,
    write_video,
)
from tests.infer.reading import FACTOR, OPTIONS, media_error_at_most, sound, video

# Whatever a file holds, reading it comes to an end: the time limit in pyproject.toml holds it to that.


# --- The policy as numbers

totals = st.integers(2, 200_000)
counts = st.integers(2, 768)


@given(first=st.integers(0, 100_000), span=st.integers(1, 300_000), count=counts)
def test_indices_are_spread_evenly_and_hold_both_ends(first: int, span: int, count: int) -> None:
    found = frame_indices(first, first + span, count)
    assert len(found) == count
    assert found[0] == first
    assert found[-1] == first + span
    assert found == sorted(found)
    exact = [first + Fraction(span * index, count - 1) for index in range(count)]
    # float32 holds these numbers to about 1/32 of a frame
    assert all(abs(index - place) <= Fraction(17, 32) for index, place in zip(found, exact, strict=True))


@settings(deadline=None)  # the first example imports torch
@given(first=st.integers(0, 100_000), span=st.integers(0, 300_000), count=counts)
def test_indices_are_those_of_torch(first: int, span: int, count: int) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed (base install)")
    assert (
        frame_indices(first, first + span, count) == torch.linspace(first, first + span, count).round().long().tolist()
    )


def test_indices_of_every_short_clip_are_those_of_torch() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed (base install)")
    for last, count in itertools.product(range(1, 160), range(2, 40, 2)):
        assert frame_indices(0, last, count) == torch.linspace(0, last, count).round().long().tolist(), (last, count)


options_of_frames = st.builds(
    lambda fps, low, more: MediaOptions(fps=fps, min_frames=low, max_frames=low + more),
    st.floats(0.05, 240),
    st.integers(2, 64),
    st.integers(0, 1000),
)


@given(total=totals, fps=st.floats(0.1, 240), options=options_of_frames)
def test_frame_count_is_even_and_within_bounds(total: int, fps: float, options: MediaOptions) -> None:
    count = frame_count(total, fps, options)
    assert isinstance(count, int)
    assert count % 2 == 0
    assert 2 <= count <= min(total, options.max_frames)
    # at least min_frames where clip and upper bound have them, to the even number below
    assert count >= min(options.min_frames, total, options.max_frames) // 2 * 2
    wanted = total / fps * options.fps
    if options.min_frames + 1 < wanted < min(total, options.max_frames):
        assert abs(count - wanted) <= 2


@pytest.mark.parametrize("total", [0, 1])
def test_fewer_than_two_frames_are_refused(total: int) -> None:
    with pytest.raises(ValueError, match=rf"{total} frame"):
        frame_count(total, 25.0, OPTIONS)


sides = st.integers(1, 8000)
factors = st.sampled_from([28, 32])


@given(height=sides, width=sides, frames=counts, factor=factors)
def test_frame_size_by_default(height: int, width: int, frames: int, factor: int) -> None:
    if max(height, width) > 200 * min(height, width):
        with pytest.raises(ValueError, match=f"{width}x{height}"):
            frame_size(height, width, frames, OPTIONS, factor)
        return
    new_height, new_width = frame_size(height, width, frames, OPTIONS, factor)
    assert new_height % factor == 0
    assert new_width % factor == 0
    tokens = new_height * new_width // factor**2
    # The exception: a thin strip is never thinner than one step, so it may come out above the budget …
    if min(new_height, new_width) > factor:
        assert tokens <= 768
    assert tokens <= 768 * 2
    # … and shrinking rounds both sides down, so that it may come out below the lower bound. Growing never does.
    if height * width < 100 * factor**2:
        assert tokens >= 128


budgets = st.tuples(st.integers(1, 900), st.integers(0, 900)).map(lambda pair: (pair[0], pair[0] + pair[1]))


@given(size=st.tuples(sides, sides), frames=counts, factor=factors, budget=budgets)
def test_frame_size_within_a_budget_of_ones_own(
    size: tuple[int, int], frames: int, factor: int, budget: tuple[int, int]
) -> None:
    (height, width), (low, high) = size, budget
    if max(size) > 200 * min(size):
        return
    options = MediaOptions(min_pixels=low * factor**2, max_pixels=high * factor**2)
    new_height, new_width = frame_size(height, width, frames, options, factor)
    assert new_height % factor == 0
    assert new_width % factor == 0
    tokens = new_height * new_width // factor**2
    grown = new_height > height + factor or new_width > width + factor
    # The exceptions: a side is never below one step; growing to the lower bound rounds both sides up.
    if min(new_height, new_width) > factor and not grown:
        assert tokens <= max(high, low * 1.05)
    if grown:
        assert tokens >= low


@pytest.mark.parametrize(("width", "height"), [(96, 64), (1280, 720), (64, 64), (320, 240)])
@pytest.mark.parametrize("most", [10_000, 50_000, 90_000])
def test_a_given_max_pixels_is_kept_below_the_default_lower_bound(width: int, height: int, most: int) -> None:
    new_height, new_width = frame_size(height, width, 8, MediaOptions(max_pixels=most), FACTOR)
    assert new_height * new_width <= most


@given(height=st.integers(200, 4000), width=st.integers(200, 4000))
def test_frame_size_keeps_the_shape(height: int, width: int) -> None:
    if max(height, width) > 4 * min(height, width):
        return
    new_height, new_width = frame_size(height, width, 8, OPTIONS, FACTOR)
    assert math.log(new_width / new_height) == pytest.approx(math.log(width / height), abs=0.3)


def test_frames_of_a_long_clip_share_the_budget() -> None:
    short = frame_size(1080, 1920, 8, OPTIONS, FACTOR)
    long = frame_size(1080, 1920, 768, OPTIONS, FACTOR)
    assert short[0] * short[1] > long[0] * long[1]
    assert 768 // 2 * long[0] * long[1] // FACTOR**2 <= 128_000


# --- What a good clip gives


def test_clip_holds_frames_true_rate_and_sound(tmp_path: Path) -> None:
    clip = video(write_video(tmp_path / "a.mp4", seconds=2.0))
    assert clip.frames is not None
    assert clip.audio is not None
    assert clip.frames.dtype == np.uint8
    assert clip.audio.dtype == np.float32
    assert clip.frames.shape[0] == 4
    assert clip.frames.shape[3] == 3
    assert clip.fps == pytest.approx(2.0)
    assert clip.audio_s == pytest.approx(2.0)
    assert clip.has_audio
    assert not clip.notes
    assert 0.3 < np.abs(clip.audio).max() <= 1.0


def test_the_frames_are_the_ones_at_the_sampled_places(tmp_path: Path) -> None:
    size = (112, 84)
    clip = load_clip(
        Media("video", write_video(tmp_path / "a.mp4", size=size, seconds=3, preset="medium")),
        MediaOptions(min_pixels=1, max_pixels=112 * 84, fps=4.0),
        FACTOR,
    )
    assert clip.frames is not None
    assert clip.frames.shape == (12, 84, 112, 3)
    for frame, index in zip(clip.frames, frame_indices(0, 74, 12), strict=True):
        distances = [np.abs(frame - picture(size, other).astype(float)).mean() for other in range(75)]
        assert int(np.argmin(distances)) == index


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "avi", "flv", "ts"])
def test_containers(tmp_path: Path, suffix: str) -> None:
    clip = video(write_video(tmp_path / f"a.{suffix}", preset="medium"))
    assert clip.frames is not None
    assert len(clip.frames) == 4
    assert clip.fps == pytest.approx(2.0, rel=0.05)
    assert clip.audio_s == pytest.approx(2.0, abs=0.15)


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_turned_clips_stand_upright(tmp_path: Path, degrees: int) -> None:
    plain = video(write_video(tmp_path / "plain.mp4")).frames
    turned = video(rotate(write_video(tmp_path / "turned.mp4"), degrees)).frames
    assert plain is not None
    assert turned is not None
    upright = np.rot90(turned, degrees // 90, axes=(1, 2))  # the file says: show it turned clockwise
    assert upright.shape == plain.shape
    assert np.abs(upright.astype(float) - plain).mean() < 3


def test_each_modality_can_be_left_out(tmp_path: Path) -> None:
    medium = Media("video", write_video(tmp_path / "a.mp4"))
    mute = load_clip(medium, MediaOptions(audio=False), FACTOR)
    blind = load_clip(medium, MediaOptions(video=False), FACTOR)
    assert mute.frames is not None
    assert mute.audio is None
    assert mute.has_audio, "the file has sound, fed or not"
    assert blind.frames is None
    assert blind.audio_s == pytest.approx(2.0)


def test_a_file_is_opened_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, opened, real = write_video(tmp_path / "a.mp4"), [], av.open

    def count(*arguments: object, **options: object) -> object:
        opened.append(arguments)
        return real(*arguments, **options)

    monkeypatch.setattr(av, "open", count)
    video(path)
    assert len(opened) == 1


def test_probe_tells_what_a_file_holds(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", fps=Fraction(24000, 1001), audio_rate=44_100, size=(98, 66))
    info = probe(path)
    assert (info.frames, info.width, info.height, info.audio_rate) == (48, 98, 66, 44_100)
    assert info.fps == pytest.approx(24000 / 1001, rel=1e-3)
    assert info.duration_s == pytest.approx(2.0, abs=0.1)
    assert info.bytes == path.stat().st_size
    assert info.has_video
    assert info.has_audio


def test_stereo_is_averaged(tmp_path: Path) -> None:
    stereo = sound(write_audio(tmp_path / "two.wav", channels=2)).audio
    assert stereo is not None
    left, right = np.frombuffer((tmp_path / "two.wav").read_bytes()[44:], "<i2").reshape(-1, 2).T / 32768
    assert len(stereo) == 32_000
    assert np.abs(stereo - (left + right) / 2).max() < 1e-3


@pytest.mark.parametrize(("suffix", "codec"), [("aac", "aac"), ("m4a", "aac"), ("mp3", "libmp3lame"), ("flac", "flac")])
def test_sound_files(tmp_path: Path, suffix: str, codec: str) -> None:
    clip = sound(write_coded_audio(tmp_path / f"a.{suffix}", codec=codec))
    assert clip.frames is None
    assert clip.audio_s == pytest.approx(1.0, abs=0.1)


# --- Windows in time


def test_a_window_takes_its_part_of_pictures_and_sound(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", seconds=6)
    whole, part = sound(path).audio, video(path, 1.0, 3.0)
    assert whole is not None
    assert part.audio is not None
    assert part.frames is not None
    assert np.array_equal(part.audio, whole[16_000:48_000])
    assert len(part.frames) == 4


@pytest.fixture(scope="module")
def two_seconds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_audio(tmp_path_factory.mktemp("window") / "a.wav")


@given(milliseconds=st.integers(0, 1500), length=st.integers(100, 500))
def test_a_window_in_milliseconds_has_its_exact_length(two_seconds: Path, milliseconds: int, length: int) -> None:
    clip = sound(two_seconds, milliseconds / 1000, (milliseconds + length) / 1000)
    assert clip.audio is not None
    assert len(clip.audio) == length * SAMPLE_RATE // 1000


@pytest.mark.parametrize(("start_s", "end_s"), [(-1.0, None), (-0.5, 1.0), (-1e9, None)])
@pytest.mark.parametrize("read", [video, sound])
def test_a_window_that_begins_before_the_clip_begins_with_the_clip(
    tmp_path: Path, read: Callable[..., Clip], start_s: float, end_s: float | None
) -> None:
    path = write_video(tmp_path / "a.mp4", seconds=3)
    with media_error_at_most(path):
        found = read(path, start_s, end_s).audio
        expected = read(path, 0.0, end_s).audio
        assert found is not None
        assert expected is not None
        assert np.array_equal(found, expected)


NAN, INF = math.nan, math.inf


OUTSIDE = [(5.0, None), (1.0, 0.5), (1.0, 1.0), (0.0, 0.0), (1e300, 1e301), (INF, None), (None, -1.0), (None, -INF)]
# pandas writes nan where a table has no time
NO_NUMBERS = [(NAN, None), (None, NAN), (NAN, NAN), (NAN, 1.0), (0.5, NAN)]


@pytest.mark.parametrize(("start_s", "end_s"), [*OUTSIDE, *NO_NUMBERS])
@pytest.mark.parametrize("read", [video, sound])
def test_a_window_outside_the_clip_is_a_media_error(
    tmp_path: Path, read: Callable[..., Clip], start_s: float | None, end_s: float | None
) -> None:
    path = write_video(tmp_path / "a.mp4", seconds=2)
    with pytest.raises(MediaError) as caught:
        read(path, start_s, end_s)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(("start_s", "end_s", "seconds"), [(0.5, INF, 1.5), (-INF, 1.5, 1.5)])
@pytest.mark.parametrize("read", [video, sound])
def test_an_endless_window_ends_with_the_clip(
    tmp_path: Path, read: Callable[..., Clip], start_s: float, end_s: float, seconds: float
) -> None:
    path = write_video(tmp_path / "a.mp4", seconds=2)
    with media_error_at_most(path):
        assert read(path, start_s, end_s).audio_s == pytest.approx(seconds)

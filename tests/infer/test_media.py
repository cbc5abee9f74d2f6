"""Media files as they come: how frames are counted and sized, what each kind of broken file says, what falls back."""

from __future__ import annotations

import itertools
import math
import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infer.media import (
    MIN_AUDIO_SAMPLES,
    SAMPLE_RATE,
    Clip,
    MediaError,
    content_hash,
    frame_count,
    frame_indices,
    frame_size,
    load_clip,
    probe,
)
from tasks.task import Media, MediaOptions
from tests.infer.clips import (
    boxes,
    claim_size,
    corrupt,
    cut_off,
    picture,
    rotate,
    without_index,
    write_audio,
    write_coded_audio,
    write_few_frames,
    write_music_with_cover,
    write_no_frames,
    write_video,
)

FACTOR = 28
OPTIONS = MediaOptions()
# Whatever a file holds, reading it comes to an end.
pytestmark = pytest.mark.timeout(120)


def video(path: Path, start_s: float | None = None, end_s: float | None = None) -> Clip:
    return load_clip(Media("video", path, start_s, end_s), OPTIONS, FACTOR)


def sound(path: Path, start_s: float | None = None, end_s: float | None = None) -> Clip:
    return load_clip(Media("audio", path, start_s, end_s), OPTIONS, FACTOR)


@contextmanager
def media_error_at_most(path: Path) -> Iterator[None]:
    """What happens inside succeeds, or ends in a MediaError that names the file. Any other exception fails the test."""
    try:
        yield
    except MediaError as error:
        if str(path) not in str(error):
            pytest.fail(f"the error does not name {path}: {error}")


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


@given(milliseconds=st.integers(0, 1500), length=st.integers(100, 500))
def test_a_window_in_milliseconds_has_its_exact_length(milliseconds: int, length: int) -> None:
    path = _shared_clip("window.wav", write_audio)
    clip = sound(path, milliseconds / 1000, (milliseconds + length) / 1000)
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


# --- Files that cannot be used: MediaError with path and reason


def _text(path: Path) -> Path:
    path.write_text("id,label\n1,Joy\n" * 200, encoding="utf-8")
    return path


def _page(path: Path) -> Path:
    path.write_text("<!DOCTYPE html><html><body>404 Not Found</body></html>\n" * 20, encoding="utf-8")
    return path


def _noise(path: Path) -> Path:
    path.write_bytes(random.Random(0).randbytes(50_000))  # noqa: S311
    return path


def _nothing(path: Path) -> Path:
    path.write_bytes(b"")
    return path


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def _fifo(path: Path) -> Path:
    os.mkfifo(path)
    return path


def _link(path: Path, to: Path) -> Path:
    path.symlink_to(to)
    return path


def _link_to_fifo(path: Path) -> Path:
    return _link(path, _fifo(path.with_name("pipe")))


def _no_picture_data(path: Path) -> Path:
    """An mp4 whose index is whole and whose media data are gone."""
    write_video(path, faststart=True)
    data = path.read_bytes()
    path.write_bytes(data[: boxes(data)["mdat"][0] + 8])
    return path


def _concat_script(path: Path) -> Path:
    write_video(path.with_name("neighbour.mp4"))
    path.write_text("ffconcat version 1.0\nfile neighbour.mp4\n", encoding="utf-8")
    return path


def _playlist(path: Path) -> Path:
    write_video(path.with_name("neighbour.ts"))
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nneighbour.ts\n#EXT-X-ENDLIST\n", encoding="utf-8")
    return path


def _huge(path: Path) -> Path:
    """An avi that claims 60000 x 60000 raw pixels."""
    write_video(path, codec="rawvideo", pix_fmt="bgr24", seconds=0.4, audio_rate=None)
    data = bytearray(path.read_bytes())
    at = data.index(b"strf") + 8
    data[at + 4 : at + 12] = (60_000).to_bytes(4, "little") * 2
    path.write_bytes(data)
    return path


def _rename_codec(path: Path, name: bytes) -> Path:
    """An mp4 whose track says that it is coded in a way that nobody knows."""
    data = bytearray(path.read_bytes())
    at = data.index(name, data.index(b"moov"))
    data[at : at + 4] = b"zzzz"
    path.write_bytes(data)
    return path


# name -> (file name, how it is written, a word of the reason)
BROKEN: dict[str, tuple[str, Callable[[Path], Path], str]] = {
    "missing": ("a.mp4", lambda path: path, "no such file"),
    "zero_byte": ("a.mp4", _nothing, "empty"),
    "one_byte": ("a.mp4", lambda path: cut_off(_text(path), 1 / 3000), ""),
    "text": ("a.mp4", _text, "media"),
    "web_page": ("a.mp4", _page, "media"),
    "noise": ("a.mp4", _noise, ""),
    "concat_script": ("a.mp4", _concat_script, ""),
    "playlist": ("a.m3u8", _playlist, ""),
    "folder": ("a.mp4", _folder, "directory"),
    "fifo": ("a.mp4", _fifo, "regular file"),
    "link_to_fifo": ("a.mp4", _link_to_fifo, "regular file"),
    "device": ("a.mp4", partial(_link, to=Path("/dev/zero")), "regular file"),
    "broken_link": ("a.mp4", partial(_link, to=Path("nowhere.mp4")), "no such file"),
    "link_to_itself": ("a.mp4", partial(_link, to=Path("a.mp4")), ""),
    "without_index": ("a.mp4", lambda path: without_index(write_video(path)), ""),
    "header_alone": ("a.mp4", _no_picture_data, ""),
    "no_frames": ("a.mp4", write_no_frames, "picture"),
    "one_frame": ("a.mp4", partial(write_few_frames, frames=1), "1 frame"),
    "sound_alone": ("a.mp4", partial(write_coded_audio, rate=16_000), "picture"),
    "wav_called_mp4": ("a.mp4", write_audio, "picture"),
    "cover_alone": ("a.mp4", write_music_with_cover, "picture"),
    "thin": ("a.mp4", partial(write_video, size=(1206, 2)), "1206x2"),
    "tall": ("a.mp4", partial(write_video, size=(2, 1206)), "2x1206"),
    "huge": ("a.avi", _huge, "pixels"),
    "unknown_picture_codec": ("a.mp4", lambda path: _rename_codec(write_video(path), b"avc1"), ""),
    "unknown_codecs": ("a.mp4", lambda path: _rename_codec(_rename_codec(write_video(path), b"avc1"), b"mp4a"), ""),
}


@pytest.mark.timeout(30)
@pytest.mark.parametrize("name", list(BROKEN))
def test_a_broken_file_says_which_and_why(tmp_path: Path, name: str) -> None:
    file, write, reason = BROKEN[name]
    path = tmp_path / file
    write(path)
    with pytest.raises(MediaError) as caught:
        video(path)
    assert str(path) in str(caught.value)
    assert reason in str(caught.value)
    assert len(str(caught.value)) > len(str(path)) + 10, "a path alone is no reason"


@pytest.mark.timeout(30)
@pytest.mark.parametrize("name", list(BROKEN))
def test_probe_and_hash_survive_a_broken_file(tmp_path: Path, name: str) -> None:
    file, write, _ = BROKEN[name]
    path = tmp_path / file
    write(path)
    assert content_hash(path)
    with media_error_at_most(path):
        probe(path)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "avi", "webm"])
def test_a_truncated_video_is_refused(tmp_path: Path, suffix: str, share: float) -> None:
    how = {"webm": {"codec": "libvpx", "audio_codec": "libopus", "audio_rate": 48_000}}.get(suffix, {})
    path = write_video(tmp_path / f"a.{suffix}", seconds=4, faststart=suffix in ("mp4", "mov"), **how)  # type: ignore[arg-type]
    cut_off(path, share)
    with pytest.raises(MediaError) as caught:
        video(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
@pytest.mark.parametrize(("suffix", "codec"), [("m4a", "aac"), ("flac", "flac")])
def test_a_truncated_sound_is_refused(tmp_path: Path, suffix: str, codec: str, share: float) -> None:
    """Formats that say how long they are; mp4 with the index first, as downloads have it."""
    path = write_coded_audio(tmp_path / f"a.{suffix}", codec=codec, seconds=4, faststart=suffix == "m4a")
    assert sound(path).audio_s == pytest.approx(4.0, abs=0.1)
    cut_off(path, share)
    with pytest.raises(MediaError) as caught:
        sound(path)
    assert str(path) in str(caught.value)


def test_absurd_dimensions_in_the_index_alone(tmp_path: Path) -> None:
    """The index lies, the stream does not: a clip or an error, within the time limit."""
    for width, height in ((65_535, 65_535), (0, 0), (1, 65_535)):
        _harmless(claim_size(write_video(tmp_path / "a.mp4"), width, height))


def test_one_picture_is_not_decoded_beyond_the_pixel_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infer.media.MAX_SOURCE_PIXELS", 100 * 100)
    with pytest.raises(MediaError, match="200x100"):
        video(write_video(tmp_path / "a.mp4", size=(200, 100)))


def test_a_file_without_permission() -> None:
    folder, user = Path(tempfile.mkdtemp()), os.geteuid()
    try:
        folder.chmod(0o755)
        path = write_video(folder / "secret.mp4")
        path.chmod(0)
        if user == 0:
            os.seteuid(65534)  # root reads everything; nobody does not
        with pytest.raises(MediaError, match="ermi") as caught:
            video(path)
        assert str(path) in str(caught.value)
        assert content_hash(path).startswith("unreadable:")
    finally:
        os.seteuid(user)
        shutil.rmtree(folder)


def test_a_folder_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "a.mp4")

    def refuse(self: Path, **_: object) -> os.stat_result:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "stat", refuse)
    with pytest.raises(MediaError, match="Permission denied"):
        video(path)
    assert content_hash(path).startswith("unreadable:")


# --- Names are hostile too

ODD_NAMES = [
    "a:1.mp4",
    "file:a.mp4",
    "http:a.mp4",
    "concat:a|b.mp4",
    "%d.mp4",
    "-i.mp4",
    "a b\n.mp4",
    "笑い🙂.mp4",
    "a\udcff.mp4",
]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_any_file_name_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    made = write_video(tmp_path / "plain.mp4")
    made.rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert video(Path(name)).frames is not None  # as a path beside the working folder
    assert video(tmp_path / name).frames is not None
    assert len(content_hash(Path(name))) == 64


@pytest.mark.parametrize("name", ["a\0b.mp4", "a\ud800.mp4", "missing\udcff.mp4", "a" * 5000, "a/" * 3000, ""])
def test_a_name_that_no_file_can_have_is_a_media_error(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with pytest.raises(MediaError):
        video(path)
    assert content_hash(path)


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


# --- Bit rot


def _harmless(path: Path) -> Clip | None:
    """The clip, or None after a MediaError that names the file."""
    with media_error_at_most(path):
        return video(path)
    return None


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
    path = _rename_codec(write_video(tmp_path / "a.mp4"), b"mp4a")
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
    clip = _harmless(path)
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
    clip = _harmless(path)
    assert whole is not None
    if clip is not None and clip.frames is not None:
        assert clip.frames.shape == whole.shape
        worst = np.abs(clip.frames.astype(float) - whole).mean((1, 2, 3)).max()
        assert worst < 5 or clip.notes, f"pictures are off by {worst:.0f} levels without a word"


@pytest.mark.parametrize("seed", range(12))
def test_noise_in_the_media_data(tmp_path: Path, seed: int) -> None:
    begin = seed / 12
    path = corrupt(write_video(tmp_path / "a.mp4", seconds=1, preset="medium"), begin, begin + 0.1, seed)
    clip = _harmless(path)
    assert clip is None or clip.frames is None or len(clip.frames) == 4


_CACHE: dict[str, Path] = {}


def _shared_clip(name: str, write: Callable[[Path], Path]) -> Path:
    """A clip that is written once for all examples of a property."""
    if name not in _CACHE:
        _CACHE[name] = write(Path(tempfile.mkdtemp()) / name)
    return _CACHE[name]


@pytest.fixture(scope="module", autouse=True)
def _remove_shared_clips() -> Iterator[None]:
    yield
    for path in _CACHE.values():
        shutil.rmtree(path.parent)
    _CACHE.clear()


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
        _harmless(path)
        with media_error_at_most(path):
            sound(path)

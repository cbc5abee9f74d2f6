"""Windows of long files: the same pictures and sound as when the whole file is read, in the memory of a window."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from infer import decode, media, seek
from infer.media import Clip, MediaError, content_hash
from tasks.synthetic.long import generate_long
from tests.infer.clips import cut_off, picture, write_audio, write_coded_audio, write_video
from tests.infer.reading import sound, video

ROOT = Path(__file__).parents[2]
SECONDS = 12.0
WINDOWS = [(0.0, 3.0), (0.4, 2.0), (3.0, 5.5), (7.3, 9.9), (5.123, 5.9), (10.0, None), (11.5, 13.0)]
FILM = Fraction(24_000, 1001)
Way = Callable[[Path, float | None, float | None], Clip]


def both_ways(
    monkeypatch: pytest.MonkeyPatch, read: Way, path: Path, window: tuple[float, float | None]
) -> tuple[Clip, Clip]:
    """A window read with the whole file, and sought."""
    monkeypatch.setattr(seek, "LONG_S", 1e9)
    monkeypatch.setattr(seek, "SHORT_SHARE", 0.0)
    whole = read(path, *window)
    monkeypatch.setattr(seek, "LONG_S", 0.0)
    return whole, read(path, *window)


def assert_equal(whole: Clip, sought: Clip, tolerance: float = 0.0) -> None:
    assert (whole.frames is None, whole.fps, whole.notes, whole.has_audio) == (
        sought.frames is None,
        sought.fps,
        sought.notes,
        sought.has_audio,
    )
    if whole.frames is not None:
        assert sought.frames is not None
        assert np.array_equal(whole.frames, sought.frames)
    assert whole.audio is not None
    assert sought.audio is not None
    assert len(whole.audio) == len(sought.audio)
    assert np.abs(whole.audio - sought.audio).max() <= tolerance


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "avi", "flv", "ts"])
def test_a_sought_window_equals_the_whole_file_to_frame_and_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    """With B-frames, so that the order of decoding is not that of time."""
    path = write_video(tmp_path / f"a.{suffix}", seconds=SECONDS, preset="medium")
    for window in WINDOWS:
        assert_equal(*both_ways(monkeypatch, video, path, window))


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi", "flv", "ts"])
def test_other_rates_of_pictures_and_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    """44.1 kHz stereo: 441 samples there are 160 here. This coder fills bands with noise of its own: 1/40,000."""
    path = write_video(
        tmp_path / f"a.{suffix}", seconds=SECONDS, preset="medium", audio_rate=44_100, channels=2, fps=FILM
    )
    for window in WINDOWS:
        assert_equal(*both_ways(monkeypatch, video, path, window), tolerance=5e-5)


GROUPS = {
    "open groups": ("a.mp4", "libx264", {"x264-params": "open-gop=1:keyint=30:bframes=3:scenecut=0"}),
    "no key frames after the first": ("a.mp4", "libx264", {"x264-params": "intra-refresh=1:keyint=30"}),
    "broadcast": ("a.ts", "mpeg2video", {"g": "15", "bf": "2"}),
    "key frames far apart": ("a.ts", "libx264", {"g": "200"}),
}


@pytest.mark.parametrize("name", GROUPS)
def test_groups_of_pictures_of_every_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    file, codec, options = GROUPS[name]
    path = tmp_path / file
    with av.open(str(path), "w") as container:
        track = container.add_stream(codec, rate=25, options=options)
        track.width, track.height, track.pix_fmt = 96, 64, "yuv420p"
        for index in range(round(SECONDS * 25)):
            container.mux(track.encode(av.VideoFrame.from_ndarray(picture((96, 64), index), format="rgb24")))
        container.mux(track.encode(None))
    for window in WINDOWS:
        whole, sought = both_ways(monkeypatch, video, path, window)
        assert whole.frames is not None
        assert sought.frames is not None
        assert np.array_equal(whole.frames, sought.frames)
        assert whole.notes == sought.notes


@pytest.mark.parametrize(
    ("name", "codec"), [("a.m4a", "aac"), ("a.flac", "flac"), ("a.webm", "libopus"), ("a.mkv", "libmp3lame")]
)
def test_sound_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, codec: str) -> None:
    rate = 48_000 if codec == "libopus" else 44_100
    path = write_coded_audio(tmp_path / name, codec=codec, seconds=SECONDS, rate=rate)
    for window in WINDOWS:
        assert_equal(*both_ways(monkeypatch, sound, path, window), tolerance=5e-5)


def test_wav_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_audio(tmp_path / "a.wav", seconds=SECONDS, rate=44_100, channels=2)
    for window in WINDOWS:
        assert_equal(*both_ways(monkeypatch, sound, path, window))


def test_a_video_whose_frame_rate_varies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = np.random.default_rng(0).integers(15, 120, 200)
    path = write_video(tmp_path / "a.mkv", pts=[int(x) for x in np.cumsum(steps)], audio_seconds=SECONDS)
    for window in WINDOWS:
        assert_equal(*both_ways(monkeypatch, video, path, window))


def test_a_video_without_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "a.mp4", seconds=SECONDS, audio_rate=None)
    whole, sought = both_ways(monkeypatch, video, path, (7.0, 9.0))
    assert np.array_equal(whole.frames, sought.frames)  # type: ignore[arg-type]
    assert (
        (whole.audio, whole.notes, whole.has_audio)
        == (sought.audio, sought.notes, sought.has_audio)
        == (
            None,
            ("no sound track",),
            False,
        )
    )


def test_sound_that_ends_before_the_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "a.mp4", seconds=SECONDS, audio_seconds=3.0)
    whole, sought = both_ways(monkeypatch, video, path, (7.0, 9.0))
    assert whole.audio is sought.audio is None
    assert whole.notes == sought.notes
    assert whole.has_audio == sought.has_audio


@pytest.mark.parametrize("window", [(13.0, 14.0), (50.0, None), (11.99, 12.0)])
def test_a_window_without_frames_is_a_media_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, window: tuple[float, float | None]
) -> None:
    path = write_video(tmp_path / "a.mp4", seconds=SECONDS)
    said = []
    monkeypatch.setattr(seek, "SHORT_SHARE", 0.0)
    for long_s in (1e9, 0.0):
        monkeypatch.setattr(seek, "LONG_S", long_s)
        with pytest.raises(MediaError) as caught:
            video(path, *window)
        said.append(str(caught.value))
    assert said[0] == said[1]


def test_a_truncated_file_is_refused_however_short_the_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seek, "LONG_S", 0.0)
    path = cut_off(write_video(tmp_path / "a.mp4", seconds=SECONDS, faststart=True), 0.6)
    with pytest.raises(MediaError, match="truncated"):
        video(path, 0.0, 2.0)


def test_what_cannot_be_sought_is_read_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The times of a bare mp3 stream are guessed after a seek."""
    monkeypatch.setattr(seek, "LONG_S", 0.0)
    path = write_coded_audio(tmp_path / "a.mp3", codec="libmp3lame", seconds=SECONDS)
    with av.open(str(path)) as container:
        assert seek.index_for(path, container, 2.0, 3.0) is None
    path = write_video(tmp_path / "a.mp4", seconds=SECONDS)
    with av.open(str(path)) as container:
        assert seek.index_for(path, container, 2.0, 3.0) is not None
        assert seek.index_for(path, container, 2.0, 11.0) is None, "most of the file is wanted"
        monkeypatch.setattr(seek, "LONG_S", SECONDS + 1)
        assert seek.index_for(path, container, 2.0, 4.0) is None, "a short file"
        assert seek.index_for(path, container, 2.0, 3.0) is not None, "a short file, of which there may be many parts"


@pytest.mark.parametrize("late_s", [1.5, 30.0])
@pytest.mark.parametrize("fails", [False, True])
def test_a_seek_that_leads_elsewhere_costs_time_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late_s: float, fails: bool
) -> None:
    """Some containers seek to any packet, behind the one that was asked for, or not at all."""
    path = write_video(tmp_path / "a.mp4", seconds=SECONDS)
    whole, _ = both_ways(monkeypatch, video, path, (6.0, 8.0))

    def elsewhere(container: Any, track: Any, tick: int) -> bool:
        return not fails and decode_seek(container, track, tick + round(late_s / track.time_base))

    decode_seek = decode.seek
    monkeypatch.setattr(decode, "seek", elsewhere)
    monkeypatch.setattr(seek, "seek", elsewhere)
    assert_equal(whole, video(path, 6.0, 8.0))


def test_a_file_that_changed_is_looked_at_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seek, "LONG_S", 0.0)
    path = write_video(tmp_path / "a.mp4", seconds=SECONDS)
    before = video(path, 4.0, 6.0)
    write_video(path, seconds=SECONDS + 2, seed=1, fps=Fraction(30))
    after = video(path, 4.0, 6.0)
    assert before.frames is not None
    assert after.frames is not None
    assert not np.array_equal(before.frames, after.frames)
    assert after.fps != before.fps


def test_a_large_file_is_hashed_once_and_again_when_it_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    real = media._sha256

    def count(path: Path) -> str:
        read.append(path)
        return real(path)

    monkeypatch.setattr(media, "_sha256", count)
    monkeypatch.setattr(media, "LARGE", 1000)
    path = tmp_path / "film.mp4"
    path.write_bytes(b"x" * 2000)
    first = content_hash(path)
    assert content_hash(path) == first
    assert len(read) == 1
    path.write_bytes(b"y" * 2001)
    assert content_hash(path) != first
    assert len(read) == 2


# --- memory

PEAK = """
import sys
from pathlib import Path
from infer.media import load_clip
from infer.stream.pauses import loudness
from tasks.task import Media, MediaOptions
path, minutes = Path(sys.argv[1]), int(sys.argv[2])
options = MediaOptions(min_pixels=1, max_pixels=128 * 128)
loudness(path)
for minute in range(0, minutes, max(1, minutes // 10)):
    clip = load_clip(Media("video", path, 60.0 * minute, 60.0 * minute + 60.0), options, 28)
    assert clip.frames is not None and clip.frames.shape[0] == 120, clip.frames.shape
    assert abs(clip.audio_s - 60) < 0.01, clip.audio_s
# ru_maxrss would begin with the memory of the process that started this one
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def peak(path: Path, minutes: int) -> int:
    """The highest memory (KiB) of a process that reads windows of a clip and looks for its pauses."""
    words = [sys.executable, "-c", PEAK, str(path), str(minutes)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True, timeout=200)
    return int(done.stdout)


def test_memory_does_not_grow_with_the_clip(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = generate_long(tmp_path / "data", [120, 3600], seed=1, size=128, speakers=1)
    short, long = (peak(data / "clips" / f"long00{k}.mp4", minutes) for k, minutes in ((0, 2), (1, 60)))
    with capsys.disabled():
        print(f" [peak of 2 min {short / 1024:.0f} MiB, of 60 min {long / 1024:.0f} MiB]", end="")
    assert long < 1.3 * short

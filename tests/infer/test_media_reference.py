"""The media path against the reference: qwen-omni-utils (decord pictures, ffmpeg and librosa sound), and the token
counts of the Hugging Face processors on what either of them reads."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from infer.media import SAMPLE_RATE, Clip, frame_count, frame_size, load_clip
from infer.tiny import MARKS, Family, build_tiny
from tasks.task import Media, MediaOptions
from tests.infer.clips import picture, rotate, write_audio, write_video

PATCH: dict[Family, int] = {"qwen2_5_omni": 14, "qwen3_omni_moe": 16}
MERGE = 2
# Levels of 255. The reference brings the halved colour planes to full size before it resizes, we do both in one step.
PICTURE_TOLERANCE = 4.0
BIAS_TOLERANCE = 3.0
SOUND_TOLERANCE = 1e-3
# Two resamplers treat the ends of a sound differently.
SOUND_EDGE = 400
VARIABLE = [0, 40, 80, 200, 240, 400, 1000, 1040, 1080, 1120, 1500, 1900, 2000, 2040, 2080]


@dataclass(frozen=True)
class Case:
    """One clip and how it is read; `start_s`, `end_s` are its window."""

    name: str
    write: Callable[[Path], Path]
    options: dict[str, Any] = field(default_factory=dict)
    start_s: float | None = None
    end_s: float | None = None
    sound_tolerance: float = SOUND_TOLERANCE


def _video(name: str, **how: Any) -> Case:
    return Case(name, partial(write_video, **how))


def _turned(path: Path, degrees: int) -> Path:
    return rotate(write_video(path), degrees)


SIX_SECONDS = partial(write_video, seconds=6, audio_rate=48_000, channels=2, preset="medium")

CASES = [
    _video("plain"),
    _video("odd_size", size=(97, 65), codec="mpeg4"),
    _video("odd_size_444", size=(101, 67), pix_fmt="yuv444p"),
    _video("tall", size=(64, 400)),
    _video("wide", size=(1280, 36)),
    _video("hd", size=(1280, 720), seconds=1),
    _video("film_rate", fps=Fraction(24000, 1001), seconds=3.3, preset="medium"),
    _video("ntsc_rate", fps=Fraction(30000, 1001), seconds=2.7),
    _video("variable_rate", pts=VARIABLE),
    _video("variable_rate_b_frames", pts=VARIABLE, preset="medium"),
    _video("one_second", seconds=1),
    _video("sixty_seconds", seconds=60, size=(64, 48)),
    _video("seven_frames", seconds=7 / 25),
    _video("two_frames", seconds=2 / 25),
    _video("stereo_16k", channels=2),
    _video("mono_44k", audio_rate=44_100),
    _video("stereo_44k", audio_rate=44_100, channels=2),
    _video("mono_48k", audio_rate=48_000),
    _video("stereo_48k", audio_rate=48_000, channels=2),
    *(Case(f"turned_{degrees}", partial(_turned, degrees=degrees)) for degrees in (90, 180, 270)),
    Case("window", SIX_SECONDS, start_s=1.0, end_s=3.0),
    Case("window_from", SIX_SECONDS, start_s=2.0),
    Case("window_to", SIX_SECONDS, end_s=2.52),
    Case("window_past_the_end", SIX_SECONDS, start_s=4.0, end_s=100.0),
    Case("window_between_frames", SIX_SECONDS, start_s=0.33, end_s=5.9),
    # 1.013 * 48000 is a hair below 48624: the reference begins a third of our sample too early. A whole one gives 0.05.
    Case("window_in_milliseconds", SIX_SECONDS, start_s=1.013, end_s=4.017, sound_tolerance=0.03),
    Case("few_frames_wanted", SIX_SECONDS, {"min_frames": 2, "max_frames": 2}),
    Case("five_a_second_at_most_13", SIX_SECONDS, {"fps": 5.0, "max_frames": 13}),
    Case("at_least_31_frames", SIX_SECONDS, {"min_frames": 31}),
    Case("more_than_the_clip_has", SIX_SECONDS, {"fps": 200.0}),
    Case("small_pictures", SIX_SECONDS, {"min_pixels": 4000, "max_pixels": 20_000}),
]
BY_NAME = {case.name: case for case in CASES}
# The processors' own work on 300 s of padded sound is the slow part of a comparison; these clips cover the shapes.
TOKEN_CASES = "plain odd_size_444 tall film_rate variable_rate one_second sixty_seconds mono_44k turned_90".split()  # noqa: SIM905
TOKEN_CASES += ["window_from", "at_least_31_frames"]


@dataclass(frozen=True)
class Read:
    """What the reference reads: float frames [frames, height, width, 3], their rate, sound, and the frames' indices."""

    frames: NDArray[np.float32]
    fps: float
    audio: NDArray[np.float32]
    indices: list[int]


def _ffmpeg(folder: Path) -> Path:
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg", reason="the reference reads sound with imageio-ffmpeg's")
    tool = folder / "ffmpeg"
    tool.symlink_to(imageio_ffmpeg.get_ffmpeg_exe())
    return tool


@pytest.fixture(scope="module")
def ffmpeg(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A program called `ffmpeg`, found on PATH as long as the tests of this file run."""
    tool = _ffmpeg(tmp_path_factory.mktemp("bin"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{tool.parent}{os.pathsep}{os.environ['PATH']}")
        yield tool


def run_ffmpeg(tool: Path, *arguments: str | Path) -> bytes:
    """What the tool writes to standard output."""
    words = [str(word) for word in (tool, "-v", "error", *arguments)]
    return subprocess.run(words, check=True, capture_output=True).stdout


@pytest.fixture(scope="module")
def reference(ffmpeg: Path) -> Iterator[Any]:
    """The vision module of qwen-omni-utils, reading with decord."""
    pytest.importorskip("decord", reason="decord is not installed (dev extra)")
    pytest.importorskip("torch", reason="torch is not installed (base install)")
    pytest.importorskip("qwen_omni_utils", reason="qwen-omni-utils is not installed (qwen extra)")
    from qwen_omni_utils.v2_5 import vision_process

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vision_process, "FORCE_QWENVL_VIDEO_READER", "decord")
        vision_process.get_video_reader_backend.cache_clear()
        yield vision_process
    vision_process.get_video_reader_backend.cache_clear()


@dataclass
class Bench:
    """Writes each clip once and reads it once with either reader for a patch size."""

    folder: Path
    vision: Any
    read: dict[tuple[str, int], Read] = field(default_factory=dict)
    loaded: dict[tuple[str, int], Clip] = field(default_factory=dict)

    def path(self, case: Case) -> Path:
        """The clip's file."""
        path = self.folder / f"{case.name}.mp4"
        return path if path.exists() else case.write(path)

    def ours(self, case: Case, patch: int = 14) -> Clip:
        """What infer.media reads."""
        if (case.name, patch) not in self.loaded:
            media = Media("video", self.path(case), case.start_s, case.end_s)
            self.loaded[case.name, patch] = load_clip(media, MediaOptions(**case.options), patch * MERGE)
        return self.loaded[case.name, patch]

    def theirs(self, case: Case, patch: int = 14) -> Read:
        """What qwen-omni-utils reads."""
        if (case.name, patch) not in self.read:
            self.read[case.name, patch] = self._reference(case, patch)
        return self.read[case.name, patch]

    def _reference(self, case: Case, patch: int) -> Read:
        from qwen_omni_utils import process_mm_info

        file = str(self.path(case))
        window = {end: at for end, at in (("start", case.start_s), ("end", case.end_s)) if at is not None}
        video = {"type": "video", "video": file, **{f"video_{end}": at for end, at in window.items()}}
        (frames, metadata), fps = self.vision.fetch_video(
            {**video, **case.options},
            image_patch_size=patch,
            return_video_sample_fps=True,
            return_video_metadata=True,
        )
        assert metadata["video_backend"] == "decord", "the reference fell back to another reader"
        sound = {"type": "audio", "audio": file, **{f"audio_{end}": at for end, at in window.items()}}
        audio = process_mm_info([{"role": "user", "content": [sound]}], use_audio_in_video=False)[0][0]
        return Read(frames.permute(0, 2, 3, 1).numpy(), fps, audio, list(metadata["frames_indices"]))


@pytest.fixture(scope="module")
def bench(reference: Any, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("clips"), reference)


FACTORS = [patch * MERGE for patch in PATCH.values()]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    total=st.integers(2, 100_000),
    fps=st.floats(0.5, 240),
    wanted=st.floats(0.1, 60),
    bounds=st.tuples(st.integers(1, 25), st.integers(0, 800)).map(lambda pair: (2 * pair[0], 2 * pair[0] + pair[1])),
)
def test_frame_count_of_any_clip(
    reference: Any, total: int, fps: float, wanted: float, bounds: tuple[int, int]
) -> None:
    asked: dict[str, Any] = {"fps": wanted, "min_frames": bounds[0], "max_frames": bounds[1]}
    assert frame_count(total, fps, MediaOptions(**asked)) == reference.smart_nframes(asked, total, fps)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    size=st.tuples(st.integers(1, 6000), st.integers(1, 6000)),
    frames=st.integers(2, 768),
    factor=st.sampled_from(FACTORS),
)
def test_frame_size_of_any_clip(reference: Any, size: tuple[int, int], frames: int, factor: int) -> None:
    height, width = size
    if max(size) > 200 * min(size):
        return
    budget = {"min_pixels": 128 * factor**2}
    budget["max_pixels"] = max(
        min(768 * factor**2, reference.MODEL_SEQ_LEN * factor**2 * 0.9 / frames * 2), int(budget["min_pixels"] * 1.05)
    )
    expected = reference.smart_resize(height, width, factor, **budget)
    # The reference shrinks a thin strip to a side of nothing; ours keeps one step.
    assert frame_size(height, width, frames, MediaOptions(), factor) == tuple(max(factor, side) for side in expected)


every_case = pytest.mark.parametrize("name", [case.name for case in CASES])


def test_a_neighbouring_frame_would_be_noticed() -> None:
    frames = [picture((96, 64), index).astype(float) for index in range(40)]
    steps = [np.abs(a - b).mean() for a, b in itertools.pairwise(frames)]
    assert min(steps) > 2 * PICTURE_TOLERANCE


@every_case
def test_frame_count_size_and_rate(bench: Bench, name: str) -> None:
    ours, theirs = bench.ours(BY_NAME[name]), bench.theirs(BY_NAME[name])
    assert ours.frames is not None
    assert ours.frames.dtype == np.uint8
    assert ours.frames.shape == theirs.frames.shape
    assert ours.fps == pytest.approx(theirs.fps, rel=1e-4)


@every_case
def test_pictures(bench: Bench, name: str) -> None:
    ours, theirs = bench.ours(BY_NAME[name]), bench.theirs(BY_NAME[name])
    assert ours.frames is not None
    for index, (mine, other) in enumerate(zip(ours.frames, theirs.frames, strict=True)):
        difference = mine.astype(np.float32) - other
        assert np.abs(difference).mean() < PICTURE_TOLERANCE, f"frame {index}"
        assert np.abs(difference.mean((0, 1))).max() < BIAS_TOLERANCE, f"frame {index} has other colours"


@every_case
def test_sound(bench: Bench, name: str) -> None:
    ours, theirs = bench.ours(BY_NAME[name]), bench.theirs(BY_NAME[name])
    assert ours.audio is not None
    assert ours.audio.dtype == np.float32
    assert len(ours.audio) == len(theirs.audio)
    inner = slice(SOUND_EDGE, -SOUND_EDGE)
    assert np.abs(ours.audio[inner] - theirs.audio[inner]).max(initial=0.0) < BY_NAME[name].sound_tolerance
    assert np.abs(ours.audio - theirs.audio).max() < 0.25


@pytest.mark.parametrize("name", ["plain", "tall", "hd", "turned_270"])
def test_frame_size_for_another_patch_size(bench: Bench, name: str) -> None:
    ours, theirs = bench.ours(BY_NAME[name], patch=16), bench.theirs(BY_NAME[name], patch=16)
    assert ours.frames is not None
    assert ours.frames.shape == theirs.frames.shape


@pytest.mark.parametrize(("rate", "channels"), [(16_000, 1), (44_100, 2), (48_000, 1), (8_000, 1), (22_050, 2)])
def test_sound_file_without_pictures(ffmpeg: Path, reference: Any, tmp_path: Path, rate: int, channels: int) -> None:
    from qwen_omni_utils import process_mm_info

    path = write_audio(tmp_path / "voice.wav", seconds=1.7, rate=rate, channels=channels)
    ours = load_clip(Media("audio", path), MediaOptions(), 28).audio
    item = {"type": "audio", "audio": str(path)}
    theirs = process_mm_info([{"role": "user", "content": [item]}], use_audio_in_video=False)[0][0]
    assert ours is not None
    assert len(ours) == len(theirs)
    assert np.abs(ours - theirs)[SOUND_EDGE:-SOUND_EDGE].max() < SOUND_TOLERANCE


def test_a_cut_that_begins_between_key_frames_shows_what_a_player_shows(ffmpeg: Path, tmp_path: Path) -> None:
    """decord also counts the hidden frames before such a cut, so that pictures and sound drift apart. We do not."""
    whole = write_video(tmp_path / "whole.mp4", seconds=8, size=(64, 48), audio_rate=44_100, preset="medium")
    cut = tmp_path / "cut.mp4"
    run_ffmpeg(ffmpeg, "-ss", "2.4", "-i", whole, "-t", "3", "-c", "copy", cut)
    raw = run_ffmpeg(ffmpeg, "-i", cut, "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    shown = np.frombuffer(raw, np.uint8).reshape(-1, 48, 64, 3)
    options = MediaOptions(fps=100.0, min_pixels=1, max_pixels=64 * 64)
    clip = load_clip(Media("video", cut), options, 16)
    assert clip.frames is not None
    assert clip.frames.shape == (len(shown) // 2 * 2, 48, 64, 3)
    places = np.linspace(0, len(shown) - 1, len(clip.frames)).round().astype(int)
    assert np.abs(clip.frames.astype(float) - shown[places]).mean((1, 2, 3)).max() < PICTURE_TOLERANCE
    assert abs(clip.audio_s - len(shown) / 25) < 0.15


@pytest.mark.parametrize("colour_range", ["tv", "pc"])
@pytest.mark.parametrize("matrix", ["bt709", "smpte170m"])
def test_colours(bench: Bench, ffmpeg: Path, matrix: str, colour_range: str) -> None:
    def write(path: Path) -> Path:
        plain = write_video(path.with_suffix(".plain.mp4"), size=(160, 96), seconds=1)
        convert = f"scale=out_color_matrix={matrix}:out_range={colour_range}"
        tags = ("-colorspace", matrix, "-color_range", colour_range)
        run_ffmpeg(ffmpeg, "-i", plain, "-vf", convert, *tags, path)
        return path

    case = Case(f"{matrix}_{colour_range}", write)
    ours, theirs = bench.ours(case), bench.theirs(case)
    assert ours.frames is not None
    assert np.abs(ours.frames - theirs.frames).mean() < PICTURE_TOLERANCE / 2


# --- Token counts


@pytest.fixture(scope="module")
def processors(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Family], Any]:
    pytest.importorskip("torch", reason="torch is not installed (base install)")
    transformers = pytest.importorskip("transformers", reason="transformers is not installed (base install)")
    ready: dict[Family, Any] = {}

    def processor(family: Family) -> Any:
        if family not in ready:
            folder = build_tiny(tmp_path_factory.mktemp("tiny") / family, family)
            ready[family] = transformers.AutoProcessor.from_pretrained(folder)
        return ready[family]

    return processor


def count_tokens(processor: Any, family: Family, frames: Any, fps: float, audio: Any, **how: Any) -> dict[str, Any]:
    """The processor's video grid and the audio and video tokens of a prompt with both."""
    marks = MARKS[family]
    text = f"{marks.vision_bos}{marks.video}{marks.vision_eos}{marks.audio_bos}{marks.audio}{marks.audio_eos}What?"
    made = processor(
        text=[text],
        videos=[frames],
        audio=[audio],
        fps=fps,
        do_sample_frames=False,
        use_audio_in_video=False,
        return_tensors="pt",
        **how,
    )
    ids = made["input_ids"][0].tolist()
    number = processor.tokenizer.convert_tokens_to_ids
    return {
        "grid": made["video_grid_thw"][0].tolist(),
        "mel_frames": int(made["feature_attention_mask"].sum()),
        "video": ids.count(number(marks.video)),
        "audio": ids.count(number(marks.audio)),
    }


@pytest.mark.parametrize("name", TOKEN_CASES)
@pytest.mark.parametrize("family", list(MARKS))
def test_tokens(bench: Bench, processors: Callable[[Family], Any], family: Family, name: str) -> None:
    import torch

    case, patch, processor = BY_NAME[name], PATCH[family], processors(family)
    ours, theirs = bench.ours(case, patch), bench.theirs(case, patch)
    assert ours.frames is not None
    assert ours.audio is not None
    # Theirs as the model cards do it; ours as infer/vllm_engine.py does it: sizes are kept, the window is the clip's.
    pictures = torch.tensor(theirs.frames).permute(0, 3, 1, 2)
    expected = count_tokens(processor, family, pictures, theirs.fps, theirs.audio)
    kept = {"size": {"shortest_edge": 1, "longest_edge": 1 << 40}, "audio_kwargs": {"max_length": len(ours.audio)}}
    found = count_tokens(processor, family, ours.frames, ours.fps, ours.audio, **kept)
    assert found == expected
    frames, height, width, _ = ours.frames.shape
    assert found["grid"] == [frames // 2, height // patch, width // patch]
    assert found["video"] == frames // 2 * (height // patch) * (width // patch) // MERGE**2
    assert found["mel_frames"] == len(ours.audio) // (SAMPLE_RATE // 100)
    assert found["audio"] > 0

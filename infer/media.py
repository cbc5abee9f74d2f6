"""From a media file to what a model is fed: sampled frames and 16 kHz sound, with one open a file.

The sampling policy is that of qwen-omni-utils (frame counts, frame indices, frame sizes and true sampling rate agree
with it; tests/infer/test_media_reference.py compares them), without its three opens a file, its float frames and its
assertion on videos without sound. A file that cannot be used raises MediaError with the reason, before an engine sees
it; what is damaged and usable is fed and noted.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from infer.decode import SAMPLE_RATE, ClipInfo, Ear, MediaError, check_file, open_media, pictures, scan
from infer.seek import AHEAD_S, index_for, listen
from tasks.task import Media, MediaOptions

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["SAMPLE_RATE", "Clip", "ClipInfo", "FrameError", "MediaError", "check_file", "content_hash", "load_clip"]
__all__ += ["frame_count", "frame_indices", "frame_size", "probe"]

FRAME_STEP = 2  # frames are paired by the models' temporal patch
MIN_FRAME_TOKENS, MAX_FRAME_TOKENS = 128, 768  # visual tokens of one frame, the published budget
# The context for which the published tools share out pixels over the frames of a long clip.
CONTEXT_TOKENS = 128_000
MAX_ASPECT = 200
# Shorter sound gives the audio towers not a single token.
MIN_AUDIO_SAMPLES = SAMPLE_RATE // 20
# A larger file is hashed once: an hour's film has many windows, and reading it costs more than decoding one of them.
LARGE = 16 << 20


class FrameError(ValueError):
    """Frames that no model can be fed: the reason alone, where the file is not known."""


@dataclass(frozen=True, slots=True)
class Clip:
    """What is fed of one medium.

    `frames` uint8 [frames, height, width, 3] or None; `fps` is their true sampling rate; `audio` float32 [samples] in
    [-1, 1] at 16 kHz or None; `has_audio`: the file has usable sound, fed or not; `notes` say what was left out.
    """

    frames: NDArray[np.uint8] | None
    fps: float
    audio: NDArray[np.float32] | None
    has_audio: bool
    notes: tuple[str, ...] = ()

    @property
    def audio_s(self) -> float:
        """Seconds of sound fed."""
        return 0.0 if self.audio is None else len(self.audio) / SAMPLE_RATE


def content_hash(path: Path) -> str:
    """SHA-256 of the file's bytes, as hex; a file that cannot be read gives a hash of the reason."""
    try:
        if check_file(path) < LARGE:
            return _sha256(path)
        status = path.stat()
        return _sha256_once(path, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
    except (MediaError, OSError) as error:
        return "unreadable:" + hashlib.sha256(str(error).encode(errors="backslashreplace")).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@lru_cache(maxsize=1024)
def _sha256_once(path: Path, *_: int) -> str:
    return _sha256(path)


def frame_count(total: int, source_fps: float, options: MediaOptions) -> int:
    """How many of `total` frames are sampled: `fps` a second within the bounds, floored to an even number.

    Raises FrameError when fewer than two frames exist.
    """
    low = math.ceil(options.min_frames / FRAME_STEP) * FRAME_STEP
    high = min(options.max_frames, total) // FRAME_STEP * FRAME_STEP
    count = min(max(total / source_fps * options.fps, low), high, total)
    count = int(count // FRAME_STEP) * FRAME_STEP
    if count < FRAME_STEP:
        raise FrameError(f"the video has {total} frame(s); at least {FRAME_STEP} are needed")
    return count


def frame_indices(first: int, last: int, count: int) -> list[int]:
    """`count` indices spread evenly from `first` to `last`, both included, rounded half to even.

    In float32 from both ends, as torch.linspace does it, so that ties fall the same way.
    """
    import numpy as np

    step = np.float64(np.float32(last - first) / np.float32(max(count - 1, 1)))
    steps = np.arange(count, dtype=np.float64)
    # Product and sum are rounded once, as a fused multiply-add does.
    below = (first + step * steps).astype(np.float32)
    above = (last - step * (count - 1 - steps)).astype(np.float32)
    return [int(value) for value in np.where(steps < count // 2, below, above).round()]


def frame_size(height: int, width: int, frames: int, options: MediaOptions, factor: int) -> tuple[int, int]:
    """Height and width after resizing: multiples of `factor` (patch size x merge size), near the aspect ratio, within
    the pixel budget. A long clip shares out a total budget over its frames.

    Raises FrameError for an aspect ratio above 200.
    """
    if max(height, width) / min(height, width) > MAX_ASPECT:
        raise FrameError(f"{width}x{height} pixels: aspect ratios above {MAX_ASPECT} cannot be fed")
    area = factor * factor
    low: float = options.min_pixels or MIN_FRAME_TOKENS * area
    shared = CONTEXT_TOKENS * area * 0.9 / frames * FRAME_STEP
    high: float = max(min(MAX_FRAME_TOKENS * area, shared), int(low * 1.05))
    high = min(options.max_pixels or high, high)
    low = min(low, high)  # a largest area below the default smallest one is meant
    new_height = max(factor, round(height / factor) * factor)
    new_width = max(factor, round(width / factor) * factor)
    if new_height * new_width > high:
        shrink = math.sqrt(height * width / high)
        new_height = max(factor, math.floor(height / shrink / factor) * factor)
        new_width = max(factor, math.floor(width / shrink / factor) * factor)
    elif new_height * new_width < low:
        grow = math.sqrt(low / (height * width))
        larger = math.ceil(height * grow / factor) * factor, math.ceil(width * grow / factor) * factor
        # Rounding up may pass a largest area that the user set; that bound is kept.
        if not options.max_pixels or larger[0] * larger[1] <= options.max_pixels:
            return larger
    return new_height, new_width


def probe(path: Path) -> ClipInfo:
    """What the file holds, from its container and packets; nothing is decoded.

    Raises MediaError for a file that is missing, empty, no media, truncated, without frames, or of absurd dimensions.
    """
    size = check_file(path)
    with open_media(path) as container:
        return scan(path, container, size)[0]


def load_clip(media: Media, options: MediaOptions, factor: int) -> Clip:
    """Frames and sound of one medium under the policy, `factor` being the model's patch size x merge size in pixels.

    Of a window of a long file nothing but the window is decoded (infer/seek.py).
    Raises MediaError as `probe` does, and for a stream that cannot be decoded or a time range outside the clip.
    """
    import av

    size = check_file(media.path)
    start, end = _window(media)
    frames, fps = None, 0.0
    notes: list[str] = []
    with open_media(media.path) as container:
        index = index_for(media.path, container, start, end)
        if index is not None:
            info, times = index.info, index.times
            ear = listen(media.path, container, index, start, end) if options.audio else None
        else:
            ear = Ear() if options.audio else None
            info, times = scan(media.path, container, size, ear)
        if media.kind == "video" and not info.has_video:
            raise MediaError(f"{media.path}: has no picture track, a video was expected")
        if media.kind == "audio" and not info.has_audio:
            raise MediaError(f"{media.path}: has no sound track, an audio file was expected")
        if media.kind == "video" and options.video:
            first, last = _frame_range(media.path, info, start, end)
            try:
                count = frame_count(last - first + 1, info.fps, options)
                fit = partial(frame_size, frames=count, options=options, factor=factor)
                wanted = [times[i] for i in frame_indices(first, last, count)]
                frames, lost = pictures(container, wanted, fit, None if index is None else AHEAD_S)
            except FrameError as error:
                raise MediaError(f"{media.path}: {error}") from None
            except av.FFmpegError as error:
                raise MediaError(f"{media.path}: cannot be decoded: {error.strerror}") from None
            if frames is None:
                raise MediaError(f"{media.path}: no frame could be decoded")
            fps = count / (last - first + 1) * info.fps
            notes += [f"{lost} of {count} frames cannot be decoded; the one before stands for each"] if lost else []
    audio = None
    if ear:
        audio, said = _usable(ear, info, start, end)
        notes += said
    if media.kind == "audio" and options.audio and audio is None:
        raise MediaError(f"{media.path}: {notes[-1]}")
    return Clip(frames, fps, audio, has_audio=info.has_audio and not (ear and audio is None), notes=tuple(notes))


def _usable(ear: Ear, info: ClipInfo, start: float, end: float) -> tuple[NDArray[np.float32] | None, list[str]]:
    """The sound of the time range if it can be fed, and what is to be said about it."""
    audio = ear.sound()
    if audio is None:
        return None, ear.notes or ["sound track cannot be decoded" if info.has_audio else "no sound track"]
    begin = max(0, round(start * SAMPLE_RATE) - ear.offset)
    audio = audio[begin : max(0, round(end * SAMPLE_RATE) - ear.offset) if end < math.inf else None]
    if len(audio) < MIN_AUDIO_SAMPLES:
        return None, [*ear.notes, f"sound of {len(audio)} samples is too short to be fed"]
    return audio, ear.notes if audio.any() else [*ear.notes, "sound track is silent"]


def _window(media: Media) -> tuple[float, float]:
    """The time range of a medium in seconds, the end infinite for "to the end"; MediaError for one that is none."""
    start = 0.0 if media.start_s is None else media.start_s
    end = math.inf if media.end_s is None else media.end_s
    if math.isnan(start) or math.isnan(end) or start == math.inf or end <= max(start, 0.0):
        raise MediaError(f"{media.path}: {media.start_s} to {media.end_s} s is no time range")
    return max(start, 0.0), end


def _frame_range(path: Path, info: ClipInfo, start: float, end: float) -> tuple[int, int]:
    """First and last frame of a time range in seconds."""
    first = math.ceil(min(start, info.frames / info.fps) * info.fps)
    last = min(math.floor(min(end, info.frames / info.fps) * info.fps), info.frames - 1)
    if first >= last and (start > 0 or end < math.inf):
        raise MediaError(f"{path}: no two frames lie from {start} to {end} s; the clip has {info.duration_s:.2f} s")
    return first, last

"""From a media file to what a model is fed: sampled frames and 16 kHz sound, with one open a file.

The sampling policy is that of qwen-omni-utils (frame counts, frame indices, frame sizes and true sampling rate agree
with it; tests/infer/test_media.py compares them), without its three opens a file, its float frames and its assertion
on videos without sound. A file that cannot be used raises MediaError with the reason, before an engine sees it.
"""

from __future__ import annotations

import hashlib
import math
import stat
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.task import Media, MediaOptions

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SAMPLE_RATE = 16_000
FRAME_STEP = 2  # frames are paired by the models' temporal patch
MIN_FRAME_TOKENS, MAX_FRAME_TOKENS = 128, 768  # visual tokens of one frame, the published budget
# The context for which the published tools share out pixels over the frames of a long clip.
CONTEXT_TOKENS = 128_000
MAX_ASPECT = 200
MAX_SOURCE_PIXELS = 8192 * 8192
# Shorter sound gives the audio towers not a single token.
MIN_AUDIO_SAMPLES = SAMPLE_RATE // 20
# A file may lack the last frames that its header counts; more than this is a truncated file.
MISSING_FRAMES = 0.02


class MediaError(ValueError):
    """A media file that cannot be used: its path and the reason, for people."""


class FrameError(ValueError):
    """Frames that no model can be fed: the reason alone, where the file is not known."""


@dataclass(frozen=True, slots=True)
class ClipInfo:
    """What a file holds, read from its packets: seconds, frames, pixels (as coded, before rotation), Hz, bytes."""

    duration_s: float
    frames: int
    fps: float
    width: int
    height: int
    audio_rate: int
    bytes: int

    @property
    def has_video(self) -> bool:
        """Whether there is a picture track."""
        return self.frames > 0

    @property
    def has_audio(self) -> bool:
        """Whether there is a sound track."""
        return self.audio_rate > 0


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


def check_file(path: Path) -> int:
    """Size in bytes of a regular, readable, non-empty file; MediaError says what else it is."""
    try:
        status = path.stat()
    except FileNotFoundError:
        raise MediaError(f"{path}: no such file") from None
    except OSError as error:
        raise MediaError(f"{path}: {error.strerror}") from None
    if stat.S_ISDIR(status.st_mode):
        raise MediaError(f"{path}: is a directory, a media file was expected")
    if not stat.S_ISREG(status.st_mode):
        raise MediaError(f"{path}: is not a regular file")
    if status.st_size == 0:
        raise MediaError(f"{path}: is empty (0 bytes)")
    return status.st_size


def content_hash(path: Path) -> str:
    """SHA-256 of the file's bytes, as hex; a file that cannot be read gives a hash of the reason."""
    try:
        check_file(path)
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except (MediaError, OSError) as error:
        return "unreadable:" + hashlib.sha256(str(error).encode()).hexdigest()


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

    step = np.float32(last - first) / np.float32(max(count - 1, 1))
    steps = np.arange(count, dtype=np.float32)
    below = np.float32(first) + step * steps
    above = np.float32(last) - step * (np.float32(count - 1) - steps)
    return [int(value) for value in np.where(steps < count // 2, below, above).round()]


def frame_size(height: int, width: int, frames: int, options: MediaOptions, factor: int) -> tuple[int, int]:
    """Height and width after resizing: multiples of `factor` (patch size x merge size), near the aspect ratio, within
    the pixel budget. A long clip shares out a total budget over its frames.

    Raises FrameError for an aspect ratio above 200.
    """
    if max(height, width) / min(height, width) > MAX_ASPECT:
        raise FrameError(f"{width}x{height} pixels: aspect ratios above {MAX_ASPECT} cannot be fed")
    area = factor * factor
    low = options.min_pixels or MIN_FRAME_TOKENS * area
    shared = CONTEXT_TOKENS * area * 0.9 / frames * FRAME_STEP
    high: float = max(min(MAX_FRAME_TOKENS * area, shared), int(low * 1.05))
    high = min(options.max_pixels or high, high)
    new_height = max(factor, round(height / factor) * factor)
    new_width = max(factor, round(width / factor) * factor)
    if new_height * new_width > high:
        shrink = math.sqrt(height * width / high)
        new_height = max(factor, math.floor(height / shrink / factor) * factor)
        new_width = max(factor, math.floor(width / shrink / factor) * factor)
    elif new_height * new_width < low:
        grow = math.sqrt(low / (height * width))
        new_height = math.ceil(height * grow / factor) * factor
        new_width = math.ceil(width * grow / factor) * factor
    return new_height, new_width


def probe(path: Path) -> ClipInfo:
    """What the file holds, from its container and packets; nothing is decoded.

    Raises MediaError for a file that is missing, empty, no media, truncated, without frames, or of absurd dimensions.
    """
    size = check_file(path)
    with _opened(path) as container:
        return _scan(path, container, size)


def load_clip(media: Media, options: MediaOptions, factor: int) -> Clip:
    """Frames and sound of one medium under the policy, `factor` being the model's patch size x merge size in pixels.

    Raises MediaError as `probe` does, and for a stream that cannot be decoded or a time range outside the clip.
    """
    import av

    size = check_file(media.path)
    ear = _Ear() if options.audio else None
    frames, fps = None, 0.0
    with _opened(media.path) as container:
        info = _scan(media.path, container, size, ear)
        if media.kind == "video" and not info.has_video:
            raise MediaError(f"{media.path}: has no picture track, a video was expected")
        if media.kind == "audio" and not info.has_audio:
            raise MediaError(f"{media.path}: has no sound track, an audio file was expected")
        if media.kind == "video" and options.video:
            first, last = _frame_range(media, info)
            try:
                count = frame_count(last - first + 1, info.fps, options)
                fps = count / (last - first + 1) * info.fps
                fit = partial(frame_size, frames=count, options=options, factor=factor)
                container.seek(0)
                frames = _pictures(container, frame_indices(first, last, count), fit)
            except av.FFmpegError as error:
                raise MediaError(f"{media.path}: cannot be decoded: {error.strerror}") from None
            except FrameError as error:
                raise MediaError(f"{media.path}: {error}") from None
            if frames is None:
                raise MediaError(f"{media.path}: no frame could be decoded")
    audio = _cut(ear.sound() if ear else None, media)
    notes, usable = [], info.has_audio
    if options.audio and audio is None:
        notes.append("sound track cannot be decoded" if info.has_audio else "no sound track")
        usable = False
    elif audio is not None and len(audio) < MIN_AUDIO_SAMPLES:
        notes.append(f"sound of {len(audio)} samples is too short to be fed")
        audio, usable = None, False
    elif audio is not None and not audio.any():
        notes.append("sound track is silent")
    if media.kind == "audio" and options.audio and audio is None:
        raise MediaError(f"{media.path}: {notes[-1]}")
    return Clip(frames, fps, audio, has_audio=usable, notes=tuple(notes))


class _Ear:
    """Collects the sound of a file, packet by packet, as 16 kHz mono."""

    def __init__(self) -> None:
        import av

        # The layout is kept here and averaged below: the resampler's own down-mix makes stereo louder by sqrt(2).
        self._resampler = av.AudioResampler(format="fltp", rate=SAMPLE_RATE)
        self._parts: list[NDArray[np.float32]] = []
        self._start, self._end = math.inf, 0.0

    def hear(self, packet: Any) -> None:
        """Decodes one packet of the sound track."""
        if packet.pts is not None and not packet.is_discard:
            self._start = min(self._start, float(packet.pts * packet.time_base))
            self._end = max(self._end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
        for frame in _frames(packet):
            self._parts.extend(part.to_ndarray().mean(0) for part in self._resampler.resample(frame))

    def sound(self) -> NDArray[np.float32] | None:
        """Everything heard, float32 [samples], or None."""
        import numpy as np

        if not self._parts:
            return None
        self._parts.extend(part.to_ndarray().mean(0) for part in self._resampler.resample(None))
        audio = np.concatenate(self._parts)
        if self._end > self._start:
            # The last packet is padded to the codec's frame size; its duration says how much of it is sound.
            audio = audio[: round((self._end - self._start) * SAMPLE_RATE)]
        return audio


def _opened(path: Path) -> Any:
    import av

    try:
        # Metadata of a foreign file may be in any encoding; it is not used.
        return av.open(str(path), metadata_errors="ignore")
    except (av.FFmpegError, OSError) as error:
        raise MediaError(f"{path}: cannot be read as media: {error.strerror}") from None


def _scan(path: Path, container: Any, size: int, ear: _Ear | None = None) -> ClipInfo:
    """Counts the packets of the picture track; the rate is frames over the time they span, as the decoders see it.

    The sound is decoded in the same pass: after a seek the priming packet at the very start could not be reached again.
    """
    import av

    video = next((stream for stream in container.streams.video if not _is_cover(stream)), None)
    audio = next(iter(container.streams.audio), None)
    if video is None and audio is None:
        raise MediaError(f"{path}: holds neither pictures nor sound")
    rate = (audio.rate or 0) if audio is not None else 0
    if video is not None:
        _check_size(path, video)
    spans: list[tuple[int, int]] = []
    packets = 0
    try:
        for packet in container.demux([stream for stream in (video, audio) if stream is not None]):
            if packet.stream is audio:
                if ear:
                    ear.hear(packet)
            elif packet.size and packet.pts is not None:
                packets += 1
                if not packet.is_discard:
                    spans.append((packet.pts, packet.pts + (packet.duration or 0)))
    except av.FFmpegError as error:
        raise MediaError(f"{path}: is damaged: {error.strerror}") from None
    duration = container.duration / av.time_base if container.duration else 0.0
    if video is None:
        return ClipInfo(duration, 0, 0.0, 0, 0, rate, size)
    if not spans:
        raise MediaError(f"{path}: the picture track has no frame")
    if video.frames - packets > max(2, MISSING_FRAMES * video.frames):
        raise MediaError(f"{path}: is truncated: {packets} of {video.frames} frames are there")
    seconds = float((max(end for _, end in spans) - min(begin for begin, _ in spans)) * video.time_base)
    fps = len(spans) / seconds if seconds > 0 else float(video.average_rate or 0)
    if fps <= 0:
        raise MediaError(f"{path}: the picture track has no frame rate")
    codec = video.codec_context
    return ClipInfo(max(duration, seconds), len(spans), fps, codec.width, codec.height, rate, size)


def _check_size(path: Path, video: Any) -> None:
    width, height = video.codec_context.width, video.codec_context.height
    if width <= 0 or height <= 0 or width * height > MAX_SOURCE_PIXELS:
        raise MediaError(f"{path}: {width}x{height} pixels are not decoded (at most {MAX_SOURCE_PIXELS} in all)")


def _is_cover(stream: Any) -> bool:
    """Cover art of a music file is a picture track of one frame; it is no video."""
    import av

    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _frame_range(media: Media, info: ClipInfo) -> tuple[int, int]:
    """First and last frame of the medium's time range."""
    first, last = 0, info.frames - 1
    if media.start_s is not None:
        first = math.ceil(max(0.0, min(media.start_s, info.frames / info.fps)) * info.fps)
    if media.end_s is not None:
        last = min(math.floor(max(0.0, media.end_s) * info.fps), last)
    if first >= last and (media.start_s is not None or media.end_s is not None):
        raise MediaError(
            f"{media.path}: no two frames lie from {media.start_s} to {media.end_s} s; "
            f"the clip has {info.duration_s:.2f} s"
        )
    return first, last


def _pictures(
    container: Any, wanted: list[int], fit: Callable[[int, int], tuple[int, int]]
) -> NDArray[np.uint8] | None:
    """The wanted frames, resized while decoding; None when not one of them can be decoded."""
    import numpy as np

    video = next(stream for stream in container.streams.video if not _is_cover(stream))
    counts = Counter(wanted)
    pictures: list[NDArray[np.uint8]] = []
    position = 0
    for packet in container.demux(video):
        for frame in _frames(packet):
            if position in counts:
                pictures.extend([_picture(frame, fit)] * counts[position])
            position += 1
        if position > wanted[-1]:
            break
    if not pictures:
        return None
    # The last frames of a file may be lost in decoding; the last picture stands for them.
    pictures.extend([pictures[-1]] * (len(wanted) - len(pictures)))
    return np.stack(pictures)


def _frames(packet: Any) -> Any:
    """The frames of one packet; a packet that cannot be decoded (bit rot inside a file) gives none."""
    import av

    try:
        return packet.decode()
    except av.InvalidDataError:
        return ()


def _picture(frame: Any, fit: Callable[[int, int], tuple[int, int]]) -> NDArray[np.uint8]:
    """One upright RGB picture [height, width, 3] in the size that `fit` gives for its upright height and width."""
    import numpy as np

    turns = round(frame.rotation / 90) % 4  # quarter turns against the clock, from the file's display matrix
    if turns % 2:
        width, height = fit(frame.width, frame.height)
    else:
        height, width = fit(frame.height, frame.width)
    picture = frame.reformat(width=width, height=height, format="rgb24", interpolation="BICUBIC").to_ndarray()
    return np.ascontiguousarray(np.rot90(picture, turns)) if turns else picture


def _cut(audio: NDArray[np.float32] | None, media: Media) -> NDArray[np.float32] | None:
    if audio is None or (media.start_s is None and media.end_s is None):
        return audio
    start = int((media.start_s or 0.0) * SAMPLE_RATE)
    end = None if media.end_s is None else int(media.end_s * SAMPLE_RATE)
    return audio[start:end]

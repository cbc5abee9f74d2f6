"""Reads one media file: what it holds, its sound at 16 kHz, its pictures. One open a file, damage on record.

Used by infer/media.py, which holds the policy (what is sampled, in which size).
"""

from __future__ import annotations

import math
import stat
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SAMPLE_RATE = 16_000
MAX_SOURCE_PIXELS = 8192 * 8192
# Playlists and scripts are not among them: they would make FFmpeg open other files and addresses.
CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,mpeg,mpegts,asf,wav,w64,aiff,mp3,flac,ogg,aac,amr,caf"  # demuxers
)
# Containers whose header says how long the file is; in the others it is guessed.
TIMED = ("mov", "matroska", "flac", "wav", "avi")
# A file may lack this much of what its header promises; more is a truncated file.
MISSING_SHARE, MISSING_S, MISSING_FRAMES = 0.02, 0.25, 2
# A hole in the sound longer than this (lost packets) is filled with silence, so that what follows stays in time.
HOLE_S, MAX_PACKET_S = 0.05, 1.0
# Some containers seek to any packet: where decoding cannot begin there, it begins so much earlier.
FARTHER_S = 20.0


class MediaError(ValueError):
    """A media file that cannot be used: its path and the reason, for people."""


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


def check_file(path: Path) -> int:
    """Size in bytes of a regular, readable, non-empty file; MediaError says what else it is."""
    try:
        status = path.stat()
    except FileNotFoundError:
        raise MediaError(f"{path}: no such file") from None
    except ValueError as error:  # a NUL or a lone surrogate in a path that came from a table
        raise MediaError(f"{str(path)!r}: is no file name ({error})") from None
    except OSError as error:
        raise MediaError(f"{path}: {error.strerror}") from None
    if stat.S_ISDIR(status.st_mode):
        raise MediaError(f"{path}: is a directory, a media file was expected")
    if not stat.S_ISREG(status.st_mode):
        raise MediaError(f"{path}: is not a regular file")
    if status.st_size == 0:
        raise MediaError(f"{path}: is empty (0 bytes)")
    return status.st_size


def open_media(path: Path) -> Any:
    """An open container of a media file, read from this one file alone; MediaError when it is none."""
    import av

    options = {"protocol_whitelist": "file", "format_whitelist": CONTAINERS}
    try:
        # `file:` keeps names such as `a:1.mp4` from being read as addresses. Metadata may be in any encoding: unused.
        return av.open(f"file:{path}", metadata_errors="ignore", options=options)
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise MediaError(f"{path}: cannot be read as media: {reason}") from None


@dataclass(frozen=True, slots=True)
class Onset:
    """Where the sound of a file begins: the time stamps (s) of its first packet and of the first decoded frame, and how
    many samples that has."""

    packet_s: float
    at_s: float
    samples: int


class Ear:
    """Collects the sound of a file, packet by packet, as 16 kHz mono.

    An ear with an `onset` starts midway: `offset` is the place of its first sample in the sound of the whole file, and
    its samples are those that reading from the start gives there (but for noise that a codec makes up itself).
    """

    def __init__(self, onset: Onset | None = None) -> None:
        self.notes: list[str] = []
        self.offset = 0
        self._onset = onset
        self._waiting = onset is not None
        self._resampler: Any = None
        self._parts: list[NDArray[np.float32]] = []
        self._length = 0
        self._start, self._end = math.inf, 0.0
        self._bad = 0
        self._lost_s = 0.0

    def hear(self, packet: Any) -> None:
        """Decodes one packet of the sound track."""
        if packet.pts is not None and not packet.is_discard:
            if self._onset is None:
                self._start = min(self._start, float(packet.pts * packet.time_base))
            self._end = max(self._end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
        frames = decoded(packet)
        if frames is None:
            self._bad += 1
            self._lost_s += min(float((packet.duration or 0) * packet.time_base), MAX_PACKET_S)
        for found in frames or ():
            frame = self._aligned(found, self._onset) if self._waiting and self._onset is not None else found
            if frame is None:
                continue
            self._fill_hole(frame)
            try:
                self._add(self._resample(frame))
            except ValueError:  # rate or layout change in mid-file
                self._add(self._flush())
                self._add(self._resample(frame))

    @property
    def heard(self) -> bool:
        """Whether there was any sound so far."""
        return self._length > 0

    def sound(self) -> NDArray[np.float32] | None:
        """Everything heard, float32 [samples], or None."""
        import numpy as np

        self._add(self._flush())
        if self._bad:
            self.notes.append(f"{self._bad} sound packet(s) cannot be decoded; silence stands for them")
        if not self._parts:
            return np.zeros(0, np.float32) if self._onset is not None and not self._bad else None
        audio = np.concatenate(self._parts)
        if self._end > self._start:
            # The last packet is padded to the codec's frame size; its duration says how much of it is sound.
            wanted = round((self._end - self._start) * SAMPLE_RATE)
            audio = audio[:wanted]
            tail = min(wanted - len(audio), round(self._lost_s * SAMPLE_RATE))
            if tail > 0:
                audio = np.pad(audio, (0, tail))
        return audio

    def _aligned(self, frame: Any, onset: Onset) -> Any:
        """The first frame of an ear that starts midway, cut so that its first sample falls on a sample at 16 kHz of the
        whole sound; None for a frame without such a sample."""
        import av

        if frame.pts is None:
            return None
        rate, samples = frame.sample_rate, frame.samples
        exact = (float(frame.pts * frame.time_base) - onset.at_s) * rate
        # Time stamps in milliseconds are coarser than samples, but frames are of equal length and leave no gap.
        near = onset.samples + round((exact - onset.samples) / samples) * samples
        place = near if abs(near - exact) <= 1 + rate * float(frame.time_base) else round(exact)
        drop = -place % (rate // math.gcd(rate, SAMPLE_RATE))
        if drop >= samples:
            return None
        self._waiting = False
        self.offset = (place + drop) * SAMPLE_RATE // rate
        self._start = onset.packet_s + (place + drop) / rate
        if not drop:
            return frame
        wave = frame.to_ndarray()
        width = drop * (wave.shape[1] // samples)
        cut = av.AudioFrame.from_ndarray(wave[:, width:].copy(), format=frame.format.name, layout=frame.layout.name)
        cut.sample_rate, cut.time_base, cut.pts = rate, frame.time_base, None
        return cut

    def _resample(self, frame: Any) -> list[Any]:
        import av

        if self._resampler is None:
            # The layout is kept and averaged in _add: the resampler's own down-mix makes stereo louder by sqrt(2).
            self._resampler = av.AudioResampler(format="fltp", rate=SAMPLE_RATE)
        return list(self._resampler.resample(frame))

    def _flush(self) -> list[Any]:
        resampler, self._resampler = self._resampler, None
        return list(resampler.resample(None)) if resampler is not None else []

    def _add(self, frames: list[Any]) -> None:
        for frame in frames:
            part = frame.to_ndarray().mean(0)
            self._parts.append(part)
            self._length += len(part)

    def _fill_hole(self, frame: Any) -> None:
        """Silence for packets that were lost before this frame."""
        import numpy as np

        if not self._bad or frame.pts is None or not math.isfinite(self._start):
            return
        missing = round((float(frame.pts * frame.time_base) - self._start) * SAMPLE_RATE) - self._length
        # Time stamps of a damaged file lie: no more silence than the lost packets were long.
        missing = min(missing, round(self._lost_s * SAMPLE_RATE))
        if missing > HOLE_S * SAMPLE_RATE:
            self._lost_s -= missing / SAMPLE_RATE
            self._add(self._flush())
            self._parts.append(np.zeros(missing, np.float32))
            self._length += missing


def scan(path: Path, container: Any, size: int, ear: Ear | None = None) -> tuple[ClipInfo, Sequence[int]]:
    """What the file holds, and the times of its frames in order (in the picture track's time base).

    The frame rate is frames over the time they span. The sound goes to `ear` in the same pass: after a seek the priming
    packet at the very start could not be reached again. Raises MediaError for a file that is damaged, truncated,
    without frames, or of absurd dimensions.
    """
    import av
    import numpy as np

    video, audio = tracks(path, container)
    rate = (audio.rate or 0) if audio is not None else 0
    if ear and audio is None and container.streams.audio:
        ear.notes.append("sound track has a coding that cannot be decoded")
    begins, ends = array("q"), -(1 << 63)  # eight bytes a frame, however long the film
    packets, last_s = 0, 0.0
    present = [stream for stream in (video, audio) if stream is not None]
    try:
        for packet in container.demux(present):
            if packet.pts is None or not packet.size:
                continue
            last_s = max(last_s, float((packet.pts + (packet.duration or 0)) * packet.time_base))
            if packet.stream is audio:
                if ear:
                    ear.hear(packet)
                continue
            packets += 1
            if not packet.is_discard:
                begins.append(packet.pts)
                ends = max(ends, packet.pts + (packet.duration or 0))
    except av.FFmpegError as error:
        raise MediaError(f"{path}: is damaged: {error.strerror}") from None
    duration = (container.duration or 0) / av.time_base
    if container.format.name.split(",")[0] in TIMED and duration - last_s > max(MISSING_S, MISSING_SHARE * duration):
        raise MediaError(f"{path}: is truncated: {last_s:.2f} of {duration:.2f} s are there")
    if video is None:
        return ClipInfo(duration, 0, 0.0, 0, 0, rate, size), []
    if video.frames - packets > max(MISSING_FRAMES, MISSING_SHARE * video.frames):
        raise MediaError(f"{path}: is truncated: {packets} of {video.frames} frames are there")
    fps, seconds = _rate(path, video, begins, ends)
    codec = video.codec_context
    info = ClipInfo(max(duration, seconds), len(begins), fps, codec.width, codec.height, rate, size)
    return info, array("q", np.sort(np.frombuffer(begins, np.int64)))


def tracks(path: Path, container: Any) -> tuple[Any, Any]:
    """The picture track and the sound track that can be decoded, None where there is none; MediaError without any."""
    video, audio = picture_track(container), next(iter(container.streams.audio), None)
    if video is None and audio is None:
        raise MediaError(f"{path}: holds neither pictures nor sound")
    if video is not None:
        _check_size(path, video)
    if not getattr(audio, "rate", 0):
        audio = None
    if video is None and audio is None:
        raise MediaError(f"{path}: its sound track has a coding that cannot be decoded")
    return video, audio


def _rate(path: Path, video: Any, begins: Sequence[int], end: int) -> tuple[float, float]:
    """Frames a second of the picture track, and the seconds from the first of its packets' begins to the last end."""
    if not begins:
        raise MediaError(f"{path}: the picture track has no frame")
    seconds = float((end - min(begins)) * video.time_base)
    # The header of an mp4 is exact; its packet durations are those of the decoding order, wrong for the last frame.
    exact = video.average_rate if "mp4" in video.container.format.name and len(begins) == video.frames else None
    fps = float(exact) if exact else len(begins) / seconds if seconds > 0 else float(video.average_rate or 0)
    if fps <= 0:
        raise MediaError(f"{path}: the picture track has no frame rate")
    return fps, seconds


def pictures(
    container: Any, wanted: list[int], fit: Callable[[int, int], tuple[int, int]], ahead_s: float | None = None
) -> tuple[NDArray[np.uint8] | None, int]:
    """The frames shown at the `wanted` times (ascending, in the track's time base), resized while decoding, uint8
    [wanted, height, width, 3], and how many of them were lost; None when not one can be decoded.

    `fit` gives height and width for a frame's upright height and width. For a frame that cannot be decoded the nearest
    one before it stands, or the first one. Decoding starts with the file, or, with `ahead_s`, so many seconds before
    the first wanted time, or earlier where it cannot begin there.
    """
    import numpy as np

    found: list[NDArray[np.uint8]] = []
    newest: Any = None
    lost = 0
    track = picture_track(container)
    if ahead_s is None or not seek(container, track, wanted[0] - round(ahead_s / track.time_base)):
        container.seek(0)
    shown = (frame for packet in container.demux(track) for frame in decoded(packet) or () if frame.pts is not None)
    for frame in shown:
        if ahead_s is not None and newest is None and frame.pts > wanted[0]:
            break  # nothing that decoding can start at lies so near
        while len(found) < len(wanted) and wanted[len(found)] <= frame.pts:
            exact = wanted[len(found)] == frame.pts
            lost += not exact
            same = found and wanted[len(found)] == wanted[len(found) - 1]
            chosen = frame if exact or newest is None else newest
            found.append(found[-1] if same else picture(chosen, found[0].shape[:2] if found else None, fit))
        newest = frame
        if len(found) == len(wanted):
            break
    if newest is None and ahead_s is not None:
        return pictures(container, wanted, fit, FARTHER_S if ahead_s < FARTHER_S else None)
    if newest is not None and len(found) < len(wanted):
        lost += len(wanted) - len(found)
        last = picture(newest, found[0].shape[:2] if found else None, fit)
        found.extend([last] * (len(wanted) - len(found)))
    return (np.stack(found) if found else None), lost


def picture(frame: Any, size: tuple[int, ...] | None, fit: Callable[[int, int], tuple[int, int]]) -> NDArray[np.uint8]:
    """One upright RGB picture [height, width, 3]; `size` None takes the one that `fit` gives for the upright frame.

    The size of a clip's first picture is that of all: a stream may change its size midway.
    """
    import numpy as np

    turns = round(frame.rotation / 90) % 4  # quarter turns against the clock, from the file's display matrix
    upright = (frame.width, frame.height) if turns % 2 else (frame.height, frame.width)
    height, width = size or fit(*upright)
    if turns % 2:
        height, width = width, height
    pixels = frame.reformat(width=width, height=height, format="rgb24", interpolation="BICUBIC").to_ndarray()
    return np.ascontiguousarray(np.rot90(pixels, turns)) if turns else pixels


def picture_track(container: Any) -> Any:
    """The first picture track that is no cover art (the single picture of a music file), or None."""
    import av

    cover = av.stream.Disposition.attached_pic
    return next((stream for stream in container.streams.video if not stream.disposition & cover), None)


def seek(container: Any, track: Any, tick: int) -> bool:
    """Goes to the last key packet of a track up to a time (in its time base); False where the file cannot do that."""
    import av

    try:
        container.seek(tick, stream=track)
    except av.FFmpegError:
        return False
    return True


def decoded(packet: Any) -> Any:
    """The frames of one packet; None when it cannot be decoded (bit rot inside a file)."""
    import av

    try:
        return packet.decode()
    except av.FFmpegError:
        return None


def _check_size(path: Path, video: Any) -> None:
    if video.codec_context is None:
        raise MediaError(f"{path}: its picture track has a coding that cannot be decoded")
    width, height = video.codec_context.width, video.codec_context.height
    if width <= 0 or height <= 0 or width * height > MAX_SOURCE_PIXELS:
        raise MediaError(f"{path}: {width}x{height} pixels are not decoded (at most {MAX_SOURCE_PIXELS} in all)")

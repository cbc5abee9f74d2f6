"""Writes small media files of every awkward kind, for tests. Everything is drawn and sounded here, with PyAV alone."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

AAC_FRAME = 1024
# Display matrices for turns clockwise, in the fixed point numbers of an mp4 track header.
MATRICES = {
    90: (0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30),
    180: (-(1 << 16), 0, 0, 0, -(1 << 16), 0, 0, 0, 1 << 30),
    270: (0, -(1 << 16), 0, 1 << 16, 0, 0, 0, 0, 1 << 30),
}


def write_video(
    path: Path,
    *,
    seconds: float = 2.0,
    fps: Fraction = Fraction(25),
    size: tuple[int, int] = (96, 64),
    audio_rate: int | None = 16_000,
    audio_seconds: float | None = None,
    channels: int = 1,
    loudness: float = 0.4,
    seed: int = 0,
    tone_hz: float = 220.0,
    pts: list[int] | None = None,
    codec: str = "libx264",
    audio_codec: str = "aac",
    pix_fmt: str = "yuv420p",
    preset: str = "ultrafast",
    faststart: bool = False,
) -> Path:
    """Smooth waves that move with every frame, and a tone.

    `size` is (width, height); `pts` in 1/1000 s makes the frame rate vary; `audio_rate` None leaves the sound out and
    `audio_seconds` makes it shorter or longer than the pictures; a second channel sounds an octave higher; `loudness`
    0 is a silent track; `preset` veryfast and slower bring B-frames; `faststart` puts the index before the data.
    """
    time_base = Fraction(1, 1000) if pts else 1 / fps
    with av.open(str(path), "w", options={"movflags": "faststart"} if faststart else {}) as container:
        video = _video_stream(container, codec, fps, size, pix_fmt=pix_fmt, preset=preset)
        video.codec_context.time_base = time_base
        sound = None
        if audio_rate is not None:
            layout = "stereo" if channels == 2 else "mono"
            sound = container.add_stream(audio_codec, rate=audio_rate, layout=layout)
        for index in range(len(pts) if pts else round(seconds * fps)):
            frame = av.VideoFrame.from_ndarray(picture(size, index, seed), format="rgb24")
            frame.pts = pts[index] if pts else index
            frame.time_base = time_base
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if sound is not None and audio_rate is not None:
            length = seconds if audio_seconds is None else audio_seconds
            _encode_tone(container, sound, tone(length, audio_rate, channels, tone_hz, loudness), audio_rate)
    return path


def _video_stream(
    container: Any,
    codec: str,
    fps: Fraction,
    size: tuple[int, int],
    *,
    pix_fmt: str = "yuv420p",
    preset: str = "ultrafast",
) -> Any:
    options = {"libx264": {"crf": "18", "preset": preset}, "mpeg4": {"qscale": "2"}}.get(codec, {})
    video = container.add_stream(codec, rate=fps, options=options)
    video.width, video.height = size
    video.pix_fmt = pix_fmt
    return video


def _encode_tone(container: Any, sound: Any, waves: NDArray[np.float32], rate: int) -> None:
    layout = "stereo" if len(waves) == 2 else "mono"
    for start in range(0, waves.shape[1], AAC_FRAME):
        part = np.ascontiguousarray(waves[:, start : start + AAC_FRAME])
        samples = av.AudioFrame.from_ndarray(part, format="fltp", layout=layout)
        samples.sample_rate, samples.pts = rate, start
        container.mux(sound.encode(samples))
    container.mux(sound.encode(None))


def picture(size: tuple[int, int], index: int, seed: int = 0) -> NDArray[np.uint8]:
    """Frame `index` as uint8 [height, width, 3]: slow waves over the picture, a fast step from frame to frame.

    Any two neighbouring frames differ by about 20 levels on average, so that a wrong frame cannot pass for a right one.
    """
    width, height = size
    phase = np.random.default_rng(seed).uniform(0, 6.28, 3)
    y, x = np.mgrid[0:height, 0:width]
    waves = [
        np.sin(6 * x / width + 0.35 * index + phase[0]),
        np.sin(5 * y / height - 0.3 * index + phase[1]),
        np.sin(4 * x / width + 4 * y / height + 0.25 * index + phase[2]),
    ]
    return (128 + 100 * np.stack(waves, -1)).astype(np.uint8)


def tone(seconds: float, rate: int, channels: int = 1, hz: float = 220.0, loudness: float = 0.4) -> NDArray[np.float32]:
    """float32 [channels, samples]: a tone that swells and fades, so that a shift in time shows; the second channel
    is an octave higher."""
    t = np.arange(round(seconds * rate)) / rate
    swell = loudness * (0.6 + 0.4 * np.sin(2 * np.pi * 1.3 * t))
    return np.stack([swell * np.sin(2 * np.pi * hz * (1 + c) * t) for c in range(channels)]).astype(np.float32)


def write_audio(path: Path, *, seconds: float = 2.0, rate: int = 16_000, channels: int = 1) -> Path:
    """A wav file (16 bit) with the tone of `tone`."""
    data = (tone(seconds, rate, channels).T * 32767).astype("<i2").tobytes()
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 1, channels, rate,
                       rate * channels * 2, channels * 2, 16, b"data", len(data))  # fmt: skip
    path.write_bytes(head + data)
    return path


def write_coded_audio(
    path: Path,
    *,
    codec: str = "aac",
    seconds: float = 1.0,
    rate: int = 44_100,
    channels: int = 2,
    faststart: bool = False,
) -> Path:
    """A sound file without pictures in the container of its suffix (.aac, .mp3, .m4a, .ogg …)."""
    kind = "mp4" if path.suffix == ".m4a" else None
    with av.open(str(path), "w", format=kind, options={"movflags": "faststart"} if faststart else {}) as container:
        sound = container.add_stream(codec, rate=rate, layout="stereo" if channels == 2 else "mono")
        _encode_tone(container, sound, tone(seconds, rate, channels), rate)
    return path


def write_music_with_cover(path: Path) -> Path:
    """An m4a file whose only pictures are its cover art."""
    with av.open(str(path), "w", format="mp4") as container:
        sound = container.add_stream("aac", rate=44_100, layout="mono")
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 96, 64, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        frame = av.VideoFrame.from_ndarray(picture((96, 64), 0), format="rgb24")
        frame.pts = 0
        container.mux(cover.encode(frame))
        container.mux(cover.encode(None))
        _encode_tone(container, sound, tone(1.0, 44_100), 44_100)
    return path


def write_no_frames(path: Path) -> Path:
    """An mp4 with sound and a picture track that holds not a single frame."""
    with av.open(str(path), "w") as container:
        _video_stream(container, "libx264", Fraction(25), (96, 64))
        sound = container.add_stream("aac", rate=16_000, layout="mono")
        _encode_tone(container, sound, tone(1.0, 16_000), 16_000)
    return path


def write_few_frames(path: Path, frames: int) -> Path:
    """A video of so many frames, without sound."""
    return write_video(path, seconds=frames / 25, audio_rate=None)


def join_pictures(path: Path, *parts: Path) -> Path:
    """The picture tracks of files (.ts) one after the other in one track, whatever their sizes."""
    with av.open(str(path), "w") as container:
        track, begin = None, 0
        for part in parts:
            end = begin
            with av.open(str(part)) as source:
                track = track or container.add_stream_from_template(source.streams.video[0])
                for packet in source.demux(video=0):
                    if packet.size:
                        packet.pts, packet.dts, packet.stream = packet.pts + begin, packet.dts + begin, track
                        end = max(end, packet.pts + packet.duration)
                        container.mux(packet)
            begin = end
    return path


def write_sound_with_gap(path: Path, gap_s: int) -> Path:
    """A sound file (.mkv) with one packet of noise, and `gap_s` seconds of nothing after the eighth packet."""
    whole = write_coded_audio(path.with_suffix(".whole.m4a"), rate=16_000, channels=1)
    with av.open(str(whole)) as source, av.open(str(path), "w") as container:
        stream = source.streams.audio[0]
        track = container.add_stream_from_template(stream)
        for number, found in enumerate(source.demux(stream)):
            packet = found
            if not packet.size:
                continue
            if number == 3:
                packet = av.Packet(b"\xff" * found.size)
                packet.pts, packet.dts, packet.duration = found.pts, found.dts, found.duration
                packet.time_base = found.time_base
            if number > 8:
                packet.pts += gap_s * 16_000
                packet.dts = packet.pts
            packet.stream = track
            container.mux(packet)
    return path


def rotate(path: Path, degrees: int) -> Path:
    """Writes a display matrix of 90, 180 or 270 degrees clockwise into the first track header of an mp4."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4
    if data[at] != 0:
        raise ValueError("a version 0 track header was expected")
    struct.pack_into(">9i", data, at + 40, *MATRICES[degrees])
    path.write_bytes(data)
    return path


def claim_size(path: Path, width: int, height: int) -> Path:
    """Overwrites the picture size in an mp4's sample entry (`mp4v` or `avc1`) with what the file does not have."""
    data = bytearray(path.read_bytes())
    start = data.index(b"stsd")
    at = min(found for found in (data.find(name, start) for name in (b"avc1", b"mp4v")) if found >= 0)
    struct.pack_into(">HH", data, at + 4 + 24, width, height)
    path.write_bytes(data)
    return path


def rename_codec(path: Path, name: bytes) -> Path:
    """An mp4 whose track says that it is coded in a way that nobody knows."""
    data = bytearray(path.read_bytes())
    at = data.index(name, data.index(b"moov"))
    data[at : at + 4] = b"zzzz"
    path.write_bytes(data)
    return path


def cut_off(path: Path, share: float) -> Path:
    """Keeps the first `share` of a file's bytes."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def boxes(data: bytes) -> dict[str, tuple[int, int]]:
    """The top boxes of an mp4: name -> (begin, end); of several with one name the last."""
    found, at = {}, 0
    while at + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        end = len(data) if size == 0 else at + size
        found[name.decode("latin-1")] = (at, end)
        if size < 8 and size != 0:
            break
        at = end
    return found


def without_index(path: Path) -> Path:
    """Cuts an mp4 off before its `moov` box, as an upload or recording that broke off leaves it."""
    data = path.read_bytes()
    path.write_bytes(data[: boxes(data)["moov"][0]])
    return path


def corrupt(path: Path, begin: float = 0.4, end: float = 0.6, seed: int = 0) -> Path:
    """Overwrites a part of an mp4's media data, from one share to another, with noise. The index stays whole."""
    data = bytearray(path.read_bytes())
    low, high = boxes(bytes(data))["mdat"]
    low += 8
    first, last = low + int((high - low) * begin), low + int((high - low) * end)
    data[first:last] = np.random.default_rng(seed).integers(0, 256, last - first, dtype=np.uint8).tobytes()
    path.write_bytes(data)
    return path

"""Writes small media files of every awkward kind, for tests."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def write_video(
    path: Path,
    *,
    seconds: float = 2.0,
    fps: Fraction = Fraction(25),
    size: tuple[int, int] = (96, 64),
    audio_rate: int | None = 16_000,
    channels: int = 1,
    seed: int = 0,
    tone_hz: float = 220.0,
    pts: list[int] | None = None,
) -> Path:
    """A moving gradient with a tone: `size` is (width, height); `pts` in 1/1000 s makes the frame rate vary."""
    width, height = size
    rng = np.random.default_rng(seed)
    shade = rng.integers(0, 200, 3)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=fps, options={"crf": "18", "preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        time_base = Fraction(1, 1000) if pts else 1 / fps
        video.codec_context.time_base = time_base
        count = len(pts) if pts else round(seconds * fps)
        y, x = np.mgrid[0:height, 0:width]
        sound = None
        if audio_rate is not None:
            sound = container.add_stream("aac", rate=audio_rate, layout="stereo" if channels == 2 else "mono")
        for index in range(count):
            picture = np.stack([(x * 2 + index * 3 + shade[0]), (y * 3 + shade[1]), (x + y + index + shade[2])], -1) % 256
            frame = av.VideoFrame.from_ndarray(picture.astype(np.uint8), format="rgb24")
            frame.pts = pts[index] if pts else index
            frame.time_base = time_base
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if sound is not None and audio_rate is not None:
            t = np.arange(int(seconds * audio_rate)) / audio_rate
            wave = (0.4 * np.sin(2 * np.pi * tone_hz * t)).astype(np.float32)
            chunk = 1024
            for start in range(0, len(wave), chunk):
                part = np.stack([wave[start : start + chunk]] * channels)
                samples = av.AudioFrame.from_ndarray(part, format="fltp", layout="stereo" if channels == 2 else "mono")
                samples.sample_rate, samples.pts = audio_rate, start
                container.mux(sound.encode(samples))
            container.mux(sound.encode(None))
    return path


def write_audio(path: Path, *, seconds: float = 2.0, rate: int = 16_000, channels: int = 1) -> Path:
    """A wav file (16 bit) with a tone of 220 Hz, and an octave higher on the second channel."""
    t = np.arange(int(seconds * rate)) / rate
    waves = [0.4 * np.sin(2 * np.pi * 220 * (1 + channel) * t) for channel in range(channels)]
    data = (np.stack(waves, -1) * 32767).astype("<i2").tobytes()
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 1, channels, rate,
                       rate * channels * 2, channels * 2, 16, b"data", len(data))  # fmt: skip
    path.write_bytes(head + data)
    return path


def rotate(path: Path, degrees: int) -> Path:
    """Writes a display matrix of 90, 180 or 270 degrees clockwise into the first track header of an mp4."""
    matrices = {
        90: (0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30),
        180: (-(1 << 16), 0, 0, 0, -(1 << 16), 0, 0, 0, 1 << 30),
        270: (0, -(1 << 16), 0, 1 << 16, 0, 0, 0, 0, 1 << 30),
    }
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4
    if data[at] != 0:
        raise ValueError("a version 0 track header was expected")
    struct.pack_into(">9i", data, at + 40, *matrices[degrees])
    path.write_bytes(data)
    return path

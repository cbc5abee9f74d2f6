"""Pictures and sound as an mp4: H.264 (yuv420p) and AAC (mono)."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray


def encode_mp4(
    out: str | BinaryIO,
    frames: NDArray[np.uint8],
    fps: Fraction | int,
    sound: NDArray[np.float32] | None,
    rate: int,
    options: Mapping[str, str],
    sound_bits: int,
) -> None:
    """Writes an mp4 to a path or an open binary file.

    `frames` is uint8 RGB [T, H, W, 3] with even H and W, `fps` of them a second; `sound` float32 [n] in [-1, 1] with
    `rate` samples a second, no sound track without it. `options` go to the H.264 encoder (libx264); a second of
    sound takes `sound_bits`. One encoder thread: the same input gives the same bytes with the same PyAV.
    """
    import av

    with av.open(out, "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=fps)
        video.height, video.width = frames.shape[1:3]
        video.pix_fmt = "yuv420p"
        video.options = dict(options)
        video.thread_count = 1
        track = None if sound is None else container.add_stream("aac", rate=rate, layout="mono")
        if track is not None:
            track.bit_rate = sound_bits
        for picture in np.ascontiguousarray(frames):
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(video.encode())
        if track is not None and sound is not None:
            block = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound[None]), format="fltp", layout="mono")
            block.sample_rate, block.pts, block.time_base = rate, 0, Fraction(1, rate)
            container.mux(track.encode(block))
            container.mux(track.encode())

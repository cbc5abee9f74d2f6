"""Where nobody speaks: loudness of a sound track over time, pauses to cut at, stretches of speech.

The track is read in small pieces; kept are fifty numbers a second. The detector knows energy alone: music and noise
pass for speech. Where sentence times are known they are better (infer/stream/windows.py takes both).
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infer.decode import MediaError, decoded, open_media, tracks

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Levels = NDArray[np.float32]

Span = tuple[float, float]

HOP_S = 0.02
RATE = 8_000  # enough for energy
HOP = round(HOP_S * RATE)
SILENCE_DB = -100.0
PAUSE_S = 0.3  # what is cut at is the middle of so long a stretch
# Speech: louder than the noise by a share of the range between noise and voice; shorter gaps belong to a sentence.
SHARE, LEAST_DB, GAP_S, SHORTEST_S, LONGEST_S = 0.35, 6.0, 0.4, 0.3, 12.0
PADDING_S = 0.1


def loudness(path: Path) -> Levels:
    """Loudness of each 20 ms of the first sound track in dB below full scale, float32 [hops], -100 for silence; empty
    for a file without sound that can be decoded. Raises MediaError for a file that cannot be read."""
    import av
    import numpy as np

    found = array("f")
    rest = np.zeros(0, np.float32)
    try:
        with open_media(path) as container:
            audio = tracks(path, container)[1]
            for piece in _pieces(container, audio) if audio is not None else ():
                wave = np.concatenate((rest, piece))
                whole = len(wave) // HOP * HOP
                power = np.square(wave[:whole].reshape(-1, HOP), dtype=np.float64).mean(1)
                found.extend(10 * np.log10(power + 10 ** (SILENCE_DB / 10)))
                rest = wave[whole:]
    except av.FFmpegError as error:
        raise MediaError(f"{path}: is damaged: {error.strerror}") from None
    return np.frombuffer(found, np.float32) if found else np.zeros(0, np.float32)


def _pieces(container: Any, audio: Any) -> Iterator[NDArray[np.float32]]:
    """The sound as mono at 8 kHz, piece by piece."""
    import av

    resampler: Any = None
    for packet in container.demux(audio):
        for frame in decoded(packet) or ():
            try:
                resampler = resampler or av.AudioResampler(format="fltp", layout="mono", rate=RATE)
                heard = resampler.resample(frame)
            except ValueError:  # rate or layout change in mid-file
                resampler = av.AudioResampler(format="fltp", layout="mono", rate=RATE)
                heard = resampler.resample(frame)
            yield from (part.to_ndarray()[0] for part in heard)


def quietest(levels: Levels, low_s: float, high_s: float) -> float:
    """The middle (s) of the quietest 0.3 s between two times, the last one of several; `high_s` where there is no sound
    to go by."""
    import numpy as np

    width = round(PAUSE_S / HOP_S)
    first, last = math.ceil(low_s / HOP_S), math.floor(high_s / HOP_S)
    around = levels[max(0, first - width // 2) : last + width // 2]
    if len(around) < width:
        return high_s
    smooth = np.convolve(around, np.full(width, 1 / width, np.float32), "valid")
    best = len(smooth) - 1 - int(np.argmin(smooth[::-1].round(1)))
    middle = (max(0, first - width // 2) + best + width / 2) * HOP_S
    return round(min(max(middle, low_s), high_s), 3)


def speech(levels: Levels) -> list[Span]:
    """Stretches of speech (start, end in seconds), in order, apart, each 0.3 to about 12 s; none in silence."""
    import numpy as np

    if not len(levels) or levels.max() <= SILENCE_DB + LEAST_DB:
        return []
    noise, voice = np.percentile(levels, (10, 95))
    loud = levels > noise + max(LEAST_DB, SHARE * (voice - noise))
    edges = np.flatnonzero(np.diff(np.concatenate(([False], loud, [False])).astype(np.int8))) * HOP_S
    joined: list[Span] = []
    for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if joined and start - joined[-1][1] < GAP_S:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    total = len(levels) * HOP_S
    spoken = [
        (max(0.0, start - PADDING_S), min(total, end + PADDING_S)) for start, end in joined if end - start >= SHORTEST_S
    ]
    return [(round(start, 3), round(end, 3)) for span in spoken for start, end in _short(levels, span)]


def _short(levels: Levels, span: Span) -> list[Span]:
    """A stretch in pieces of at most LONGEST_S, cut where it is quietest."""
    pieces, (start, end) = [], span
    while end - start > LONGEST_S:
        cut = quietest(levels, start + LONGEST_S / 2, start + LONGEST_S)
        pieces.append((start, cut))
        start = cut
    return [*pieces, (start, end)]

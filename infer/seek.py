"""Windows of long files: what a file holds is read once, a window is then decoded from the nearest key frame on.

So a window of an hour costs the time and the memory of the window. The frames are those that reading the whole file
gives, and so is the sound, but for noise that a codec makes up itself (AAC may code noise as "noise").
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from infer.decode import (
    SAMPLE_RATE,
    ClipInfo,
    Ear,
    MediaError,
    Onset,
    check_file,
    decoded,
    open_media,
    scan,
    seek,
    tracks,
)

# A larger share of a file is read with the whole file, as it costs no more that way; of files below LONG_S, whose index
# costs as much as reading them once, a share that many windows of them have.
LONG_S = 120.0
SHORT_SHARE, LONG_SHARE = 1 / 8, 1 / 2
# Containers whose time stamps can be trusted after a seek. (Not those of mp3 and other bare streams: they are guessed.)
SEEKING = ("mov", "matroska", "avi", "flv", "mpegts", "wav", "w64", "flac")
# Decoding starts so much before what is wanted: sound decoders need packets before, open groups of pictures as well.
AHEAD_S, WARM_S, BEYOND_S = 1.0, 0.25, 0.25
FIRST_PACKETS = 500


@dataclass(frozen=True, slots=True)
class Index:
    """What a file holds: `info`, the times of its frames in order (in the picture track's time base), and where its
    sound begins (None without usable sound)."""

    info: ClipInfo
    times: Sequence[int]
    onset: Onset | None


def index_for(path: Path, container: Any, start: float, end: float) -> Index | None:
    """The index of a file of which the window from `start` to `end` (seconds) should be sought; None where reading the
    whole file is as good or the only way. Raises MediaError as `scan` does."""
    import av

    length = (container.duration or 0) / av.time_base
    wanted = min(end, length) - start
    share = SHORT_SHARE if length <= LONG_S else LONG_SHARE
    # Of a window beyond the end there is nothing to seek: reading the file says so.
    if not 0 < wanted <= share * length or container.format.name.split(",")[0] not in SEEKING:
        return None
    status = path.stat()
    return _index(path, status.st_size, status.st_mtime_ns, status.st_ino)


@lru_cache(maxsize=64)
def _index(path: Path, *_: int) -> Index:
    size = check_file(path)
    with open_media(path) as container:
        info, times = scan(path, container, size)
    # Opened again: after a seek the packet that primes the sound decoder could not be reached.
    with open_media(path) as container:
        audio = tracks(path, container)[1]
        return Index(info, times, None if audio is None else _onset(container, audio))


def _onset(container: Any, audio: Any) -> Onset | None:
    """Where the sound begins, None where its first packets cannot be decoded."""
    begin = math.inf
    for packet in islice(_packets(container, audio), FIRST_PACKETS):
        if not packet.is_discard:
            begin = min(begin, float(packet.pts * packet.time_base))
        for frame in decoded(packet) or ():
            if frame.pts is not None and begin < math.inf:
                return Onset(begin, float(frame.pts * frame.time_base), frame.samples)
    return None


def listen(path: Path, container: Any, index: Index, start: float, end: float) -> Ear:
    """An ear that heard the sound from `start` to `end` (seconds after its onset), and a little on both sides.

    The container is to be read from its beginning.
    """
    midway = start > AHEAD_S
    ear = _heard(path, container, index, start, end, midway=midway)
    # What was asked for lies before the packets that could be reached, or the sound has ended.
    if midway and index.onset is not None and (not ear.heard or ear.offset > round(start * SAMPLE_RATE)):
        with open_media(path) as again:
            return _heard(path, again, index, start, end, midway=False)
    return ear


def _heard(path: Path, container: Any, index: Index, start: float, end: float, *, midway: bool) -> Ear:
    import av

    ear = Ear(index.onset)
    audio = tracks(path, container)[1]
    if audio is None and container.streams.audio:
        ear.notes.append("sound track has a coding that cannot be decoded")
    if audio is None or index.onset is None:
        return ear
    zero = index.onset.at_s
    try:
        sought = midway and seek(container, audio, math.floor((zero + start - AHEAD_S) / audio.time_base))
        for packet in _packets(container, audio):
            at = float(packet.pts * audio.time_base) - zero
            if at > end + BEYOND_S:
                break
            if sought and at < start - WARM_S:
                decoded(packet)  # for the decoder's memory alone
            else:
                ear.hear(packet)
    except av.FFmpegError as error:
        raise MediaError(f"{path}: is damaged: {error.strerror}") from None
    return ear


def _packets(container: Any, audio: Any) -> Iterator[Any]:
    return (packet for packet in container.demux(audio) if packet.pts is not None and packet.size)

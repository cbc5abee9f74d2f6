"""Long synthetic clips with a known timeline: drawn utterances of one speaker, with pauses between them.

Each speaker's utterances (a label at a strength) and pauses are drawn and encoded once; a clip is a random sequence of
them, written packet by packet, so an hour takes seconds and no memory. What is written:

    annotations.csv   one row an utterance: clip, its language, speaker and length, start, end, label, intensity, text
    clips/NAME.mp4    H.264 with 25 frames a second and AAC with 16 kHz
    manifest.json     the arguments

    python -c "from pathlib import Path; from tasks.synthetic.long import generate_long as g; g(Path('DATA'), [120])"
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.labels import label_space
from tasks.synthetic.folder import PART, claim
from tasks.synthetic.layout import CLIPS

if TYPE_CHECKING:
    from numpy.random import Generator

VERSION = "1"  # raise it with any change to what a seed draws
COLUMNS = ("clip", "language", "speaker", "seconds", "start", "end", "label", "secondary", "intensity", "text")
LANGUAGES = ("zh", "en")
# Eight frames of video are five packets of sound: what is so long can be strung together without a remainder.
UNIT_FRAMES, UNIT_S, PACKET = 8, 0.32, 1024
INTENSITIES = (1, 2, 3, 4, 5)  # a fifth of the full strength each
UTTERANCE_UNITS = (6, 14)  # 1.9 to 4.5 s
PAUSE_UNITS = (2, 3, 4, 6)  # 0.64 to 1.92 s
LENGTHS = (4.0, 6 * 3600.0)  # seconds
# An utterance is not heard again before so many others.
APART = 6


@dataclass(frozen=True, slots=True)
class Part:
    """A drawn utterance or pause of one speaker: `units` of 0.32 s; a pause has no label and no text."""

    speaker: int
    number: int
    units: int
    label: str = ""
    intensity: int = 0
    text: str = ""

    @property
    def seconds(self) -> float:
        """Its length."""
        return round(self.units * UNIT_S, 2)


@dataclass(frozen=True, slots=True)
class Encoded:
    """The packets of a part: (bytes, presentation time, decoding time, is a key frame) in ticks of the track. `lead` is
    the packet that primes the sound decoder at the start of a file; `file` is the whole mp4."""

    pictures: tuple[tuple[bytes, int, int, bool], ...]
    sounds: tuple[bytes, ...]
    lead: bytes
    file: bytes


def generate_long(
    out: Path,
    lengths: Sequence[float],
    *,
    seed: int = 0,
    speakers: int = 2,
    size: int = 168,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Generate one clip for each of `lengths` (seconds, 4 to 21,600) in the folder `out` and return the folder.

    Clip k is of speaker k modulo `speakers`; languages alternate from speaker to speaker. A clip ends with the first
    pause after its length. `progress` is called with (clips there, clips in all) after every clip. Called again with
    the same arguments it writes only what is missing. Raises ValueError for an illegal argument and for a folder that
    holds something else; OSError when a file cannot be written.
    """
    from tasks.synthetic.clip import check_size

    _check(lengths, seed, speakers)
    check_size(size)
    names = [f"long{number:03d}" for number in range(len(lengths))]
    plans = [list(plan_long(length, k % speakers, seed, k)) for k, length in enumerate(lengths)]
    text = annotation_table(dict(zip(names, plans, strict=True)))
    manifest = {
        "benchmark": "synthetic-stream",
        "version": VERSION,
        "seed": seed,
        "lengths": [float(length) for length in lengths],
        "speakers": speakers,
        "size": size,
        "annotations_sha256": hashlib.sha256(text.encode()).hexdigest(),
    }
    out.mkdir(parents=True, exist_ok=True)
    claim(out, manifest, text)
    encoded = cache(lambda part: encode(part, seed, size))
    for number, (name, parts) in enumerate(zip(names, plans, strict=True), 1):
        path = out / CLIPS / f"{name}.mp4"
        if not path.is_file() or path.stat().st_size == 0:
            write_long(path, parts, encoded)
        if progress is not None:
            progress(number, len(names))
    return out


def plan_long(seconds: float, speaker: int, seed: int, clip: int) -> Iterator[Part]:
    """Pause, utterance, pause, … of one clip: utterances of the speaker's bank in a random order."""
    import numpy as np

    rng = np.random.default_rng(np.random.SeedSequence([seed, 3, clip]))
    bank = speaker_bank(speaker, seed)
    spoken = [part for part in bank if part.label]
    pauses = [part for part in bank if not part.label]
    recent: list[Part] = []
    time = 0.0
    while True:
        pause = pauses[int(rng.integers(len(pauses)))]
        yield pause
        time += pause.seconds
        if time >= seconds:
            return
        free = [part for part in spoken if part not in recent]
        part = free[int(rng.integers(len(free)))]
        recent = [*recent, part][-APART:]
        yield part
        time += part.seconds


def speaker_bank(speaker: int, seed: int) -> list[Part]:
    """What a speaker can say: every Basic-7 label at every intensity, and pauses."""
    import numpy as np

    from tasks.synthetic.sentences import neutral_sentence

    rng = np.random.default_rng(np.random.SeedSequence([seed, 4, speaker]))
    language = LANGUAGES[speaker % len(LANGUAGES)]
    bank: list[Part] = []
    texts: set[str] = set()
    for label in label_space("basic7").labels:
        for intensity in INTENSITIES:
            units = int(rng.integers(UTTERANCE_UNITS[0], UTTERANCE_UNITS[1] + 1))
            bank.append(
                Part(speaker, len(bank), units, label, intensity, _fresh(language, texts, rng, neutral_sentence))
            )
    bank += [Part(speaker, len(bank) + k, units) for k, units in enumerate(PAUSE_UNITS)]
    return bank


def _fresh(language: str, texts: set[str], rng: Generator, draw: Callable[[str, Generator], str]) -> str:
    """A sentence that the speaker does not have yet."""
    while True:
        sentence = draw(language, rng)
        if sentence not in texts:
            texts.add(sentence)
            return sentence


def annotation_table(plans: dict[str, list[Part]]) -> str:
    """The text of annotations.csv: one row an utterance, in the order of clips and time."""
    from tasks.synthetic.plan import FINE_LABELS

    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for name, parts in plans.items():
        units, total = 0, sum(part.units for part in parts)
        for part in parts:
            start, units = units, units + part.units
            if part.label:
                times = (f"{place * UNIT_S:.2f}" for place in (total, start, units))
                language = LANGUAGES[part.speaker % len(LANGUAGES)]
                said = (part.label, FINE_LABELS[part.label][0], part.intensity, part.text)
                writer.writerow((name, language, f"spk{part.speaker:04d}", *times, *said))
    return buffer.getvalue()


def encode(part: Part, seed: int, size: int) -> Encoded:
    """Draws a part and encodes it by itself, `size` x `size` pixels."""
    import numpy as np

    from tasks.synthetic.clip import FPS, draw_clip, write_clip
    from tasks.synthetic.voice import RATE

    count = part.units * UNIT_FRAMES
    frames, sound = draw_clip(
        part.label or "Neutral",
        LANGUAGES[part.speaker % len(LANGUAGES)],
        part.text,
        seed * 10_007 + part.speaker,
        seed * 10_007 + part.number,
        part.intensity / INTENSITIES[-1],
        part.seconds,
        size,
    )
    frames, sound = frames[:count], sound[: count * RATE // FPS]
    if not part.label:  # nobody speaks: the noise of the room alone
        rng = np.random.default_rng(np.random.SeedSequence([seed, 5, part.speaker, part.number]))
        sound = (0.0008 * rng.standard_normal(len(sound))).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "part.mp4"
        write_clip(path, frames, sound)
        return _packets(path, part.units * 5)


def _packets(path: Path, sounds: int) -> Encoded:
    """The packets of a clip; `sounds` whole packets of sound, without the padding at the end."""
    import av

    with av.open(str(path)) as container:
        pictures, heard = [], []
        for packet in container.demux(video=0, audio=0):
            if packet.pts is None or packet.dts is None:
                continue
            if packet.stream.type == "video":
                pictures.append((bytes(packet), packet.pts, packet.dts, packet.is_keyframe))
            else:
                heard.append((packet.pts, bytes(packet)))
    spoken = [data for pts, data in heard if pts >= 0]
    lead = next(data for pts, data in heard if pts < 0)
    return Encoded(tuple(pictures), tuple(spoken[:sounds]), lead, path.read_bytes())


def write_long(path: Path, parts: Sequence[Part], encoded: Callable[[Part], Encoded]) -> None:
    """Write the parts one after another as an mp4, without decoding them. The file appears when it is whole."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}{PART}")
    try:
        with av.open(str(unfinished), "w", format="mp4") as out, av.open(io.BytesIO(encoded(parts[0]).file)) as like:
            pictures = out.add_stream_from_template(like.streams.video[0])
            sound = out.add_stream_from_template(like.streams.audio[0])
            bases = like.streams.video[0].time_base, like.streams.audio[0].time_base
            for packet in _strung(parts, encoded, (pictures, sound), bases):
                out.mux(packet)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _strung(
    parts: Sequence[Part],
    encoded: Callable[[Part], Encoded],
    tracks: tuple[Any, Any],
    bases: tuple[Fraction, Fraction],
) -> Iterator[Any]:
    """The packets of all parts, each at its place in time."""
    import av

    def packet(data: bytes, track: int, pts: int, dts: int, duration: int, key: bool) -> Any:
        made = av.Packet(data)
        made.stream, made.time_base = tracks[track], bases[track]
        made.pts, made.dts, made.duration, made.is_keyframe = pts, dts, duration, key
        return made

    unit = int(Fraction(8, 25) / bases[0])  # ticks of 0.32 s
    yield packet(encoded(parts[0]).lead, 1, -PACKET, -PACKET, PACKET, True)
    units, heard = 0, 0
    for part in parts:
        bits = encoded(part)
        for data, pts, dts, key in bits.pictures:
            yield packet(data, 0, pts + units * unit, dts + units * unit, unit // UNIT_FRAMES, key)
        for data in bits.sounds:
            yield packet(data, 1, heard, heard, PACKET, True)
            heard += PACKET
        units += part.units


def _check(lengths: Sequence[float], seed: int, speakers: int) -> None:
    for name, value, least in (("seed", seed, 0), ("speakers", speakers, 1), ("clips", len(lengths), 1)):
        if value < least:
            raise ValueError(f"long synthetic clips: {name} is {value}; give {least} or more")
    for length in lengths:
        if not LENGTHS[0] <= length <= LENGTHS[1]:
            raise ValueError(f"long synthetic clips: a length is {length} s; give {LENGTHS[0]:g} to {LENGTHS[1]:g} s")

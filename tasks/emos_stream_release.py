"""The streaming EmoS part as published: one folder a film clip, its emotion.json and its sentence times.

`TITLE/TITLE.emotion.json` holds utterances (coarse time ranges in whole seconds) with their emotions, inside a Markdown
fence, so that it is no JSON as it stands. `TITLE/sentence_level_timestamps.json` holds sentences with exact times and
the mp4 of each; it has no labels. The titles of the folders join the two (the `film` of Chinese clips is Chinese).
The paper counts 50 clips; the release has 46. Source: github.com/NLP2CT/EmoS, commit 4fd2d8c.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from tasks.emos_tables import CURE, short
from tasks.labels import label_space

CLIPS = 46
# Where the clips lie below (or, for data-final, beside) the folder that the user names.
PLACES = ("datasets/streaming-finalsplit", "streaming-finalsplit", "../streaming-finalsplit", ".")
EMOTIONS, SENTENCES = "{title}.emotion.json", "sentence_level_timestamps.json"
_FENCE = re.compile(r"\s*```[A-Za-z]*[ \t]*\r?\n(?P<body>.*)\n[ \t]*```\s*", re.DOTALL)
_RANGE = re.compile(r"(\d{1,3}):([0-5]\d)\s*[-–]\s*(\d{1,3}):([0-5]\d)", re.ASCII)
_SEGMENT = re.compile(r"segment\d+\.mp4", re.ASCII)
# A label and what may follow it: one clip puts an emoji behind every label.
_WORD = re.compile(r"\s*([A-Za-z]+(?:[ -][A-Za-z]+)*)[^A-Za-z]*")


@dataclass(frozen=True, slots=True)
class Utterance:
    """One utterance of a clip. Times are seconds from the start of the clip, to the second, and may pass its end by 3.

    primary: one of the seven basic emotions, normalised; as_written: the same as the file has it ("Anger/愤怒").
    secondary: GoEmotions labels as written, in their order; some are outside the vocabulary (see `secondary_label`).
    intensity: 1 (weak) to 5. speaker and transcript_en may be "".
    """

    start_s: int
    end_s: int
    speaker: str
    transcript_zh: str
    transcript_en: str
    primary: str
    as_written: str
    secondary: tuple[str, ...]
    intensity: int
    audio_cues: str
    visual_cues: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Emotions:
    """What one emotion.json holds: summary, the dominant basic emotion, the course of it as prose, the utterances."""

    title: str
    summary: str
    dominant: str
    trajectory: str
    utterances: tuple[Utterance, ...]


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence: seconds from the start of the clip, text, and the name of its mp4 in the clip's folder."""

    index: int
    start_s: float
    end_s: float
    text: str
    file: str


@dataclass(frozen=True, slots=True)
class Sentences:
    """What one sentence_level_timestamps.json holds. Global times are seconds in the recording `source`."""

    title: str
    language: str
    film: str
    source: str
    start_s: float
    end_s: float
    sentences: tuple[Sentence, ...]

    @property
    def duration_s(self) -> float:
        """Length of the clip in seconds."""
        return self.end_s - self.start_s


def find_streaming(data: Path) -> Path:
    """The folder `streaming-finalsplit`, given the repository, its `datasets` folder, `data-final` or itself.

    Raises ValueError with every place that was looked at.
    """
    for place in PLACES:
        if (data / place).is_dir() and titles(data / place):
            return data / place
    places = "\n  ".join(str(data / place) for place in PLACES)
    raise ValueError(f"{data}: no streaming part of EmoS here; looked for TITLE/TITLE.emotion.json in\n  {places}")


def titles(base: Path) -> list[str]:
    """The titles of the clips below `base`, sorted: folders that hold an emotion.json of their own name."""
    return sorted(path.name for path in base.iterdir() if (path / EMOTIONS.format(title=path.name)).is_file())


def read_streaming(base: Path, expected: int | None = CLIPS) -> Iterator[tuple[Emotions, Sentences]]:
    """Emotions and sentences of every clip below `base`, by title.

    Raises ValueError if there are not `expected` clips (None: any number), and for a file that is not as published.
    """
    found = titles(base)
    if expected is not None and len(found) != expected:
        raise ValueError(f"{base}: {len(found)} clips, {expected} expected; {CURE}")
    for title in found:
        yield read_emotions(base, title), read_sentences(base, title)


def strip_fence(text: str) -> str:
    """`text` without one Markdown fence around it (```json … ```); unfenced text comes back as it is."""
    match = _FENCE.fullmatch(text.removeprefix("\ufeff"))
    return match["body"] if match else text.removeprefix("\ufeff")


def primary_label(text: str) -> str | None:
    """The basic emotion in "Anger" or "Anger/愤怒": what stands before the first slash, if it is one; else None."""
    name = text.partition("/")[0].strip()
    return name if name in label_space("basic7").labels else None


def secondary_label(text: str) -> str:
    """A secondary label in small letters, without what follows its letters ("grief 😢" -> "grief").

    It may still be no GoEmotions label: the annotations use 37 other words. Text without letters comes back stripped.
    """
    match = _WORD.fullmatch(text)
    return match[1].lower() if match else text.strip()


def turning_points(labels: list[str] | tuple[str, ...]) -> int:
    """How often the emotion changes: neighbours in a clip's sequence of normalised primary emotions that differ.

    From 0 to len(labels) - 1; 0 for an empty sequence. The project's definition; the paper's count is another (the
    number of neighbours, whether they differ or not).
    """
    return sum(a != b for a, b in pairwise(labels))


def read_emotions(base: Path, title: str) -> Emotions:
    """The annotations of one clip.

    Raises ValueError, with the file and the number of the utterance (from 1), for what is no JSON inside its fence, a
    missing or mistyped field, an unknown emotion, an intensity outside 1 to 5, and times that overlap or run backwards.
    """
    path = base / title / EMOTIONS.format(title=title)
    record = _load(path)
    trend = _get(record, "overall_emotion_trend", dict, str(path))
    where = f"{path}, overall_emotion_trend"
    items = _get(record, "utterances", list, str(path))
    utterances = tuple(_utterance(item, f"{path}, utterance {i}") for i, item in enumerate(items, start=1))
    for i, (one, after) in enumerate(pairwise(utterances), start=2):
        if after.start_s < one.end_s:
            raise ValueError(
                f"{path}, utterance {i}: starts at {after.start_s} s, before the one before it ends; {CURE}"
            )
    return Emotions(
        title=title,
        summary=_get(record, "summary", str, str(path)),
        dominant=_primary(_get(trend, "dominant", str, where), where),
        trajectory=_get(trend, "trajectory", str, where),
        utterances=utterances,
    )


def read_sentences(base: Path, title: str) -> Sentences:
    """The sentences of one clip. Raises ValueError as `read_emotions`, and for a file that is no segmentNNN.mp4."""
    path = base / title / SENTENCES
    record = _load(path)
    where = str(path)
    items = _get(record, "segments", list, where)
    return Sentences(
        title=title,
        language=_get(record, "lang", str, where),
        film=_get(record, "film", str, where),
        source=_get(record, "source_rel", str, where),
        start_s=_number(record, "t_start_global", where),
        end_s=_number(record, "t_end_global", where),
        sentences=tuple(_sentence(item, f"{path}, segment {i}") for i, item in enumerate(items, start=1)),
    )


def _load(path: Path) -> Mapping[str, Any]:
    try:
        record = json.loads(strip_fence(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError) as error:  # a deeply nested file exhausts the stack
        raise ValueError(f"{path}: not readable as JSON inside a Markdown fence ({error}); {CURE}") from error
    if not isinstance(record, dict):
        raise ValueError(f"{path}: a JSON object was expected, found {type(record).__name__}; {CURE}")
    return record


def _get(record: object, name: str, kind: type[Any], where: str) -> Any:
    """Field `name` of a JSON object, of type `kind`."""
    if not isinstance(record, dict) or not isinstance(record.get(name), kind) or isinstance(record[name], bool):
        found = short(str(record.get(name))) if isinstance(record, dict) and name in record else "nothing"
        raise ValueError(f"{where}: field {name!r} should be {kind.__name__}, found {found}; {CURE}")
    return record[name]


def _number(record: object, name: str, where: str) -> float:
    value = record.get(name) if isinstance(record, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise ValueError(f"{where}: field {name!r} should be seconds from 0 on, found {short(str(value))}; {CURE}")
    return float(value)


def _primary(text: str, where: str) -> str:
    found = primary_label(text)
    if found is None:
        legal = ", ".join(label_space("basic7").labels)
        raise ValueError(f"{where}: found the emotion {short(text)}, legal is one of {legal}; {CURE}")
    return found


def _utterance(item: object, where: str) -> Utterance:
    span = _get(item, "timestamp_range", str, where)
    match = _RANGE.fullmatch(span.strip())
    minutes = [int(part) for part in match.groups()] if match else [0, 0, 0, 0]
    start, end = (60 * minutes[at] + minutes[at + 1] for at in (0, 2))
    if start >= end:
        raise ValueError(
            f"{where}: found the range {short(span)}, legal is MM:SS-MM:SS, the end after the start; {CURE}"
        )
    intensity = _get(item, "intensity", int, where)
    if not 1 <= intensity <= 5:
        raise ValueError(f"{where}: found the intensity {intensity}, legal is 1 to 5; {CURE}")
    secondary = _get(item, "emotion_secondary", list, where)
    if not all(isinstance(word, str) and word.strip() for word in secondary):
        raise ValueError(f"{where}: field 'emotion_secondary' should be a list of words; {CURE}")
    written = _get(item, "emotion_primary", str, where)
    spoken = {"speaker_guess": "", **item} if isinstance(item, dict) else item  # six utterances name no speaker
    return Utterance(
        start_s=start,
        end_s=end,
        speaker=_get(spoken, "speaker_guess", str, where),
        transcript_zh=_get(spoken, "transcript_zh", str, where),
        transcript_en=_get(spoken, "transcript_en", str, where),
        primary=_primary(written, where),
        as_written=written,
        secondary=tuple(secondary),
        intensity=intensity,
        audio_cues=_get(spoken, "audio_cues", str, where),
        visual_cues=_get(spoken, "visual_cues", str, where),
        evidence=_get(spoken, "evidence", str, where),
    )


def _sentence(item: object, where: str) -> Sentence:
    start, end = _number(item, "start", where), _number(item, "end", where)
    file = _get(item, "filename", str, where)
    if end < start:
        raise ValueError(f"{where}: ends at {end} s, before its start at {start} s; {CURE}")
    if not _SEGMENT.fullmatch(file):
        raise ValueError(f"{where}: found the file {short(file)}, legal is a name such as segment001.mp4; {CURE}")
    return Sentence(_get(item, "index", int, where), start, end, _get(item, "text", str, where), file)

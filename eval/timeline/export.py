"""Timelines as files that players and annotation tools open: SubRip (.srt), WebVTT (.vtt) and ELAN (.eaf 3.0).

Everything in a timeline was written by a model, and the name of a clip may come from anywhere: text becomes single
lines without control characters, what the format would read as markup is escaped, and the name of a file is made of
harmless characters alone. Times are those of the timeline, in milliseconds; an utterance of no length is shown for one.
"""

from __future__ import annotations

import html
import mimetypes
import os
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from eval.html.media import url_path
from eval.metrics.metric import Value
from infer.feed import digest
from infer.store import write_atomic
from tasks.task import Media

# Later times, which only a confused model gives, are shown here: 11 days, far below what an .eaf can hold (2**32 ms).
LAST_S = 1_000_000
EAF_SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
TIERS = ("transcript", "primary", "secondary", "intensity")
# Control, surrogate, private and unassigned characters; and the marks that turn the direction of what follows.
_UNSEEN = ("Cc", "Cs", "Co", "Cn")
_TURNING = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
# SubRip has no escapes, but players read <i> and {\an8}: full-width signs look the same and mean nothing.
_WIDE = str.maketrans("<>{}", "＜＞｛｝")
_NAME = re.compile(r"\w[\w ,.'-]*(?<![ .])")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_NAME_BYTES = 150


class Cue(NamedTuple):
    """One utterance to show: milliseconds, at least one apart, and its texts by tier, "" where it has none."""

    start: int
    end: int
    speaker: str
    transcript: tuple[str, ...]
    primary: str
    secondary: str
    intensity: str


def cues(value: Value) -> list[Cue]:
    """The utterances of a timeline by start, then end."""
    found = [_cue(item) for item in value["utterances"]]
    return sorted(found, key=lambda cue: cue[:2])


def _cue(item: Mapping[str, Any]) -> Cue:
    start, end = (round(max(0.0, min(item[key], LAST_S)) * 1000) for key in ("start", "end"))
    spoken = [line(item.get(key)) for key in ("transcript_zh", "transcript_en")]
    return Cue(
        start=start,
        end=max(end, start + 1),
        speaker=line(item.get("speaker")),
        transcript=tuple(text for text in spoken if text),
        primary=line(item.get("primary")),
        secondary=", ".join(map(line, item.get("secondary") or ())),
        intensity=line(item.get("intensity")),
    )


def line(text: object) -> str:
    """A text as one line of characters that can be seen, "" for None; what breaks a line is a blank."""
    plain = _TURNING.sub("", "" if text is None else str(text))
    return " ".join("".join(" " if unicodedata.category(sign) in _UNSEEN else sign for sign in plain).split())


def _shown(cue: Cue) -> list[str]:
    """The lines of a subtitle: who speaks and what, then the emotion with its intensity, then the other labels."""
    spoken = list(cue.transcript)
    if cue.speaker:
        spoken[:1] = [f"{cue.speaker}: {spoken[0]}" if spoken else cue.speaker]
    emotion = f"{cue.primary or '?'} {cue.intensity}/5" if cue.intensity else cue.primary or "?"
    return [*spoken, f"[{emotion}] {cue.secondary}".strip()]


def _clock(milliseconds: int, point: str) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{point}{rest:03d}"


def _subtitles(value: Value, point: str, escape: Callable[[str], str]) -> str:
    blocks = [
        f"{number}\n{_clock(cue.start, point)} --> {_clock(cue.end, point)}\n"
        + "".join(f"{escape(text)}\n" for text in _shown(cue))
        for number, cue in enumerate(cues(value), start=1)
    ]
    return "\n".join(blocks)


def srt(value: Value, media: Media | None = None, folder: Path | None = None) -> str:
    """A timeline as SubRip text; signs of markup become full-width ones."""
    del media, folder  # subtitles lie beside what they belong to
    return _subtitles(value, ",", lambda text: text.translate(_WIDE))


def vtt(value: Value, media: Media | None = None, folder: Path | None = None) -> str:
    """A timeline as WebVTT (W3C), signs of markup escaped."""
    del media, folder
    return "WEBVTT\n\n" + _subtitles(value, ".", lambda text: html.escape(text, quote=False))


def eaf(value: Value, media: Media | None = None, folder: Path | None = None) -> str:
    """A timeline as an ELAN document, EAF 3.0: one tier each for transcript, primary, secondary and intensity; what an
    utterance does not state has no annotation.

    `media` is linked by its URL and by its place relative to `folder`, in which the file will lie. A tier cannot hold
    two annotations at one moment: an utterance ends where the next one starts. Raises ValueError without pympi.
    """
    try:
        from pympi.Elan import Eaf, to_string
    except ImportError as error:
        raise ValueError("an .eaf needs the package pympi-ling: pip install pympi-ling, or leave eaf out") from error
    document = Eaf(author="omnimer")
    document.remove_tier("default")
    # Its own date is no xsd:dateTime in time zones of half an hour; its own format is 2.8.
    document.adocument.update(
        {"DATE": datetime.now(UTC).isoformat(timespec="seconds"), "VERSION": "3.0", "FORMAT": "3.0"}
    )
    document.adocument["xsi:noNamespaceSchemaLocation"] = EAF_SCHEMA
    document.header["TIME_UNITS"] = "milliseconds"
    if media is not None:
        _link(document, media, folder)
    for tier in TIERS:
        document.add_tier(tier)
    for cue in _apart(cues(value)):
        texts = cue._asdict() | {"transcript": " / ".join(cue.transcript)}
        for tier in TIERS:
            if texts[tier]:
                document.add_annotation(tier, cue.start, cue.end, texts[tier])
    _number_slots(document)
    document.properties = [("lastUsedAnnotationId", document.maxaid)]
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{to_string(document)}\n'


def _number_slots(document: Any) -> None:
    """Numbers the time slots by their times: an ELAN document lists them in that order, pympi as they were added."""
    order = sorted(document.timeslots, key=lambda slot: document.timeslots[slot])
    names = {slot: f"ts{number}" for number, slot in enumerate(order, start=1)}
    document.timeslots = {names[slot]: document.timeslots[slot] for slot in order}
    for aligned, *_ in document.tiers.values():
        for key, (start, end, *rest) in aligned.items():
            aligned[key] = (names[start], names[end], *rest)


def _link(document: Any, media: Media, folder: Path | None) -> None:
    """Names the media file in an ELAN document, and where in it the clip starts."""
    path = Path(os.path.abspath(media.path))  # noqa: PTH100 - a symbolic link stays what the user called it
    kind = mimetypes.guess_type(path.name)[0] or {"video": "video/mp4", "audio": "audio/x-wav"}[media.kind]
    near = None if folder is None else "./" + url_path(os.path.relpath(path, folder))
    origin = None if media.start_s is None else round(media.start_s * 1000)
    document.add_linked_file(path.as_uri(), near, kind, origin)


def _apart(found: Sequence[Cue]) -> list[Cue]:
    """Cues that do not overlap, at least a millisecond each: a start waits for the one before it."""
    apart: list[Cue] = []
    for cue in found:
        start = max(cue.start, apart[-1].start + 1) if apart else cue.start
        apart.append(cue._replace(start=start, end=max(cue.end, start + 1)))
    ends = [min(cue.end, after.start) for cue, after in pairwise(apart)]
    return [cue._replace(end=end) for cue, end in zip(apart, [*ends, *(cue.end for cue in apart[-1:])], strict=True)]


FORMATS: dict[str, Callable[[Value, Media | None, Path | None], str]] = {"srt": srt, "vtt": vtt, "eaf": eaf}


def file_stem(clip_id: str) -> str:
    """A file name, without ending, for a clip: the id itself where it is a plain name, else what is plain of it and ten
    digits of its digest, by which ids that look alike stay apart. Never a path, never hidden, at most 170 bytes."""
    plain = len(clip_id.encode(errors="replace")) <= _NAME_BYTES and unicodedata.is_normalized("NFC", clip_id)
    if plain and _NAME.fullmatch(clip_id) and not _RESERVED.fullmatch(clip_id):
        return clip_id
    kept = re.sub(r"[^\w-]+", "_", unicodedata.normalize("NFC", clip_id)).strip("_-")
    short = kept.encode()[:_NAME_BYTES].decode(errors="ignore")
    return f"{short or 'clip'}-{digest(clip_id)[:10]}"


def write_exports(
    value: Value, clip_id: str, media: Media | None, folder: Path, formats: Sequence[str] = tuple(FORMATS)
) -> list[Path]:
    """Writes a timeline to `folder`, one file for each of `formats`, and gives their paths in that order.

    Files of the same clip are replaced; each is written whole or not at all. Raises ValueError for an unknown format, a
    `folder` that is a file and, without pympi, for eaf, before anything is written.
    """
    if unknown := [name for name in formats if name not in FORMATS]:
        raise ValueError(f"no timeline format {unknown[0]!r}; there are: {', '.join(FORMATS)}")
    texts = {name: FORMATS[name](value, media, folder) for name in formats}
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise ValueError(f"{folder}: is a file; timelines are written to a folder") from None
    paths = [folder / f"{file_stem(clip_id)}.{name}" for name in formats]
    for path, text in zip(paths, texts.values(), strict=True):
        write_atomic(path, text)
    return paths

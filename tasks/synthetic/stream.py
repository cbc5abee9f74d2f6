"""The task `synthetic-stream`: long synthetic clips (tasks/synthetic/long.py) and their true timelines."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from tasks.emos_stream import KIND, METRICS
from tasks.synthetic.benchmark import SAFE_NAME, read_table
from tasks.synthetic.layout import ANNOTATIONS, CLIPS, MANIFEST
from tasks.synthetic.long import COLUMNS, LANGUAGES, VERSION
from tasks.task import Media, Root, Sample, Task

SPLITS = ("all",)
AGAIN = "generate the data set again"


def stream_samples(root: Root, split: str) -> Iterator[Sample]:
    """The clips of a generated data set in the order of annotations.csv; gold is the timeline.

    `root.data` is the folder that `generate_long` wrote; clips are expected under `root.media` (default: `clips` in it)
    and need not exist. `meta`: film (the clip), speaker, language, duration_s, sentences ([start, end, text] each).
    Raises ValueError, with file and row, for a missing file or column, a table unlike the manifest's, an illegal name,
    label or number, and utterances out of order.
    """
    if split not in SPLITS:
        raise ValueError(f"no split {split!r} in the synthetic clips; there are: {', '.join(SPLITS)}")
    path = root.data / ANNOTATIONS
    if not path.is_file():
        raise ValueError(f"{path} is missing; give the folder that it was generated in as the data")
    _check_digest(root.data / MANIFEST, path)
    rows = [_checked(path, number, row) for number, row in enumerate(read_table(path, COLUMNS), start=2)]
    folder = root.media if root.media is not None else root.data / CLIPS
    for clip, group in groupby(rows, key=itemgetter("clip")):
        yield _sample(folder / f"{clip}.mp4", list(group))


def _sample(path: Path, rows: list[dict[str, Any]]) -> Sample:
    first = rows[0]
    times = dict.fromkeys(KIND.primary.labels, 0.0)
    for row in rows:
        times[row["label"]] += row["end"] - row["start"]
    dominant = max(times, key=lambda label: times[label])
    return Sample(
        id=first["clip"],
        gold={
            "summary": None,
            "trend": {"dominant": dominant, "trajectory": None},
            "utterances": [_utterance(row) for row in rows],
        },
        media=(Media("video", path),),
        language=first["language"],
        meta={
            "film": first["clip"],
            "speaker": first["speaker"],
            "language": first["language"],
            "duration_s": first["seconds"],
            "sentences": [[row["start"], row["end"], row["text"]] for row in rows],
        },
    )


def _utterance(row: dict[str, Any]) -> dict[str, Any]:
    texts = {f"transcript_{language}": row["text"] if language == row["language"] else None for language in LANGUAGES}
    said = {"primary": row["label"], "secondary": [row["secondary"]], "intensity": row["intensity"]}
    cues = dict.fromkeys(("audio_cues", "visual_cues", "evidence"))
    return {"start": row["start"], "end": row["end"], "speaker": row["speaker"], **texts, **said, **cues}


def _check_digest(manifest: Path, table: Path) -> None:
    """A table that was cut off must not pass for a smaller benchmark."""
    if not manifest.is_file():
        return
    try:
        expected = json.loads(manifest.read_text(encoding="utf-8"))["annotations_sha256"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{manifest} does not name its annotations ({error!r}); {AGAIN}") from error
    if hashlib.sha256(table.read_bytes()).hexdigest() != expected:
        raise ValueError(f"{table} is not the one that {manifest.name} names; {AGAIN}")


def _checked(path: Path, number: int, row: dict[str, str]) -> dict[str, Any]:
    """A row with its numbers as numbers. Raises ValueError."""
    where = f"{path}, row {number}"
    if None in row or None in row.values():
        raise ValueError(f"{where}: it has more or fewer cells than the header")
    legal = {"language": LANGUAGES, "label": KIND.primary.labels, "secondary": KIND.secondary.labels}
    for name, values in legal.items():
        if row[name] not in values:
            raise ValueError(f"{where}: {name} is {row[name]!r}; legal are {', '.join(values)}")
    if not SAFE_NAME.fullmatch(row["clip"]):
        raise ValueError(f"{where}: clip is {row['clip']!r}; legal are letters, digits, _ and -, at most 64")
    try:
        numbers = {name: float(row[name]) for name in ("seconds", "start", "end")}
        intensity = int(row["intensity"])
    except ValueError as error:
        raise ValueError(f"{where}: {error}; {AGAIN}") from None
    if not 0 <= numbers["start"] < numbers["end"] <= numbers["seconds"] or not 1 <= intensity <= 5:
        raise ValueError(f"{where}: times or intensity are impossible; {AGAIN}")
    return {**row, **numbers, "intensity": intensity}


SYNTHETIC_STREAM = Task(
    name="synthetic-stream",
    version=VERSION,
    source="generated by this project (tasks/synthetic/long.py); timelines are true by construction",
    adapter=stream_samples,
    answer=KIND,
    template="emos_stream_json",
    metrics=METRICS,
    group="film",
    slices=("language",),
    splits=SPLITS,
)

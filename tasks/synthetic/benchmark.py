"""The tasks on a synthetic data set: `synthetic` (one Basic-7 label) and `synthetic-compact` (the EmoS record)."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tasks.emos import BASIC_METRICS, FINE_METRICS
from tasks.labels import label_space
from tasks.synthetic.layout import ANNOTATIONS, CARRIERS, CLIPS, MANIFEST, VERSION, annotation_columns, go29
from tasks.task import AnyOf, Media, OneOf, Record, Root, Sample, Task

# The best accuracy that any model can reach, by what it is given (a: sound, v: frames in order, t: transcript), for
# balanced classes. Losing a modality leaves a coin toss inside the pairs that it alone tells apart:
#   Fear / Surprise by sound, Anger / Disgust by the face, Joy / Sadness by the order of the frames.
# "t" holds where the transcript is neutral. A contradicting one rules out the emotion that it names, and names Neutral
# a little less often: 6/35 on those clips, 0.149 over a data set with the default share of them.
IDEAL_ACCURACY = {
    "avt": 1.0,
    "av": 1.0,
    "vt": 6 / 7,
    "at": 5 / 7,
    "shuffled": 6 / 7,
    "frozen": 6 / 7,
    "t": 1 / 7,
}

SPLITS = ("all", "train", "test")
LEGAL = {
    "language": ("zh", "en"),
    "confidence_tier": ("high", "medium", "low"),
    "transcript_kind": ("neutral", "contradicts"),
    "split": ("train", "test"),
}
SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")  # ids become file names


def samples(root: Root, split: str) -> Iterator[Sample]:
    """The samples of a generated data set, in the order of annotations.csv; gold is `{"label": str}`.

    `root.data` is the folder that `generate` wrote; clips are expected under `root.media` (default: `clips` in it)
    and need not exist. `split` is all, train or test. Raises ValueError, with file and row, for a missing file or
    column, an id that is repeated or no file name, an illegal label or number, and a count unlike the manifest's.
    """
    for row in _rows(root, split):
        yield _sample(root, row, {"label": row["ds_label"]})


def compact_samples(root: Root, split: str) -> Iterator[Sample]:
    """`samples` with gold as a compact record: `{"emotion": str, "goemotions": [{"label": str, "confidence": float}]}`.

    The GoEmotions labels are those with a soft label above 0, without "unsure", by confidence, then in label order.
    """
    for row in _rows(root, split):
        soft = [(name, float(row[f"goemotion_prob_{name}"])) for name in go29() if name != "unsure"]
        ranked = sorted((pair for pair in soft if pair[1] > 0), key=lambda pair: -pair[1])  # stable: label order
        fine = [{"label": name, "confidence": value} for name, value in ranked]
        yield _sample(root, row, {"emotion": row["ds_label"], "goemotions": fine})


def _sample(root: Root, row: dict[str, str], gold: dict[str, Any]) -> Sample:
    folder = root.media if root.media is not None else root.data / CLIPS
    meta = {name: row[name] for name in ("video_id", "clip_id", "speaker", "language", "carrier", "transcript_kind")}
    return Sample(
        id=row["uid"],
        gold=gold,
        text=row["text"],
        media=(Media("video", folder / row["video_id"] / f"{row['clip_id']}.mp4"),),
        language=row["language"],
        meta={
            **meta,
            "tier": row["confidence_tier"],
            "split": row["split"],
            "strength": float(row["strength"]),
            "ds_confidence": float(row["ds_confidence"]),
            "unique_labels": int(row["unique_labels"]),
            "votes": [row[f"basic_vote_{k}"] for k in (1, 2, 3)],
        },
    )


def _rows(root: Root, split: str) -> Iterator[dict[str, str]]:
    if split not in SPLITS:
        raise ValueError(f"no split {split!r} in the synthetic benchmark; there are: {', '.join(SPLITS)}")
    path = root.data / ANNOTATIONS
    if not path.is_file():
        raise ValueError(f"{path} is missing; give the folder that it was generated in as the data")
    rows = read_table(path, annotation_columns())
    _check_count(root.data / MANIFEST, path, len(rows))
    seen: dict[str, int] = {}
    for number, row in enumerate(rows, start=2):  # row 1 is the header
        try:
            _check_row(row)
        except ValueError as error:
            raise ValueError(f"{path}, row {number}: {error}") from error
        if row["uid"] in seen:
            raise ValueError(f"{path}, row {number}: uid {row['uid']!r} is already in row {seen[row['uid']]}")
        seen[row["uid"]] = number
    return (row for row in rows if split in ("all", row["split"]))


def read_table(path: Path, columns: Iterable[str]) -> list[dict[str, str]]:
    """The rows of a CSV that the generator wrote; ValueError where a column is missing, or for another kind of file."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            if missing:
                raise ValueError(f"columns are missing: {', '.join(missing)}; generate the data set again")
            return [dict(row) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} is no CSV in UTF-8 ({error}); generate the data set again") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _check_count(manifest: Path, table: Path, count: int) -> None:
    """The manifest names the number of clips; a table cut off in the middle must not pass for a smaller benchmark."""
    if not manifest.is_file():
        return
    try:
        expected = json.loads(manifest.read_text(encoding="utf-8"))["clips"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{manifest} does not name its clips ({error!r}); generate the data set again") from error
    if count != expected:
        raise ValueError(f"{table} has {count} rows, {manifest.name} says {expected}; generate the data set again")


def _check_row(row: dict[str, str]) -> None:
    if None in row or None in row.values():
        raise ValueError("it has more or fewer cells than the header")
    for name in ("uid", "video_id", "clip_id"):
        if not SAFE_NAME.fullmatch(row[name]):
            raise ValueError(f"{name} is {row[name]!r}; legal are letters, digits, _ and -, at most 64")
    labels = label_space("basic7").labels
    legal = dict.fromkeys(("ds_label", "basic_vote_1", "basic_vote_2", "basic_vote_3"), labels) | LEGAL
    for name, values in legal.items():
        if row[name] not in values:
            raise ValueError(f"{name} is {row[name]!r}; legal are {', '.join(values)}")
    if row["carrier"] != CARRIERS[row["ds_label"]]:
        raise ValueError(f"carrier is {row['carrier']!r}; for {row['ds_label']} it is {CARRIERS[row['ds_label']]!r}")
    for name in ("ds_confidence", "strength", *(f"goemotion_prob_{word}" for word in go29())):
        _check_share(name, row[name])
    if row["unique_labels"] not in ("1", "2", "3"):
        raise ValueError(f"unique_labels is {row['unique_labels']!r}; legal are 1, 2, 3")


def _check_share(name: str, text: str) -> None:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise ValueError(f"{name} is {text!r}; legal are numbers from 0 to 1")


SYNTHETIC = Task(
    name="synthetic",
    version=VERSION,
    source="generated by this project (tasks/synthetic); labels are true by construction",
    adapter=samples,
    answer=OneOf(*label_space("basic7")),
    template="oneof_json",
    metrics=BASIC_METRICS,
    group="speaker",
    slices=("language", "tier", "carrier", "transcript_kind"),
    splits=SPLITS,
)

SYNTHETIC_COMPACT = Task(
    name="synthetic-compact",
    version=VERSION,
    source=SYNTHETIC.source,
    adapter=compact_samples,
    answer=Record(OneOf(*label_space("basic7")), AnyOf(*label_space("goemotions28"))),
    template="emos_compact_json",
    metrics=(*BASIC_METRICS, *FINE_METRICS),
    group=SYNTHETIC.group,
    slices=SYNTHETIC.slices,
    splits=SPLITS,
)

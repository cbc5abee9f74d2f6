"""MER2025-PR: the Big Five of a person who is seen and heard, track 4 of MER2025.

`Root.data` holds `label_personality_normalized3.csv` (a subject's id, then the five traits in [0, 1]), `partition3.csv`
(id, then train or val) and the clips, `video/SUBJECT/*.mp4` or `video/SUBJECT.mp4`. One sample a file; the answer for a
subject is the mean over its files, as in the official baseline (github.com/cai-cong/MER25_personality). That baseline
works on extracted features and not on clips, so its figures are not of this task.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from tasks.kinds import BIG5
from tasks.mer_clips import SOUNDS, VIDEOS
from tasks.mer_tables import header_of, read_rows
from tasks.task import Media, Root, Sample, Task

TRAITS = BIG5.names
LABELS, PARTS = "label_personality_normalized3.csv", "partition3.csv"
SOURCE = "it comes with MDPE (huggingface.co/datasets/MDPEdataset: MDPE_Dataset, and MER2025_personality for the test)"
SPLITS = ("candidates", "train", "val")


def _subject(text: str) -> str:
    """A subject's id as the folders write it: three digits."""
    return f"{int(text):03d}" if text.isascii() and text.isdigit() else text


def _traits(path: Path) -> dict[str, dict[str, float]]:
    """Subject -> trait -> score; the columns are known by their order, since their spelling differs between files."""
    columns = header_of(path, source=SOURCE)
    if len(columns) != 1 + len(TRAITS):
        raise ValueError(f"{path}: {len(columns)} columns; an id and {', '.join(TRAITS)} were expected; {SOURCE}")
    found = {}
    for row in read_rows(path, columns, source=SOURCE):
        subject, *cells = row.cells.values()
        try:
            scores = [float(cell) for cell in cells]
        except ValueError:
            scores = [math.nan]
        if not all(0 <= score <= 1 for score in scores):
            raise ValueError(f"{path}, row {row.number}: found {', '.join(cells)}; numbers from 0 to 1 were expected")
        found[_subject(subject)] = dict(zip(TRAITS, scores, strict=True))
    return found


def _parts(path: Path) -> dict[str, str]:
    """Subject -> train or val."""
    subject, part, *_ = [*header_of(path, source=SOURCE), "", ""]
    found = {}
    for row in read_rows(path, (subject, part), source=SOURCE):
        if row.cells[part] not in ("train", "val"):
            raise ValueError(f"{path}, row {row.number}: found {row.cells[part]!r}; legal: train, val")
        found[_subject(row.cells[subject])] = row.cells[part]
    return found


def _files(folder: Path) -> Iterator[tuple[str, str, Path]]:
    """(subject, sample id, file) of every clip, sorted."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        subject = _subject(path.name if path.is_dir() else path.stem)
        inside = sorted(path.iterdir()) if path.is_dir() else []
        for file in (file for file in inside if file.suffix.lower() in (*VIDEOS, *SOUNDS)):
            yield subject, f"{subject}/{file.stem}", file
        if path.is_file() and path.suffix.lower() in VIDEOS:
            yield subject, subject, path


def _sample(subject: str, sample_id: str, path: Path, gold: Mapping[str, float] | None) -> Sample:
    return Sample(
        id=sample_id,
        gold=gold,
        media=(Media("video" if path.suffix.lower() in VIDEOS else "audio", path),),
        language="zh",
        meta={"subject": subject, "name": path.stem},
    )


def personality(root: Root, split: str) -> list[Sample]:
    """One sample a clip, by subject and file name; gold is `{trait: number in [0, 1]}`, None for candidates.

    Candidates are the clips of subjects that no part holds. The participants speak Chinese; there are no transcripts.
    Raises ValueError for a missing or malformed table, a subject without label, and when there are no clips at all.
    """
    if split not in SPLITS:
        raise ValueError(f"no split {split!r}; legal: {', '.join(SPLITS)}")
    known = split != "candidates" or (root.data / PARTS).exists()
    parts = _parts(root.data / PARTS) if known else {}
    traits = _traits(root.data / LABELS) if split != "candidates" else {}
    base = root.media or root.data
    folder = base / "video" if (base / "video").is_dir() else base
    clips = list(_files(folder))
    if not clips:
        raise ValueError(f"{folder}: no clip is here; looked for video/SUBJECT/*.mp4 and video/SUBJECT.mp4; {SOURCE}")
    found = []
    for subject, sample_id, path in clips:
        if parts.get(subject, "candidates") != split:
            continue
        if split != "candidates" and subject not in traits:
            raise ValueError(f"{root.data / LABELS}: no row of subject {subject}, which {PARTS} has; {SOURCE}")
        found.append(_sample(subject, sample_id, path, traits.get(subject)))
    return found


PR = Task(
    name="mer2025-pr",
    version="1",
    source="MER 2025, track 4 (MER-PR), on MDPE, arXiv 2407.12274; github.com/cai-cong/MER25_personality",
    adapter=personality,
    answer=BIG5,
    template="traits_json",
    metrics=("rmse", "pcc", "ccc", *(f"{metric}_{name}" for name in TRAITS for metric in ("rmse", "pcc", "ccc"))),
    group="subject",
    splits=SPLITS,
)

"""MER2024-OV: open-vocabulary emotions of 20,000 candidate clips.

`Root.data` is the unpacked data set (by EULA, github.com/zeroQiaoba/MERTools/MER2024), its videos in `video-labeled/`
and `video-unlabeled/` or in one folder `video/`. The official score groups words by GPT-3.5 and cannot be repeated, so
wheel scores stand in for it. The release has no transcripts of unlabelled clips; a table that the official recipe made
(`transcription_merge.csv`) is used where it is there.
"""

from __future__ import annotations

from pathlib import Path

from tasks.mer_release import OPTIONS, WHEEL_METRICS, Table, build, headed, items, open_gold, read_table
from tasks.task import AnyOf, Root, Sample, Task

SOURCE = "the data come by EULA, see github.com/zeroQiaoba/MERTools/MER2024"
FOLDERS = ("mer2024-dataset", "mer2024-dataset-process")
GOLD = "check-openset.csv"  # the checked labels beside the official scorer
SPOKEN = ("transcription_merge.csv", "transcription-merge.csv", "label-transcription.csv", "transcription.csv")


def _candidates(folder: Path) -> str:
    """The table of candidates, whose name is not documented: the one csv with `candidate` in its name."""
    found = sorted(path.name for path in folder.glob("*candidate*.csv"))
    if len(found) != 1:
        there = f"{len(found)} files ({', '.join(found[:4])})" if found else "no file"
        raise ValueError(f"{folder}: one csv with 'candidate' in its name was looked for, {there} found; {SOURCE}")
    return found[0]


def open_vocabulary(root: Root, split: str) -> list[Sample]:
    """The clips in the order of their table; gold `{"labels": [word, …]}` for test, None for candidates."""
    folder = next((root.data / name for name in FOLDERS if (root.data / name).is_dir()), root.data)
    tables = {"candidates": Table("", rows=20_000), "test": Table(GOLD, ("openset",))}
    if split == "candidates":
        tables[split] = Table(_candidates(folder), rows=20_000)
    _, rows = read_table(folder, tables, split, root, SOURCE)
    spoken = next((folder / name for name in SPOKEN if (folder / name).is_file()), None)
    found = items(rows, open_gold if split == "test" else None)
    return build(folder, found, root, subtitles=spoken, source=SOURCE)


OV = Task(
    name="mer2024-ov",
    version="1",
    source="Lian et al., MER 2024, MRAC 2024, track MER-OV; github.com/zeroQiaoba/MERTools/MER2024",
    adapter=open_vocabulary,
    answer=AnyOf(),
    template="ov_list_json",
    metrics=headed("ew_m_avg", WHEEL_METRICS),
    wheels="mer2025",
    group="name",
    slices=("language",),
    sizes={"candidates": 20_000},
    splits=("candidates", "test"),
    options=OPTIONS,
)

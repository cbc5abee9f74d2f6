"""MER2025: six emotions (SEMI), open-vocabulary emotions (FG), emotions described (DES); and OV-MERD.

`Root.data` is the unpacked data set (huggingface.co/datasets/MERChallenge/MER2025): the csv tables beside `video/`,
`audio/` and `subtitle_chieng.csv`. Splits: candidates (the 20,000 clips to be submitted, without gold), the training
tables, and test, whose label files the organisers kept back; their names are those that the official scorers read.
Personality, the fourth track, comes as another data set: tasks/mer_personality.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tasks.labels import label_space
from tasks.mer_release import (
    CLASS_METRICS,
    OPTIONS,
    WHEEL_METRICS,
    Item,
    Table,
    build,
    headed,
    home,
    items,
    open_gold,
    read_table,
    sizes,
)
from tasks.mer_tables import one_of, openset
from tasks.task import AnyOf, Described, OneOf, Root, Sample, Task

SOURCE = "it comes with MER2025 (huggingface.co/datasets/MERChallenge/MER2025, on request); test labels were kept back"
FOLDERS = ("mer2025-dataset", "MER2025")
SIX = label_space("mer6")
CANDIDATES = Table("track_all_candidates.csv", rows=20_000)
SEMI_TABLES = {
    "candidates": CANDIDATES,
    "train": Table("track1_train_disdim.csv", ("discrete",), 7_369),
    "test": Table("track1_test_dis.csv", ("discrete",), 2_026),
}
FINE_TABLES = {
    "candidates": CANDIDATES,
    "train-ovmerd": Table("track2_train_ovmerd.csv", ("openset",), 332),
    "train-mercaptionplus": Table("track2_train_mercaptionplus.csv", ("openset",), 31_327),
    "test": Table("track2_test.csv", ("openset",), 1_200),
}
REASON_TABLES = {
    "train-ovmerd": Table("track3_train_ovmerd.csv", ("reason",), 332),
    "train-mercaptionplus": Table("track3_train_mercaptionplus.csv", ("reason",), 31_327),
}


def _built(root: Root, found: Sequence[Item]) -> list[Sample]:
    folder = home(root.data, FOLDERS, "subtitle_chieng.csv")
    return build(folder, found, root, subtitles=folder / "subtitle_chieng.csv", source=SOURCE)


def semi(root: Root, split: str) -> list[Sample]:
    """The clips of track 1 in the order of their table; gold `{"label": …}`, None for candidates."""
    folder = home(root.data, FOLDERS, "subtitle_chieng.csv")
    path, rows = read_table(folder, SEMI_TABLES, split, root, SOURCE)
    read = None if split == "candidates" else lambda row: {"label": one_of(path, row, "discrete", SIX.labels)}
    return _built(root, items(rows, read))


def fine_grained(root: Root, split: str) -> list[Sample]:
    """The clips of track 2 in the order of their table; gold `{"labels": [word, …]}`, None for candidates.

    A clip whose cell is empty or `[]` has an empty list as gold, which no wheel score counts.
    """
    _, rows = read_table(home(root.data, FOLDERS, "subtitle_chieng.csv"), FINE_TABLES, split, root, SOURCE)
    return _built(root, items(rows, None if split == "candidates" else open_gold))


def descriptions(root: Root, split: str) -> list[Sample]:
    """The clips of track 3 in the order of their table; gold `{"description", "labels"}`, None for candidates.

    Labels are those of track 2 for the same clip. For the test clips the labels of track 2 are all the gold there is:
    no reference descriptions were published (`description` is None).
    """
    folder = home(root.data, FOLDERS, "subtitle_chieng.csv")
    path, rows = read_table(folder, FINE_TABLES, split, root, SOURCE)
    if split not in REASON_TABLES:
        with_labels = None if split == "candidates" else lambda row: {"description": None, **open_gold(row)}
        return _built(root, items(rows, with_labels))
    labels = {row.cells["name"]: openset(row.cells["openset"]) for row in rows}
    reasons, rows = read_table(folder, REASON_TABLES, split, root, SOURCE)
    lost = [row for row in rows if row.cells["name"] not in labels]
    if lost:
        raise ValueError(f"{reasons}, row {lost[0].number}: {lost[0].cells['name']} is not in {path}; {SOURCE}")
    found = [
        Item(row.cells["name"], {"description": row.cells["reason"], "labels": labels[row.cells["name"]]})
        for row in rows
    ]
    return _built(root, found)


def ov_merd(root: Root, split: str) -> list[Sample]:
    """The 332 clips of OV-MERD, which people labelled (train-ovmerd of track 2); gold `{"labels": [word, …]}`."""
    return fine_grained(root, {"all": "train-ovmerd"}.get(split, split))


_COMMON: dict[str, Any] = {"version": "1", "group": "name", "slices": ("language",), "options": OPTIONS}
_PAPER = "Lian et al., MER 2025, arXiv 2504.19423; github.com/zeroQiaoba/MERTools/MER2025"
SEMI = Task(
    name="mer2025-semi",
    source=f"{_PAPER}, track 1 (MER-SEMI)",
    adapter=semi,
    answer=OneOf(*SIX),
    template="oneof_json",
    metrics=CLASS_METRICS,
    sizes=sizes(SEMI_TABLES),
    splits=tuple(SEMI_TABLES),
    **_COMMON,
)
_OPEN: dict[str, Any] = {**_COMMON, "metrics": WHEEL_METRICS, "wheels": "mer2025"}
FG = Task(
    name="mer2025-fg",
    source=f"{_PAPER}, track 2 (MER-FG); the ranking score is ew_mean_f",
    adapter=fine_grained,
    answer=AnyOf(),
    template="ov_list_json",
    sizes=sizes(FINE_TABLES),
    splits=tuple(FINE_TABLES),
    **_OPEN,
)
DES = Task(
    name="mer2025-des",
    source=f"{_PAPER}, track 3 (MER-DES), judged by people; scored here through the labels of a description",
    adapter=descriptions,
    answer=Described(),
    template="ov_describe_json",
    sizes=sizes(FINE_TABLES),
    splits=tuple(FINE_TABLES),
    **_OPEN,
)
OV_MERD = Task(
    name="ov-merd",
    source="Lian et al., Open-vocabulary MER (OV-MERD), ICML 2025; the table of MER2025; M-avg is ew_m_avg",
    adapter=ov_merd,
    answer=AnyOf(),
    template="ov_list_json",
    sizes={"all": 332},
    **{**_OPEN, "metrics": headed("ew_m_avg", WHEEL_METRICS)},
)

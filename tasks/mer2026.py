"""MER2026: six emotions of the person in view (Cross), open-vocabulary emotions (FG), preferred descriptions (Prefer).

`Root.data` is the unpacked data set (huggingface.co/datasets/MERChallenge/MER2026): the csv tables beside `video/`,
`audio/` and `subtitle_chieng.csv`; clips may lie in sub-folders, as the archives unpack. Splits: the clips to be
submitted (candidates; stage1 and stage2 of Prefer), the training tables, and test, whose labels were released after
the challenge. Of the test tables, track1_test.csv and track2_test.csv are the names that the official code reads; for
track 3 none is documented, so the released tables are expected under the candidates' names with `test` in them.
"""

from __future__ import annotations

from typing import Any

from tasks.labels import label_space
from tasks.mer_release import (
    CLASS_METRICS,
    OPTIONS,
    WHEEL_METRICS,
    Item,
    Table,
    build,
    check_count,
    headed,
    home,
    items,
    open_gold,
    read_table,
    sizes,
)
from tasks.mer_tables import Row, check_name, one_of, read_rows
from tasks.task import AnyOf, OneOf, Pick, Root, Sample, Task

SOURCE = "it comes with MER2026 (huggingface.co/datasets/MERChallenge/MER2026, on request)"
FOLDERS = ("mer2026-dataset", "MER2026")
SIX, PREFERENCE = label_space("mer6"), label_space("preference")
CANDIDATES = Table("track1_track2_candidate.csv", rows=20_000)
CROSS_TABLES = {
    "candidates": CANDIDATES,
    "train": Table("track1_train.csv", ("discrete",), 9_395),
    "test": Table("track1_test.csv", ("discrete",)),
}
FINE_TABLES = {
    "candidates": CANDIDATES,
    "train-human": Table("track2_train_human.csv", ("openset",), 1_532),
    "train-mercaptionplus": Table("track2_train_mercaptionplus.csv", ("openset",), 31_327),
    "test": Table("track2_test.csv", ("openset",)),
}
PAIR, JUDGED = ("name", "a1", "a2"), ("name", "a1", "a2", "preference")
PREFER_TABLES = {
    "stage1": Table("track3_candidate.csv", PAIR, 10_000),
    "stage2": Table("stage2_track3_candidate.csv", PAIR),
    "train-emoprefer": Table("track3_emoprefer.csv", JUDGED, 574),
    "train-emopreferv2": Table("track3_emopreferv2.csv", JUDGED, 2_096),
    "test-stage1": Table("track3_test.csv", JUDGED),
    "test-stage2": Table("stage2_track3_test.csv", JUDGED),
}
SWAPPED = {"a1": "a2", "a2": "a1", "same": "same"}


def _built(root: Root, found: list[Item]) -> list[Sample]:
    folder = home(root.data, FOLDERS, "subtitle_chieng.csv")
    return build(folder, found, root, subtitles=folder / "subtitle_chieng.csv", source=SOURCE)


def cross(root: Root, split: str) -> list[Sample]:
    """The clips of track 1 in the order of their table; gold `{"label": …}`, None for candidates."""
    folder = home(root.data, FOLDERS, "subtitle_chieng.csv")
    path, rows = read_table(folder, CROSS_TABLES, split, root, SOURCE)
    read = None if split == "candidates" else lambda row: {"label": one_of(path, row, "discrete", SIX.labels)}
    return _built(root, items(rows, read))


def fine_grained(root: Root, split: str) -> list[Sample]:
    """The clips of track 2 in the order of their table; gold `{"labels": [word, …]}`, None for candidates."""
    _, rows = read_table(home(root.data, FOLDERS, "subtitle_chieng.csv"), FINE_TABLES, split, root, SOURCE)
    return _built(root, items(rows, None if split == "candidates" else open_gold))


def prefer(root: Root, split: str) -> list[Sample]:
    """One sample a row of track 3: a clip and two descriptions of it; gold `{"choice": a1 | a2 | same}` or None.

    A clip may stand in several rows, so ids are the row and the name: `00012-NAME` is the 13th row below the header.
    `meta`: name, row (from 0), a1 and a2 (line breaks and tabs as blanks, as in the official prompt), swapped. With the
    option swap=yes the two descriptions change places and the gold with them, ids staying as they are: two runs then
    show whether a model judges the descriptions or their places.
    """
    if split not in PREFER_TABLES:
        raise ValueError(f"no split {split!r}; legal: {', '.join(PREFER_TABLES)}")
    table, folder = PREFER_TABLES[split], home(root.data, FOLDERS, "subtitle_chieng.csv")
    path, swap = folder / table.file, root.options.get("swap") == "yes"
    rows = list(read_rows(path, table.columns, source=SOURCE))
    check_count(path, len(rows), table.rows, root.options)
    found = []
    for place, row in enumerate(rows):
        name = check_name(row.cells["name"], f"{path}, row {row.number}")
        choice = one_of(path, row, "preference", PREFERENCE.labels) if "preference" in row.cells else None
        gold = choice and {"choice": SWAPPED[choice] if swap else choice}
        shown = {key: _one_line(row, SWAPPED[key] if swap else key) for key in ("a1", "a2")}
        meta = {"row": place, **shown, "swapped": "yes" if swap else "no"}
        found.append(Item(name, gold or None, f"{place:05d}-{name}", meta))
    return _built(root, found)


def _one_line(row: Row, column: str) -> str:
    return row.cells[column].replace("\n", " ").replace("\t", " ").strip()


_COMMON: dict[str, Any] = {"version": "1", "group": "name", "slices": ("language",), "options": OPTIONS}
_PAPER = "MER 2026 challenge; github.com/zeroQiaoba/MERTools/MER2026"
CROSS = Task(
    name="mer2026-cross",
    source=f"{_PAPER}, track 1 (MER-Cross)",
    adapter=cross,
    answer=OneOf(*SIX),
    template="oneof_person_json",
    metrics=CLASS_METRICS,
    sizes=sizes(CROSS_TABLES),
    splits=tuple(CROSS_TABLES),
    **_COMMON,
)
FG = Task(
    name="mer2026-fg",
    source=f"{_PAPER}, track 2 (MER-FG); the ranking score is ew_l1_f",
    adapter=fine_grained,
    answer=AnyOf(),
    template="ov_list_json",
    metrics=headed("ew_l1_f", WHEEL_METRICS),
    wheels="mer2026",
    sizes=sizes(FINE_TABLES),
    splits=tuple(FINE_TABLES),
    **_COMMON,
)
PREFER = Task(
    name="mer2026-prefer",
    source=f"{_PAPER}, track 3 (MER-Prefer); EmoPrefer, arXiv 2507.04278",
    adapter=prefer,
    answer=Pick(*PREFERENCE),
    template="prefer_json",
    metrics=("preference_waf", "preference_acc", "preference3_waf", "preference3_acc"),
    sizes=sizes(PREFER_TABLES),
    splits=tuple(PREFER_TABLES),
    **{**_COMMON, "options": {**OPTIONS, "swap": ("no", "yes")}},
)

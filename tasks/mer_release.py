"""What the tasks of the MER challenges share: tables by split with their published sizes, samples, metrics."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tasks.emos import BASIC_METRICS
from tasks.mer_clips import find_clips
from tasks.mer_tables import Row, named_rows, openset, read_subtitles
from tasks.task import Root, Sample

# Whether tables have to have their published sizes; `any` is for parts of a release, and tells what differs.
OPTIONS = {"counts": ("published", "any")}

CLASS_METRICS = ("weighted_f1", "accuracy", "macro_f1", *BASIC_METRICS[3:])
WHEEL_METRICS = (
    *("ew_mean_f", "ew_l1_f", "ew_l1_p", "ew_l1_r", "ew_l2_f", "ew_l2_p", "ew_l2_r", "ew_m_avg"),
    *("ew_unknown", "list_length"),
)


def headed(first: str, metrics: Sequence[str]) -> tuple[str, ...]:
    """The metrics with `first` as the headline."""
    return (first, *(name for name in metrics if name != first))


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a release: its file, its columns beside `name`, the published number of rows (None: unpublished)."""

    file: str
    columns: tuple[str, ...] = ()
    rows: int | None = None


def sizes(tables: Mapping[str, Table]) -> dict[str, int]:
    """The published sizes by split, for `Task.sizes`."""
    return {split: table.rows for split, table in tables.items() if table.rows is not None}


def check_count(path: Path, found: int, published: int | None, options: Mapping[str, str]) -> None:
    """Raises ValueError if a table has not its published size; with the option counts=any it says so on stderr."""
    if published is None or found == published:
        return
    told = f"{path}: {found:,} entries, the published number is {published:,}"
    if options.get("counts") != "any":
        raise ValueError(f"{told}. Take the file as published, or say --option counts=any to use what is there.")
    print(f"{told} (counts=any)", file=sys.stderr)


def home(data: Path, folders: Sequence[str], file: str) -> Path:
    """The folder of a release: the first of `folders` below `data` that holds `file`, else `data` itself."""
    return next((data / name for name in folders if (data / name / file).exists()), data)


def read_table(
    folder: Path, tables: Mapping[str, Table], split: str, root: Root, source: str
) -> tuple[Path, list[Row]]:
    """The path and the rows of the table of a split, checked against its published size.

    Raises ValueError for an unknown split, a missing or malformed file (`source` says where it is to be had), an unsafe
    or repeated name and another size.
    """
    if split not in tables:
        raise ValueError(f"no split {split!r}; legal: {', '.join(tables)}")
    table = tables[split]
    path = folder / table.file
    rows = named_rows(path, table.columns, source=source)
    check_count(path, len(rows), table.rows, root.options)
    return path, rows


@dataclass(frozen=True, slots=True)
class Item:
    """What a sample is made of besides its clip and subtitle. `id` is the name where it is empty."""

    name: str
    gold: Mapping[str, Any] | None = None
    id: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict)


def items(rows: Sequence[Row], gold: Callable[[Row], Mapping[str, Any]] | None) -> list[Item]:
    """One item a row, with the gold that `gold` reads in it (None: without gold)."""
    return [Item(row.cells["name"], gold(row) if gold else None) for row in rows]


def open_gold(row: Row) -> dict[str, list[str]]:
    """The gold of a row with a column `openset`, in the shape of an open `AnyOf`."""
    return {"labels": openset(row.cells["openset"])}


def build(
    folder: Path,
    found: Sequence[Item],
    root: Root,
    *,
    subtitles: Path | None,
    source: str,
    videos: Sequence[str] = ("video",),
    sounds: Sequence[str] = ("audio",),
) -> list[Sample]:
    """The samples of items, in their order, with clip, subtitle and `name` in the meta.

    Clips lie in the media folder, or in `folder` where none was given. Raises ValueError for a missing or malformed
    subtitle table and for a media folder without a single clip.
    """
    names = dict.fromkeys(item.name for item in found)
    told = read_subtitles(subtitles, names, source=source) if subtitles else {}
    clips = find_clips(root.media or folder, names, videos=videos, sounds=sounds, told=root.media is not None)
    return [
        Sample(
            id=item.id or item.name,
            gold=item.gold,
            text=told[item.name].text if item.name in told else "",
            language=told[item.name].language if item.name in told else "en",
            media=(clips[item.name],),
            meta={"name": item.name, **item.meta},
        )
        for item in found
    ]

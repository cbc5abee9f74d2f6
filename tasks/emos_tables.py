"""Reading the workbooks and the index file of the EmoS release as text, with messages that name file, row, column."""

from __future__ import annotations

import csv
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar
from zipfile import BadZipFile

CURE = "take the file from the release as published (github.com/NLP2CT/EmoS, commit 4fd2d8c)"
T = TypeVar("T")
# What openpyxl raises for a missing file, a damaged archive or part of one, or something else under the name .xlsx.
DAMAGED = (BadZipFile, KeyError, IndexError, SyntaxError, EOFError, OSError, zlib.error, ValueError, TypeError)


class Table(NamedTuple):
    """The wanted columns of one workbook, as text ("" for an empty cell), all of one length."""

    path: Path
    columns: Mapping[str, list[str]]
    rows: int

    def where(self, i: int, column: str) -> str:
        """The place of data row `i` (from 0) as a spreadsheet shows it (the header is row 1)."""
        return f"{self.path}, row {i + 2}, column {column!r}"


class Clip(NamedTuple):
    """One row of meta.csv: video, clip id as text, transcript."""

    video: str
    clip: str
    text: str


def short(text: str) -> str:
    """`text` in quotes, cut to what a message can hold."""
    return repr(text if len(text) <= 60 else text[:57] + "...")


def read_rows(path: Path) -> Iterator[list[str]]:
    """Every row of the first sheet of a workbook as text, "" for an empty cell; a number as Python prints it.

    Raises ValueError for a missing, unreadable or damaged file.
    """
    from openpyxl import load_workbook

    try:
        with path.open("rb") as file:
            sheet = load_workbook(file, read_only=True).worksheets[0]
            sheet.reset_dimensions()  # a stale size in the file would cut rows off
            for cells in sheet.iter_rows(values_only=True):
                yield ["" if cell is None else str(cell) for cell in cells]
    except DAMAGED as error:
        raise ValueError(f"{path}: not a readable xlsx workbook ({type(error).__name__}: {error}); {CURE}") from error


def read_table(path: Path, columns: Sequence[str]) -> Table:
    """The named columns of a workbook's first sheet. Columns without a header are passed over, blank last rows dropped.

    Raises ValueError for a file that is no workbook and for a column that is missing.
    """
    rows = read_rows(path)
    header = [name.strip() for name in next(rows, [])]
    missing = [name for name in columns if name not in header]
    if missing:
        have = ", ".join(name for name in header if name) or "nothing"
        raise ValueError(f"{path}: no column {', '.join(map(repr, missing))}; its header has: {have}. {CURE}.")
    places = [header.index(name) for name in columns]
    body = [[cells[at] if at < len(cells) else "" for at in places] for cells in rows]
    while body and not any(body[-1]):
        body.pop()
    return Table(path, {name: [cells[j] for cells in body] for j, name in enumerate(columns)}, len(body))


def parse(table: Table, i: int, column: str, read: Callable[[str], T | None], legal: str) -> T:
    """Data row `i` of a column through `read`, which gives None or raises ValueError for an illegal cell.

    Raises ValueError that says where, what was found and what is `legal`.
    """
    cell = table.columns[column][i].strip()
    try:
        value = read(cell)
    except ValueError:
        value = None
    if value is None:
        raise ValueError(f"{table.where(i, column)}: found {short(cell)}, legal is {legal}; {CURE}")
    return value


def check_joined(table: Table, i: int, column: str, expected: str, origin: str) -> None:
    """Raises ValueError if data row `i` of a table does not hold what the row it is joined to holds (outer blanks
    aside, which one of the books has)."""
    found = table.columns[column][i]
    if found.strip() != expected.strip():
        raise ValueError(
            f"{table.where(i, column)}: found {short(found)}, but {origin} has {short(expected)}. "
            f"The tables are joined by row order, so a row was moved, lost or changed; {CURE}."
        )


def read_index(path: Path) -> list[Clip]:
    """The rows of meta.csv in order. Ids are text and name files, so anything but an id is refused.

    Raises ValueError for a file that is not UTF-8 csv, a missing column, an illegal id and an id that occurs twice.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: not a readable UTF-8 csv file ({error}); {CURE}") from error
    missing = [name for name in ("video_id", "clip_id", "text") if not rows or name not in rows[0]]
    if missing:
        raise ValueError(f"{path}: no rows, or no column {', '.join(map(repr, missing))}; {CURE}")
    clips: dict[tuple[str, str], Clip] = {}
    for line, row in enumerate(rows, start=2):
        clip = Clip(*(row[name] or "" for name in ("video_id", "clip_id", "text")))
        for name, value, pattern, legal in (
            ("video_id", clip.video, r"[A-Za-z0-9_]+", "letters, digits and _"),
            ("clip_id", clip.clip, r"\d{4,5}(_\d)?", "4 or 5 digits such as 0001 or 00012_0"),
        ):
            if not re.fullmatch(pattern, value, re.ASCII):
                hint = "a spreadsheet program that saves the file drops leading zeros"
                raise ValueError(
                    f"{path}, row {line}, column {name!r}: found {short(value)}, legal is {legal} ({hint}); {CURE}"
                )
        if clip[:2] in clips:
            raise ValueError(f"{path}, row {line}: {clip.video}/{clip.clip} occurs twice; {CURE}")
        clips[clip[:2]] = clip
    return list(clips.values())

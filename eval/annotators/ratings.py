"""Who gave which labels to what: the one type that all statistics of annotators read, and its CSV file.

The file has a header; the first column is the id of an item, every further column an annotator. A cell holds one
label, or several separated by `;`; an empty cell means that the annotator did not see the item. If any cell holds
several, all cells are label sets.
"""

from __future__ import annotations

import csv
import difflib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.emos_tables import short

Flags = NDArray[np.bool_]
Codes = NDArray[np.int64]
MISSING = -1
SEPARATOR = ";"
# More distinct labels than this are free text; tables of them would help nobody.
MOST_LABELS = 500


@dataclass(frozen=True, eq=False)
class Ratings:
    """Labels of items by annotators.

    chosen: bool [items, annotators, labels], whether the annotator gave the item the label.
    rated: bool [items, annotators], whether the annotator annotated the item; a rated cell may hold no label at all.
    """

    ids: tuple[str, ...]
    annotators: tuple[str, ...]
    labels: tuple[str, ...]
    chosen: Flags
    rated: Flags

    def __post_init__(self) -> None:
        shape = (len(self.ids), len(self.annotators), len(self.labels))
        if self.chosen.shape != shape or self.rated.shape != shape[:2]:
            raise ValueError(f"ratings of shapes {self.chosen.shape} and {self.rated.shape}; {shape} was expected")
        if (self.chosen.any(-1) & ~self.rated).any():
            raise ValueError("an annotator gave labels to an item that counts as not annotated by this annotator")

    @property
    def single(self) -> bool:
        """Whether every annotated cell holds exactly one label."""
        return bool((self.chosen.sum(-1) == self.rated).all())

    @property
    def votes(self) -> Codes:
        """Position of the one label, int64 [items, annotators]; MISSING where not annotated.

        Raises ValueError for label sets.
        """
        if not self.single:
            raise ValueError("label sets have no single vote; use a statistic for sets")
        return np.where(self.rated, self.chosen.argmax(-1) if self.labels else MISSING, MISSING)


def ratings_of(
    ids: Sequence[str],
    annotators: Sequence[str],
    labels: Sequence[str],
    cells: Sequence[Sequence[Collection[str] | None]],
) -> Ratings:
    """Ratings from cells [items][annotators]: a collection of labels, or None for "not annotated".

    Raises ValueError for a label that is not one of `labels` and for rows of another length than `annotators`.
    """
    place = {label: at for at, label in enumerate(labels)}
    chosen = np.zeros((len(ids), len(annotators), len(labels)), dtype=bool)
    rated = np.zeros((len(ids), len(annotators)), dtype=bool)
    for i, (id_, row) in enumerate(zip(ids, cells, strict=True)):
        if len(row) != len(annotators):
            raise ValueError(f"item {short(id_)}: {len(row)} cells, but {len(annotators)} annotators")
        for m, cell in enumerate(row):
            rated[i, m] = cell is not None
            for label in cell or ():
                if label not in place:
                    raise ValueError(f"item {short(id_)}, annotator {annotators[m]}: {_unknown(label, labels)}")
                chosen[i, m, place[label]] = True
    return Ratings(tuple(ids), tuple(annotators), tuple(labels), chosen, rated)


def _unknown(label: str, labels: Sequence[str]) -> str:
    near = difflib.get_close_matches(label, labels, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    listed = ", ".join(labels[:40]) + (", …" if len(labels) > 40 else "")
    return f"found {short(label)}, legal is {listed}{hint}"


def read_csv(path: Path, labels: Sequence[str] = ()) -> Ratings:
    """The ratings of a CSV file (UTF-8, comma separated, in the layout of this module's docstring).

    `labels` fixes the labels and their order, in which ties are broken; without it they are the labels that occur,
    sorted. Blanks around a label are dropped, and a label given twice in one cell counts once.
    Raises ValueError, with the line, for: a file that is not UTF-8 CSV, no items, no annotators, a missing or repeated
    id or annotator, a row with too many or too few cells, a cell of separators alone, a label outside `labels`, a
    character that cannot be printed, no label anywhere, and more than MOST_LABELS labels.
    """
    header, body = _read(path)
    cells = [[_cell(text, path, line, name) for text, name in zip(row[1:], header[1:], strict=True)]
             for line, row in body]  # fmt: skip
    found = sorted({label for row in cells for cell in row if cell for label in cell})
    if not found:
        raise ValueError(f"{path}: no cell holds a label; the columns after the first are one annotator each")
    if len(found) > MOST_LABELS and not labels:
        raise ValueError(
            f"{path}: {len(found):,} different labels, such as {short(found[0])}; at most {MOST_LABELS} can be "
            "compared. Leave out columns that are no labels, or give the legal labels with --labels"
        )
    legal = tuple(labels) or tuple(found)
    for (line, _), row in zip(body, cells, strict=True):
        for name, cell in zip(header[1:], row, strict=True):
            for label in cell or ():
                if label not in legal:
                    raise ValueError(f"{path}, line {line}, column {short(name)}: {_unknown(label, legal)}")
    return ratings_of([row[0] for _, row in body], header[1:], legal, cells)


def _read(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Header and (line, cells) of every row that is not empty; shape, ids and names are checked."""
    if not path.is_file():
        raise ValueError(f"{path}: no such file; --csv wants a CSV file of items x annotators")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: not a readable UTF-8 CSV file ({error})") from error
    if not rows:
        raise ValueError(f"{path}: empty; a header and one row an item were expected")
    (_, header), *body = rows
    if len(header) < 2:
        raise ValueError(f"{path}: one column, {short(header[0])}; an id and at least one annotator, separated by "
                         "commas, were expected")  # fmt: skip
    for name in header[1:]:
        _plain(name, f"{path}, line 1: the name of an annotator")
        if header[1:].count(name) > 1:
            raise ValueError(f"{path}, line 1: two columns are named {short(name)}; every annotator needs a name")
    if not body:
        raise ValueError(f"{path}: no rows after the header")
    seen: dict[str, int] = {}
    for line, row in body:
        if len(row) != len(header):
            raise ValueError(f"{path}, line {line}: {len(row)} cells, but the header has {len(header)}; an empty "
                             "cell (not annotated) needs its comma too")  # fmt: skip
        _plain(row[0], f"{path}, line {line}: the id")
        if row[0] in seen:
            raise ValueError(f"{path}, line {line}: the id {short(row[0])} stands in line {seen[row[0]]} already; an "
                             "item is one row, with one column an annotator")  # fmt: skip
        seen[row[0]] = line
    return header, body


def _cell(text: str, path: Path, line: int, name: str) -> frozenset[str] | None:
    if not text:
        return None
    found = frozenset(part.strip() for part in text.split(SEPARATOR)) - {""}
    where = f"{path}, line {line}, column {short(name)}"
    if not found:
        raise ValueError(f"{where}: found {short(text)}, separators without a label; an empty cell means not annotated")
    for label in found:
        _plain(label, f"{where}: the label")
    return found


def _plain(text: str, what: str) -> None:
    """Refuses what would act on a terminal or break a line of a table."""
    if not text or not text.isprintable():
        raise ValueError(f"{what} is {short(text)}; something to print, without control characters, was expected")

"""The raw annotator books of the EmoS release, and what the release makes of them, as Ratings.

Labels are read as the release reads them: split at `;`, blanks off, and only exact labels count; a misspelt label is
lost. (The task adapters can mend them instead: policy labels=repaired.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from eval.annotators.ratings import Ratings, ratings_of
from tasks.emos_release import ANNOTATORS, INDEX, OVERWRITTEN, PARTS, Part, Row, chinese, english, goemotions
from tasks.emos_tables import CURE, check_joined, parse, read_index, read_table
from tasks.labels import label_space

# The column of basic emotions beside a book's column of GoEmotions; the English books have none.
BASIC_COLUMN = {"goemotion": "basic-7-class", "goemotion-wqf": "7-emotion-wqf"}
IDS = {"zh": ("video_id", "clip_id", "text"), "en": ("Dialogue_ID", "Utterance_ID", "Utterance")}
# The only misspelt label that the release counted, as what it stands for; it occurs in one cell.
COUNTED = {"anoyance": "annoyance"}


class Book(NamedTuple):
    """One annotator's book, all rows: GoEmotions cells and basic emotion cells ("" where not annotated) as text, the
    original MELD emotions (English books)."""

    goemotions: list[str]
    basic: list[str]
    original: list[str]


class Annotated(NamedTuple):
    """One part of the release: its rows as released, the books of its annotators, and the book row of its first row."""

    part: Part
    rows: list[Row]
    books: tuple[Book, ...]
    start: int

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the annotators as the paper numbers them: A1 to A12."""
        first = 1 + ANNOTATORS * PARTS.index(self.part)
        return tuple(f"A{first + m}" for m in range(len(self.books)))


def labels_in(cell: str, legal: Sequence[str], counted: Mapping[str, str] = COUNTED) -> frozenset[str]:
    """The labels of one cell as the release counts them: exact ones alone, except those in `counted`."""
    tokens = (token.strip() for token in cell.split(";"))
    return frozenset(counted.get(token, token) for token in tokens) & frozenset(legal)


def read_books(base: Path) -> dict[str, Annotated]:
    """The four parts of a release at `base` (its folder data-final) by name, with their books; takes 8 s.

    Raises ValueError for a book whose rows are not those of the released tables (by id and text, in order), with a
    basic emotion that is none, and for all that the readers of the release refuse.
    """
    rows = [*chinese(base, mend=False), *english(base, mend=False)]
    index = [(*clip,) for clip in read_index(base / INDEX)]
    found, start = {}, {"zh": 0, "en": 0}
    for part in PARTS:
        own = [row for row in rows if row.part == part.name]
        first = start[part.language]
        start[part.language] += len(own)
        keys = index[first : start["zh"]] if part.language == "zh" else [_english_key(row) for row in own]
        books = tuple(_read_book(base, part, at, keys, first, len(index)) for at in range(len(part.books)))
        found[part.name] = Annotated(part, own, books, first)
    return found


def _english_key(row: Row) -> tuple[str, ...]:
    dialogue, utterance = row.id.removeprefix("dia").split("_utt")
    return dialogue, utterance, row.text


def _read_book(base: Path, part: Part, at: int, keys: Sequence[Sequence[str]], start: int, clips: int) -> Book:
    file, column = part.books[at]
    english_book = part.language == "en"
    extra = "Emotion" if english_book else BASIC_COLUMN[column]
    names = IDS[part.language]
    table = read_table(base / file, [*names, column, extra])
    needed = start + len(keys) if english_book else clips
    if table.rows < needed:
        raise ValueError(f"{table.path}: {table.rows} rows, at least {needed} expected; {CURE}")
    for i, key in enumerate(keys):
        for name, value in zip(names, key, strict=True):
            if not (name == "Utterance" and f"dia{key[0]}_utt{key[1]}" in OVERWRITTEN):
                check_joined(table, start + i, name, value, f"the row of part {part.name} it belongs to")
    legal = label_space("basic7").labels
    for i in range(start, start + len(keys)):
        wanted = f"one of {', '.join(legal)}"
        parse(table, i, extra, lambda cell: cell if (cell.title() if english_book else cell) in legal else None, wanted)
    values = table.columns[extra]
    return Book(table.columns[column], [] if english_book else values, values if english_book else [])


def goemotion_sets(annotated: Annotated, first: int | None = None, count: int | None = None) -> Ratings:
    """The GoEmotions sets, unsure included, of a part, or of any `count` book rows from `first` (a window).

    A blank cell is not annotated; a cell without a legal label is annotated, with an empty set.
    """
    first = annotated.start if first is None else first
    count = len(annotated.rows) if count is None else count
    legal = goemotions()
    cells = [
        [labels_in(cell, legal) if (cell := book.goemotions[i]).strip() else None for book in annotated.books]
        for i in range(first, first + count)
    ]
    return ratings_of([str(i) for i in range(first, first + count)], annotated.names, legal, cells)


def soft_labels(ratings: Ratings) -> list[dict[str, int]]:
    """Annotators by GoEmotions label for every item: the soft label p_k times the number of annotators (3).

    p_k = annotators who gave k / 3; a blank cell stays in the denominator and rows are not renormalised.
    """
    counts = ratings.chosen.sum(1)
    return [dict(zip(ratings.labels, map(int, row), strict=True)) for row in counts]


def originals(annotated: Annotated) -> list[str]:
    """The original MELD emotion of every row of an English part, from the book of its first annotator."""
    book = annotated.books[0]
    return [book.original[annotated.start + i].strip().title() for i in range(len(annotated.rows))]


def basic_votes(annotated: Annotated, votes: Sequence[Sequence[str]] = ()) -> Ratings:
    """The basic emotions of a Chinese part from its books, or those given as `votes` [rows][annotators]."""
    labels = label_space("basic7").labels
    place = range(annotated.start, annotated.start + len(annotated.rows))
    cells = votes or [[book.basic[i].strip() for book in annotated.books] for i in place]
    return ratings_of(
        [row.id for row in annotated.rows], annotated.names, labels, [[{v} for v in row] for row in cells]
    )


def as_released(annotated: Annotated) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """The released soft labels as counts of annotators, int64 [rows, labels in the order of goemotions()]."""
    legal = goemotions()
    return np.array([[row.soft[label] for label in legal] for row in annotated.rows], dtype=np.int64)

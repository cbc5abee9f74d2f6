"""Word maps: from a label as it is written to its cluster in each of the twelve groupings of the MER challenges.

The columns are those of the OV-MER paper: `case1`, the base word; `case2`, the wheel word; and for each of five wheels
the inner ring (`w1_l1`) and the ring around it (`w1_l2`). Which of several candidates counts is the alphabetical
order, as in the published scorers, not the meaning: nothing here may be replaced by an obvious rule.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eval.wheels.editions import FORMAT, SYNONYM, WHEELS, checksums, digest, edition_named
from eval.wheels.places import cache_folder, find_tables
from infer.store import to_json, write_atomic
from prompts.parsing.official import mer_list

COLUMNS = ("case1", "case2", *(f"w{wheel}_l{level}" for wheel in range(1, 6) for level in (1, 2)))
# Part of the name of a stored word map: raise it when `build` changes.
LAYOUT = 1
Bases = dict[str, set[str]]


@dataclass(frozen=True, slots=True, eq=False)
class WordMap:
    """The clusters of all known words. `known`: word (lower case, stripped) -> row of `codes`, int16
    [words + 1, columns], the place of the word's cluster in `clusters[column]`, -1 for none; the last row, all -1, is
    that of unknown words. `zero`: see `Edition`."""

    edition: str
    zero: bool
    known: Mapping[str, int]
    codes: NDArray[np.int16]
    clusters: tuple[tuple[str, ...], ...]

    def rows(self, labels: Sequence[str]) -> NDArray[np.int64]:
        """Rows of `codes` of labels, int64 [labels]; case and surrounding blanks do not count. ValueError for a label
        that is no text."""
        if not set(map(type, labels)) <= {str}:
            wrong = [label for label in labels if not isinstance(label, str)]
            if wrong:
                raise ValueError(f"label {wrong[0]!r} is no text; lists of words are legal")
        found = {label: self.known.get(label.lower().strip(), len(self.known)) for label in set(labels)}
        return np.fromiter((found[label] for label in labels), np.int64, len(labels))

    def exact_rows(self, labels: Sequence[str]) -> NDArray[np.int64]:
        """As `rows`, but a label counts as it is written: the table's words are lower case."""
        return np.array([self.known.get(label, len(self.known)) for label in labels], dtype=np.int64)

    def cluster(self, label: str, column: str) -> str:
        """The cluster of one label, "" where it has none."""
        place = COLUMNS.index(column)
        code = int(self.codes[self.rows([label])[0], place])
        return self.clusters[place][code] if code >= 0 else ""


def load_words(edition: str, folder: Path | None = None, *, checked: bool = True) -> WordMap:
    """The word map of an edition, from the tables in `folder`, in OMNIMER_WHEELS or in the cache (`find_tables`).

    A map is parsed once and then kept in the cache, by the digest of its tables. `checked=False` takes any tables for
    those of the edition, for wheels that are made up. Raises ValueError where the tables are missing or others.
    """
    known = edition_named(edition)
    if checked:
        place, mark = find_tables(known, folder)
    elif folder is not None:
        place, mark = folder, digest(checksums(folder))
    else:
        raise ValueError("wheel tables that are not checked have to be named by their folder")
    key = edition, mark
    if key not in _LOADED:
        stored = _stored(mark, edition) if checked else None
        _LOADED[key] = stored or build(place, edition)
        if checked and stored is None:
            _store(_LOADED[key], mark)
    return _LOADED[key]


_LOADED: dict[tuple[str, str], WordMap] = {}


def _path(mark: str) -> Path:
    return cache_folder() / f"words-{mark[:32]}-{LAYOUT}.json"


def _stored(mark: str, edition: str) -> WordMap | None:
    """The word map that was stored, None where there is none or it is damaged."""
    try:
        record = json.loads(_path(mark).read_text(encoding="utf-8"))
        codes = np.array(record["codes"], dtype=np.int16)
        clusters = tuple(tuple(map(str, names)) for names in record["clusters"])
        words = {str(word): row for row, word in enumerate(record["words"])}
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return None
    sizes = [len(names) for names in clusters]
    if codes.shape != (len(words) + 1, len(COLUMNS)) or len(sizes) != len(COLUMNS) or (codes >= sizes).any():
        return None
    return WordMap(edition, edition_named(edition).zero, words, codes, clusters)


def _store(words: WordMap, mark: str) -> None:
    record = {"words": list(words.known), "clusters": words.clusters, "codes": words.codes.tolist()}
    try:
        cache_folder().mkdir(parents=True, exist_ok=True)
        write_atomic(_path(mark), to_json(record))
    except OSError:
        pass  # a home that cannot be written to costs a moment at each start, nothing else


def build(folder: Path, edition: str) -> WordMap:
    """The word map of the tables in a folder."""
    forms, wheel_words = read_forms(folder / FORMAT), read_synonyms(folder / SYNONYM)
    columns = [{form: min(bases) for form, bases in forms.items()}]
    columns.append({form: min(wheel_words[base]) for form, base in columns[0].items() if base in wheel_words})
    candidates = {form: sorted(set().union(*(wheel_words.get(b, ()) for b in bases))) for form, bases in forms.items()}
    for name in WHEELS:
        for ring in read_wheel(folder / name):
            chosen = {form: next((w for w in words if w in ring), None) for form, words in candidates.items()}
            columns.append({form: ring[word] for form, word in chosen.items() if word is not None})
    codes = np.full((len(forms) + 1, len(COLUMNS)), -1, dtype=np.int16)
    clusters = tuple(tuple(sorted(set(column.values()))) for column in columns)
    for place, (column, names) in enumerate(zip(columns, clusters, strict=True)):
        code = {name: number for number, name in enumerate(names)}
        codes[:-1, place] = [code[column[form]] if form in column else -1 for form in forms]
    return WordMap(edition, edition_named(edition).zero, {form: row for row, form in enumerate(forms)}, codes, clusters)


def read_forms(path: Path) -> Bases:
    """format.csv: surface form -> its base words. A base is a form of itself; one without forms has an empty cell."""
    forms: Bases = {}
    with path.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            base = _word(row["name"])
            for form in (base, *map(_word, mer_list(row["format"]))):
                forms.setdefault(form, set()).add(base)
    return forms


def read_synonyms(path: Path) -> Bases:
    """synonym.xlsx: base word -> wheel words, over all its pairs of columns (a word of the wheels, its synonyms)."""
    found: Bases = {}
    for row in _cells(path):
        for word, synonyms in zip(row[::2], row[1::2], strict=True):
            if word:
                for synonym in (word, *mer_list(synonyms)):
                    found.setdefault(_word(synonym), set()).add(_word(word))
    return found


def read_wheel(path: Path) -> tuple[dict[str, str], dict[str, str]]:
    """One wheel: word -> its word of the inner ring, and word -> its word of the ring around that.

    Blank cells of the two rings repeat the cell above. A word of the inner ring stands for the first word, by the
    alphabet, around it. Of a word that stands twice the later place counts.
    """
    rings: dict[str, dict[str, list[str]]] = {}
    inner = outer = ""
    for cells in _cells(path):
        inner, outer = _word(cells[0]) or inner, _word(cells[1]) or outer
        rings.setdefault(inner, {}).setdefault(outer, []).append(_word(cells[2]))
    first: dict[str, str] = {}
    second: dict[str, str] = {}
    for inner, around in rings.items():
        first[inner], second[inner] = inner, min(around)
        for outer, words in around.items():
            for word in (outer, *filter(None, words)):
                first[word], second[word] = inner, outer
    return first, second


def _cells(path: Path) -> Iterable[list[str]]:
    """The rows below the head of a sheet, blank cells as ""."""
    from openpyxl import load_workbook

    book = load_workbook(path, read_only=True)
    try:
        rows = list(book.worksheets[0].iter_rows(min_row=2, values_only=True))
    finally:
        book.close()
    return [["" if cell is None else str(cell) for cell in row] for row in rows]


def _word(text: str) -> str:
    return text.lower().strip()

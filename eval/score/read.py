"""Gold and prediction files in the formats of the challenges, read as the scripts of the challenges read them.

csv (also alone in a zip), npz (`filenames` with `fileitems`, and label files), the JSON of BLEMORE (also in a zip), and
JSON lines `{"id", "value"}`. Text stays as it stands. Nothing is said by null (by None in an npz) and, where lists are
asked for, by a cell that pandas takes for a missing value: of lists that is the empty list, of the sentiment a word
that is not positive, and of all else no prediction; as gold it is refused, but for lists, and for blends, whose names
tell the gold. The gold of the hit rate is one word: a list of that word will do, a list of several is refused.
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from eval.submit.cells import MISSING
from eval.submit.tracks import DICT_KEY, NPZ_KEYS, PREDICTIONS, TRAITS
from eval.wheels.ew import read_labels
from tasks.mer_tables import official_npz
from tasks.mer_unibench_sets import SETS
from tasks.task import Task

MAX_BYTES = 512 << 20
Family = Literal["wheels", "hits", "six", "sentiment", "preference", "traits", "blend", "plain"]
Side = Literal["gold", "pred"]
NAMES = ("name", "id", "filename")
# The column that holds the value: the first of these that is there.
_WORDS, _LISTS = ("discrete", "label"), ("openset",)
_COLUMNS: dict[tuple[Family, Side], tuple[str, ...]] = {
    ("wheels", "gold"): _LISTS,
    ("wheels", "pred"): _LISTS,
    ("hits", "gold"): (*_WORDS, *_LISTS),
    ("hits", "pred"): _LISTS,
    ("six", "gold"): _WORDS,
    ("six", "pred"): _WORDS,
    ("sentiment", "gold"): ("val", "value", "sentiment", *_WORDS),
    ("sentiment", "pred"): ("sentiment", *_WORDS, *_LISTS),
    ("preference", "gold"): ("preference",),
    ("preference", "pred"): ("preference",),
    ("plain", "gold"): _WORDS,
    ("plain", "pred"): _WORDS,
}
# The key of a value in the shape of the answer kind.
_KEYS: dict[Family, str] = {
    "wheels": "labels",
    "hits": "labels",
    "six": "label",
    "sentiment": "label",
    "preference": "choice",
    "blend": "emotions",
}
_SIGNS = {"positive": 1.0, "negative": -1.0, "neutral": 0.0}
_LABELS = ("six", "sentiment", "preference")  # families of one word, which JSON may have as a list of that word


class Entry(NamedTuple):
    """One entry of a file. `pair`: the two descriptions of a preference row, where the file has them."""

    name: str
    value: Any
    pair: tuple[str, str] | None = None


def read_entries(path: Path, task: Task, family: Family, side: Side) -> list[Entry]:
    """The entries of a file in its order. Raises ValueError, naming file and row, for what cannot be read."""
    if not path.is_file():
        raise ValueError(f"--{side} {path}: no file there" + ("; give a file" if path.is_dir() else ""))
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path}: {path.stat().st_size:,} bytes are too many")
    if path.suffix == ".npz":
        return list(_of_arrays(path, task, family, side))
    try:
        text = _unpacked(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: is no UTF-8 text ({error}), and no npz or zip") from None
    found = _of_json(path, text, family) if text.lstrip().startswith("{") else _of_csv(path, text, family, side)
    return [Entry(name, _value(value, family, side, f"{path}: {name}"), pair) for name, value, pair in found]


def _unpacked(path: Path) -> bytes:
    """The bytes of a file; of a zip, of the only csv or json in it."""
    if not zipfile.is_zipfile(path):
        return path.read_bytes()
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith((".csv", ".json")) and "__MACOSX" not in name]
            if len(names) != 1:
                raise ValueError(f"{path}: holds {names or archive.namelist()[:5]}; one csv or json file was expected")
            with archive.open(names[0]) as stream:
                data = stream.read(MAX_BYTES + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise ValueError(f"{path}: a zip that cannot be read ({error})") from None
    if len(data) > MAX_BYTES:
        raise ValueError(f"{path}: {names[0]} has more than {MAX_BYTES:,} bytes")
    return data


# --- containers


def _of_json(path: Path, text: str, family: Family) -> Iterator[Entry]:
    """JSON lines, or the one object of BLEMORE."""
    if family == "blend":
        try:
            record = json.loads(text)
        except (ValueError, RecursionError):
            record = None
        if isinstance(record, dict) and isinstance(record.get(PREDICTIONS), dict):
            yield from (Entry(name, items) for name, items in record[PREDICTIONS].items())
            return
    yield from _json_lines(path, text)


def _json_lines(path: Path, text: str) -> Iterator[Entry]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            record = None
        name = record.get("id") if isinstance(record, dict) and "value" in record else None
        if not isinstance(name, str | int) or isinstance(name, bool):
            raise ValueError(f'{path}, line {number}: {{"id": "…", "value": …}} was expected, found {line[:60]!r}')
        yield Entry(str(name), record["value"])


def _of_csv(path: Path, text: str, family: Family, side: Side) -> Iterator[Entry]:
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except csv.Error as error:
        raise ValueError(f"{path}: is no csv ({error})") from None
    header = rows[0] if rows else []
    ragged = next((number for number, row in enumerate(rows, 1) if len(row) != len(header)), 0)
    if ragged:
        raise ValueError(f"{path}, row {ragged}: {len(rows[ragged - 1])} cells, the header has {len(header)}")
    if family == "traits":
        yield from _trait_rows(path, header, rows[1:])
        return
    if family == "blend":
        yield from _clips(path, rows, side)
        return
    name, value = _place(path, header, NAMES), _place(path, header, _COLUMNS[family, side])
    pair = [header.index(key) for key in ("a1", "a2")] if {"a1", "a2"} <= set(header) else []
    for row in rows[1:]:
        cell = None if family in ("wheels", "hits") and row[value] in MISSING else row[value]
        if (family, side) == ("wheels", "gold"):  # the scripts split a gold cell, join it, and split it again later
            cell = ", ".join(read_labels(cell, f"{path}: the gold of {row[name]}"))
        yield Entry(row[name], cell, (row[pair[0]], row[pair[1]]) if pair and family == "preference" else None)


def _clips(path: Path, rows: Sequence[Sequence[str]], side: Side) -> Iterator[Entry]:
    """Names of clips, which tell their gold: a column of a table, or a list of names without a header."""
    if side == "pred":
        raise ValueError(f'{path}: predictions of blends are {{"{PREDICTIONS}": {{…}}}} or JSON lines, and no table')
    header = rows[0] if rows else []
    plain = len(header) == 1 and header[0] not in NAMES
    place = 0 if plain else _place(path, header, NAMES)
    yield from (Entry(row[place].strip(), None) for row in (rows if plain else rows[1:]))


def _trait_rows(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[Entry]:
    """Subjects and their traits, by the names of the columns; six columns of other names are in the usual order."""
    name = next((header.index(title) for title in NAMES if title in header), 0)
    rest = [place for place in range(len(header)) if place != name]
    named = trait_names([header[place] for place in rest])
    places = {trait: rest[place] for trait, place in named.items()}
    if len(named) < len(TRAITS):
        if len(rest) != len(TRAITS):
            raise ValueError(
                f"{path}: {len(header)} columns; an id and {', '.join(TRAITS)} were expected, and the header "
                f"{','.join(header)[:200]!r} does not name them"
            )
        places = dict(zip(TRAITS, rest, strict=True))
    for row in rows:
        yield Entry(row[name], {trait: row[place] for trait, place in places.items()})


def trait_names(columns: Sequence[str]) -> dict[str, int]:
    """Trait -> its place among names of columns, by their first letters, since spellings differ. Of several the one
    that is spelt as the challenge or this project spells it; without such a one the trait is left out."""
    found = {}
    for trait, official in TRAITS.items():
        near = [place for place, column in enumerate(columns) if column.strip().lower()[:4] == trait[:4]]
        exact = [place for place in near if columns[place].strip().lower() in (trait, official.lower())]
        chosen = near if len(near) == 1 else exact
        if len(chosen) == 1:
            found[trait] = chosen[0]
    return found


def _place(path: Path, header: Sequence[str], legal: Sequence[str]) -> int:
    found = next((name for name in legal if name in header), None)
    if found is None:
        raise ValueError(f"{path}: no column {' or '.join(map(repr, legal))}; its header is {','.join(header)[:200]!r}")
    return header.index(found)


def _of_arrays(path: Path, task: Task, family: Family, side: Side) -> Iterator[Entry]:
    arrays = official_npz(path)
    if all(key in arrays for key in NPZ_KEYS):
        names, items = (arrays[key] for key in NPZ_KEYS)
        if not isinstance(names, list) or not isinstance(items, list) or len(names) != len(items):
            raise ValueError(f"{path}: {NPZ_KEYS[0]} and {NPZ_KEYS[1]} are no two lists of one length")
        for name, item in zip(names, items, strict=True):
            yield Entry(str(name), _value(item, family, side, f"{path}: {name}"))
    elif DICT_KEY in arrays:
        raise ValueError(f"{path}: holds descriptions; give their labels (-openset.npz or JSON lines), or the run")
    else:
        yield from _of_label_file(path, arrays, task, family, side)


def _of_label_file(path: Path, arrays: dict[str, Any], task: Task, family: Family, side: Side) -> Iterator[Entry]:
    """The test labels of a set of MER-UniBench, or of six classes, as its label file has them."""
    chosen = SETS["mer2023"] if family == "six" else SETS.get(task.name.removeprefix("unibench-"))
    corpus = arrays.get(chosen.corpus) if chosen else None
    if side == "pred" or chosen is None or not isinstance(corpus, dict):
        raise ValueError(f"{path}: holds {', '.join(arrays)}; {' and '.join(NPZ_KEYS)} were expected for {task.name}")
    for name, fields in corpus.items():
        if str(name).startswith(chosen.prefix):
            value = fields.get("val" if family == "sentiment" else "emo") if isinstance(fields, dict) else None
            if chosen.words and isinstance(value, int) and 0 <= value < len(chosen.words):
                value = chosen.words[value]
            yield Entry(str(name), _value(value, family, side, f"{path}: {name}"))


# --- values


def _value(value: Any, family: Family, side: Side, where: str) -> Any:
    """An entry as the scorer of the family takes it: a value in the shape of the answer kind is opened."""
    if isinstance(value, Mapping) and family in _KEYS:
        if _KEYS[family] not in value:
            raise ValueError(
                f"{where}: the value has the keys {', '.join(map(str, value))}; {_KEYS[family]!r} is needed"
            )
        value = value[_KEYS[family]]
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str) and family in _LABELS:
        value = value[0]
    if value is None and side == "pred":
        return None
    if side == "gold" and family != "wheels":
        value = _gold(value, family, where)
    if family == "traits":
        if not isinstance(value, Mapping):
            raise ValueError(f"{where}: found {value!r}; a number for each of {', '.join(TRAITS)} is legal")
        columns = list(value)
        places = trait_names([str(column) for column in columns])
        told = {trait: value[columns[place]] for trait, place in places.items()}
        return {trait: _number(told.get(trait), f"{where}, {trait}") for trait in TRAITS}
    return value


def _gold(value: Any, family: Family, where: str) -> Any:
    """Gold that is no open list, as the scorer takes it."""
    if family == "blend":
        return None if value is None else _blend(value, where)
    if family == "hits":
        if isinstance(value, list) and len(value) > 1:
            raise ValueError(
                f"{where}: found a list of {len(value)} words; the hit rate takes one word a sample as gold"
            )
        return "" if value is None or value == [] else value[0] if isinstance(value, list) else value
    if value is None:
        raise ValueError(f"{where}: the gold is null; a sample without gold cannot be scored, so leave it out")
    if family == "sentiment":
        return _SIGNS[value] if isinstance(value, str) and value in _SIGNS else _number(value, where, tuple(_SIGNS))
    return value


def _blend(value: Any, where: str) -> list[dict[str, Any]]:
    """The gold of a clip as a file has it: one emotion, whose share is 100, or two."""
    items = value if isinstance(value, list) else []
    names = [item.get("emotion") if isinstance(item, Mapping) else None for item in items]
    if len(names) not in (1, 2) or not all(isinstance(name, str) for name in names):
        raise ValueError(f'{where}: found {str(value)[:80]}; one or two {{"emotion": …, "salience": …}} are legal')
    shares = [100.0] if len(names) == 1 else [_number(item.get("salience"), where) for item in items]
    return [{"emotion": name, "salience": share} for name, share in zip(names, shares, strict=True)]


def _number(value: Any, where: str, words: Sequence[str] = ()) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{where}: found {value!r}; {' or '.join(['a number', *words])} is legal") from None


def read_groups(path: Path) -> dict[str, Any]:
    """Name -> groups of synonyms, which are lists of words or the text of them; ValueError where they are not."""
    try:
        entries = list(_json_lines(path, path.read_bytes().decode("utf-8-sig")))
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"--groups {path}: is no readable file of JSON lines ({error})") from None
    for name, value, _ in entries:
        if not isinstance(value, str) and not _is_groups(value):
            raise ValueError(f'--groups {path}: {name}: found {str(value)[:80]}; [["word", "word"], ["word"]] is legal')
    return {name: value for name, value, _ in entries}


def _is_groups(value: Any) -> bool:
    """Whether a value is a list of lists of words, none of them empty."""
    rows = value if isinstance(value, list) else [value]
    return all(isinstance(row, list) and row and all(isinstance(word, str) for word in row) for row in rows)


# --- both sides


def keyed(entries: Iterable[Entry], path: Path, notes: list[str]) -> dict[str, Any]:
    """Name -> value; of a name that stands twice the last counts, as in the scripts of the challenges."""
    entries = list(entries)
    found = {entry.name: entry.value for entry in entries}
    if len(found) < len(entries):
        name = Counter(entry.name for entry in entries).most_common(1)[0][0]
        notes.append(
            f"{path}: names stand more than once, such as {name!r}; the last counts, as in the official script"
        )
    return found


def numbered(entries: Iterable[Entry], *, pairs: bool) -> dict[str, Any]:
    """The rows of a preference file, whose names repeat: by name, by both descriptions where `pairs`, and by how often
    that stood there before."""
    seen: Counter[tuple[str, ...]] = Counter()
    found = {}
    for entry in entries:
        key = (entry.name, *(" ".join(text.split()) for text in (entry.pair or ()) if pairs))
        seen[key] += 1
        found["\0".join((*key, str(seen[key])))] = entry.value
    return found


def plain_name(key: str) -> str:
    """The name in a key of `keyed` or `numbered`."""
    return key.partition("\0")[0]


def shown_name(key: str) -> str:
    """A key as a message can show it: the name, and the descriptions that tell rows of one name apart."""
    name, *texts = key.split("\0")
    return f"{name!r}" if len(texts) < 3 else f"{name!r} ({texts[0][:30]!r} or {texts[1][:30]!r})"

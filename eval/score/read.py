"""Gold and prediction files in the formats of the challenges, read as the scripts of the challenges read them.

csv (also alone in a zip), npz (`filenames` with `fileitems`, and label files), the JSON of BLEMORE (also in a zip), and
JSON lines `{"id", "value"}`. Text stays as it stands; a cell that pandas takes for a missing value is None.
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
    ("sentiment", "gold"): ("val", "value"),
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
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            record = None
        if not isinstance(record, dict) or not isinstance(record.get("id"), str) or "value" not in record:
            raise ValueError(f'{path}, line {number}: {{"id": "…", "value": …}} was expected, found {line[:60]!r}')
        if record["value"] is not None:  # null is no answer: the name has no entry
            yield Entry(record["id"], record["value"])


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
        if len(header) != 1 + len(TRAITS):
            raise ValueError(f"{path}: {len(header)} columns; an id and {', '.join(TRAITS)} were expected")
        order = _traits(header[1:])
        yield from (Entry(row[0], dict(zip(order, row[1:], strict=True))) for row in rows[1:])
        return
    name = _place(path, header, NAMES)
    if family == "blend":
        yield from (Entry(row[name], None) for row in rows[1:])
        return
    value = _place(path, header, _COLUMNS[family, side])
    pair = [header.index(key) for key in ("a1", "a2")] if {"a1", "a2"} <= set(header) else []
    for row in rows[1:]:
        cell = None if row[value] in MISSING else row[value]
        yield Entry(row[name], cell, (row[pair[0]], row[pair[1]]) if pair and family == "preference" else None)


def _traits(columns: Sequence[str]) -> list[str]:
    """The trait of each column: by the first letters of its name, since spellings differ; else by the usual order."""
    found = [trait for column in columns for trait in TRAITS if column.strip().lower()[:4] == trait[:4]]
    return found if len(set(found)) == len(TRAITS) else list(TRAITS)


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
    """The test labels of a set of MER-UniBench, as its label file has them."""
    chosen = SETS.get(task.name.removeprefix("unibench-"))
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
    if (family, side) == ("hits", "gold") and isinstance(value, list) and len(value) == 1:
        return value[0]
    if (family, side) == ("sentiment", "gold"):
        return _SIGNS[value] if isinstance(value, str) and value in _SIGNS else _number(value, where)
    if family == "traits":
        if not isinstance(value, Mapping):
            raise ValueError(f"{where}: found {value!r}; a number for each of {', '.join(TRAITS)} is legal")
        return {name: _number(value.get(name), f"{where}, {name}") for name in TRAITS}
    return value


def _number(value: Any, where: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{where}: found {value!r}; a number is legal") from None


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
        shown = entry.name if not pairs else f"{entry.name} ({key[1][:30]!r} or {key[2][:30]!r})"
        seen[key] += 1
        unique = "\0".join((shown, *key[1:], str(seen[key])))
        found[unique] = entry.value
    return found

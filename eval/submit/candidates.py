"""The candidates of a track: the names that a submission has to cover, in the order of the organisers' file."""

from __future__ import annotations

import csv
import io
import json
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from eval.submit.tracks import PREDICTIONS, Track

MAX_BYTES = 256 << 20
_NAMES = {"traits": ("id", "name")}  # columns that may hold the names, the first that is there is taken


class Candidate(NamedTuple):
    """One row to be answered. `a1` and `a2` are the two descriptions of a preference track, else ""."""

    name: str
    a1: str = ""
    a2: str = ""


def read_candidates(path: Path, track: Track) -> list[Candidate]:
    """The candidates of a track in the order of the file, which is the organisers' csv; of blemore their
    `submission_template.json` or the zip that holds it.

    Raises ValueError, naming row and column, for another file, a name that is empty, padded or there twice (a
    preference track may repeat names: its rows are the key).
    """
    if not path.is_file():
        raise ValueError(f"{path}: --candidates is no file there; the organisers' list of names was expected")
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path}: {path.stat().st_size:,} bytes are too many for a list of candidates")
    found = list(_template(path) if track.shape == "blend" else _table(path, track))
    if not found:
        raise ValueError(f"{path}: holds no candidate")
    for row, candidate in enumerate(found, 2):
        if not candidate.name or candidate.name != candidate.name.strip():
            raise ValueError(f"{path}, row {row}: the name is {candidate.name!r}; legal are names without outer blanks")
    name, times = Counter(candidate.name for candidate in found).most_common(1)[0]
    if times > 1 and track.shape != "choice":
        raise ValueError(f"{path}: the name {name!r} occurs {times} times; candidates have to be distinct")
    return found


def _table(path: Path, track: Track) -> Iterator[Candidate]:
    try:
        rows = csv.reader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline=""), strict=True)
        header = next(rows, [])
        legal = _NAMES.get(track.shape, ("name",))
        wanted = [next((name for name in legal if name in header), legal[0])]
        wanted += ["a1", "a2"] if track.shape == "choice" else []
        missing = [name for name in wanted if name not in header]
        if missing:
            raise ValueError(f"{path}: no column {', '.join(map(repr, missing))}; its header is {','.join(header)!r}")
        places = [header.index(name) for name in wanted]
        for number, cells in enumerate(rows, 2):
            if not cells:
                continue  # a blank line, which the official reader skips
            if len(cells) != len(header):
                raise ValueError(f"{path}, row {number}: {len(cells)} cells, the header has {len(header)}")
            yield Candidate(*(cells[place] for place in places))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: is no csv in UTF-8 ({error})") from None


def _template(path: Path) -> Iterator[Candidate]:
    return map(Candidate, placeholders(path))


def placeholders(path: Path) -> dict[str, Any]:
    """The predictions of the organisers' BLEMORE template, a JSON or the zip that holds it: their keys are the
    candidates, their values stand for nothing. Raises ValueError for another file."""
    try:
        data = path.read_bytes()
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive, archive.open(archive.infolist()[0]) as stream:
                data = stream.read(MAX_BYTES)
        record = json.loads(data)
    except (OSError, ValueError, IndexError, RuntimeError, zipfile.BadZipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: is no JSON template, and no zip of one ({error})") from None
    names = record.get(PREDICTIONS) if isinstance(record, dict) else None
    if not isinstance(names, dict):
        raise ValueError(f'{path}: {{"{PREDICTIONS}": {{file name: …}}}} was expected, the organisers\' template')
    return names

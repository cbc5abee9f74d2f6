"""Is a file a valid submission? All that is wrong with it, whoever made it; the writer's code has no part in this."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.submit.candidates import Candidate
from eval.submit.cells import check
from eval.submit.containers import Line, csv_lines, npz_arrays, predictions, read_file, text_of, unzip
from eval.submit.findings import Fault, Findings, Said, quoted
from eval.submit.tracks import DICT_KEY, NPZ_KEYS, Content, Track


@dataclass(frozen=True, slots=True)
class Verdict:
    """What validation found: all faults, the number of rows, and the content of each candidate as the official readers
    give it back, in the order of the candidates (None where it is missing or not legal)."""

    faults: list[Fault]
    rows: int
    contents: list[Content | None]


def validate(path: Path, track: Track, candidates: Sequence[Candidate], name: str | None = None) -> Verdict:
    """Reads a submission file of a track. `name`: the name it will have, where that is not the file's own.

    Raises ValueError only where there is no such file; whatever else is wrong is a fault.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no file there; a submission of track {track.name} was expected")
    findings = Findings()
    if not (name or path.name).endswith(track.suffix):
        findings.add("file name", "file", name or path.name, f"a name that ends with {track.suffix}")
    data = read_file(path, findings)
    entries = _entries(path, data, track, candidates, findings) if data is not None else None
    if entries is None:
        return Verdict(findings.faults, 0, [None] * len(candidates))
    if track.shape == "choice":
        return Verdict(findings.faults, len(entries), _by_row(entries, track, candidates, findings))
    return Verdict(findings.faults, len(entries), _by_name(entries, track, candidates, findings))


# In place of a cell that is not there, of which a fault says so; None is what a file may hold.
_NO_CELL: Any = object()


@dataclass(frozen=True, slots=True)
class Entry:
    """One row: where it stands, its name, and what it answers (of a preference track a1, a2 and the answer)."""

    where: str
    name: Any
    cell: Any


def _entries(
    path: Path, data: bytes, track: Track, candidates: Sequence[Candidate], findings: Findings
) -> list[Entry] | None:
    """The rows of the file, whatever its container; None, with a fault, where it cannot be opened."""
    if track.suffix.endswith(".npz"):
        arrays = npz_arrays(path, data, track, findings)
        return None if arrays is None else _of_arrays(arrays, findings)
    if track.member:
        members = unzip(data, (track.member,), findings)
        if not members:
            return None
        data = members[track.member]
    if track.shape == "blend":
        found = predictions(data, findings)
        return None if found is None else [Entry(f"key {key[:80]!r}", key, items) for key, items in found.items()]
    lines = csv_lines(text_of(data, findings), findings)
    return list(_of_csv(lines, track, {candidate.name for candidate in candidates}, findings))


def _of_arrays(arrays: dict[str, Any], findings: Findings) -> list[Entry] | None:
    if DICT_KEY in arrays:
        table = arrays[DICT_KEY]
        if not isinstance(table, dict):
            findings.add("no dict", f"key {DICT_KEY!r}", table, "one dict, name -> text")
            return None
        return [Entry(f"name {quoted(name)}", name, text) for name, text in table.items()]
    names, items = (arrays[key] for key in NPZ_KEYS)
    for key, array in zip(NPZ_KEYS, (names, items), strict=True):
        if not isinstance(array, list):
            findings.add("no list", f"key {key!r}", array, "a one-dimensional array")
            return None
    if len(names) != len(items):
        found = Said(f"{len(names):,} filenames and {len(items):,} fileitems")
        findings.add("ragged lengths", "file", found, "an item for each name")
    pairs = zip(names, items, strict=False)
    return [Entry(f"item {place}", name, item) for place, (name, item) in enumerate(pairs)]


def _of_csv(lines: Iterator[Line], track: Track, names: set[str], findings: Findings) -> Iterator[Entry]:
    """The rows of a csv, by the columns of the track."""
    header = next(lines, Line(1, []))
    rows = lines
    places = list(range(len(track.columns)))
    if header.cells and header.cells[0] in names:
        findings.add("header missing", "row 1", header.cells, ",".join(track.columns))
        rows = _again(header, lines)
    else:
        places = _columns(header.cells, track, findings)
    width = len(header.cells)
    for number, cells in rows:
        whole = len(cells) == width
        if not whole:
            findings.add("ragged row", f"row {number}", Said(f"{len(cells)} cells"), f"{width}, as the header has")
        found = [cells[place] if whole and place < width else None for place in places]
        name = found[0] if whole else cells[0]
        answer: Any = _NO_CELL if None in found[1:] else found[1] if len(found) == 2 else found[1:]
        yield Entry(f"row {number}" + (f", column {track.columns[1]!r}" if len(found) == 2 else ""), name, answer)


def _again(first: Line, rest: Iterator[Line]) -> Iterator[Line]:
    yield first
    yield from rest


def _columns(header: list[str], track: Track, findings: Findings) -> list[int]:
    """Where the columns of the track stand, past the end for one that is nowhere; faults for those that are missing,
    foreign or in another order."""
    wanted = track.columns
    legal = f"exactly {','.join(wanted)}"
    foreign = [name for name in header if name not in wanted]
    for name in foreign:
        near = difflib.get_close_matches(name, [other for other in wanted if other not in header], n=1, cutoff=0.6)
        what, meant = ("column spelling", f" (for {near[0]!r})") if near else ("extra column", "")
        findings.add(what, "row 1", name, legal + meant)
    for name in wanted:
        if name not in header and not difflib.get_close_matches(name, foreign, n=1, cutoff=0.6):
            findings.add("missing column", "row 1", header, f"{legal}; {name!r} is not there")
        if header.count(name) > 1:
            findings.add("duplicate column", "row 1", name, legal)
    if set(header) == set(wanted) and header != list(wanted):
        findings.add("column order", "row 1", ",".join(header), legal)
    nowhere = len(header)
    free = {place for place, name in enumerate(header) if name not in wanted}  # a misspelt one is taken by its place
    own = [place if place in free else nowhere for place in range(len(wanted))]
    return [header.index(name) if name in header else own[place] for place, name in enumerate(wanted)]


# --- rows against candidates


def _by_name(
    entries: Sequence[Entry], track: Track, candidates: Sequence[Candidate], findings: Findings
) -> list[Content | None]:
    places = {candidate.name: place for place, candidate in enumerate(candidates)}
    first: dict[str, str] = {}
    contents: list[Content | None] = [None] * len(candidates)
    for entry in entries:
        name = _name(entry, places, findings)
        content = check(entry.cell, track, entry.where, findings) if entry.cell is not _NO_CELL else None
        if name in first:
            findings.add("duplicate name", entry.where, name, f"each name once; it stands at {first[name]} already")
        elif name is not None:
            first[name] = entry.where
            contents[places[name]] = content
    for candidate in candidates:
        if candidate.name not in first:
            findings.add("missing name", "file", Said(f"no row for {candidate.name!r}"), "a row for every candidate")
    if track.ordered:
        _check_order([places[name] for name in first], list(first.values()), candidates, findings)
    return contents


def _name(entry: Entry, places: dict[str, int], findings: Findings) -> str | None:
    """The candidate that a row is for; None, with a fault, where it is for none."""
    name = entry.name
    if isinstance(name, str) and name in places:
        return name
    bare = name.strip() if isinstance(name, str) else ""
    if bare in places:
        findings.add("white space in a name", entry.where, name, f"{bare!r}")
        return bare
    near = difflib.get_close_matches(bare, list(places)[:1000], n=1, cutoff=0.8) if bare else []
    findings.add(
        "unknown name", entry.where, name, "a name of the candidates" + (f", such as {near[0]!r}" if near else "")
    )
    return None


def _check_order(
    order: Sequence[int], where: Sequence[str], candidates: Sequence[Candidate], findings: Findings
) -> None:
    """A fault at the first row that stands elsewhere than among the candidates; names left out do not matter here."""
    for place, (found, wanted) in enumerate(zip(order, sorted(order), strict=True)):
        if found != wanted:
            legal = f"{candidates[wanted].name!r} here: rows stand in the order of the candidates"
            findings.add("wrong order", where[place], candidates[found].name, legal)
            return


def _by_row(
    entries: Sequence[Entry], track: Track, candidates: Sequence[Candidate], findings: Findings
) -> list[Content | None]:
    """Rows of a preference track: the row is the key, since names repeat."""
    contents: list[Content | None] = [None] * len(candidates)
    names = {candidate.name for candidate in candidates}
    if len(entries) != len(candidates):
        what = "missing name" if len(entries) < len(candidates) else "extra row"
        findings.add(what, "file", Said(f"{len(entries):,} rows"), f"{len(candidates):,}, one for every candidate row")
    for place, (entry, candidate) in enumerate(zip(entries, candidates, strict=False)):
        if entry.cell is _NO_CELL:
            continue
        a1, a2, choice = entry.cell
        contents[place] = check(choice, track, f"{entry.where}, column 'preference'", findings)
        if entry.name != candidate.name:
            what = "wrong order" if entry.name in names else "unknown name"
            findings.add(what, entry.where, entry.name, f"{candidate.name!r}, as in the same row of the candidates")
            if len(entries) != len(candidates):
                break  # the rows after a gap are all shifted
            continue
        for column, found, given in (("a1", a1, candidate.a1), ("a2", a2, candidate.a2)):
            if found != given:
                findings.add("description changed", f"{entry.where}, column {column!r}", found, f"{quoted(given)}")
    return contents

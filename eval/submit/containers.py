"""Opening a submission file made by anyone: what is in it, or what is wrong with it. Nothing in it is trusted.

Sizes are bounded before anything is unpacked, and what is unpacked is counted, not believed; no member of an archive is
written anywhere; arrays are read by the guarded reader of official npz files.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from eval.submit.findings import Findings, Said
from eval.submit.tracks import PREDICTIONS, Track

MAX_BYTES = 256 << 20
MAX_ROWS = 200_000  # ten times the largest track
MAX_DIRECTORY = 1 << 20  # bytes of a zip's table of contents: some ten thousand members
_END = struct.Struct("<4s4H2LH")
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError)


class Line(NamedTuple):
    """A record of a csv: its number (the header is row 1), its cells."""

    number: int
    cells: list[str]


def read_file(path: Path, findings: Findings) -> bytes | None:
    """The bytes of the file; None, with a fault, where it is empty or too large."""
    size = path.stat().st_size
    if size == 0 or size > MAX_BYTES:
        findings.add("file size", "file", Said(f"{size:,} bytes"), f"1 to {MAX_BYTES:,} bytes")
        return None
    return path.read_bytes()


def unzip(data: bytes, legal: tuple[str, ...], findings: Findings) -> dict[str, bytes] | None:
    """The members of a zip that are called as `legal` says; None where it is no zip that can be opened.

    Whatever else is in it is a fault, and is not unpacked.
    """
    if not _is_small(data, findings):
        return None
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except BROKEN as error:
        findings.add("no zip", "file", Said(f"{type(error).__name__}: {error}"), "a complete zip archive")
        return None
    found: dict[str, bytes] = {}
    with archive:
        for entry in archive.infolist():
            where = f"member {entry.filename[:80]!r}"
            if entry.filename in found:
                findings.add("duplicate member", where, Said("it twice"), "one of each")
            elif entry.filename not in legal:
                findings.add("extra file in the zip", where, entry.filename, f"only {', '.join(legal)} at top level")
            else:
                content = _member(archive, entry, where, findings)
                if content is not None:
                    found[entry.filename] = content
        names = {entry.filename for entry in archive.infolist()}
    for name in legal:
        if name not in names:
            findings.add("missing member", "file", sorted(names), f"a member {name!r} at top level")
    return found


def _is_small(data: bytes, findings: Findings) -> bool:
    """Whether the table of contents is of a size that may be read; zipfile reads all of it before it can be asked."""
    at = data.rfind(b"PK\x05\x06", -(_END.size + 65_535))
    if at < 0 or len(data) - at < _END.size:
        findings.add("no zip", "file", Said("no end of a zip archive"), "a complete zip archive")
        return False
    size = _END.unpack_from(data, at)[5]
    if size > MAX_DIRECTORY:
        findings.add("zip bomb", "file", Said(f"a table of contents of {size:,} bytes"), f"at most {MAX_DIRECTORY:,}")
        return False
    return True


def _member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, where: str, findings: Findings) -> bytes | None:
    try:
        with archive.open(entry) as stream:
            content = stream.read(MAX_BYTES + 1)
    except BROKEN as error:
        findings.add("damaged member", where, Said(f"{type(error).__name__}: {error}"), "a whole, unencrypted member")
        return None
    if len(content) > MAX_BYTES:
        findings.add("zip bomb", where, Said(f"more than {MAX_BYTES:,} bytes"), f"at most {MAX_BYTES:,} unpacked")
        return None
    return content


def text_of(data: bytes, findings: Findings) -> str:
    """The text of a file that has to be UTF-8 without byte order mark; undecodable bytes are faults and replaced."""
    if data.startswith(codecs.BOM_UTF8):
        findings.add("byte order mark", "row 1", Said("a UTF-8 byte order mark"), "UTF-8 without a mark")
        data = data.removeprefix(codecs.BOM_UTF8)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        row = data.count(b"\n", 0, error.start) + 1
        bad = data[error.start : error.start + 4]
        findings.add("not UTF-8", f"row {row}", bad, "UTF-8 text throughout")
        return data.decode(errors="replace")


def csv_lines(text: str, findings: Findings) -> Iterator[Line]:
    """The records of a csv, the header among them; blank lines and `\\r\\n` are faults, blank lines are left out."""
    ending = ""
    crlf = [0, 0]  # the first row that ends so, and how many

    def source() -> Iterator[str]:
        nonlocal ending
        for line in io.StringIO(text, newline="\n"):
            ending = line[-2:]
            yield line

    number = 0
    try:
        for number, cells in enumerate(csv.reader(source(), strict=True), 1):
            if number > MAX_ROWS:
                findings.add("too many rows", f"row {number}", Said("further rows, not read"), f"at most {MAX_ROWS:,}")
                break
            if ending == "\r\n":
                crlf = [crlf[0] or number, crlf[1] + 1]
            if cells:
                yield Line(number, cells)
            else:
                findings.add("blank line", f"row {number}", Said("nothing"), "a record in every line")
    except csv.Error as error:
        findings.add(
            "broken csv", f"row {number + 1}", Said(str(error)), "cells with comma, quote or line break in quotes"
        )
    if crlf[1]:
        found = Said(f"\\r\\n at the end of {crlf[1]:,} rows")
        findings.add("line ends", f"row {crlf[0]}", found, "\\n alone")


def predictions(data: bytes, findings: Findings) -> dict[str, Any] | None:
    """The predictions of a BLEMORE JSON; None, with a fault, where there are none. A repeated name is a fault."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        for name, times in Counter(name for name, _ in pairs).items():
            if times > 1:
                findings.add("duplicate name", f"key {name[:80]!r}", Said(f"it {times} times"), "each key once")
        return dict(pairs)

    def refuse(word: str) -> float:
        findings.add("no number", "file", word, "finite numbers")
        return float("nan")

    try:
        record = json.loads(text_of(data, findings), object_pairs_hook=once, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        findings.add("no JSON", "file", Said(str(error)), "one JSON object")
        return None
    if not isinstance(record, dict) or not isinstance(record.get(PREDICTIONS), dict):
        keys = sorted(record) if isinstance(record, dict) else type(record).__name__
        findings.add("wrong key", "file", keys, f'{{"{PREDICTIONS}": {{file name: [...]}}}}')
        return None
    for key in record.keys() - {PREDICTIONS}:
        findings.add("extra key", f"key {key[:80]!r}", key, f"only {PREDICTIONS!r}")
    found: dict[str, Any] = record[PREDICTIONS]
    return found


def npz_arrays(path: Path, data: bytes, track: Track, findings: Findings) -> dict[str, Any] | None:
    """The arrays of an npz with the keys of the track; None, with a fault, where they cannot be read."""
    from tasks.mer_tables import official_npz

    before = len(findings.faults)
    members = unzip(data, tuple(f"{key}.npy" for key in track.columns), findings)
    for name, content in (members or {}).items():
        _check_npy(content, f"member {name!r}", findings)
    if members is None or len(members) < len(track.columns) or len(findings.faults) > before:
        return None
    try:
        return {key: array for key, array in official_npz(path).items() if key in track.columns}
    except ValueError as error:
        findings.add("unreadable npz", "file", Said(str(error)), "arrays of text, or one dict, without foreign objects")
        return None


def _check_npy(content: bytes, where: str, findings: Findings) -> None:
    """Does the array fit its header? A short file may ask for any amount of memory."""
    import numpy as np

    stream = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(stream)  # type: ignore[no-untyped-call]
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, _, dtype = read(stream)  # type: ignore[no-untyped-call]
    except (ValueError, KeyError) as error:
        findings.add("no npy", where, Said(str(error)), "an array as numpy.save writes it")
        return
    rest = len(content) - stream.tell()
    count = int(np.prod(shape, dtype=object))
    if count > MAX_ROWS or count * (1 if dtype.hasobject else dtype.itemsize) > rest:
        found = Said(f"an array of shape {shape} and type {dtype} in {rest:,} bytes")
        findings.add("no npy", where, found, f"as many bytes as the array has, and at most {MAX_ROWS:,} items")

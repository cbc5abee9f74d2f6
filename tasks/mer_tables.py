"""Reading the tables of the MER challenges: csv as text, pickled npz label files through a guard, subtitles.

Every cell is text: what pandas takes for "no value" (None, NA, null, nan) is a word here. Rows are streamed and only
the wanted ones kept, since a subtitle table has 132,171 of them. Names of clips become file names, so they are checked.
"""

from __future__ import annotations

import csv
import pickle
import re
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}")
HAN = re.compile(r"[\u3400-\u9fff]")
NPY: Any = np.lib.format  # numpy gives it no types
LARGEST = 512 * 2**20  # bytes of one array of a label file; the largest official one has less than 10 MB
CODE = re.compile(r"[iuf][1248]|f16|b1|[USa][0-9]{1,9}")  # of the numpy types that a label file may hold


class Row(NamedTuple):
    """One row of a table: its number as a spreadsheet shows it (the header is row 1), and its cells by column."""

    number: int
    cells: Mapping[str, str]


def read_rows(
    path: Path, columns: Sequence[str], *, optional: Sequence[str] = (), source: str = "", delimiter: str = ","
) -> Iterator[Row]:
    """The rows of a csv file with a header, one after the other; blank lines are passed over.

    A row's cells are those of `columns`, which the file must have, and of the `optional` ones that it has. `source`
    says in messages where the file is to be had. Raises ValueError for a file that is missing, is no UTF-8 csv, lacks
    a column or has a row of another length than the header.
    """
    cure = f"; {source}" if source else ""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=delimiter)
            header = [name.strip() for name in next(reader, [])]
            missing = [name for name in columns if name not in header]
            if missing:
                have = ", ".join(map(repr, header)) or "nothing"
                raise ValueError(f"{path}: no column {', '.join(map(repr, missing))}; its header has {have}{cure}")
            places = {name: header.index(name) for name in (*columns, *optional) if name in header}
            number = 1
            for cells in reader:
                number += 1
                if not cells:
                    continue
                if len(cells) != len(header):
                    raise ValueError(
                        f"{path}, row {number}: {len(cells)} cells, the header has {len(header)}. A cell with a comma "
                        f"in it has to stand in quotation marks{cure}"
                    )
                yield Row(number, {name: cells[place] for name, place in places.items()})
    except FileNotFoundError:
        raise ValueError(f"{path} was looked for and is not there{cure}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: not a readable UTF-8 csv file ({error}){cure}") from error


def header_of(path: Path, *, source: str = "") -> list[str]:
    """The column names of a csv file, for tables whose columns are known by their order. Raises as `read_rows`."""
    cure = f"; {source}" if source else ""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return [name.strip() for name in next(csv.reader(file), [])]
    except FileNotFoundError:
        raise ValueError(f"{path} was looked for and is not there{cure}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: not a readable UTF-8 csv file ({error}){cure}") from error


def check_name(name: str, place: str) -> str:
    """The name of a clip, which becomes a file name. Raises ValueError for one that is no plain file name."""
    if not NAME.fullmatch(name):
        shown = repr(name if len(name) <= 60 else name[:57] + "...")
        raise ValueError(f"{place}: the name {shown} is no plain file name; legal are letters, digits, _ - and .")
    return name


def named_rows(path: Path, columns: Sequence[str], *, optional: Sequence[str] = (), source: str = "") -> list[Row]:
    """The rows of a table with a column `name`, in order. Raises ValueError as `read_rows`, and for a name that is no
    plain file name or occurs twice."""
    rows, seen = [], dict[str, int]()
    for row in read_rows(path, ("name", *columns), optional=optional, source=source):
        name = check_name(row.cells["name"], f"{path}, row {row.number}")
        if name in seen:
            raise ValueError(f"{path}, row {row.number}: {name} is already in row {seen[name]}")
        seen[name] = row.number
        rows.append(row)
    return rows


def one_of(path: Path, row: Row, column: str, legal: Collection[str]) -> str:
    """The cell of a row. Raises ValueError, with the place, for what is not one of the legal words."""
    cell = row.cells[column]
    if cell not in legal:
        raise ValueError(f"{path}, row {row.number}, column {column!r}: found {cell[:60]!r}, legal: {', '.join(legal)}")
    return cell


def openset(cell: str) -> list[str]:
    """The labels of an `openset` cell, as the challenge's own reader splits it: `[a, b]`, `['a', 'b']` and `a,b` alike.

    An empty cell and `[]` give no label. Commas and both quotation marks divide (an apostrophe too); case stays.
    """
    text = cell.removeprefix("[")
    pieces = text.removesuffix("]").replace("'", ",").replace('"', ",").split(",")
    return [piece.strip() for piece in pieces if piece.strip()]


class Subtitle(NamedTuple):
    """What is said in a clip, and the language that it stands in."""

    text: str
    language: str


def read_subtitles(path: Path, names: Collection[str], *, source: str = "") -> dict[str, Subtitle]:
    """The subtitles of the named clips: the English one, the Chinese one where English is empty or has no column.

    Of the columns `english`, `sentence` and `chinese` the table must have one; the language of a `sentence` is told by
    its characters. A clip without any text is left out. Raises ValueError as `read_rows`.
    """
    wanted = names if isinstance(names, set | frozenset | dict) else set(names)
    found: dict[str, Subtitle] = {}
    columns = ("english", "sentence", "chinese")
    for row in read_rows(path, ("name",), optional=columns, source=source):
        if len(row.cells) == 1:
            raise ValueError(f"{path}: none of the columns {', '.join(columns)}; one has to hold what is said")
        if row.cells["name"] not in wanted:
            continue
        for column in columns:
            text = row.cells.get(column, "").strip()
            if text:
                chinese = column == "chinese" or (column == "sentence" and HAN.search(text))
                found[row.cells["name"]] = Subtitle(text, "zh" if chinese else "en")
                break
    return found


class _Dtype:
    """Stands for a pickled `numpy.dtype`: its code, and the byte order of its state."""

    def __init__(self, code: str, *_: object) -> None:
        self.code, self.order = code, "|"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = state[1]

    def read(self, data: Any) -> Any:
        """The numbers or texts in `data` as an array [n]. Raises ValueError for what is no plain type."""
        if not CODE.fullmatch(self.code) or self.order not in ("<", ">", "|", "=") or not isinstance(data, bytes):
            raise ValueError(f"it holds an array of type {self.code[:20]!r}, and only numbers and text are admitted")
        return np.frombuffer(data, np.dtype(self.order + self.code))


class _Array:
    """Stands for a pickled `numpy.ndarray`: its state, made an array by numpy's public functions alone."""

    def __init__(self, *_: object) -> None:
        self.array: Any = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, by_column, data = state
        if not isinstance(data, list):
            self.array = dtype.read(data).reshape(shape, order="F" if by_column else "C")
            return
        self.array = np.empty(len(data), dtype=object)  # of objects, which are listed row by row in any case
        for place, item in enumerate(data):
            self.array[place] = item
        self.array = self.array.reshape(shape)


class _Scalar:
    """Stands for numpy's function that makes a number or text of its bytes."""

    __slots__ = ()

    def __call__(self, dtype: _Dtype, data: Any) -> Any:
        return dtype.read(data)[0].item()


class _Encode:
    """Stands for the function that makes bytes in the oldest protocols, and for `bytes` without arguments."""

    __slots__ = ()

    def __call__(self, text: str = "", _: str = "") -> bytes:
        return text.encode("latin-1")


# What a file may ask for: data that numpy pickled, under the module names of numpy 1 and 2. None of it is numpy's own
# unpickling, which takes a forged state at its word and can bring the process down; and none of it has attributes that
# a pickle could set for good.
ADMITTED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _Encode(),
    ("__builtin__", "bytes"): _Encode(),
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _Array for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _Scalar() for core in ("core", "_core")},
    **{(module, kind.__name__): kind for module in ("builtins", "__builtin__") for kind in (set, frozenset)},
}


class _Guard(pickle.Unpickler):
    """Unpickles arrays and built-in containers; whatever else a file asks for is refused, not called."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ADMITTED:
            raise ValueError(f"it holds a pickled {module}.{name}, and only arrays, text and numbers are admitted")
        return ADMITTED[module, name]


def official_npz(path: Path, *, source: str = "") -> dict[str, Any]:
    """The arrays of an official npz file as plain Python: a pickled dict as a dict, any other array as a list.

    The organisers pickle their label files. Pickles are programs, so this reader admits arrays, text, numbers and
    built-in containers alone. Raises ValueError for a file that is missing, damaged, or asks for anything else.
    """
    cure = f"; {source}" if source else ""
    try:
        with zipfile.ZipFile(path) as archive:
            return {info.filename.removesuffix(".npy"): _member(archive, info) for info in archive.infolist()}
    except FileNotFoundError:
        raise ValueError(f"{path} was looked for and is not there{cure}") from None
    except (
        *(zipfile.BadZipFile, zlib.error, pickle.UnpicklingError, ValueError, EOFError, OSError, MemoryError),
        *(AttributeError, TypeError, LookupError, OverflowError, NotImplementedError, RecursionError, RuntimeError),
    ) as error:  # what a damaged or hostile archive, header or pickle makes of the readers
        told = str(error) or type(error).__name__
        raise ValueError(f"{path}: not a readable npz label file ({told}){cure}") from error


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Any:
    if info.file_size > LARGEST:
        raise ValueError(f"{info.filename} has {info.file_size:,} bytes; a label file has less than {LARGEST:,}")
    with archive.open(info) as file:
        if _holds_objects(file):
            value = _Guard(file).load()
        else:
            with archive.open(info) as again:
                value = NPY.read_array(again, allow_pickle=False)
    return _plain(value)


def _holds_objects(file: IO[bytes]) -> bool:
    """Reads the header of an array; whether a pickle follows."""
    version = NPY.read_magic(file)
    readers = {(1, 0): NPY.read_array_header_1_0, (2, 0): NPY.read_array_header_2_0}
    if version not in readers:
        return False
    return bool(readers[version](file)[2].hasobject)


def _plain(value: Any) -> Any:
    """Arrays as lists, or as what an array without dimensions holds, at every depth."""
    if isinstance(value, _Array):
        value = value.array
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return type(value)(_plain(item) for item in value)
    return value

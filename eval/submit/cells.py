"""What a row of a submission may hold, judged from the file alone: content, or faults and None."""

from __future__ import annotations

import ast
import math
import re
import warnings
from collections.abc import Mapping
from typing import Any

from eval.submit.findings import Findings, Said, quoted
from eval.submit.tracks import BLEMORE6, CHOICES, GRID, LONGEST, MER6, NEUTRAL, TRAITS, Content, Track
from prompts.parsing.official import mer_list

# What the official csv readers (pandas) take for a missing value.
MISSING = frozenset(
    ["", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
     "NULL", "NaN", "None", "n/a", "nan", "null"]
)  # fmt: skip
LIST = "[a, b], or [] for no label"
PYTHON_LIST = "Python list text with quotes, ['a', 'b'], or []"
# In a label these mean that the official reader, which splits at comma and quotes alone, makes one unknown word of it.
_GLUED = re.compile(r"[\[\]{};/|，、；_\n\r\t]")
_NUMBER = re.compile(r"[+-]?+(?:\d++(?:\.\d*+)?+|\.\d++)(?:[eE][+-]?+\d{1,3}+)?+", re.ASCII)
_LONGEST_LIST = 20_000
_SENTENCE = re.compile(r"(?:\S++\s++){5,}+\S*\.")  # more than five words, the last with a full stop


def check(cell: Any, track: Track, where: str, findings: Findings) -> Content | None:
    """The content of one answer (see `tracks.Content`); None, with faults, where it is not legal."""
    match track.shape:
        case "label":
            return _word(cell, MER6, where, findings)
        case "labels":
            return _labels(cell, track, where, findings)
        case "text":
            return _text(cell, where, findings)
        case "traits":
            return _traits(cell, track, where, findings)
        case "choice":
            return _word(cell, CHOICES, where, findings)
        case "blend":
            return _blend(cell, where, findings)


def _word(cell: str, legal: tuple[str, ...], where: str, findings: Findings) -> str | None:
    if cell in legal:
        return cell
    near = f" (in this spelling: {cell.strip().lower()})" if cell.strip().lower() in legal else ""
    what = "empty cell" if not cell.strip() else "unknown word"
    findings.add(what, where, cell, f"one of {', '.join(legal)}{near}")
    return None


# --- lists of labels


def _labels(cell: Any, track: Track, where: str, findings: Findings) -> tuple[str, ...] | None:
    """The labels that the official reader gives back, where they are the ones that the cell means."""
    legal = PYTHON_LIST if track.python_list else LIST
    if isinstance(cell, list) and all(isinstance(item, str) for item in cell):
        return _surviving(cell, cell, where, findings)  # the official scorer takes a list as it is
    if not isinstance(cell, str):
        findings.add("no list", where, cell, legal)
    elif cell.strip() in MISSING:
        findings.add("empty cell", where, cell, f"{legal}; pandas reads this cell as a missing value")
    elif len(cell) > _LONGEST_LIST:
        findings.add("no list", where, Said(f"{len(cell):,} characters"), legal)
    elif track.python_list or "'" in cell or '"' in cell:
        meant = _python_list(cell)
        if meant is not None:
            return _surviving(meant, _official(cell), where, findings)
        what = "list text cannot be parsed" if track.python_list else "quotation mark or apostrophe"
        findings.add(what, where, cell, f"{legal}; the official reader splits at every quotation mark and apostrophe")
    elif _SENTENCE.fullmatch(cell.strip()):
        findings.add("sentence in place of a list", where, cell, legal)
    elif cell.startswith("[") != cell.endswith("]"):
        findings.add("unbalanced bracket", where, cell, legal)
    else:
        inner = cell.removeprefix("[").removesuffix("]")
        return _surviving(inner.split(",") if inner.strip() else [], _official(cell), where, findings)
    return None


def _python_list(cell: str) -> list[str] | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # `1and 2` in a cell is a fault, and no remark on our code
            found = ast.literal_eval(cell)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    return found if isinstance(found, list) and all(isinstance(item, str) for item in found) else None


def _official(cell: str) -> list[str]:
    """The official reading; it fails on the text `[`, which has no reading."""
    return [] if cell == "[" else mer_list(cell)


def _surviving(meant: list[str], read: list[str], where: str, findings: Findings) -> tuple[str, ...] | None:
    """The labels, where the official reader gives back what is meant; else a fault for each that it does not."""
    before = len(findings.faults)
    for label in meant:
        if not label.strip():
            findings.add("empty label", where, label, "a label between any two commas")
        elif not label.strip().isprintable():
            findings.add("character that cannot be printed", where, label, "labels of printable characters and blanks")
        elif len(label.strip()) > LONGEST:
            found = Said(f"{len(label.strip()):,} characters, {quoted(label.strip()[:60])}")
            findings.add("label too long", where, found, f"labels of at most {LONGEST} characters")
        elif _SENTENCE.fullmatch(label.strip()):
            findings.add("sentence in place of a label", where, label, "labels of a word or a few, without a full stop")
        elif _official(label) != [label.strip()] or _GLUED.search(label.strip()):
            legal = "labels without comma, quotes, brackets, separators, underscore or line break"
            findings.add("label does not survive the official reader", where, label, legal)
    if len(findings.faults) > before:
        return None
    if [label.strip() for label in meant] != [label.strip() for label in read]:
        findings.add("list does not survive the official reader", where, read, f"the labels meant: {meant}"[:200])
        return None
    return tuple(label.strip() for label in meant)


# --- the other shapes


def _text(cell: Any, where: str, findings: Findings) -> str | None:
    if isinstance(cell, str) and cell.strip() not in MISSING:
        return cell
    findings.add("no description", where, cell, "a description in words, with the emotion labels")
    return None


def _traits(cells: list[str], track: Track, where: str, findings: Findings) -> tuple[float, ...] | None:
    numbers = []
    for column, cell in zip(track.columns[1:], cells, strict=True):
        number = float(cell) if _NUMBER.fullmatch(cell) else math.nan
        if 0 <= number <= 1:
            numbers.append(number)
        else:
            what = "no number" if math.isnan(number) else "out of range"
            findings.add(what, f"{where}, column {column!r}", cell, "a number from 0 to 1")
    return tuple(numbers) if len(numbers) == len(TRAITS) else None


def _blend(items: Any, where: str, findings: Findings) -> tuple[tuple[str, int], ...] | None:
    before = len(findings.faults)
    if not isinstance(items, list) or len(items) not in (1, 2):
        found = Said(f"{len(items)} items") if isinstance(items, list) else items
        findings.add("number of emotions", where, found, 'one item or two: [{"emotion": …, "salience": …}]')
        return None
    parts = [part for item in items if (part := _part(item, where, findings)) is not None]
    if len(findings.faults) > before:
        return None
    names, shares = [name for name, _ in parts], [share for _, share in parts]
    if len(set(names)) < len(names):
        findings.add("duplicate emotion", where, names, "two different emotions")
    if len(names) == 2 and NEUTRAL in names:
        findings.add(f"{NEUTRAL} in a blend", where, names, f"{NEUTRAL} alone, or two of {', '.join(BLEMORE6[:-1])}")
    if sum(shares) != 100:
        findings.add("sum of saliences", where, sum(shares), "100")
    elif len(shares) == 2 and not set(shares) <= set(GRID):
        findings.add("salience off the grid", where, shares, "100; 50 and 50; 70 and 30 (the scorer compares exactly)")
    if len(findings.faults) > before:
        return None
    return tuple((name, int(share)) for name, share in parts)


def _part(item: Any, where: str, findings: Findings) -> tuple[str, float] | None:
    """Emotion and salience of an item; None, with a fault, where it is none."""
    if not isinstance(item, Mapping) or item.keys() != {"emotion", "salience"}:
        findings.add("wrong key", where, item, '{"emotion": …, "salience": …}')
        return None
    name, share = item["emotion"], item["salience"]
    if name not in BLEMORE6:
        findings.add("unknown word", where, name, f"one of {', '.join(BLEMORE6)}")
        return None
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 100:
        findings.add("no salience", where, share, "a number above 0, at most 100")
        return None
    return name, share

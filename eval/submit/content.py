"""From an answer to what a row of a submission holds, by stated rules; whatever they change is counted.

A label of an open list has to survive the official list reader, which splits at comma, quotation mark and apostrophe
and at nothing else. So a label with another separator in it is split here, and what would tear it apart is taken out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

from eval.submit.tracks import BLEMORE6, CHOICES, GRID, LONGEST, MER6, NEUTRAL, TRAITS, Content, Shape, Track
from tasks.task import AnswerKind, AnyOf, Blend, Described, Dims, Official, OneOf, Pick

_SEPARATORS = re.compile(r"[,，、;；/／|｜\n\r]")
_MARKS = re.compile(r"[\"'`\[\]{}\\]")
# What a label may be changed by, in the words of the card.
SPLIT = f"labels split at a separator ({', '.join(',;/|')}, line break)"
BARED = "labels that lost quotes, apostrophes, brackets or backslashes"
BLANKED = "labels with underscores, tabs or double blanks, now one blank"
LONG = f"labels longer than {LONGEST} characters, left out"
SENTENCE = "sentences in place of a label (more than five words, then a full stop), left out"
TWICE = "labels that stood twice, left out"
SAME = "answers `same`, written as a1 (as the official scorer reads them)"
UNTOLD = "descriptions without labels"
ONLY = "labels without a description"
UNBLENDED = f"pairs with {NEUTRAL}, written as the one with the larger share (the other of equals)"
PARTIAL = "subjects with samples that lack a trait"

# Shape -> what the answers of a run have to be, in words and as a check of their kind.
_FITS: dict[Shape, tuple[str, Callable[[AnswerKind], bool]]] = {
    "label": (
        f"one label of {', '.join(MER6)}",
        lambda kind: isinstance(kind, OneOf) and set(kind.labels) <= set(MER6),
    ),
    "labels": (
        "a list of labels",
        lambda kind: isinstance(kind, AnyOf | Described) or kind == Official("mer_list"),
    ),
    "text": ("a description with labels", lambda kind: isinstance(kind, Described)),
    "traits": (
        f"numbers from 0 to 1 for {', '.join(TRAITS)}",
        lambda kind: isinstance(kind, Dims) and set(kind.names) >= set(TRAITS) and (kind.low, kind.high) == (0, 1),
    ),
    "choice": (
        "a pick of a1 and a2",
        lambda kind: (
            (isinstance(kind, Pick) and set(kind.options) <= {*CHOICES, "same"}) or kind == Official("preference")
        ),
    ),
    "blend": (
        f"one or two of {', '.join(BLEMORE6)} with shares",
        lambda kind: isinstance(kind, Blend) and set(kind.labels) <= set(BLEMORE6) and set(kind.grid) <= set(GRID),
    ),
}


def check_kind(kind: AnswerKind, track: Track, where: str) -> None:
    """Raises ValueError when answers of this kind cannot be submitted to the track."""
    wanted, fits = _FITS[track.shape]
    if not fits(kind):
        raise ValueError(f"{where} holds answers of kind {type(kind).__name__}; track {track.name} takes {wanted}")


def content(values: Sequence[Mapping[str, Any]], track: Track, changes: Counter[str]) -> Content | None:
    """What the row of a candidate holds, from its answers (one; of a subject of `traits` one or more).

    None where the answer says nothing that the track takes. `changes` counts what the rules of this module change.
    """
    match track.shape:
        case "label":
            return str(values[0]["label"])
        case "labels":
            return labels(values[0]["labels"], changes)
        case "text":
            return _text(values[0], changes)
        case "traits":
            return _traits(values, changes)
        case "choice":
            return _choice(str(values[0]["choice"]), changes)
        case "blend":
            return _blend([(str(item["emotion"]), int(item["salience"])) for item in values[0]["emotions"]], changes)


def labels(found: Iterable[str | Mapping[str, Any]], changes: Counter[str]) -> tuple[str, ...]:
    """Labels as the official list reader gives them back: split, bared, without duplicates (case aside)."""
    kept: dict[str, str] = {}
    for item in found:
        text = str(item["label"]) if isinstance(item, Mapping) else item
        pieces = _SEPARATORS.split(text)
        changes[SPLIT] += len(pieces) > 1
        for piece in pieces:
            label = _label(piece, changes)
            if len(label) > LONGEST:
                changes[LONG] += 1
            elif label.endswith(".") and len(label.split()) > 5:
                changes[SENTENCE] += 1
            elif label.casefold() in kept:
                changes[TWICE] += 1
            elif label:
                kept[label.casefold()] = label
    return tuple(kept.values())


def _label(piece: str, changes: Counter[str]) -> str:
    bare = _MARKS.sub("", piece)
    changes[BARED] += bare != piece
    label = _line(bare.replace("_", " "))
    changes[BLANKED] += label != bare.strip()
    return label


def _line(text: str) -> str:
    """The text on one line, without characters that cannot be printed (or written as UTF-8)."""
    return " ".join("".join(char for char in text if char.isprintable() or char.isspace()).split())


def _text(value: Mapping[str, Any], changes: Counter[str]) -> str | None:
    told = _line(value["description"] or "")
    named = ", ".join(labels(value["labels"], changes))
    if not told and not named:
        return None
    changes[UNTOLD] += not named
    changes[ONLY] += not told
    if told and told[-1] not in ".!?。":
        told += "."
    return f"{told} Emotional state: {named}.".strip() if named else told


def _traits(values: Sequence[Mapping[str, Any]], changes: Counter[str]) -> tuple[float, ...] | None:
    """The mean of each trait over the samples of a subject that tell it; None where no sample tells one of them."""
    columns = [[float(value[name]) for value in values if value[name] is not None] for name in TRAITS]
    if not all(columns):
        return None
    changes[PARTIAL] += any(len(column) < len(values) for column in columns)
    return tuple(round(fmean(column), 6) for column in columns)


def _choice(choice: str, changes: Counter[str]) -> str:
    if choice in CHOICES:
        return choice
    changes[SAME] += 1
    return CHOICES[0]


def _blend(parts: list[tuple[str, int]], changes: Counter[str]) -> tuple[tuple[str, int], ...]:
    if len(parts) > 1 and NEUTRAL in dict(parts):
        changes[UNBLENDED] += 1
        name = max(parts, key=lambda part: (part[1], part[0] != NEUTRAL))[0]
        return ((name, 100),)
    return tuple(parts)


def fallback(text: str, track: Track) -> Content:
    """What `--fallback` says, as content of the track; ValueError says what is legal.

    label: one of MER6. labels: `[a, b]`. text: any. traits: one number, or one for each trait. choice: a1 or a2.
    blend: `emotion`, or `emotion:share,emotion:share`.
    """
    legal = _FITS[track.shape][0]
    match track.shape:
        case "label" if text in MER6:
            return text
        case "labels" if (text[:1] == "[") == (text[-1:] == "]"):
            changes: Counter[str] = Counter()
            found = labels(text.removeprefix("[").removesuffix("]").split(","), changes)
            if not changes.total():
                return found
        case "text" if _line(text):
            return _line(text)
        case "traits":
            numbers = _numbers(text)
            if len(numbers) in (1, len(TRAITS)) and all(0 <= number <= 1 for number in numbers):
                return numbers * len(TRAITS) if len(numbers) == 1 else numbers
        case "choice" if text in CHOICES:
            return text
        case "blend":
            pairs = [item.partition(":")[::2] for item in text.split(",")]
            parts = tuple((name, int(share) if share.isdecimal() else 100 * (not share)) for name, share in pairs)
            if is_blend(parts):
                return parts
    raise ValueError(f"--fallback {text!r} is none for track {track.name}: {legal} (default: {track.fallback})")


def _numbers(text: str) -> tuple[float, ...]:
    """The numbers of a list with commas, empty where one is none."""
    try:
        return tuple(float(piece) for piece in text.split(","))
    except ValueError:
        return ()


def is_blend(parts: Sequence[tuple[str, int]]) -> bool:
    """Whether parts are one emotion at 100, or two different ones, not neutral, on the grid that sum to 100."""
    names = [name for name, _ in parts]
    shares = [share for _, share in parts]
    if not set(names) <= set(BLEMORE6) or sum(shares) != 100:
        return False
    if len(parts) == 1:
        return True
    return len(set(names)) == len(parts) == 2 and NEUTRAL not in names and set(shares) <= set(GRID)

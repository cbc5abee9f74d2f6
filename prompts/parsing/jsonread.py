"""Reads JSON values out of a reply, strict or broken, in one pass from left to right.

Strict JSON is read as it is. The deviations of `REPAIRS` from python_syntax to brackets are tolerated, and nothing
more; no value is ever supplied: at the end of the text what was being written is thrown away. An object becomes
`Pairs`, so that repeated keys are seen.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any

DEEPEST = 64


class Pairs(list[tuple[str, Any]]):
    """A JSON object as its (key, value) pairs. `cut`: the text ended inside it."""

    cut = False


@dataclass(slots=True)
class Found:
    """A container in a text: where it stands and the deviations in it."""

    value: Any
    start: int
    end: int
    names: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Level:
    """An object or array that is being read. `inside` holds the complete containers in it."""

    start: int
    closer: str
    items: list[Any]
    key: str | None = None
    commas: int = 0
    end: int = 0  # of the item before
    after_string: bool = False
    names: set[str] = field(default_factory=set)
    inside: list[Found] = field(default_factory=list)

    @property
    def is_object(self) -> bool:
        """Whether this is an object."""
        return self.closer == "}"

    def add(self, value: Any, end: int, *, string: bool = False) -> None:
        """Put a value that is finished at `end` into the container."""
        self.items.append((self.key, value) if self.is_object else value)
        self.key, self.commas, self.end, self.after_string = None, 0, end, string


_OPENER = re.compile(r"[{\[｛［]")
_FOLD = {"｛": "{", "｝": "}", "［": "[", "］": "]", "：": ":", "，": ",", "、": ","}
_CLOSER = {"{": "}", "[": "]", "(": ")"}
_LITERALS = {"true": True, "false": False, "null": None}
_PYTHON = {"True": True, "False": False, "None": None, "NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_QUOTES = {
    '"': '"', "'": "'", "“": "“”", "”": "“”", "„": "“”", "‘": "‘’", "’": "‘’", "「": "」", "＂": "＂",
}  # fmt: skip
_BODY = {opener: re.compile(rf"[^{closers}\\\n\t]+") for opener, closers in _QUOTES.items()}
_SPACE = re.compile(r"\s*+")
_COMMENT = re.compile(r"//[^\n]*+|#[^\n]*+|/\*")
_QUOTE_CLASS = "\"'“”„‘’「＂"
_KEY = re.compile(r"[^:：{}\[\]｛｝［］\"“”„＂,，\n]{1,200}+")
_SCALAR = re.compile(r"[^,，、{}\[\]｛｝［］\"“”„＂\n]{1,201}+")
_SCALAR_IN_TUPLE = re.compile(r"[^,，、{}\[\]｛｝［］\"“”„＂\n()]{1,201}+")
_COMMENT_AFTER = re.compile(r"(?<=\s)(?://|#|/\*)")
# What must follow a quotation mark for it to end a string, white space apart.
_ENDS = re.compile(
    r"\s*+(?:[:：}｝\]］]|//|#|/\*|\Z"
    rf"|[,，、][\s,，、]*+(?:[{_QUOTE_CLASS}{{}}\[\]｛｝［］\d-]|//|#|/\*|(?:true|false|null|True|False|None)(?!\w)"
    r"|[^\W\d][\w-]*+\s*+[:：]))"
)
_ENDS_IN_TUPLE = re.compile(r"\s*+\)")
_NEXT_LINE_QUOTE = re.compile(rf"\s*+[{_QUOTE_CLASS}]")
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_HEX = re.compile(r"u([0-9a-fA-F]{4})")
_LOW_SURROGATE = re.compile(r"\\u([dD][c-fC-F][0-9a-fA-F]{2})")


def search(text: str) -> tuple[list[Found], list[Level]]:
    """Every complete container of the text that is inside no other one, in order, and the levels that are still open
    at the end of the text, from the outermost. Containers inside an unreadable one count as outside."""
    complete: list[Found] = []
    position = 0
    while opener := _OPENER.search(text, position):
        found, stack, position = read(text, opener.start())
        complete += found
        if stack:
            return complete, stack
    return complete, []


def whole(text: str) -> Found | None:
    """The one container that the text is, blanks aside, strict or tolerated; None when it is something else."""
    text = text.strip()
    if not text or text[0] not in "{[｛［":
        return None
    complete, stack = search(text)
    if stack or len(complete) != 1 or (complete[0].start, complete[0].end) != (0, len(text)):
        return None
    return complete[0]


def closed(stack: list[Level]) -> list[Found]:
    """The open levels, from the outermost, closed at the end of the text. A container in which nothing survives is
    absent, save for an object behind others in a list: it stays, empty, to say that the list was cut."""
    names = {"truncated"}
    found: list[Found] = []
    for child, parent in zip(stack[::-1], [None, *stack][:-1][::-1], strict=True):
        names = names | child.names
        if isinstance(child.items, Pairs):
            child.items.cut = True
        if parent and (child.items or (child.is_object and parent.items and not parent.is_object)):
            parent.add(child.items, -1)
        found.append(Found(child.items, child.start, -1, names))
    return found[::-1]


def read(text: str, start: int) -> tuple[list[Found], list[Level], int]:
    """Read one container with the tolerance of section 5.2 of the policy.

    Gives the complete containers found, the levels still open at the end of the text, and where to go on. When the
    value is unreadable, the complete containers inside it are given instead; a value that nests too deeply loses its
    outermost level, as if reading had begun one bracket later.
    """
    done: list[Found] = []
    stack: list[Level] = []
    _push(stack, text, start)
    position = start + 1
    while True:
        level = stack[-1]
        position = _skip(text, position, level)
        if position >= len(text):
            return done, stack, position
        char = _FOLD.get(text[position], text[position])
        if char in "}])":
            end = _close(stack, char, text[position] != char, position)
            if end is None:
                break
            position += 1
            if not stack:
                return [*done, end], [], position
        elif char == ",":
            if level.key is not None:
                break
            level.commas += 1
            level.names |= {"trailing_comma"} if level.commas > 1 else set()
            level.names |= {"fullwidth"} if text[position] != char else set()
            position += 1
        elif not _separated(level, text, position):
            break
        elif char in "{[(" and (level.key is not None or not level.is_object):
            if len(stack) == DEEPEST:
                done += stack.pop(0).inside
            _push(stack, text, position)
            position += 1
        else:
            after = _token(text, position, level)
            if after is None:
                break
            position = after
    return done + [found for level in stack for found in level.inside], [], position


def _push(stack: list[Level], text: str, position: int) -> None:
    char = _FOLD.get(text[position], text[position])
    level = Level(position, _CLOSER[char], Pairs() if char == "{" else [])
    if char != text[position]:
        level.names.add("fullwidth")
    elif char == "(":
        level.names.add("python_syntax")
    stack.append(level)


def _skip(text: str, position: int, level: Level) -> int:
    """Past white space and comments."""
    while True:
        match = _SPACE.match(text, position)
        position = match.end() if match else position
        comment = _COMMENT.match(text, position)
        if comment is None:
            return position
        level.names.add("comments")
        position = comment.end()
        if comment[0] == "/*":
            end = text.find("*/", position)
            position = len(text) if end < 0 else end + 2


def _close(stack: list[Level], char: str, folded: bool, position: int) -> Found | None:
    """Close levels with a closing bracket. Gives the outermost value closed, or None when it is unreadable."""
    depth = 1
    if char != stack[-1].closer:
        stack[-1].names.add("brackets")
        depth = next((n for n, level in enumerate(reversed(stack), 1) if level.closer == char), 1)
    if stack[-1].key is not None:
        return None
    found = None
    for _ in range(depth):
        level = stack.pop()
        if level.commas:
            level.names.add("trailing_comma")
        if folded:
            level.names.add("fullwidth")
        found = Found(level.items, level.start, position + 1, level.names)
        if stack:
            stack[-1].add(level.items, position + 1)
            stack[-1].names |= level.names
            stack[-1].inside.append(found)
    return found


def _separated(level: Level, text: str, position: int) -> bool:
    """Whether a member or element may start here: after the opener, a comma or a key, or where a comma is missing."""
    if level.key is not None:
        return True
    if bool(level.items) == bool(level.commas):  # first and no comma before it, or later and after a comma
        return True
    if not level.items or text[position] not in _QUOTE_CLASS + "{[｛［":
        return False
    if level.after_string and "\n" not in text[level.end : position]:
        return False
    level.names.add("missing_comma")
    return True


def _token(text: str, position: int, level: Level) -> int | None:
    """Read a key with its colon, or a string or bare scalar. Gives where to go on, the end of the text when what was
    being written is thrown away, or None when it is unreadable."""
    in_tuple = level.closer == ")"
    if level.is_object and level.key is None:
        return _member(text, position, level)
    if text[position] in _QUOTES:
        string, position = _string(text, position, level.names, in_tuple)
        if string is not None:
            level.add(string, position, string=True)
        return position
    match = (_SCALAR_IN_TUPLE if in_tuple else _SCALAR).match(text, position)
    if match is None:
        return None
    end = match.end()
    if comment := _COMMENT_AFTER.search(match[0]):
        end = position + comment.start()
    elif end == len(text):
        return end
    word = text[position:end].strip()
    if not 0 < len(word) <= 200 or word[0] in ":：":
        return None
    level.add(_scalar(word, level.names), end)
    return end


def _scalar(word: str, names: set[str]) -> Any:
    if word in _LITERALS:
        return _LITERALS[word]
    if _NUMBER.fullmatch(word):
        return int(word) if word.lstrip("-").isdigit() and len(word) < 19 else float(word)
    if word in _PYTHON:
        names.add("python_syntax")
        return _PYTHON[word]
    names.add("unquoted")
    return word


def _member(text: str, position: int, level: Level) -> int | None:
    """Read a key and the colon after it."""
    if text[position] in _QUOTES:
        key, position = _string(text, position, level.names, False)
        if key is None:
            return position
    else:
        match = _KEY.match(text, position)
        if match is None:
            return None
        key, position = match[0].strip(), match.end()
        if position < len(text):
            level.names.add("unquoted")
    position = _skip(text, position, level)
    if position >= len(text):
        return position
    if text[position] not in ":：":
        return None
    if text[position] == "：":
        level.names.add("fullwidth")
    level.key = key
    return position + 1


def _string(text: str, position: int, names: set[str], in_tuple: bool) -> tuple[str | None, int]:
    """Read a string from its opening quotation mark. Gives None for one that the end of the text cuts."""
    opener = text[position]
    if opener != '"':
        names.add("python_syntax" if opener == "'" else "fullwidth")
    body, pieces = _BODY[opener], []
    position += 1
    while True:
        if match := body.match(text, position):
            pieces.append(match[0])
            position = match.end()
        if position >= len(text):
            return None, position
        char = text[position]
        position += 1
        if char == "\\":
            piece, position = _escape(text, position, names)
            pieces.append(piece)
        elif char in "\n\t":
            names.add("raw_newline")
            pieces.append(char)
        elif _closes(text, position, in_tuple):
            return "".join(pieces), position
        else:
            names.add("inner_quotes")
            pieces.append(char)


def _closes(text: str, position: int, in_tuple: bool) -> bool:
    """Whether the quotation mark before `position` ends its string, by what follows it."""
    if _ENDS.match(text, position):
        return True
    if (match := _NEXT_LINE_QUOTE.match(text, position)) and "\n" in match[0]:
        return True
    return in_tuple and _ENDS_IN_TUPLE.match(text, position) is not None


def _escape(text: str, position: int, names: set[str]) -> tuple[str, int]:
    """Read what follows a backslash."""
    char = text[position : position + 1]
    if char in _ESCAPES:
        return _ESCAPES[char], position + 1
    if match := _HEX.match(text, position):
        code, position = int(match[1], 16), match.end()
        if 0xD800 <= code < 0xDC00 and (low := _LOW_SURROGATE.match(text, position)):
            return chr(0x10000 + ((code - 0xD800) << 10) + int(low[1], 16) - 0xDC00), low.end()
        return chr(code), position
    names.add("bad_escape")
    if char == "\n":
        names.add("raw_newline")
    return char, position + len(char)

"""Reads JSON values out of a reply, strict or broken, in one pass from left to right.

The deviations of `REPAIRS` from python_syntax to brackets are tolerated, and nothing more; no value is ever supplied:
at the end of the text what was being written is thrown away. What is strict or plain is read in big steps, the rest a
sign at a time.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from typing import Any

from prompts.parsing.strict import DEEPEST, LONGEST_SCALAR, Found, Pairs, Strict, number


@dataclass(slots=True)
class Level:
    """An object or array that is being read. `inside` holds the complete containers in it."""

    start: int
    closer: str
    items: list[Any]
    is_object: bool
    key: str | None = None
    commas: int = 0
    end: int = 0  # of the item before
    after_string: bool = False
    names: set[str] = field(default_factory=set)
    inside: list[Found] = field(default_factory=list)

    def add(self, value: Any, end: int, *, string: bool = False) -> None:
        """Put a value that is finished at `end` into the container."""
        self.items.append((self.key, value) if self.is_object else value)
        self.key, self.commas, self.end, self.after_string = None, 0, end, string

    def take(self, found: Found) -> int:
        """Put a complete container into this one; gives where it ends."""
        self.add(found.value, found.end)
        self.names |= found.names
        self.inside.append(found)
        return found.end


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
_GAP = re.compile(r"(?:\s++|(?://|#)[^\n]*+|/\*(?s:.*?)(?:\*/|\Z))++")
_QUOTE_CLASS = "\"'“”„‘’「＂"
_KEY = re.compile(r"[^:：{}\[\]｛｝［］\"“”„＂,，\n]{1,200}+")
_SCALAR = re.compile(r"[^,，、{}\[\]｛｝［］\"“”„＂\n]{1,201}+")
_SCALAR_IN_TUPLE = re.compile(r"[^,，、{}\[\]｛｝［］\"“”„＂\n()]{1,201}+")
_COMMENT_AFTER = re.compile(r"(?<=\s)(?://|#|/\*)")
# What must follow a quotation mark for it to end a string, white space apart; another one after a line break is enough.
_AFTER_STRING = (
    r"(?:\s*+(?:[:：}｝\]］]|//|#|/\*|\Z"
    rf"|[,，、][\s,，、]*+(?:[{_QUOTE_CLASS}{{}}\[\]｛｝［］\d-]|//|#|/\*|(?:true|false|null|True|False|None)(?!\w)"
    r"|[^\W\d][\w-]*+\s*+[:：]))"
    rf"|(?=[^\S\n]*+\n)\s*+[{_QUOTE_CLASS}]"
)
_ENDS = re.compile(_AFTER_STRING + ")")
_ENDS_IN_TUPLE = re.compile(_AFTER_STRING + r"|\s*+\))")
_ESCAPES = re.compile(r"(?:\\(?:[\"\\/bfnrt]|u[0-9a-fA-F]{4}))++")

# One member or element in a plain form, with the comma after it.
_PLAIN = re.compile(
    r"""\s*+
    (?:(?: "([^"\\\n\t]*+)" | '([^'\\\n\t]*+)' | ([A-Za-z_]\w{0,99}+)(?=:) ) \s*+:\s*+)?  # a key
    (?:(?: "([^"\\\n\t]*+)" | '([^'\\\n\t]*+)' ) (?=\s*+(?:[}\]]|,\s*+(?:["'{}\[\]\d-]|[A-Za-z_]\w*+:)))
      | (-?(?:0|[1-9][0-9]{0,17}+)(?:\.[0-9]{1,40}+)?|[A-Za-z][\w'\ -]{0,99}+) (?=\s*+[,}\]])
      | (?=[{\[]))
    (?:\s*+(,))?""",
    re.X,
)


def search(text: str) -> tuple[list[Found], list[Level]]:
    """Every complete container of the text that is inside no other one, in order, and the levels that are still open
    at the end of the text, from the outermost. Containers inside an unreadable one count as outside."""
    complete: list[Found] = []
    position = 0
    strict = Strict(text)
    while opener := _OPENER.search(text, position):
        if whole_one := strict.at(opener.start()):
            complete.append(whole_one)
            position = whole_one.end
            continue
        found, stack, position = read(text, opener.start(), strict)
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


def read(text: str, start: int, strict: Strict) -> tuple[list[Found], list[Level], int]:
    """Read one container with the tolerance of section 5.2 of the policy.

    Gives the complete containers found, the levels still open at the end of the text, and where to go on. When the
    value is unreadable, the complete containers inside it are given instead; a value that nests too deeply loses its
    outermost level, as if reading had begun one bracket later.
    """
    done: list[Found] = []
    stack: list[Level] = []
    position = _open(stack, text, start)
    while True:
        level = stack[-1]
        position = _skip(text, _plain(text, position, level), level)
        if position >= len(text):
            return done, stack, position
        char = _FOLD.get(text[position], text[position])
        if char in "}]),":
            if level.key is not None:
                break
            ended = _comma_or_closer(stack, char, text[position], position + 1)
            position += 1
            if ended and not stack:
                return [*done, ended], [], position
        elif not _separated(level, text, position):
            break
        elif char in "{[(" and (level.key is not None or not level.is_object):
            if found := strict.at(position, len(stack)):
                position = level.take(found)
                continue
            if len(stack) == DEEPEST:
                done += stack.pop(0).inside
            position = _open(stack, text, position)
        elif (after := _token(text, position, level)) is not None:
            position = after
        else:
            break
    return done + [found for level in stack for found in level.inside], [], position


def _open(stack: list[Level], text: str, position: int) -> int:
    char = _FOLD.get(text[position], text[position])
    level = Level(position, _CLOSER[char], Pairs() if char == "{" else [], char == "{")
    if char != text[position]:
        level.names.add("fullwidth")
    elif char == "(":
        level.names.add("python_syntax")
    stack.append(level)
    return position + 1


def _plain(text: str, position: int, level: Level) -> int:
    """Read members or elements for as long as they are plain. Gives where to go on."""
    if level.key is not None or bool(level.items) != bool(level.commas) or level.closer == ")":
        return position
    while found := _PLAIN.match(text, position):
        quoted, python_key, bare_key, string, python_string, scalar, comma = found.groups()
        key = quoted if quoted is not None else bare_key if python_key is None else python_key
        if (key is None) is level.is_object:
            break
        if quoted is None and key is not None:
            level.names.add("unquoted" if python_key is None else "python_syntax")
        position, level.key = found.end(), key
        if scalar is not None:
            level.add(_scalar(scalar.strip(), level.names), position)
        elif string is not None:
            level.add(string, position, string=True)
        elif python_string is not None:
            level.names.add("python_syntax")
            level.add(python_string, position, string=True)
        else:
            break
        if comma is None:
            break
        level.commas = 1
    return position


def _skip(text: str, position: int, level: Level) -> int:
    """Past white space and comments."""
    gap = _GAP.match(text, position)
    if gap is None:
        return position
    if gap[0].strip():
        level.names.add("comments")
    return gap.end()


def _comma_or_closer(stack: list[Level], char: str, written: str, end: int) -> Found | None:
    """Note a comma, or close levels with a closing bracket: then it gives the outermost container that is closed."""
    level = stack[-1]
    if char != written:
        level.names.add("fullwidth")
    if char == ",":
        level.commas += 1
        if level.commas > 1:
            level.names.add("trailing_comma")
        return None
    depth = 1
    if char != level.closer:
        level.names.add("brackets")
        depth = next((n for n, outer in enumerate(reversed(stack), 1) if outer.closer == char), 1)
    for _ in range(depth):
        level = stack.pop()
        if level.commas:
            level.names.add("trailing_comma")
        found = Found(level.items, level.start, end, level.names)
        if stack:
            stack[-1].take(found)
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
    """Read a key with its colon, or a string or a bare scalar. Gives where to go on, the end of the text when what was
    being written is thrown away, or None when it is unreadable."""
    is_key, in_tuple = level.is_object and level.key is None, level.closer == ")"
    word: str | None
    if text[position] in _QUOTES:
        word, position = _string(text, position, level.names, in_tuple)
        if word is None or not is_key:
            if word is not None:
                level.add(word, position, string=True)
            return position
    elif not is_key:
        return _bare(text, position, level)
    elif (match := _KEY.match(text, position)) is None:
        return None
    else:
        word, position = match[0].strip(), match.end()
        if position < len(text):
            level.names.add("unquoted")
    position = _skip(text, position, level)
    if position >= len(text):
        return position
    if text[position] not in ":：":
        return None
    if text[position] == "：":
        level.names.add("fullwidth")
    level.key = word
    return position + 1


def _bare(text: str, position: int, level: Level) -> int | None:
    """Read a scalar without quotation marks."""
    match = (_SCALAR_IN_TUPLE if level.closer == ")" else _SCALAR).match(text, position)
    if match is None:
        return None
    end = match.end()
    if comment := _COMMENT_AFTER.search(match[0]):
        end = position + comment.start()
    elif end == len(text):
        return end
    word = text[position:end].strip()
    if not 0 < len(word) <= LONGEST_SCALAR or word[0] in ":：":
        return None
    level.add(_scalar(word, level.names), end)
    return end


def _scalar(word: str, names: set[str]) -> Any:
    if word in _LITERALS:
        return _LITERALS[word]
    if _NUMBER.fullmatch(word):
        return number(word)
    if word in _PYTHON:
        names.add("python_syntax")
        return _PYTHON[word]
    names.add("unquoted")
    return word


def _string(text: str, position: int, names: set[str], in_tuple: bool) -> tuple[str | None, int]:
    """Read a string from its opening quotation mark. Gives None for one that the end of the text cuts."""
    opener = text[position]
    if opener != '"':
        names.add("python_syntax" if opener == "'" else "fullwidth")
    body, ends, pieces = _BODY[opener], _ENDS_IN_TUPLE if in_tuple else _ENDS, []
    position += 1
    while True:
        if match := body.match(text, position):
            pieces.append(match[0])
            position = match.end()
        if position >= len(text):
            return None, position
        char = text[position]
        position += 1
        if char == "\\" and (escapes := _ESCAPES.match(text, position - 1)):
            char, position = json.loads(f'"{escapes[0]}"'), escapes.end()
        elif char == "\\":
            names |= {"bad_escape", "raw_newline"} if text.startswith("\n", position) else {"bad_escape"}
            char = text[position : position + 1]
            position += 1
        elif char in "\n\t":
            names.add("raw_newline")
        elif ends.match(text, position):
            return "".join(pieces), position
        else:
            names.add("inner_quotes")
        pieces.append(char)

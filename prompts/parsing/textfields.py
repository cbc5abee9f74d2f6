"""The field reader (F): `Key: value` lines, lead-in sentences and markdown tables of a reply in plain text.

One walk over the lines finds where fields start and how far they reach; `assembled` makes records of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from prompts.parsing import numbers
from prompts.parsing.outcome import Log
from prompts.parsing.spec import Candidate, Spec
from prompts.parsing.strict import Pairs
from prompts.parsing.tables import LINE_FIELDS, LIST_FIELDS, Fields
from prompts.parsing.text import ALNUM, EMPHASIS, WORDS, is_empty_word, key_form, strip_list_marks, unmark
from prompts.parsing.timeline import WHOLE
from tasks.task import AnyOf, Blend, Described, Dims, OneOf, Pick, Record, Timeline

LONGEST_KEY = 40


@dataclass(slots=True)
class Block:
    """A field and the lines of its value. A block without a name only ends the field before it; `rows` are the records
    of a table, and the name `TIME` stands for a line that holds only a time range."""

    name: str
    lines: list[str]
    names: set[str] = field(default_factory=set)
    rows: list[Fields] | None = None

    def value(self) -> str:
        """The value as one text: the lines of a list without their marks, anything else joined by blanks."""
        if self.name in LIST_FIELDS:
            bare = [strip_list_marks(line) for line in self.lines]
            if any(marked for _, marked in bare):
                self.names.add("markdown")
            value = "\n".join(line for line, _ in bare).strip()
        else:
            value = " ".join(line.strip() for line in self.lines if line.strip())
        if "lead_in" in self.names and value[-1:] and value[-1] in ".。!！":
            value = value[:-1].rstrip()
        return value


TIME = "timestamp line"


# --- Where fields start -----------------------------------------------------------------------------------------------

_SEPARATOR = re.compile(r"[:：=]")
_IN_LINE = re.compile(r"[;；|,，]\s*+[^:：=;；|,，\n]{1,60}[:：=]")
_BAD_IN_KEY = re.compile(r"[\"'“”‘’「」『』()（）\[\]［］{}｛｝【】<>]")
_BRACKETS_AT_END = re.compile(r"[(（][^()（）]*[)）]\s*$")


def _key_at(spec: Spec, text: str) -> Block | None:
    """F1: the field that starts here, with the rest of the line as its first line."""
    separator = _SEPARATOR.search(text, 0, LONGEST_KEY + 24)
    if separator is None:
        return None
    raw = text[: separator.start()].strip()
    key = unmark(raw)[0]
    if len(key) > LONGEST_KEY or _BAD_IN_KEY.search(_BRACKETS_AT_END.sub("", key)):
        return None
    name = spec.text_keys.get(key_form(key))
    if name is None:
        return None
    value, marked = _without_emphasis(raw, text[separator.end() :].strip())
    names = {"markdown"} if marked or key != raw else set()
    if " ".join(key.casefold().split()) not in spec.spellings:
        names.add("key_alias")
    return Block(name, [value], names)


def _without_emphasis(raw_key: str, value: str) -> tuple[str, bool]:
    """The value without the emphasis marks around it or left open by the key (`**Key:** value`, `**Key: value**`)."""
    before = value
    opener = EMPHASIS.match(raw_key)
    if opener and not (raw_key.endswith(opener[0]) and len(raw_key) > len(opener[0])):
        bare = value.removeprefix(opener[0])
        value = (bare if bare != value else value.removesuffix(opener[0])).strip()
    if (mark := EMPHASIS.match(value)) and value.endswith(mark[0]) and len(value) > 2 * len(mark[0]):
        inside = value[len(mark[0]) : -len(mark[0])]
        if mark[0] not in inside:
            value = inside.strip()
    return value, value != before


_LEAD = WORDS["lead_ins"]
_NOUNS_EN = frozenset(_LEAD["nouns_en"])
_WORDS_EN = frozenset(_LEAD["words_en"]) | _NOUNS_EN
_COPULAS_EN = frozenset(("is", "are", "includes", "include", "is:", "are:"))
_WORDS_ZH = sorted((*_LEAD["words_zh"], *_LEAD["nouns_zh"]), key=len, reverse=True)
_NOUNS_ZH = frozenset(_LEAD["nouns_zh"])
_COPULA_ZH = re.compile(r"(?:是|为|包括)\s*[:：]?")
_WORD = re.compile(r"\S+")


def _lead_in(spec: Spec, text: str) -> Block | None:
    """F6: a sentence whose words before the first copula are lead words, one of them a noun."""
    if not isinstance(spec.kind, OneOf | Record | AnyOf | Described | Pick):
        return None
    start = _lead_en(text) or _lead_zh(text)
    if not start:
        return None
    return Block(spec.field, [text[start:].strip()], {"lead_in"})


def _lead_en(text: str) -> int:
    """Where the value starts after an English lead-in; 0 where there is none."""
    noun = False
    for found in _WORD.finditer(text):
        word = found[0].strip("*_`").casefold().replace("’", "'")
        if word in _COPULAS_EN:
            return found.end() if noun else 0
        word = word.strip(",，")
        if word and word not in _WORDS_EN:
            return 0
        noun = noun or word in _NOUNS_EN
    return 0


def _lead_zh(text: str) -> int:
    """Where the value starts after a Chinese lead-in; 0 where there is none."""
    position, noun = 0, False
    while word := next((word for word in _WORDS_ZH if text.startswith(word, position)), ""):
        position += len(word)
        noun = noun or word in _NOUNS_ZH
        while text[position : position + 1] in {" ", ","}:
            position += 1
    copula = _COPULA_ZH.match(text, position)
    return copula.end() if noun and copula else 0


def _starts(spec: Spec, line: str, before: Block | None) -> tuple[str, list[Block]]:
    """F1, F2, F6: the text of a line before its first field, and the fields that start in it."""
    body, marked = strip_list_marks(line)
    last = _key_at(spec, body) or _lead_in(spec, body)
    begins = [0] if last else []
    last = last or before
    for found in _IN_LINE.finditer(body):
        if found[0][0] in ",，" and (last is None or not _is_short(spec, last)):
            continue
        key = _key_at(spec, found[0][1:].lstrip())
        if key is not None:
            last = key
            begins.append(found.start() + 1)
    if not begins:
        return line, []
    ends = [begin - 1 for begin in begins[1:]] + [len(body)]
    pieces = [body[begin:end].strip() for begin, end in zip(begins, ends, strict=True)]
    blocks = [block for piece in pieces if (block := _key_at(spec, piece) or _lead_in(spec, piece))]
    if marked:
        blocks[0].names.add("markdown")
    return body[: max(begins[0] - 1, 0)], blocks


def _is_short(spec: Spec, block: Block) -> bool:
    """Whether a field is no free text, so that a comma may end it."""
    return block.name in LIST_FIELDS or _is_one_line(spec, block)


def _is_one_line(spec: Spec, block: Block) -> bool:
    return block.name in LINE_FIELDS or isinstance(spec.kind, Dims)


# --- How far they reach -----------------------------------------------------------------------------------------------

_HEADING = re.compile(r"(?:(?:utterance|segment)\s*#?\d{1,4}|话语\s*\d{1,4}|\[\d{1,4}\])\s*[:：.-]?\s*", re.I)
_DELIMITER_ROW = re.compile(r"[\s|:–—-]*+")


def blocks_of(spec: Spec, text: str) -> tuple[list[Block], bool]:
    """F3, F7: the fields of a text in order, and whether a letter or digit stands outside them."""
    lines = text.split("\n")
    blocks: list[Block] = []
    prose = False
    current: Block | None = None
    number = 0
    while number < len(lines):
        line = lines[number]
        number += 1
        if "|" in line and number < len(lines) and _is_delimiter_row(lines[number]):
            end = next((n for n in range(number, len(lines)) if "|" not in lines[n]), len(lines))
            found = _table(spec, [line, *lines[number + 1 : end]])
            blocks += found
            number, current, prose = end, None, prose or not found
        elif isinstance(spec.kind, Timeline) and (heading := _heading(line)):
            blocks.append(heading)
            current = None
        elif line.strip():
            before, started = _starts(spec, line, current)
            prose = prose or ALNUM.search(_continued(spec, current, before)) is not None
            blocks += started
            current = started[-1] if started else current
        elif current and current.name in LIST_FIELDS:
            # A blank line ends a list, unless it goes on with a bullet or an ordinal.
            number = next((n for n in range(number, len(lines)) if lines[n].strip()), len(lines))
            if number == len(lines) or not strip_list_marks(lines[number])[1]:
                current = None
    return blocks, prose


def _is_delimiter_row(line: str) -> bool:
    return "|" in line and "-" in line and _DELIMITER_ROW.fullmatch(line) is not None


def _continued(spec: Spec, current: Block | None, line: str) -> str:
    """Give a line to the field before it; what the field does not take is given back."""
    if current is None or not line.strip():
        return line
    if not _is_one_line(spec, current):
        current.lines.append(line)
        return ""
    if current.lines[0]:
        return line
    current.lines[0], marked = unmark(line)
    current.names |= {"markdown"} if marked else set()
    return ""


def _heading(line: str) -> Block | None:
    """K4.5: a line that holds only a time range, or only the number of an utterance."""
    bare = unmark(line)[0]
    found = _HEADING.match(bare)
    rest = bare[found.end() :] if found else bare
    rest = rest.strip().rstrip(":：").strip("*_ ")
    if rest and numbers.time_range(rest, Log()):
        names = {"markdown"} if bare != line.strip() else set()
        return Block(TIME, [rest.strip("()[]（）【】 ")], names)
    return Block("", [], set()) if found and not rest else None


# --- Tables -----------------------------------------------------------------------------------------------------------


def _table(spec: Spec, lines: list[str]) -> list[Block]:
    """F7: a table whose header names fields (each row is a record), or whose first column does."""
    rows = [[unmark(cell)[0] for cell in line.strip().strip("|").split("|")] for line in lines]
    header = rows[0]
    item_keys = spec.form.keys if spec.space.labels and isinstance(spec.kind, AnyOf | Blend) else {}
    names = {"table"}
    keys = item_keys or spec.text_keys
    columns = [keys.get(key_form(cell)) for cell in header]
    for cell, column in zip(header, columns, strict=True):
        if column and cell.casefold() not in {column.casefold(), *spec.spellings}:
            names.add("key_alias")
    records = [
        [(column, cell) for column, cell in zip(columns, row, strict=False) if column and cell] for row in rows[1:]
    ]
    if isinstance(spec.kind, Timeline):
        if "primary_7class" in columns and {"timestamp_range", "start"} & {*columns}:
            return [Block("", [], names, [_fields(record) for record in records])]
    elif all(columns) and item_keys and next(iter(item_keys.values())) in columns:
        return [Block("", [], names, [{spec.field: [[Pairs(record) for record in records]]}])]
    elif all(columns) and not item_keys and spec.needed & {column for column in columns if column}:
        return [Block("", [], names, [_fields(record) for record in records])]
    found = []
    for row in rows:
        name = spec.text_keys.get(key_form(row[0])) if len(row) > 1 else None
        if name:
            alias = row[0].casefold() not in spec.spellings
            found.append(Block(name, [row[1]], {"table", "key_alias"} if alias else {"table"}))
    return found


def _fields(record: list[tuple[str, str]]) -> Fields:
    fields: Fields = {}
    for column, cell in record:
        fields.setdefault(column, []).append(cell)
    return fields


# --- Records ----------------------------------------------------------------------------------------------------------


def read_fields(spec: Spec, text: str) -> list[Candidate]:
    """F4, F8: the candidates of a text, the last one first."""
    blocks, prose = blocks_of(spec, text)
    notes = {"prose"} if prose else set()
    if isinstance(spec.kind, Timeline):
        return _timeline(blocks, notes)
    found: list[Candidate] = []
    current: Fields | None = None
    for block in blocks:
        if block.rows is not None:
            found.append(Candidate(block.rows, Log(block.names | notes, text=True)))
            continue
        if current is None or (block.name in spec.needed and block.name in current):
            current = {}
            found.append(Candidate([current], Log(set(notes), text=True)))
        current.setdefault(block.name, []).append(block.value())
        found[-1].log.names |= block.names
    return [one for one in found[::-1] if any(spec.needed & record.keys() for record in one.records)]


def _timeline(blocks: list[Block], names: set[str]) -> list[Candidate]:
    """K4.5: the one candidate of a timeline in text form."""
    whole: Fields = {}
    utterances: list[Pairs] = []
    headed = False  # the last utterance has nothing yet but the time range of its heading
    for block in blocks:
        value = block.value()
        names |= block.names
        if block.rows is not None:
            utterances += [Pairs((name, values[0]) for name, values in row.items()) for row in block.rows]
        elif block.name in WHOLE:
            whole.setdefault(block.name, []).append(value)
        elif block.name in (TIME, "timestamp_range", "start", "end"):
            held = {name for name, _ in utterances[-1]} if utterances else set()
            if headed and block.name != TIME:
                utterances[-1].clear()
            elif block.name != "end" or "start" not in held or "end" in held:
                utterances.append(Pairs())
            utterances[-1].append(("timestamp_range" if block.name == TIME else block.name, value))
        elif block.name and utterances:
            utterances[-1].append((block.name, value))
        headed = block.name == TIME
    given = [value for value in whole.get("utterances", []) if value[:1] in ("[", "{") or is_empty_word(value)]
    if not utterances and not given:
        return []
    return [Candidate([whole | {"utterances": [utterances] if utterances else given}], Log(names, text=True))]

"""Words: normal forms, list marks, and the word lists (words.toml) that say what is empty, hedged, prose or a refusal.

Strings longer than `LONGEST` are no label and are never normalised: NFKC of hostile text is not linear.
"""

from __future__ import annotations

import re
import tomllib
from functools import lru_cache
from pathlib import Path
from unicodedata import category, normalize

WORDS = tomllib.loads((Path(__file__).parent / "words.toml").read_text(encoding="utf-8"))
LONGEST = 300

INVISIBLE = re.compile("[\ufeff\u200b-\u200f\u2060-\u2064\u00ad\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
QUOTES = "\"'`“”„‟‘’‚‛«»「」『』《》‹›＂＇"
OPEN = dict(zip("([{<（［｛【〔〈", ")]}>）］｝】〕〉", strict=True))
CLOSE = {close: open_ for open_, close in OPEN.items()}
DASHES = re.compile("[-_\u00ad\u2010-\u2015\u2212\ufe58\ufe63\uff0d]")
TRIM = QUOTES + "*#~|.,;:!。、…·•，；：！"
LETTER = re.compile(r"[^\W\d_]")
ALNUM = re.compile(r"[^\W_]")
EMOJI_BLOCKS = range(0x1F000, 0x1FB00)

# Block quote, heading, bullet, ordinal; an ordinal is no decimal number and a bullet no minus sign.
LIST_MARK = re.compile(
    r"\s*(?:>|#{1,6}(?=\s)|[-*+](?=\s)|[•·]|\d{1,3}[.)](?!\d)|[(（]\d{1,3}[)）]|[①-⑳]|[一二三四五六七八九十]{1,3}、)\s*"
)
EMPHASIS = re.compile(r"\*{1,3}|__|`+")


@lru_cache(maxsize=8192)
def norm(text: str) -> str:
    """The form in which labels and words are compared: NFKC, no emoji, case-folded, dashes and `_` as blanks; quotation
    marks, markup, sentence marks and stray brackets removed at both ends. The question mark stays: it is a hedge."""
    text = _unified(text).casefold()
    text = DASHES.sub(" ", text)
    partner = _partners(text)
    low, high = 0, len(text) - 1
    while low <= high:
        first, last = text[low], text[high]
        if first.isspace() or first in TRIM or ((first in OPEN or first in CLOSE) and low not in partner):
            low += 1
        elif last.isspace() or last in TRIM or ((last in OPEN or last in CLOSE) and high not in partner):
            high -= 1
        elif first in OPEN and partner[low] == high:
            low, high = low + 1, high - 1
        else:
            break
    return " ".join(text[low : high + 1].split())


def _unified(text: str) -> str:
    """NFKC, straight apostrophes, no invisible characters, no emoji."""
    if text.isascii():
        return INVISIBLE.sub("", text)
    text = INVISIBLE.sub("", normalize("NFKC", text)).replace("’", "'")
    return "".join(char for char in text if not _is_emoji(char))


def _is_emoji(char: str) -> bool:
    if char.isascii():
        return False
    code = ord(char)
    if 0xFE00 <= code <= 0xFE0F or code == 0x20E3 or 0x1F3FB <= code <= 0x1F3FF:
        return True
    group = category(char)
    return group == "So" or (group == "Cn" and code in EMOJI_BLOCKS)


def has_emoji(text: str) -> bool:
    """Whether `norm` removes an emoji from the text."""
    return any(_is_emoji(char) for char in normalize("NFKC", text))


def _partners(text: str) -> dict[int, int]:
    """Positions of paired brackets, both ways."""
    partner: dict[int, int] = {}
    stack: list[int] = []
    for place, char in enumerate(text):
        if char in OPEN:
            stack.append(place)
        elif char in CLOSE and stack and text[stack[-1]] == CLOSE[char]:
            start = stack.pop()
            partner[start], partner[place] = place, start
    return partner


@lru_cache(maxsize=8192)
def open_form(text: str) -> str:
    """The form of an open-vocabulary label: as `norm`, but lower-case, and hyphens and apostrophes inside stay."""
    for _ in range(8):  # until it no longer changes: removing one mark may bare another
        before = text
        text = _unified(text).replace("_", " ").lower()
        text = strip_list_marks(text)[0].strip(_OPEN_TRIM)
        text = " ".join(text.split())
        if text == before:
            return text
    return ""  # no fixed point within reason: hostile text, and no label


_OPEN_TRIM = QUOTES + "*#~|.,;:!?。 \t\n" + "".join(OPEN) + "".join(CLOSE)


@lru_cache(maxsize=8192)
def key_form(key: str) -> str:
    """The form in which keys are compared: letters and digits alone, case-folded, without brackets at the end."""
    if len(key) > LONGEST:
        return ""
    key = normalize("NFKC", key).casefold().strip()
    if key.endswith(")"):
        key = key[: max(key.rfind("("), 0)] or key
    return "".join(char for char in key if char.isalnum())


def strip_list_marks(text: str) -> tuple[str, bool]:
    """The text without block quote, heading, bullet and ordinal at its start; whether there was one."""
    start = 0
    while (found := LIST_MARK.match(text, start)) and found.end() > start:
        start = found.end()
    return text[start:], start > 0


_EDGE = re.compile(r"(?:[*`\s]|__)*+")


def unmark(text: str) -> tuple[str, bool]:
    """The text without list marks at its start and emphasis around it, trimmed; whether there were any."""
    bare = _EDGE.sub("", strip_list_marks(text)[0], count=1)
    bare = _EDGE.sub("", bare[::-1], count=1)[::-1]
    return bare, bare != text.strip()


_EMPTY = {norm(word) for word in WORDS["empty_words"]["all"]}
_EMPTY_CLOSED = _EMPTY | {norm(word) for word in WORDS["empty_words"]["closed_only"]}


def is_empty_word(text: str, *, closed: bool = True) -> bool:
    """Whether the text as a whole says "no label"; `Unsure` and the like count for closed label spaces only."""
    return len(text) <= LONGEST and norm(text) in (_EMPTY_CLOSED if closed else _EMPTY)


def is_blank(text: str) -> bool:
    """Whether a text says nothing: blank, or an empty word."""
    return not text.strip() or is_empty_word(text)


def _phrases(words: list[str]) -> str:
    """A pattern of whole words, the longest first."""
    ordered = sorted((word for word in words if word != "?"), key=len, reverse=True)
    return r"(?<![\w'])(?:" + "|".join(re.escape(word).replace(r"\ ", r"\s") for word in ordered) + r")(?![\w'])"


_HEDGE_EN = re.compile(_phrases(WORDS["hedge_words"]["en"]) + r"|\?")
_HEDGE_ZH = sorted(WORDS["hedge_words"]["zh"], key=len, reverse=True)


def without_hedges(text: str) -> tuple[str, bool]:
    """A part of an answer, case-folded, without hedge words; whether there were any."""
    text = _unified(text).casefold().strip()
    bare = " ".join(_HEDGE_EN.sub(" ", text).split()).strip(TRIM)
    hedged = _HEDGE_EN.search(text) is not None
    while word := next((word for word in _HEDGE_ZH if bare.startswith(word) or bare.endswith(word)), ""):
        bare = bare.removeprefix(word) if bare.startswith(word) else bare.removesuffix(word)
        bare, hedged = bare.strip(), True
    return bare, hedged


_PROSE_EN = frozenset(WORDS["prose_words"]["en"])
_PROSE_EN_IN_ARRAY = _PROSE_EN - {"a", "an", "the"}
_PROSE_ZH = re.compile("|".join(WORDS["prose_words"]["zh"]))
_HAN_CHAR = re.compile(f"[{HAN}]")


def is_prose_like(text: str, *, open_list: bool = False, in_array: bool = False) -> bool:
    """Whether a part that is no label reads as running text: it holds a prose word or is too long. In an open list
    inside an array the articles are no prose words (`in a hurry`)."""
    if len(text) > LONGEST:
        return True
    text = open_form(text) if open_list else _unified(text).casefold()
    words = text.split()
    prose = _PROSE_EN_IN_ARRAY if in_array else _PROSE_EN
    if any(word.strip('.,;:!?"()*') in prose for word in words) or _PROSE_ZH.search(text):
        return True
    han = len(_HAN_CHAR.findall(text))
    if open_list:
        return len(words) > 5 or len(text) > 40 or han > 12
    return len(words) > 3 or han > 8


_REFUSALS = (*WORDS["refusal_phrases"]["en"], *WORDS["refusal_phrases"]["zh"])


def is_refusal(text: str) -> bool:
    """Whether a refusal phrase stands in the first 300 characters."""
    start = text[:300].casefold().replace("’", "'")
    return any(phrase in start for phrase in _REFUSALS)

"""What the EmoS release has damaged and how it is mended: misspelt labels and transcripts. Data and pure functions.

The tables here hold single words of the label vocabulary and of the damage, never a sentence of the release. Source:
the annotator books of the release, in which every token of these tables was seen.
"""

from __future__ import annotations

import re
from collections.abc import Collection

# Tokens outside the vocabulary in the English annotator books (the Chinese books have none). The release drops them
# all but one ("anoyance"), so an annotator's vote is lost; nine of them were corrected by hand in the second copy of
# the same annotator's book, each to what stands here.
MISSPELT: dict[str, tuple[str, ...]] = {
    "admiaration": ("admiration",),
    "ambarrassment": ("embarrassment",),
    "amusemet": ("amusement",),
    "annoaynce": ("annoyance",),
    "anoyance": ("annoyance",),
    "curioisity": ("curiosity",),
    "curiosty": ("curiosity",),
    "deisire": ("desire",),
    "digust": ("disgust",),
    "disaaproval": ("disapproval",),
    "disappointement": ("disappointment",),
    "disaspproval": ("disapproval",),
    "disdust": ("disgust",),
    "disggust": ("disgust",),
    "disire": ("desire",),
    "durprise": ("surprise",),
    "ebarrassment": ("embarrassment",),
    "excitemrnt": ("excitement",),
    "exitement": ("excitement",),
    "grtitude": ("gratitude",),
    "jou": ("joy",),
    "lone": ("love",),
    "lovedesire": ("love", "desire"),
    "lve": ("love",),
    "nervousnee": ("nervousness",),
    "nuetral": ("neutral",),
    "opyimism": ("optimism",),
    # One cell holds the label, about 1,700 blanks and the start of another word.
    "realization re": ("realization",),
    "realizatoin": ("realization",),
    "relilef": ("relief",),
    "remorrse": ("remorse",),
    "resorse": ("remorse",),
    "sadenss": ("sadness",),
    "ssadness": ("sadness",),
    "surprsie": ("surprise",),
}

# Text that was GBK, read as Latin-1, written as UTF-8 and read as GBK again: each character became a pair.
TWICE_DECODED = (("隆炉", "'"), ("隆颅", "…"), ("隆陋", "—"), ("篓娄", "é"))

# Where a "?" can only be an apostrophe. A "?" between letters that fits no row is a lost dash or ellipsis, or a
# question mark without its blank: it stays, as do the "?" that once were quotation marks.
_G_DROPPED = "ask blurt com do gett go hav head hook kidd look ly noth pass runn shak start sweep talk whipp"
APOSTROPHES = tuple(
    (re.compile(pattern, re.IGNORECASE), replacement)
    for pattern, replacement in (
        (r"(?<=n)\?(?=t\b)", "'"),  # don't
        (r"(?<=\bI)\?(?=m\b)", "'"),  # I'm
        (r"(?<=[a-z])\?(?=(?:s|d|re|ll|ve)\b)", "'"),  # it's, I'd, you're, we'll, they've
        (r"(?<=\by)\?(?=(?:know|all)\b)", "'"),  # y'know
        (r"(?<=\bo)\?(?=clock\b)", "'"),  # o'clock
        (r"(?<=\bc)\?(?=mon\b)", "'"),  # c'mon
        (r"(?<=\bma)\?(?=am\b)", "'"),  # ma'am
        (r"(?:(?<=\s)|^)\?(?=(?:em|cause|cos|til|bout|kay)\b)", "'"),  # get 'em, 'cause
    )
)
# talkin' about, nothin'., doin'?: only where the sentence goes on or ends anew, since a question may end in "…in?".
_GERUND = re.compile(rf"\b((?i:{_G_DROPPED.replace(' ', '|')})in)\?(?=[?.]| [a-z'])")


def repair_transcript(text: str) -> str:
    """`text` with the lost apostrophes back ("I?m" -> "I'm"), double decoding undone and outer blanks gone.

    Real question marks stay: a "?" is touched only where English has an apostrophe and no question can end.
    """
    for damaged, character in TWICE_DECODED:
        text = text.replace(damaged, character)
    for pattern, replacement in APOSTROPHES:
        text = pattern.sub(replacement, text)
    return _GERUND.sub(r"\1'", text).strip()


def tokens(cell: str) -> list[str]:
    """The labels of one annotator's cell: split on `;`, inner blanks collapsed, empty ones dropped."""
    return [" ".join(token.split()) for token in cell.split(";") if token.strip()]


def labels_of(cell: str, vocabulary: Collection[str]) -> set[str]:
    """The set of GoEmotions labels in one annotator's cell, misspelt ones mended.

    Raises ValueError for a token that is neither in `vocabulary` nor in MISSPELT.
    """
    found: set[str] = set()
    for token in tokens(cell):
        if token not in vocabulary and token not in MISSPELT:
            raise ValueError(f"{token[:40]!r} is no GoEmotions label and no known misspelling of one")
        found.update(MISSPELT.get(token, (token,)))
    return found

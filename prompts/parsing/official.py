"""The readers of published challenge scripts, kept as they are for numbers that must equal theirs (section 13)."""

from __future__ import annotations

from prompts.parsing.outcome import Parsed, Unparsed
from tasks.mer_tables import openset
from tasks.task import Official

_KEYS = ("a1", "a2", "same")
_ABSENT = 10000  # the position that the published script gives a key that does not occur
_LEAD_INS = ("输入", "输出", "翻译", "让我们来翻译一下：", "output", "Output", "input", "Input")


def official(text: str, kind: Official) -> Parsed | Unparsed:
    """The outcome of the official reader; a crash of the published code is Unparsed(`official_error`)."""
    if kind.reader == "preference":
        return Parsed({"choice": preference(text)}, "official")
    try:
        return Parsed({"labels": mer_list(text)}, "official")
    except IndexError:
        return Unparsed("official_error")


def mer_list(text: str) -> list[str]:
    """The list reader of MER2025 and MER2026. Raises IndexError for the text `[`, as the published code does."""
    if text == "[":
        raise IndexError("the published code looks for a last character behind it")
    return openset(text)


def mer_clean_up(text: str) -> str:
    """What MER2025 does to an extraction reply before its list reader; a task asks for it where it is due."""
    text = text.strip()
    for lead_in in _LEAD_INS:
        text = text.removeprefix(lead_in)
    text = text.strip()
    for colon in ":：":
        text = text.removeprefix(colon)
    return text.strip().replace("\n", "").strip()


def preference(text: str) -> str:
    """The preference reader of EmoPrefer and MER2026. Never fails."""
    text = text.lower()
    for key in _KEYS:
        if text.startswith(key):
            return key
    if not any(key in text for key in _KEYS):
        return "same"
    places = {key: place if (place := text.find(key)) >= 0 else _ABSENT for key in _KEYS}
    return min(_KEYS, key=lambda key: places[key])

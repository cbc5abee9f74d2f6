"""The envelope (E): what models and chat templates put around a reply, removed before any answer is looked for."""

from __future__ import annotations

import re
from typing import NamedTuple

from prompts.parsing.jsonread import search
from prompts.parsing.text import INVISIBLE

_END_TOKEN = re.compile(r"<\|im_end\|>|<\|endoftext\|>|<\|eot_id\|>|<end_of_turn>|</s>|<eos>")
_ROLE = re.compile(
    r"^[^\S\n]*(?:<\|im_start\|>\s*)?(?:(?P<bare>system|user|human|assistant|model)[^\S\n]*$"
    r"|(?:\#\#\#[^\S\n]*)?(?P<colon>(?i:system|user|human|assistant))[^\S\n]*[:：]|(?P<zh>用户|助手)[:：])",
    re.M,
)
_ASKS = {"system", "user", "human", "用户"}
_THINK = re.compile(r"<(/?)(?:think|thinking|thought|reasoning)>", re.I)
_ANSWER = re.compile(r"<(answer|final_answer)>", re.I)
_BRACES = re.compile(r"\\boxed\{|[{}]")
_TEX = re.compile(r"\\(?:text|textbf|mathrm)\{")
_FENCE_WORD = "json5|jsonc|jsonl|json|python|py|text|txt|plaintext|plain|markdown|md|yaml|yml|xml|javascript|js"
_FENCE = re.compile(rf"^[^\S\n]*+(?:`{{3,}}+|~{{3,}}+)(?:[^\S\n]*+(?:{_FENCE_WORD})(?!\w))?", re.I | re.M)


class Opened(NamedTuple):
    """A reply without role markers and reasoning. `tail` is the text of reasoning that was never closed, else None."""

    text: str
    names: set[str]
    tail: str | None


def opened(text: str) -> Opened:
    """E1 to E3."""
    names: set[str] = set()
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    visible = INVISIBLE.sub("", text)
    if visible != text:
        names.add("invisible")
    turn = _own_turn(visible)
    if turn != visible:
        names.add("role_echo")
    answer, tail = _without_reasoning(turn)
    if answer != turn:
        names.add("reasoning")
    return Opened(answer, names, tail)


def cleaned(text: str, names: set[str]) -> str:
    """E4 to E6; what was removed is added to `names`."""
    answer = tagged(text)
    if answer is None:
        answer = _boxed(text)
    if answer is not None:
        names.add("answer_tag")
        text = answer
    return without_fences(text, names).strip()


def _own_turn(text: str) -> str:
    """E2: the model's own turn."""
    start = len(text) - len(text.lstrip())
    while token := _END_TOKEN.match(text, start):
        text = text[token.end() :]
        start = len(text) - len(text.lstrip())
    if token := _END_TOKEN.search(text, start):
        text = text[: token.start()]
    roles = list(_ROLE.finditer(text))
    first = 0
    if roles and not text[: roles[0].start()].strip():
        first = 1
        own = 0
        if _asks(roles[0]):
            own = next((n for n, role in enumerate(roles) if not _asks(role)), -1)
        if own >= 0:
            first = own + 1
            return text[roles[own].end() : roles[first].start() if first < len(roles) else len(text)]
    return text[: roles[first].start()] if first < len(roles) else text


def _asks(role: re.Match[str]) -> bool:
    """Whether a role line belongs to somebody other than the model."""
    return (role["bare"] or role["colon"] or role["zh"]).lower() in _ASKS


def _without_reasoning(text: str) -> tuple[str, str | None]:
    """E3: the text outside reasoning blocks, and the text of a block that is not closed."""
    if "<" not in text:
        return text, None
    kept: list[str] = []
    start, opening = 0, None
    for tag in _THINK.finditer(text):
        if not tag[1] and opening is None:
            kept.append(text[start : tag.start()])
            opening, start = tag, tag.end()
        elif tag[1]:
            if opening is None:
                kept.clear()  # the chat template put the opening tag into the prompt
            opening, start = None, tag.end()
    if opening is not None:
        return "".join(kept), text[start:]
    return "".join((*kept, text[start:])), None


def tagged(text: str) -> str | None:
    """E4: the content of the last `<answer>` block, None when there is none."""
    tags = list(_ANSWER.finditer(text)) if "<" in text else []
    if not tags:
        return None
    content = text[tags[-1].end() :]
    return re.split(rf"</{tags[-1][1]}>", content, maxsplit=1, flags=re.I)[0]


def _boxed(text: str) -> str | None:
    r"""E4: the content of the last complete `\boxed{…}` without `\text{…}` around it. Braces in the strings of a JSON
    value do not count."""
    start = text.rfind("\\boxed{")
    if start < 0:
        return None
    inner = text[start + 7 :].lstrip()
    if inner.startswith(("{", "[")) and (found := search(inner)[0]) and found[0].start == 0:
        return inner[: found[0].end]
    stack: list[re.Match[str]] = []
    last: tuple[int, int] | None = None
    for brace in _BRACES.finditer(text):
        if brace[0] != "}":
            stack.append(brace)
        elif stack and (opened_at := stack.pop())[0] != "{" and (last is None or opened_at.end() > last[0]):
            last = opened_at.end(), brace.start()
    if last is None:
        return None
    content = text[slice(*last)].strip()
    for _ in range(3):
        opener = _TEX.match(content)
        if not opener or not content.endswith("}") or "}" in content[opener.end() : -1]:
            break
        content = content[opener.end() : -1].strip()
    return content


def without_fences(text: str, names: set[str]) -> str:
    """E5: the text without the marks of code fences."""
    bare = _FENCE.sub("", text).rstrip()
    for mark in "`~":
        end = bare.rstrip(mark)
        if len(bare) - len(end) >= 3:
            bare = end.rstrip()
    inner = bare.strip()
    if len(inner) > 2 and inner[0] == inner[-1] == "`" and inner[1:].lstrip()[:1] in ("{", "[", "｛", "［"):
        bare = inner[1:-1]
    if bare != text.rstrip():
        names.add("fence")
    return bare

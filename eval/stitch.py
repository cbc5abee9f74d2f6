"""Parts of a clip to one timeline: times counted from the start of the clip, what two windows both saw seen once.

A clip that is long is asked about in windows that overlap (infer/stream). `stitch` makes one timeline of what was seen
in them; `merged` makes one answer of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Any
from unicodedata import normalize

from infer.stream.parts import clock

Utterance = dict[str, Any]
# Two utterances in the overlap of two windows are one where they share so much of their time there …
SAME_TIME = 0.5
# … and their words do not differ too much; or share any time, or nearly, with words that are alike, or much alike.
SOME_WORDS, ALIKE, MUCH_ALIKE = 0.3, 0.6, 0.8
# What is so near (s) to the edge of a window may have been cut off by it.
EDGE_S = 0.5
# Letters of a text so short that many others hold it.
SHORT = 4


@dataclass(frozen=True, slots=True)
class Seen:
    """A window of a clip (seconds) and the utterances seen in it, by time, in the clip's times."""

    index: int
    start: float
    end: float
    utterances: Sequence[Utterance]


@dataclass(frozen=True, slots=True)
class _Entry:
    """An utterance on its way into the timeline; `left`, `right`: it may go on beyond that edge of its window;
    `seen_s`: how much of it was seen at once."""

    value: Utterance
    parts: tuple[int, ...]
    left: bool
    right: bool
    seen_s: float


def stitch(windows: Iterable[Seen]) -> tuple[list[Utterance], bool]:
    """The utterances of all windows as one timeline, by time and without overlaps, and whether an end was cut back for
    that. Each says in `parts` which windows it comes from.

    An utterance that two windows saw counts once, with the longest sight's labels, and from its first start to its last
    end if an edge cut it. Of different utterances at one time the later one's start ends the earlier one.
    """
    done: list[_Entry] = []
    until = 0.0
    for window in sorted(windows, key=lambda each: (each.start, each.end)):
        fresh = [_entry(utterance, window) for utterance in window.utterances]
        again = _pairs(done, fresh, window.start, until)
        for old, new in again.items():
            done[old] = _merged(done[old], fresh[new])
        done += [entry for place, entry in enumerate(fresh) if place not in again.values()]
        until = max(until, window.end)
    return chronological({**entry.value, "parts": list(entry.parts)} for entry in done)


def chronological(utterances: Iterable[Utterance]) -> tuple[list[Utterance], bool]:
    """The utterances by time, each ending when the next one starts at the latest, and whether that cut any short."""
    timeline = [dict(each) for each in sorted(utterances, key=lambda each: (each["start"], each["end"]))]
    clipped = False
    for now, after in pairwise(timeline):
        if now["end"] > after["start"]:
            now["end"], clipped = after["start"], True
    return timeline, clipped


def _entry(value: Utterance, window: Seen) -> _Entry:
    start, end = value["start"], value["end"]
    left, right = start <= window.start + EDGE_S, end >= window.end - EDGE_S
    return _Entry(value, (window.index,), left, right, end - start)


def _pairs(done: list[_Entry], fresh: list[_Entry], start: float, until: float) -> dict[int, int]:
    """Which utterances of the timeline so far (seen up to `until`) the new window (from `start`) saw again, by place in
    both lists: the likest pairs first, each utterance once."""
    scores: list[tuple[float, int, int]] = []
    for place, old in enumerate(done):
        if old.value["end"] >= start - EDGE_S:
            found = ((_likeness(old, new, start, until), number) for number, new in enumerate(fresh))
            scores += [(-score, place, number) for score, number in found if score is not None]
    pairs: dict[int, int] = {}
    for _, place, number in sorted(scores):
        if place not in pairs and number not in pairs.values():
            pairs[place] = number
    return pairs


def _likeness(old: _Entry, new: _Entry, start: float, until: float) -> float | None:
    """How surely two sights are of one utterance; None where they are not. Only the stretch from `start` to `until`,
    which both windows saw, is compared; windows that merely touch have none, there the words decide."""
    a, b = ((max(e.value["start"], start), min(e.value["end"], until)) for e in (old, new))
    shared = min(a[1], b[1]) - max(a[0], b[0])
    cut = old.right and new.left
    words = likeness(old.value, new.value)
    if shared > 0:
        share: float = shared / (max(a[1], b[1]) - min(a[0], b[0]))
        told = words is None or words >= SOME_WORDS
        if (share >= SAME_TIME and (cut or told)) or (words or 0.0) >= ALIKE:
            return 1 + share + (words or 0.0)
        return None
    near = new.value["start"] - old.value["end"] <= EDGE_S and old.value["start"] <= new.value["start"]
    same = old.value["primary"] == new.value["primary"] and (cut or until > start)
    return words if words is not None and words >= MUCH_ALIKE and near and same else None


def _merged(old: _Entry, new: _Entry) -> _Entry:
    """One utterance out of two sights of it."""
    best = new if new.seen_s > old.seen_s else old
    starts, ends = (old.value["start"], new.value["start"]), (old.value["end"], new.value["end"])
    start = min(starts) if new.left or old.left else best.value["start"]
    end = max(ends) if old.right or new.right else best.value["end"]
    value = {**best.value, "start": start, "end": max(start, end)}
    parts = tuple(sorted({*old.parts, *new.parts}))
    return _Entry(value, parts, old.left, new.right, max(old.seen_s, new.seen_s))


def likeness(one: Mapping[str, Any], other: Mapping[str, Any]) -> float | None:
    """How like the words of two utterances are, from 0 to 1, in the transcript that both have (the likest of them): the
    share of the shorter one that the longer one holds in order; of very short ones, of both. None without a common
    transcript."""
    found: list[float] = []
    for key in ("transcript_zh", "transcript_en"):
        a, b = (_plain(each.get(key) or "") for each in (one, other))
        if a and b:
            blocks = SequenceMatcher(None, a, b, autojunk=False).get_matching_blocks()
            least = min(len(a), len(b), 2)  # single letters of long texts match by chance
            common = sum(block.size for block in blocks if block.size >= least)
            shorter = min(len(a), len(b))
            found.append(common / shorter if shorter >= SHORT else 2 * common / (len(a) + len(b)))
    return max(found, default=None)


def _plain(text: str) -> str:
    """Letters and digits alone, at most 400: enough to know a sentence by, and quick to compare."""
    return re.sub(r"[\W_]+", "", normalize("NFKC", text).casefold())[:400]


def dominant(utterances: Iterable[Utterance], labels: Sequence[str]) -> str | None:
    """The primary emotion of the longest time in all; ties go to the first label. None without utterances."""
    times = dict.fromkeys(labels, 0.0)
    spoken = list(utterances)
    for utterance in spoken:
        times[utterance["primary"]] += utterance["end"] - utterance["start"]
    return max(labels, key=lambda label: times[label]) if spoken else None


def merged(
    seen: Sequence[tuple[Seen, Mapping[str, Any]]], timeline: list[Utterance], labels: Sequence[str]
) -> Utterance:
    """The value of a Timeline for a whole clip: its utterances, and what the windows (with their values) say beside.

    Summary: that of the last window that gave one (it was told the one before). Dominant emotion: of the longest time.
    Trajectory: those of the windows, each behind its times.
    """
    summaries = [value["summary"] for _, value in seen if value["summary"]]
    courses = [
        f"{clock(window.start)}-{clock(window.end)}: {value['trend']['trajectory']}"
        for window, value in seen
        if value["trend"]["trajectory"]
    ]
    return {
        "summary": summaries[-1] if summaries else None,
        "trend": {"dominant": dominant(timeline, labels), "trajectory": "\n".join(courses) or None},
        "utterances": timeline,
    }

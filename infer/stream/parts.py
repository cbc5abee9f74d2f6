"""One part of a clip: its place, the replies that answer it, and the utterances in them in the clip's own times."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from infer.engine import Reply
from tasks.task import Sample

Span = tuple[float, float]
# An utterance: start and end in the clip's seconds, and its words.
Segment = tuple[float, float, str]
# A stretch of what is fed: start and end in the clip's seconds, and the time of its utterance as the question says it.
Stretch = tuple[float, float, str]
# What is fed shows an utterance of which it holds so much, or so many seconds.
SHARED, SEEN_S = 0.5, 1.0
# Of a window the reply holds a timeline, of these modes one utterance whose times are known.
ONE_UTTERANCE = ("given", "online")


@dataclass(frozen=True, slots=True)
class Part:
    """Part `index` of the `of` parts that a clip is asked about in. Times are seconds from the start of the clip:
    `start_s` to `end_s` is what is asked about, `media` what is fed, `clip_s` the length of the clip. `text`: what is
    said, where that is known. `stretches`: what is fed is fed in these, each behind its time; none: in one piece."""

    clip: Sample
    mode: str
    index: int
    of: int
    start_s: float
    end_s: float
    media: Span
    clip_s: float
    text: str = ""
    stretches: tuple[Stretch, ...] = ()

    @property
    def name(self) -> str:
        """A name that no other part of the run has."""
        return f"{self.clip.id}\0{self.index}"

    @property
    def within(self) -> tuple[int, int]:
        """Where, in what is fed, that lies which is asked about: whole seconds that hold it."""
        begin = self.media[0]
        return int(max(0.0, self.start_s - begin)), math.ceil(self.end_s - begin)

    def record(self) -> dict[str, Any]:
        """What replies.jsonl says about the part."""
        place = {"mode": self.mode, "index": self.index, "of": self.of, "start_s": self.start_s, "end_s": self.end_s}
        return place | {"media_s": list(self.media)}


def clock(seconds: float) -> str:
    """A time as `MM:SS`, to the second below."""
    return f"{int(seconds) // 60:02d}:{int(seconds) % 60:02d}"


def shown(first: float, last: float, begin: float, end: float) -> tuple[float, float] | None:
    """When an utterance is seen in what is fed from `begin` to `end`, in seconds from `begin`; None where it is not, or
    too little of it."""
    start, stop = max(first, begin), min(last, end)
    return (start - begin, stop - begin) if stop - start >= min(SEEN_S, SHARED * (last - first)) > 0 else None


def whole_seconds(first: float, last: float, length: float) -> tuple[int, int]:
    """A time within what is fed, `length` seconds long, as MM:SS can say it: rounded, a second at the least, and never
    from the end on."""
    start = min(round(first), max(0, math.ceil(length) - 1))
    return start, max(round(last), start + 1)


def by_index(replies: Iterable[Reply]) -> dict[int, list[Reply]]:
    """The replies to the parts of one clip, given in the order in which they were stored: of each part its attempts in
    order. Of several replies to one attempt the last counts. Parts of another mode or division than the last reply's
    are left out: the clip was replaced."""
    stored = [reply for reply in replies if reply.part is not None]
    attempts: dict[int, dict[int, Reply]] = {}
    for reply in stored:
        if _division(reply) == _division(stored[-1]) and reply.part is not None:
            attempts.setdefault(reply.part["index"], {})[reply.attempt] = reply
    return {index: [reply for _, reply in sorted(tried.items())] for index, tried in sorted(attempts.items())}


def _division(reply: Reply) -> tuple[Any, Any]:
    return (reply.part or {}).get("mode"), (reply.part or {}).get("of")


def utterances_of(value: Mapping[str, Any], part: Mapping[str, Any]) -> tuple[list[dict[str, Any]], list[str]]:
    """The utterances that a part's answer holds, in the clip's times, and what had to be dropped.

    A window's times count from its start; one that begins after the window's end is dropped, and an end is cut back to
    it (not for the last window: models count in whole seconds). Where the times were given, the first utterance has
    them and further ones are dropped.
    """
    found: list[dict[str, Any]] = []
    dropped: list[str] = []
    start, end = part["start_s"], part["end_s"]
    single, last = part["mode"] in ONE_UTTERANCE, part["index"] == part["of"] - 1
    for number, utterance in enumerate(value["utterances"]):
        if single:
            begin, finish = start, end
        else:
            begin, finish = round(utterance["start"] + start, 3), round(utterance["end"] + start, 3)
        if (single and found) or begin > end or (begin == end and not single):
            dropped.append(f"utterances[{number}]:{'too_many' if single else 'bad_time'}")
        else:
            found.append({**utterance, "start": begin, "end": finish if last else min(finish, end)})
    return found, dropped

"""How a clip is divided into parts in each mode, and what a part's question holds."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Literal

from infer.decode import ClipInfo, MediaError
from infer.feed import PART, Question
from infer.media import probe
from infer.stream.parts import Part, Segment, clock
from infer.stream.pauses import HOP_S, loudness, quietest, speech
from infer.stream.stretches import near, stretches, tokens
from infer.stream.windows import MOST_OVERLAP, SHORTEST_S, cut_between, fits_whole, longest_window, plan_windows
from prompts.render import MARKS
from prompts.schema import Schema, schema
from tasks.task import Media, Sample, Timeline

if TYPE_CHECKING:
    from infer.stream.pauses import Levels

Heard = Callable[[], "Levels"]
Mode = Literal["auto", "whole", "windows", "given", "online"]
TEMPLATES = {"given": "stream_given_json", "online": "stream_online_json"}
# Tokens kept free for what a part is told: a summary, and so much a recalled utterance, most of it for its words.
SUMMARY_TOKENS, RECALL_TOKENS, WORDS_TOKENS = 256, 96, 64
# Letters a token, at the least: English has four, a JSON Schema three, Chinese one or more.
LETTERS_A_TOKEN = 3
# How much shorter windows are tried, where those of stretches do not fit.
SHORTER = 0.9
# A shorter utterance is fed with a little of its surroundings.
SHORTEST_MEDIA_S = 1.0
RANGE = r"^[0-9]{2,3}:[0-5][0-9]-[0-9]{2,3}:[0-5][0-9]$"


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """How clips are asked about whose answer is a timeline."""

    mode: Mode = "auto"
    """whole: one question a clip. windows: one after another, each told what came before. given: each utterance by
    itself, its times being known. online: each utterance as it ends, without what follows. auto: whole where the clip
    fits the model, else windows."""
    window_s: float = 60.0
    """Longest window in seconds; shorter where the model has room for less."""
    overlap_s: float = 5.0
    """Seconds that a window shares with the one before; at most a quarter of a window."""
    horizon_s: float = 30.0
    """Seconds before the end of an utterance that are fed online."""
    recall: int = 6
    """Utterances before (given: before and after) that a part is told of."""
    segments: Literal["auto", "sentences", "gold", "sound"] = "auto"
    """Where the times of utterances come from (given, online, marks): sentence times of the data, the gold timeline, or
    the loudness of the sound. auto: sentence times where there are any, else the sound."""
    marks: bool = False
    """Write times between pictures and sound (whole, windows): what is fed is cut in the pauses between utterances, and
    each stretch stands behind the time of its utterance, as `segments` finds it."""

    def __post_init__(self) -> None:
        if not math.isfinite(self.window_s) or self.window_s < SHORTEST_S:
            raise ValueError(f"--window-s is {self.window_s}; it has to be at least {SHORTEST_S:g}")
        if not 0 <= self.overlap_s <= MOST_OVERLAP * self.window_s:
            raise ValueError(f"--overlap-s is {self.overlap_s}; legal is 0 to a quarter of --window-s {self.window_s}")
        if not math.isfinite(self.horizon_s) or self.horizon_s < SHORTEST_MEDIA_S:
            raise ValueError(f"--horizon-s is {self.horizon_s}; it has to be at least {SHORTEST_MEDIA_S:g}")
        if self.recall < 0:
            raise ValueError(f"--recall is {self.recall}; it has to be 0 or more")
        if self.marks and self.mode in TEMPLATES:
            raise ValueError(f"--marks is for whole clips and windows; --mode {self.mode} asks about single utterances")


@dataclass(frozen=True, slots=True)
class Told:
    """What a part is told: a summary of the clip so far, and utterances around it, a line each."""

    summary: str = ""
    lines: tuple[str, ...] = ()


def plan(sample: Sample, question: Question, options: StreamOptions, room: int | None) -> list[Part]:
    """The parts that a clip is asked about in; none where it is asked about as a whole, as all are whose answer is no
    timeline and those that one window holds.

    `room`: tokens for prompt and media (None: not known, whatever is sent fits). Raises MediaError for a clip that
    cannot be read, ValueError for one that cannot be divided so.
    """
    fed = question.options.video or question.options.audio
    if not isinstance(question.task.answer, Timeline) or not sample.media or not fed:
        return []
    if options.mode == "whole" and not options.marks:
        return []
    medium = sample.media[0]
    info = probe(medium.path)
    begin = medium.start_s or 0.0
    clip = replace(info, duration_s=min(medium.end_s or math.inf, info.duration_s) - begin)
    heard = cache(partial(_levels, medium, clip))
    room = None if room is None else room - text_tokens(question, sample)
    if options.mode in TEMPLATES:
        return _utterances(sample, clip, question, options, room, heard)
    if options.marks:
        return _marked(sample, clip, question, options, room, heard)
    if options.mode == "auto" and (room is None or fits_whole(clip, question.options, question.factor, room)):
        return []
    return _windows(sample, clip, question, options, room, heard)


def divide(sample: Sample, question: Question, options: StreamOptions, room: int | None) -> list[Part] | str:
    """The parts of a clip as `plan` gives them, or the reason why it cannot be divided."""
    try:
        return plan(sample, question, options, room)
    except MediaError as error:
        return f"media: {error}"
    except ValueError as error:
        return f"{sample.media[0].path}: {error}"


def _windows(
    sample: Sample, clip: ClipInfo, question: Question, options: StreamOptions, room: int | None, heard: Heard
) -> list[Part]:
    window_s = options.window_s
    if room is not None:
        room -= SUMMARY_TOKENS + options.recall * RECALL_TOKENS
        window_s = longest_window(clip, window_s, question.options, question.factor, room)
    return _cut_windows(sample, clip, window_s, options.overlap_s, heard)


def _cut_windows(sample: Sample, clip: ClipInfo, window_s: float, overlap_s: float, heard: Heard) -> list[Part]:
    """Windows of at most `window_s`; none where one holds the clip."""
    if clip.duration_s <= window_s:
        return []
    sentences = [(start, end) for start, end, _ in _sentences(sample)]
    cut = partial(cut_between, sentences) if sentences else partial(quietest, heard())
    spans = plan_windows(round(clip.duration_s, 3), window_s, min(overlap_s, MOST_OVERLAP * window_s), cut)
    return [
        Part(sample, "windows", k, len(spans), *span, media=span, clip_s=clip.duration_s)
        for k, span in enumerate(spans)
    ]


def _marked(
    sample: Sample, clip: ClipInfo, question: Question, options: StreamOptions, room: int | None, heard: Heard
) -> list[Part]:
    """A whole or windows in stretches, each behind the time of its utterance."""
    fed, factor, end = question.options, question.factor, clip.duration_s
    segments = _segments(sample, clip, options.segments, heard)
    if not segments and options.segments in ("sentences", "gold"):
        raise ValueError(f"no utterance is known in it; --marks needs times, --segments {options.segments} has none")
    whole = Part(sample, "whole", 0, 1, 0.0, end, (0.0, end), end, sample.text, stretches(segments, 0.0, end))
    thinned = fed.video and clip.has_video and end * fed.fps > fed.max_frames
    if options.mode == "whole" and thinned:
        raise ValueError(
            f"its {end:,.0f} s have more than {fed.max_frames:,} frames, which --marks cannot thin out: use --mode "
            "windows, or raise --max-frames"
        )
    whole_fits = not thinned and (room is None or tokens(whole.stretches, clip, fed, factor) <= room)
    if options.mode == "whole" or (options.mode == "auto" and whole_fits):
        return [whole]
    window_s = min(options.window_s, fed.max_frames / fed.fps) if fed.video and clip.has_video else options.window_s
    left = math.inf
    if room is not None:
        left = room - SUMMARY_TOKENS - options.recall * RECALL_TOKENS
        window_s = longest_window(clip, window_s, fed, factor, int(left))
    while True:
        cut = _cut_windows(sample, clip, window_s, options.overlap_s, heard)
        parts = [replace(part, stretches=stretches(near(segments, *part.media), *part.media)) for part in cut] or [
            whole
        ]
        most = max(tokens(part.stretches, clip, fed, factor) for part in parts)
        if most <= left:
            return parts
        if window_s <= SHORTEST_S:
            raise ValueError(
                f"{window_s:g} s of it take up to {most:,} tokens with their times, {left:,} are left for them: raise "
                "--max-model-len, or lower --max-tokens, --fps or --max-pixels"
            )
        window_s = max(SHORTEST_S, SHORTER * min(window_s, end))


def _utterances(
    sample: Sample, clip: ClipInfo, question: Question, options: StreamOptions, room: int | None, heard: Heard
) -> list[Part]:
    segments = _segments(sample, clip, options.segments, heard)
    if not segments:
        raise ValueError(f"no utterance is known or heard in it; --mode {options.mode} needs their times")
    horizon_s = options.horizon_s
    if room is not None and options.mode == "online":
        room -= options.recall * RECALL_TOKENS
        horizon_s = longest_window(clip, horizon_s, question.options, question.factor, room)
    parts = []
    for index, (start, end, text) in enumerate(segments):
        span = _fed(start, end, clip.duration_s)
        if options.mode == "online":
            last = min(end, clip.duration_s)
            span = (round(max(0.0, last - horizon_s), 3), last)
        parts.append(Part(sample, options.mode, index, len(segments), start, end, span, clip.duration_s, text))
    return parts


def _fed(start: float, end: float, duration_s: float) -> tuple[float, float]:
    """What is fed of an utterance: all of it, and at least a second within the clip."""
    missing = max(0.0, SHORTEST_MEDIA_S - (end - start)) / 2
    begin = max(0.0, min(start - missing, duration_s - SHORTEST_MEDIA_S))
    return round(begin, 3), round(min(duration_s, max(end + missing, begin + SHORTEST_MEDIA_S)), 3)


def _segments(sample: Sample, clip: ClipInfo, source: str, heard: Heard) -> list[Segment]:
    """The utterances of a clip by time, each at another place."""
    told = _sentences(sample) if source in ("auto", "sentences") else []
    if source == "gold" and sample.gold is not None:
        told = [(each["start"], each["end"], spoken(each, sample.language)) for each in sample.gold["utterances"]]
    if source == "sound" or (source == "auto" and not told):
        told = [(start, end, "") for start, end in speech(heard())]
    places = {(start, end): (start, end, text) for start, end, text in told if end > start and start < clip.duration_s}
    return sorted(places.values())


def _sentences(sample: Sample) -> list[Segment]:
    return [(float(start), float(end), str(text)) for start, end, text in sample.meta.get("sentences") or ()]


def _levels(medium: Media, clip: ClipInfo) -> Levels:
    """Loudness over the part of a file that is the clip."""
    begin = round((medium.start_s or 0.0) / HOP_S)
    return loudness(medium.path)[begin : begin + round(clip.duration_s / HOP_S)]


def text_tokens(question: Question, sample: Sample) -> int:
    """About how many tokens the text of a question has, rather too many than too few."""
    shown = replace(sample, meta={**sample.meta, "part_span": "00:00-00:00"})
    items = [item for message in question.messages(shown) for item in message["content"]]
    text = "".join(item.get("text", "") for item in items)
    return math.ceil(sum(map(_share, text))) + 64  # and what the chat template adds


def _share(letter: str) -> float:
    """A letter's share of a token, rather too much than too little."""
    return 1 / LETTERS_A_TOKEN if letter.isascii() else 1.0


def shortened(text: str, tokens: int) -> str:
    """A text as one line of at most about so many tokens: a runaway reply must not fill the next part's prompt."""
    line = " ".join(text.split())
    for end, used in enumerate(accumulate(map(_share, line))):
        if used > tokens:
            return line[:end] + "…"
    return line


def spoken(utterance: Mapping[str, Any], language: str) -> str:
    """What is said in an utterance, in the clip's language if that is there."""
    first, second = ("transcript_zh", "transcript_en") if language == "zh" else ("transcript_en", "transcript_zh")
    return str(utterance.get(first) or utterance.get(second) or "")


def part_sample(part: Part, told: Told) -> Sample:
    """The sample that a part is asked as: its stretch of the media, its text, and what it is told.

    With stretches, each is a medium of its own. For templates, `meta` holds part_number and part_count (windows),
    part_from, part_to and part_clip (MM:SS), part_summary, and part_span: the utterance within what is fed.
    """
    begin, end = part.media
    media = tuple(
        replace(medium, start_s=(medium.start_s or 0.0) + first, end_s=(medium.start_s or 0.0) + last)
        for first, last, _ in part.stretches or [(begin, end, "")]
        for medium in part.clip.media
    )
    meta: dict[str, Any] = {name: value for name, value in part.clip.meta.items() if name != "sentences"}
    meta[PART] = [part.mode, part.index, part.start_s, part.end_s]
    if part.mode == "windows":
        meta |= {"part_number": part.index + 1, "part_count": part.of, "part_summary": told.summary}
        meta |= {"part_from": clock(begin), "part_to": clock(end), "part_clip": clock(part.clip_s)}
    elif part.mode in TEMPLATES:
        meta["part_span"] = "-".join(map(clock, part.within))
    if part.stretches:
        meta[MARKS] = [mark for *_, mark in part.stretches for mark in (mark, *[""] * (len(part.clip.media) - 1))]
    context = part.clip.context if part.mode == "whole" else told.lines
    return replace(part.clip, id=part.name, gold=None, text=part.text, media=media, context=context, meta=meta)


def utterance_schema(kind: Timeline) -> Schema:
    """The schema of a reply to one utterance whose times are given: a timeline of it, without what concerns the whole.

    A reply within it is within the schema of `kind`.
    """
    whole = schema(kind)
    known = whole["properties"]["utterances"]["items"]
    wanted = ("timestamp_range", "primary_7class", "secondary_Goemotions", "intensity")
    fields = {name: known["properties"][name] for name in wanted}
    fields |= {"timestamp_range": {"type": "string", "pattern": RANGE}}
    nothing = {"type": "null"}
    trend = dict.fromkeys(whole["properties"]["overall_emotion_trend"]["properties"], nothing)
    one = {**known, "properties": fields, "required": list(wanted)}
    return {
        **whole,
        "properties": {
            "summary": nothing,
            "overall_emotion_trend": {**whole["properties"]["overall_emotion_trend"], "properties": trend},
            "utterances": {"type": "array", "items": one, "minItems": 1, "maxItems": 1},
        },
    }

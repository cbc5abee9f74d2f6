"""Which windows a long clip is asked about in: as long as the model can take, cut at pauses, overlapping a little."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from infer.decode import ClipInfo
from infer.media import frame_count, frame_size
from tasks.task import MediaOptions

Span = tuple[float, float]
# A window is cut within its last quarter; overlaps are at most as long, so that a moment lies in two windows at most.
SEARCH, MOST_OVERLAP = 0.75, 0.25
SHORTEST_S = 4.0
# What is left for the last window, at the least.
LAST_S = 1.0
# Tokens of a second of sound: Qwen2.5-Omni has 25, Qwen3-Omni half of that.
AUDIO_TOKENS_S = 25


def plan_windows(
    duration_s: float, window_s: float, overlap_s: float, cut: Callable[[float, float], float]
) -> list[Span]:
    """Windows (start, end in seconds) that cover a clip. `cut(low, high)` names the best moment to end one at.

    Each window but the first starts `overlap_s` before the one before it ends; none is longer than `window_s`.
    """
    windows: list[Span] = []
    start = 0.0
    while duration_s - start > window_s:
        low, high = start + SEARCH * window_s, min(start + window_s, duration_s - LAST_S)
        end = round(min(max(cut(low, high), low), high), 3)
        windows.append((start, end))
        start = round(end - overlap_s, 3)
    return [*windows, (start, duration_s)]


def cut_between(sentences: Sequence[Span], low: float, high: float) -> float:
    """The middle of the longest gap between sentences that overlaps low..high; else the last end of a sentence in it;
    else `high`. Times in seconds."""
    edges = [0.0, *(end for _, end in sentences)], [*(start for start, _ in sentences), math.inf]
    gaps = [(max(low, before), min(high, after)) for before, after in zip(*edges, strict=True)]
    open_ = [gap for gap in gaps if gap[1] > gap[0]]
    if open_:
        start, end = max(open_, key=lambda gap: (gap[1] - gap[0], gap[0]))
        return (start + end) / 2
    return max((end for _, end in sentences if low <= end <= high), default=high)


def media_tokens(info: ClipInfo, seconds: float, options: MediaOptions, factor: int) -> int:
    """About how many tokens so many seconds of a clip are fed as: frames by the sampling policy, sound at the higher
    rate of the families."""
    pictures = 0.0
    if options.video and info.has_video:
        total = max(2, round(seconds * info.fps))
        count = frame_count(total, info.fps, options)
        height, width = frame_size(info.height, info.width, count, options, factor)
        pictures = count / 2 * height * width / factor**2
    sound = seconds * AUDIO_TOKENS_S if options.audio and info.has_audio else 0.0
    return math.ceil(pictures + sound)


def fits_whole(info: ClipInfo, options: MediaOptions, factor: int, room: int) -> bool:
    """Whether a whole clip can be asked about at once: in `room` tokens, without thinning out its frames."""
    thinned = options.video and info.has_video and info.duration_s * options.fps > options.max_frames
    return not thinned and media_tokens(info, info.duration_s, options, factor) <= room


def longest_window(info: ClipInfo, window_s: float, options: MediaOptions, factor: int, room: int) -> float:
    """The longest window (s, at most `window_s`) that fits into `room` tokens with its frames at the full rate.

    Raises ValueError where not even 4 s fit.
    """
    longest = min(window_s, options.max_frames / options.fps) if options.video and info.has_video else window_s
    seconds, shortest = longest, min(SHORTEST_S, longest)
    while media_tokens(info, seconds, options, factor) > room:
        if seconds <= shortest:
            raise ValueError(
                f"{SHORTEST_S:g} s of it take {media_tokens(info, SHORTEST_S, options, factor):,} tokens, {room:,} are "
                "left for them: raise --max-model-len, or lower --max-tokens, --fps or --max-pixels"
            )
        seconds = max(shortest, seconds - 1.0)
    return seconds

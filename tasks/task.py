"""What is measured: samples, answer kinds and tasks. Plain data; nothing here reads a file.

A `Task` names its adapter (where samples come from), its template (what is asked), its answer kind (what may be
answered) and its metrics (what is counted). Everything to the right of this module works from these types alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

MediaKind = Literal["video", "audio"]


@dataclass(frozen=True, slots=True)
class Media:
    """One media file of a sample, whole or from `start_s` to `end_s` (seconds; None = from the start / to the end).

    A `video` brings its pictures and its sound track; an `audio` file brings sound alone.
    """

    kind: MediaKind
    path: Path
    start_s: float | None = None
    end_s: float | None = None


@dataclass(frozen=True, slots=True)
class MediaOptions:
    """What of a clip is fed, and how it is sampled. The defaults are the published policy of the Qwen-Omni tools."""

    video: bool = True
    """Feed the pictures."""
    audio: bool = True
    """Feed the sound."""
    audio_in_video: bool = False
    """Interleave the sound with the frames as one item, instead of feeding two items."""
    fps: float = 2.0
    """Frames sampled a second."""
    min_frames: int = 4
    """At least so many frames, where the clip has them."""
    max_frames: int = 768
    """At most so many frames."""
    min_pixels: int | None = None
    """Smallest area of a fed frame; if not given, 128 visual tokens of the model."""
    max_pixels: int | None = None
    """Largest area of a fed frame; if not given, 768 visual tokens of the model."""

    def __post_init__(self) -> None:
        if not 0 < self.fps < 1000:
            raise ValueError(f"--fps is {self.fps}; it has to be above 0 and below 1000")
        if not 2 <= self.min_frames <= self.max_frames:
            raise ValueError(
                f"min_frames is {self.min_frames} and max_frames {self.max_frames}; legal is 2 <= min <= max "
                "(two frames make one visual token in time)"
            )
        if self.min_pixels and self.max_pixels and self.min_pixels > self.max_pixels:
            raise ValueError(f"min_pixels {self.min_pixels} is above max_pixels {self.max_pixels}")
        if self.audio_in_video and not (self.video and self.audio):
            raise ValueError("audio_in_video feeds both modalities; it cannot be combined with leaving one out")


@dataclass(frozen=True, slots=True)
class Sample:
    """One item of a benchmark.

    `gold` has the shape of a parsed answer of the task's kind (`{"label": "Joy"}` for OneOf) or is None where no gold
    is known. `text` is the transcript, "" where there is none. `meta` holds what slices and resampling need (tier,
    source, speaker, …) and what a report shows; its values are JSON values.
    """

    id: str
    gold: Mapping[str, Any] | None
    text: str = ""
    media: tuple[Media, ...] = ()
    language: str = "en"
    context: tuple[str, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)


class LabelSpace(NamedTuple):
    """Labels in their fixed order (the tie order everywhere) and a table alias -> label."""

    labels: tuple[str, ...]
    aliases: tuple[tuple[str, str], ...] = ()


def _check_space(labels: tuple[str, ...], aliases: tuple[tuple[str, str], ...]) -> None:
    """Raises ValueError for labels or aliases of another shape; an alias must not bring in a label from outside."""
    if isinstance(labels, str) or not all(isinstance(label, str) and label for label in labels):
        raise ValueError(f"labels are {labels!r}; a tuple of words was expected")
    if len(set(labels)) < len(labels):
        raise ValueError(f"labels {labels!r}: one of them stands twice")
    for entry in aliases:
        if not isinstance(entry, tuple) or len(entry) != 2:
            raise ValueError(f"alias {entry!r}: pairs were expected, such as aliases=(('relaxed', 'calm'),)")
        if entry[1] not in labels:
            raise ValueError(f"alias {entry!r}: {entry[1]!r} is not one of the labels {', '.join(labels)}")


# --- Answer kinds: a closed union. Each says what a legal answer is; prompts/schema.py turns it into a JSON Schema,
# --- prompts/parsing/ reads replies of it. `Task.answer` holds one.


@dataclass(frozen=True, slots=True)
class OneOf:
    """One label of a closed set. Value: `{"label": str, "confidence": float | None}`."""

    labels: tuple[str, ...]
    aliases: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        _check_space(self.labels, self.aliases)


@dataclass(frozen=True, slots=True)
class AnyOf:
    """A set of labels. Closed (`labels` given): `{"labels": [{"label": str, "confidence": float | None}]}`.
    Open vocabulary (`labels` empty): `{"labels": [str]}`, at most `cap` of them."""

    labels: tuple[str, ...] = ()
    aliases: tuple[tuple[str, str], ...] = ()
    cap: int = 16

    def __post_init__(self) -> None:
        _check_space(self.labels, self.aliases)


@dataclass(frozen=True, slots=True)
class Record:
    """The compact EmoS reply (Prompt A). Value keys: emotion, confidence, goemotions (list of {label, confidence} or
    None), evidence, rationale."""

    emotion: OneOf
    goemotions: AnyOf


@dataclass(frozen=True, slots=True)
class Described:
    """A description, then open labels. Value: `{"description": str | None, "labels": [str]}`."""

    labels: AnyOf = AnyOf()


@dataclass(frozen=True, slots=True)
class Blend:
    """One emotion or two with shares. Value: `{"emotions": [{"emotion": str, "salience": int}]}`; two shares are one
    of the pairs (g, 100 - g) with g in `grid` (percent)."""

    labels: tuple[str, ...]
    aliases: tuple[tuple[str, str], ...] = ()
    grid: tuple[int, ...] = (30, 50, 70)


@dataclass(frozen=True, slots=True)
class Timeline:
    """Utterances with times. Value keys: summary, trend {dominant, trajectory}, utterances (start and end in
    seconds, primary, secondary, intensity 1-5, …)."""

    primary: OneOf
    secondary: AnyOf


@dataclass(frozen=True, slots=True)
class Dims:
    """Numbers in [low, high], one for each name. Value: `{name: float | None}`."""

    names: tuple[str, ...]
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Pick:
    """One key of a few options. Value: `{"choice": str}`. `texts` are the option texts, in the order of `options`,
    or empty when the task has none."""

    options: tuple[str, ...]
    aliases: tuple[tuple[str, str], ...] = ()
    texts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Official:
    """The reader of a published challenge script, bit for bit, for numbers that must equal that script's."""

    reader: Literal["mer_list", "preference"]


AnswerKind = OneOf | AnyOf | Record | Described | Blend | Timeline | Dims | Pick | Official


@dataclass(frozen=True, slots=True)
class Root:
    """Where a data set lies and how to read it. `data` holds the annotations; `media` the clips (None: where the
    release keeps them under `data`); `options` the task's named policies (see `Task.options`)."""

    data: Path
    media: Path | None = None
    options: Mapping[str, str] = field(default_factory=dict)


Adapter = Callable[[Root, str], Iterable[Sample]]


@dataclass(frozen=True, slots=True)
class Task:
    """One benchmark, as data.

    `adapter(root, split)` yields the samples in a fixed order. `sizes` are the published counts by split (empty for a
    data set of any size). `template` names a file in prompts/templates. The first of `metrics` is the headline.
    `group` is the meta key that resampling keeps together (speaker, film, dialogue). `slices` are the meta keys that
    scores are broken down by. `options` are named policies: name -> legal values, the first is the default. `wheels` is
    the edition of the emotion-wheel tables that its scores are computed with; "" for tasks that need none.
    """

    name: str
    version: str
    source: str
    adapter: Adapter
    answer: AnswerKind
    template: str
    metrics: tuple[str, ...]
    group: str
    slices: tuple[str, ...] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)
    splits: tuple[str, ...] = ("all",)
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    wheels: Literal["", "mer2025", "mer2026"] = ""

    @property
    def full_name(self) -> str:
        """`name@version`, as run directories and score rows write it."""
        return f"{self.name}@{self.version}"

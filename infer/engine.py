"""What an engine is: requests in, replies out. The only protocol of the project; everything else is data.

An engine yields each reply as soon as it is done, in any order. A request that fails gives a reply with an error; it
never raises into its neighbours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from infer.media import Clip
from prompts.render import Messages
from tasks.task import Media, MediaOptions


class EngineError(RuntimeError):
    """The engine itself died: no further request can be answered. What is stored stays; the run can be resumed."""


Decode = Literal["free", "schema", "label"]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How replies are decoded.

    `free`: no constraint. `schema`: constrained by the task's JSON Schema. `label`: the candidate labels are scored by
    log-probability in one forward pass. `temperature` 0 is greedy. `max_tokens` bounds the reply.
    """

    decode: Decode = "schema"
    temperature: float = 0.0
    max_tokens: int = 512
    seed: int = 0

    def __post_init__(self) -> None:
        if self.temperature < 0:
            raise ValueError(f"temperature is {self.temperature}; it has to be 0 (greedy) or above")
        if self.max_tokens < 1:
            raise ValueError(f"max_tokens is {self.max_tokens}; it has to be at least 1")


@dataclass(frozen=True, slots=True)
class Choice:
    """Candidates for `label` decoding: the reply is `head`, one of `labels`, `tail`."""

    head: str
    labels: tuple[str, ...]
    tail: str


@dataclass(frozen=True, slots=True)
class Request:
    """One question, with its media decoded.

    `key` names everything that determines the reply; `media_key` what determines the fed media (clip content and media
    options), so that engines may cache by it. `clips` are in the order of the sample's `media`. `schema` is set for
    `schema` decoding, `choice` for `label` decoding.
    """

    id: str
    key: str
    media_key: str
    messages: Messages
    clips: tuple[Clip, ...]
    options: MediaOptions
    schema: Mapping[str, Any] | None = None
    choice: Choice | None = None
    media: tuple[Media, ...] = ()


@dataclass(frozen=True, slots=True)
class Fed:
    """What a request really carried: frames and their true rate, seconds of sound, tokens by modality."""

    frames: int = 0
    fps: float = 0.0
    audio_s: float = 0.0
    audio_tokens: int = 0
    video_tokens: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """One line of replies.jsonl. `text` is the raw reply, None when there is an `error`. `finish`: stop | length |
    label. `usage`: prompt_tokens and completion_tokens. `label_logprobs`: label -> natural log of its normalised
    probability (label decoding only). `attempt` counts re-asks: 0 is the reply to the question itself. `part`:
    which part of a clip this answers, where clips are asked about in parts (infer/stream/parts.py)."""

    id: str
    key: str
    text: str | None = None
    finish: str | None = None
    usage: Mapping[str, int] = field(default_factory=dict)
    fed: Fed = Fed()
    label_logprobs: Mapping[str, float] | None = None
    error: str | None = None
    attempt: int = 0
    part: Mapping[str, Any] | None = None


class Engine(Protocol):
    """A loaded model."""

    factor: int
    """Patch size x merge size in pixels: frame sizes are multiples of it."""

    def prompt(self, messages: Messages) -> str:
        """The exact text of the messages with media placeholders, as the model's own chat template writes it."""
        ...

    def generate(self, requests: Iterable[Request], sampling: Sampling) -> Iterator[Reply]:
        """Replies to all requests, each as soon as it is done."""
        ...


def fed_media(request: Request, audio_tokens: int, video_tokens: int, note: str | None = None) -> Fed:
    """The record of what a request carried, from its clips and the token counts that the engine saw."""
    pictures = [clip for clip in request.clips if clip.frames is not None]
    return Fed(
        frames=sum(len(clip.frames) for clip in pictures if clip.frames is not None),
        fps=pictures[0].fps if pictures else 0.0,
        audio_s=sum(clip.audio_s for clip in request.clips),
        audio_tokens=audio_tokens,
        video_tokens=video_tokens,
        notes=(*(said for clip in request.clips for said in clip.notes), *([note] if note else [])),
    )


def check_items(messages: Messages, videos: int, audios: int) -> None:
    """Raises ValueError unless the messages hold as many video and audio items as are fed.

    Engines do not all notice: a placeholder without media would stay in the prompt as it is.
    """
    kinds = [item["type"] for message in messages for item in message["content"]]
    for kind, fed in (("video", videos), ("audio", audios)):
        if kinds.count(kind) != fed:
            raise ValueError(f"the prompt has {kinds.count(kind)} {kind} item(s), but {fed} are fed")


def lost_modality(request: Request, fed: Fed) -> str | None:
    """The error for a request that should have carried sound or pictures and did not: never a silent reply."""
    if request.options.audio and any(clip.has_audio for clip in request.clips) and fed.audio_tokens == 0:
        return "the clip has sound, but the request carried no audio tokens"
    if any(clip.frames is not None for clip in request.clips) and fed.video_tokens == 0:
        return "the clip has pictures, but the request carried no video tokens"
    return None

"""From samples to requests: prompt, key, media. Clips are decoded ahead of the engine by a few threads, in bounded
memory; a clip that fails becomes a reply with the reason."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from infer.engine import Choice, Reply, Request, Sampling
from infer.media import Clip, MediaError, content_hash, load_clip
from prompts.render import REPLY, Item, Messages, Template, render
from tasks.task import MediaOptions, Sample, Task

# The key of a sample's meta that names the part of a clip which the sample is: two parts may look alike.
PART = "stream_part"


@dataclass(frozen=True, slots=True)
class Question:
    """Everything about a request that is the same for all samples of a run."""

    task: Task
    template: Template
    transcript: bool
    system: str | None
    options: MediaOptions
    sampling: Sampling
    schema: Mapping[str, Any] | None
    choice: Choice | None
    model: Mapping[str, Any]
    factor: int
    thinking: bool = False
    second_stage: bool = False

    def messages(self, sample: Sample) -> Messages:
        """The question about one sample."""
        return render(
            self.task,
            sample,
            self.options,
            template=self.template,
            transcript=self.transcript,
            system=self.system,
            thinking=self.thinking,
        )


def digest(value: Any) -> str:
    """SHA-256 of a JSON value in canonical form, as hex."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def prepare(
    sample: Sample, question: Question, is_done: Callable[[str, str], bool], turns: Messages | None = None
) -> Request | Reply | None:
    """The request for one sample; a Reply when its media cannot be used; None when its reply is stored already.

    `turns` are appended to the question (a re-ask).
    """
    messages = question.messages(sample) + (turns or [])
    fed = sample.media if question.options.video or question.options.audio else ()
    content = [[m.kind, content_hash(m.path), m.start_s, m.end_s] for m in fed]
    media_key = digest([content, dataclasses.asdict(question.options), question.factor])
    sampling = dataclasses.asdict(question.sampling)
    choice = dataclasses.asdict(question.choice) if question.choice else None
    part = [sample.meta[PART]] if PART in sample.meta else []
    key = digest([messages, media_key, question.model, sampling, question.schema, choice, *part])
    if is_done(sample.id, key):
        return None
    if question.second_stage and REPLY not in sample.meta:
        return Reply(sample.id, key, error="the earlier run has no reply to this sample")
    try:
        clips = tuple(load_clip(medium, question.options, question.factor) for medium in fed)
    except MediaError as error:
        return Reply(sample.id, key, error=f"media: {error}")
    return Request(
        sample.id,
        key,
        media_key,
        _present(messages, clips),
        clips,
        question.options,
        question.schema,
        question.choice,
        fed,
    )


def _present(messages: Messages, clips: Sequence[Clip]) -> Messages:
    """The messages without the items that a clip turned out not to have (a video without sound)."""

    def is_there(item: Item) -> bool:
        if "media" not in item:
            return True
        clip = clips[item["media"]]
        if item["type"] == "text":
            return clip.frames is not None or clip.audio is not None
        return (clip.frames if item["type"] == "video" else clip.audio) is not None

    return [{**message, "content": [item for item in message["content"] if is_there(item)]} for message in messages]


def prepared(
    samples: Iterable[Sample],
    question: Question,
    is_done: Callable[[str, str], bool],
    threads: int = 2,
    turns: Mapping[str, Messages] | None = None,
) -> Iterator[Request | Reply | None]:
    """`prepare` over all samples, in their order, `threads` at a time and at most twice as many ahead.

    `turns` are further turns by sample id.
    """
    turns = turns or {}
    with ThreadPoolExecutor(threads, thread_name_prefix="media") as pool:
        ahead: deque[Future[Request | Reply | None]] = deque()
        try:
            for sample in samples:
                ahead.append(pool.submit(prepare, sample, question, is_done, turns.get(sample.id)))
                if len(ahead) > 2 * threads:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for job in ahead:
                job.cancel()

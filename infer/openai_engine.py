"""Any OpenAI-compatible endpoint as an engine: a vLLM server, a vendor's omni model.

The endpoint gets the clip's file (as a data URL; of a part of a file an mp4 of its frames) and its sound (as wav),
samples frames by its own policy, and may or may not say what it fed: tokens by modality are recorded where its usage
names them, and their absence is noted.
"""

from __future__ import annotations

import base64
import io
import json
import mimetypes
import os
import wave
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from infer.engine import EngineError, Reply, Request, Sampling, fed_media, lost_modality
from infer.media import SAMPLE_RATE, Clip
from prompts.render import Messages
from tasks.mp4 import encode_mp4
from tasks.task import Media

UNTOLD = "the endpoint does not say what it fed"
SOUND_BITS = 128_000  # a second, of parts of clips


@dataclass(frozen=True, slots=True)
class EndpointOptions:
    """How an endpoint is asked (--engine openai)."""

    base_url: str = "http://localhost:8000/v1"
    """Address of the endpoint."""
    api_key_env: str = "OPENAI_API_KEY"
    """Name of the environment variable that holds the key; keys are never stored."""
    concurrency: int = 8
    """Requests under way at once."""
    timeout_s: float = 600.0
    """Seconds after which a request is given up."""
    retries: int = 5
    """How often a request is repeated, with growing pauses, after a lost connection, a full queue (429) or a 5xx."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The identity of a model behind an endpoint, in the place of a checkpoint."""

    model: str
    base_url: str
    factor: int = 28

    def identity(self) -> dict[str, Any]:
        """What can be known of it: its name and where it was asked."""
        return {"model": self.model, "endpoint": self.base_url}

    def prompt(self, messages: Messages) -> str:
        """The messages as they are sent, media named by kind; the endpoint applies a chat template of its own."""
        return json.dumps(messages, ensure_ascii=False, indent=1)


class OpenAIEngine:
    """`Engine` over an OpenAI-compatible endpoint."""

    def __init__(self, endpoint: Endpoint, options: EndpointOptions) -> None:
        from openai import OpenAI

        self._endpoint = endpoint
        self._options = options
        self.factor = endpoint.factor
        self._client = OpenAI(
            base_url=options.base_url,
            api_key=os.environ.get(options.api_key_env) or "none",
            timeout=options.timeout_s,
            max_retries=options.retries,
        )

    def prompt(self, messages: Messages) -> str:
        """See `Engine.prompt`."""
        return self._endpoint.prompt(messages)

    def generate(self, requests: Iterable[Request], sampling: Sampling) -> Iterator[Reply]:
        """See `Engine.generate`. Raises EngineError when the key is refused or the endpoint cannot be reached."""
        if sampling.decode == "label":
            raise ValueError("--decode label scores labels inside the model: it needs --engine vllm")
        waiting = iter(requests)
        with ThreadPoolExecutor(self._options.concurrency, thread_name_prefix="endpoint") as pool:
            flying: set[Future[Reply]] = set()
            try:
                while True:
                    while len(flying) < self._options.concurrency and (request := next(waiting, None)) is not None:
                        flying.add(pool.submit(self._ask, request, sampling))
                    if not flying:
                        return
                    done, flying = wait(flying, return_when=FIRST_COMPLETED)
                    for job in done:
                        yield job.result()
            finally:
                for job in flying:
                    job.cancel()

    def _ask(self, request: Request, sampling: Sampling) -> Reply:
        import openai

        try:
            done = self._client.chat.completions.create(
                model=self._endpoint.model,
                messages=self._messages(request),
                temperature=sampling.temperature,
                max_tokens=sampling.max_tokens,
                seed=sampling.seed,
                **_extras(request),
            )
        except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
            raise EngineError(
                f"{self._options.base_url} refuses the key in {self._options.api_key_env}: {error}"
            ) from None
        except openai.APIConnectionError as error:
            raise EngineError(f"{self._options.base_url} cannot be reached: {error}") from None
        except (openai.APIError, OSError, ValueError) as error:
            return Reply(request.id, request.key, error=f"{type(error).__name__}: {error}")
        return _reply(request, done)

    def _messages(self, request: Request) -> Any:
        """The messages in the endpoint's form, with the media inside."""

        def part(item: Mapping[str, Any]) -> dict[str, Any]:
            if item["type"] == "text":
                return {"type": "text", "text": item["text"]}
            index = item["media"]
            if item["type"] == "video":
                return {"type": "video_url", "video_url": {"url": data_url(request.media[index], request.clips[index])}}
            return {"type": "input_audio", "input_audio": {"data": wav(request.clips[index]), "format": "wav"}}

        return [
            {"role": message["role"], "content": [part(item) for item in message["content"]]}
            for message in request.messages
        ]


def data_url(media: Media, clip: Clip) -> str:
    """A media file as a data URL; of a part of a file, an mp4 of what is fed of it."""
    if media.start_s is not None or media.end_s is not None:
        return f"data:video/mp4;base64,{base64.b64encode(cut(clip)).decode()}"
    kind = mimetypes.guess_type(media.path.name)[0] or "video/mp4"
    return f"data:{kind};base64,{base64.b64encode(media.path.read_bytes()).decode()}"


def cut(clip: Clip) -> bytes:
    """A clip's sampled frames and its sound as an mp4 (H.264 at the clip's own rate, AAC 16 kHz mono)."""
    if clip.frames is None:
        raise ValueError("the clip has no pictures to send")
    buffer = io.BytesIO()
    fps = Fraction(clip.fps).limit_denominator(1000)
    encode_mp4(buffer, clip.frames, fps, clip.audio, SAMPLE_RATE, {"preset": "veryfast", "crf": "18"}, SOUND_BITS)
    return buffer.getvalue()


def wav(clip: Clip) -> str:
    """The sound of a clip as a wav file (16 kHz, mono, 16 bit) in base64."""
    if clip.audio is None:
        raise ValueError("the clip has no sound to send")
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(SAMPLE_RATE)
        stream.writeframes((clip.audio.clip(-1, 1) * 32767).astype("<i2").tobytes())
    return base64.b64encode(buffer.getvalue()).decode()


def _extras(request: Request) -> dict[str, Any]:
    """Constrained decoding and interleaved sound, in the words of the OpenAI interface and of vLLM's server."""
    extras: dict[str, Any] = {}
    if request.schema is not None:
        described = {"name": "answer", "schema": dict(request.schema), "strict": True}
        extras["response_format"] = {"type": "json_schema", "json_schema": described}
    if request.options.audio_in_video:
        extras["extra_body"] = {"mm_processor_kwargs": {"use_audio_in_video": True}}
    return extras


def _reply(request: Request, done: Any) -> Reply:
    """A reply from a chat completion, with what the endpoint says that it fed."""
    details = done.usage.prompt_tokens_details.model_dump() if done.usage and done.usage.prompt_tokens_details else {}
    audio, video = details.get("audio_tokens"), details.get("video_tokens")
    fed = fed_media(request, audio or 0, video or 0)
    if audio is None and request.clips:
        fed = fed_media(request, 0, video or 0, note=UNTOLD)
    elif request.clips and video is not None:
        lost = lost_modality(request, fed)
        if lost:
            return Reply(request.id, request.key, fed=fed, error=lost)
    usage = {}
    if done.usage:
        usage = {"prompt_tokens": done.usage.prompt_tokens, "completion_tokens": done.usage.completion_tokens}
    choice = done.choices[0] if done.choices else None
    if choice is None or choice.message.content is None:
        refusal = getattr(choice.message, "refusal", None) if choice else None
        return Reply(request.id, request.key, usage=usage, fed=fed, error=f"no text in the completion ({refusal})")
    return Reply(request.id, request.key, choice.message.content, choice.finish_reason, usage, fed)

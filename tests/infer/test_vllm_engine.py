"""The real engine on a tiny checkpoint: what is fed, what is decoded, and parity with transformers."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from infer.checkpoint import Checkpoint
from infer.engine import Choice, Reply, Request, Sampling
from infer.media import SAMPLE_RATE, Clip, load_clip
from infer.vllm_engine import VllmEngine, first_tokens
from prompts.render import Messages
from prompts.schema import schema
from tasks.labels import label_space
from tasks.synthetic import SYNTHETIC
from tasks.task import Media, MediaOptions, OneOf, Root

pytestmark = pytest.mark.engine

SMALL = MediaOptions(min_pixels=168 * 168, max_pixels=168 * 168)
KIND = OneOf(*label_space("basic7"))
CHOICE = Choice('{"label":"', KIND.labels, '"}')


@pytest.fixture(scope="session")
def clips(synthetic_data: Path) -> list[Clip]:
    samples = list(SYNTHETIC.adapter(Root(synthetic_data), "all"))
    return [load_clip(sample.media[0], SMALL, 28) for sample in samples[:8]]


def messages(*kinds: str, text: str = "Which emotion?") -> Messages:
    media: Any = [{"type": kind, "media": 0} for kind in kinds]
    return [{"role": "user", "content": [*media, {"type": "text", "text": text}]}]


def request(name: str, clip: Clip, **changes: Any) -> Request:
    kinds = [kind for kind, there in (("video", clip.frames is not None), ("audio", clip.audio is not None)) if there]
    made = Request(name, name, name, messages(*kinds), (clip,), SMALL)
    return dataclasses.replace(made, **changes)


def replies(engine: VllmEngine, requests: Sequence[Request], **sampling: Any) -> dict[str, Reply]:
    settings = Sampling(**{"decode": "free", "max_tokens": 8, **sampling})
    found = list(engine.generate(requests, settings))
    assert sorted(reply.id for reply in found) == sorted(one.id for one in requests), "one reply a request"
    return {reply.id: reply for reply in found}


def test_every_reply_says_what_was_fed(engine: VllmEngine, clips: list[Clip]) -> None:
    found = replies(engine, [request(str(i), clip) for i, clip in enumerate(clips)])
    for i, clip in enumerate(clips):
        reply = found[str(i)]
        assert clip.frames is not None
        assert reply.error is None
        assert reply.fed.frames == len(clip.frames)
        assert reply.fed.fps == clip.fps
        # 28 x 28 pixels and two frames a token; 25 audio tokens a second.
        assert reply.fed.video_tokens == len(clip.frames) // 2 * (168 // 28) ** 2
        assert reply.fed.audio_tokens == pytest.approx(clip.audio_s * 25, abs=1)
        assert reply.usage["prompt_tokens"] > reply.fed.video_tokens + reply.fed.audio_tokens


def interleaved(name: str, clip: Clip) -> Request:
    options = dataclasses.replace(SMALL, audio_in_video=True)
    return request(name, clip, messages=messages("video"), options=options)


def test_audio_in_video_feeds_the_same_tokens(engine: VllmEngine, clips: list[Clip]) -> None:
    two = replies(engine, [request(str(i), clip) for i, clip in enumerate(clips)])
    one = replies(engine, [interleaved(str(i), clip) for i, clip in enumerate(clips)])
    for name, reply in one.items():
        assert reply.error is None
        assert reply.fed.audio_tokens == two[name].fed.audio_tokens > 0
        assert reply.fed.video_tokens == two[name].fed.video_tokens > 0


@pytest.mark.parametrize("make", [request, interleaved])
def test_equal_frames_with_different_sound_do_not_collide(engine: VllmEngine, clips: list[Clip], make: Any) -> None:
    clip = clips[0]
    assert clip.audio is not None
    sounds = [clip.audio, np.zeros_like(clip.audio), clip.audio[: len(clip.audio) // 2], clip.audio[::-1].copy()]
    variants = [dataclasses.replace(clip, audio=sound) for sound in sounds * 2]
    found = replies(engine, [make(f"same-{i}", variant) for i, variant in enumerate(variants)])
    for i, variant in enumerate(variants):
        assert found[f"same-{i}"].error is None
        assert found[f"same-{i}"].fed.audio_tokens == pytest.approx(variant.audio_s * 25, abs=1)


@pytest.mark.parametrize("make", [request, interleaved])
def test_clips_share_one_processor(engine: VllmEngine, clips: list[Clip], make: Any) -> None:
    from vllm.transformers_utils.processor import cached_get_processor

    replies(engine, [make("first", clips[0])])
    before = cached_get_processor.cache_info().currsize
    changed = [dataclasses.replace(clip, fps=1.1 + i / 10) for i, clip in enumerate(clips)]
    replies(engine, [make(f"fps-{i}", clip) for i, clip in enumerate(changed)])
    assert cached_get_processor.cache_info().currsize == before


@pytest.mark.parametrize("make", [request, interleaved])
def test_a_clip_without_sound_is_asked_without_sound(engine: VllmEngine, clips: list[Clip], make: Any) -> None:
    silent = dataclasses.replace(clips[0], audio=None, has_audio=False, notes=("no sound track",))
    reply = replies(engine, [make("silent", silent)])["silent"]
    assert reply.error is None
    assert reply.fed.audio_tokens == 0
    assert reply.fed.video_tokens > 0
    assert reply.fed.notes == ("no sound track",)


def test_sound_that_does_not_reach_the_model_is_an_error(engine: VllmEngine, clips: list[Clip]) -> None:
    lost = dataclasses.replace(clips[0], audio=None)  # the file has sound, the request carries none
    found = replies(engine, [request("good", clips[1]), request("lost", lost)])
    assert found["good"].error is None
    assert found["lost"].text is None
    assert "carried no audio tokens" in str(found["lost"].error)


def test_a_bad_request_costs_no_neighbour(engine: VllmEngine, clips: list[Clip]) -> None:
    long = request("long", clips[0], messages=messages("video", "audio", text="joy " * 3000))
    mismatch = request("mismatch", clips[1], messages=messages("video", "video", "audio"))
    found = replies(engine, [request("before", clips[2]), long, mismatch, request("after", clips[3])])
    assert found["before"].error is None
    assert found["after"].error is None
    assert "maximum context length is 2048" in str(found["long"].error)
    assert found["mismatch"].error


def test_schema_decoding_gives_valid_json(engine: VllmEngine, clips: list[Clip]) -> None:
    rules = schema(KIND)
    asked = [request(f"schema-{i}", clip, schema=rules) for i, clip in enumerate(clips)]
    found = replies(engine, asked, decode="schema", max_tokens=64)
    whole = [reply for reply in found.values() if reply.finish == "stop"]
    assert whole
    for reply in whole:
        assert reply.text is not None
        jsonschema.validate(json.loads(reply.text), rules)
        assert "\n" not in reply.text, "no free white space"


def test_label_decoding_gives_a_distribution(engine: VllmEngine, clips: list[Clip]) -> None:
    found = replies(engine, [request(f"label-{i}", c, choice=CHOICE) for i, c in enumerate(clips)], decode="label")
    for reply in found.values():
        assert reply.label_logprobs is not None
        assert set(reply.label_logprobs) == set(KIND.labels)
        assert sum(map(math.exp, reply.label_logprobs.values())) == pytest.approx(1.0)
        best = max(reply.label_logprobs, key=lambda label: reply.label_logprobs[label])  # type: ignore[index]
        assert json.loads(str(reply.text)) == {"label": best}
        assert reply.usage["completion_tokens"] == 1


def test_labels_that_begin_alike_are_refused(engine: VllmEngine, clips: list[Clip]) -> None:
    with pytest.raises(ValueError, match="begin with the same token"):
        replies(engine, [request("alike", clips[0], choice=Choice("", ("xq", "xz"), ""))], decode="label")
    with pytest.raises(ValueError, match="merges"):
        first_tokens(engine._tokenizer, Choice("Jo", ("y",), ""))


def test_order_of_requests_does_not_matter(engine: VllmEngine, clips: list[Clip]) -> None:
    asked = [request(f"order-{i}", clip) for i, clip in enumerate(clips)]
    forth, back = replies(engine, asked), replies(engine, asked[::-1])
    assert {name: reply.text for name, reply in forth.items()} == {name: reply.text for name, reply in back.items()}


def load_thinker(checkpoint: Checkpoint) -> Any:
    """The thinker of a tiny Qwen2.5-Omni checkpoint, in transformers."""
    from safetensors.torch import load_file
    from transformers import AutoConfig, Qwen2_5OmniThinkerForConditionalGeneration

    thinker = Qwen2_5OmniThinkerForConditionalGeneration(AutoConfig.from_pretrained(checkpoint.model).thinker_config)
    weights = load_file(str(Path(checkpoint.model) / "model.safetensors"))
    thinker.load_state_dict({name.removeprefix("thinker."): value for name, value in weights.items()})
    return thinker.eval()


def thinker_logprobs(thinker: Any, checkpoint: Checkpoint, one: Request) -> dict[str, float]:
    """Label log-probabilities by transformers: its own processor, its own thinker."""
    import torch
    from transformers import AutoProcessor

    processor = AutoProcessor.from_pretrained(checkpoint.model)
    (clip,) = one.clips
    interleave = one.options.audio_in_video
    inputs = processor(
        text=[checkpoint.prompt(one.messages) + CHOICE.head],
        videos=[clip.frames],
        audio=[clip.audio],
        fps=clip.fps,
        use_audio_in_video=interleave,
        do_sample_frames=False,
        size={"shortest_edge": 1, "longest_edge": 1 << 40},
        return_tensors="pt",
    )
    with torch.no_grad():
        logits = thinker(**inputs, use_audio_in_video=interleave).logits[0, -1]
    tokens = first_tokens(processor.tokenizer, CHOICE)
    scores = torch.log_softmax(logits[list(tokens.values())], -1).tolist()
    return dict(zip(tokens, scores, strict=True))


# vLLM 0.32 counts the <|audio_bos|> that opens an interleaved block as its first position, so each of its tokens gets
# the position of its neighbour; two items are placed exactly as transformers places them.
@pytest.mark.parametrize(("make", "tolerance"), [(request, 1e-5), (interleaved, 2e-2)])
def test_log_probabilities_equal_transformers(
    engine: VllmEngine, tiny: Checkpoint, clips: list[Clip], make: Any, tolerance: float
) -> None:
    asked = [dataclasses.replace(make(f"parity-{i}", clip), choice=CHOICE) for i, clip in enumerate(clips[:4])]
    found = replies(engine, asked, decode="label")
    thinker = load_thinker(tiny)
    for one in asked:
        ours, theirs = found[one.id].label_logprobs, thinker_logprobs(thinker, tiny, one)
        assert ours is not None
        for label in KIND.labels:
            assert ours[label] == pytest.approx(theirs[label], abs=tolerance)


def test_pictures_their_order_and_sound_reach_the_answer(engine: VllmEngine, clips: list[Clip]) -> None:
    clip = clips[0]
    assert clip.frames is not None
    assert clip.audio is not None
    changed = {
        "whole": clip,
        "reversed": dataclasses.replace(clip, frames=clip.frames[::-1].copy()),
        "black": dataclasses.replace(clip, frames=np.zeros_like(clip.frames)),
        "muted": dataclasses.replace(clip, audio=np.zeros(len(clip.audio), np.float32)),
    }
    found = replies(engine, [request(name, c, choice=CHOICE) for name, c in changed.items()], decode="label")
    seen = {name: tuple(np.round(list((reply.label_logprobs or {}).values()), 6)) for name, reply in found.items()}
    assert len(set(seen.values())) == len(changed), seen


def test_an_audio_file_alone(engine: VllmEngine, tmp_path: Path) -> None:
    from tests.infer.clips import write_audio

    clip = load_clip(Media("audio", write_audio(tmp_path / "voice.wav", seconds=1.5)), SMALL, 28)
    reply = replies(engine, [request("voice", clip)])["voice"]
    assert reply.error is None
    assert (reply.fed.frames, reply.fed.video_tokens) == (0, 0)
    assert clip.audio is not None
    assert reply.fed.audio_tokens == pytest.approx(len(clip.audio) / SAMPLE_RATE * 25, abs=1)

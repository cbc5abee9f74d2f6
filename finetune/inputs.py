"""From a decoded clip and a question to what the model computes with: equal to what vLLM feeds, number by number.

A clip becomes the features that its towers take (`features`); the question becomes token ids in which each medium has
as many placeholders as its tower gave vectors (`tokens`). Both go through the checkpoint's own processor, with the
settings of infer/vllm_engine.py: frames as loaded, their true rate, sound without the 300 s of padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from infer.checkpoint import Checkpoint
from infer.feed import Question
from infer.media import SAMPLE_RATE, Clip
from infer.quiet import quiet
from prompts.render import Messages, plain
from tasks.task import Sample

if TYPE_CHECKING:
    from torch import Tensor

MARK = "\x02reply\x02"


@dataclass(frozen=True, slots=True)
class Encoded:
    """What the towers give for one medium.

    `video` [tokens, hidden] and `deepstack` [levels, tokens, hidden] (None where the family has none); `grid`: patches
    in time, height and width; `seconds`: one step of the grid in time. `audio` [tokens, hidden]; `mels`: mel frames
    of the sound, 100 a second. A part that the medium does not have is None.
    """

    video: Tensor | None = None
    deepstack: Tensor | None = None
    grid: tuple[int, int, int] = (0, 0, 0)
    seconds: float = 0.0
    audio: Tensor | None = None
    mels: int = 0


class Processor:
    """The checkpoint's processor: features of clips, token ids of questions and replies."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        quiet()
        from transformers import AutoProcessor

        self.checkpoint = checkpoint
        self._processor: Any = AutoProcessor.from_pretrained(checkpoint.model)
        self.tokenizer: Any = self._processor.tokenizer

    def settings(self) -> list[Any]:
        """How features are made of pictures and sound: sizes, means, mel bands."""
        return [self._processor.video_processor.to_dict(), self._processor.feature_extractor.to_dict()]

    def features(self, clip: Clip) -> dict[str, Any]:
        """The tensors that the towers take for one clip, as the thinker's forward calls them; of a clip without
        pictures or without sound, those of the other alone."""
        options: dict[str, Any] = {"return_tensors": "pt"}
        text = ""
        if clip.frames is not None:
            text += self._processor.video_token
            options |= {"videos": [clip.frames], "fps": clip.fps, "do_sample_frames": False}
            # The frames have their size already; these bounds keep it.
            options["size"] = {"shortest_edge": 1, "longest_edge": 1 << 40}
        if clip.audio is not None:
            text += self._processor.audio_token
            audio = self._whole_hops(clip.audio)
            options |= {"audio": [audio], "audio_kwargs": {"max_length": len(audio), "sampling_rate": SAMPLE_RATE}}
        found = self._processor(text=[text], **options)
        wanted = ("pixel_values_videos", "video_grid_thw", "input_features", "feature_attention_mask")
        return {name: found[name] for name in wanted if name in found}

    def _whole_hops(self, audio: Any) -> Any:
        """Sound filled up to whole mel frames, where the family's engine does so (Qwen3-Omni)."""
        import numpy as np

        hop = self._processor.feature_extractor.hop_length
        short = -len(audio) % hop
        return np.pad(audio, (0, short)) if short and self.checkpoint.family == "qwen3_omni_moe" else audio

    def tokens(self, messages: Messages, media: Sequence[Encoded], *, interleave: bool) -> list[int]:
        """Token ids of a question, each placeholder repeated as often as its medium has vectors.

        `interleave`: the sound of a video stands between its frames (`MediaOptions.audio_in_video`).
        """
        import torch

        pictures = [one for one in media if one.video is not None]
        sounds = [one for one in media if one.audio is not None]
        (text,) = self._processor.replace_multimodal_special_tokens(
            [self.checkpoint.prompt(messages)],
            iter([len(one.audio) for one in sounds if one.audio is not None]),
            iter([]),
            iter([torch.tensor(one.grid) for one in pictures]),
            video_second_per_grid=iter([one.seconds for one in pictures]),
            use_audio_in_video=interleave and bool(pictures) and bool(sounds),
            position_id_per_seconds=self._per_second,
            seconds_per_chunk=2.0,
        )
        ids: list[int] = self.tokenizer(text)["input_ids"]
        return ids

    @property
    def _per_second(self) -> float:
        """Positions a second, the processors' own setting for interleaving."""
        return {"qwen2_5_omni": 25, "qwen3_omni_moe": 13.0}[self.checkpoint.family]

    def reply(self, text: str, messages: Messages) -> list[int]:
        """Token ids of a reply and of the token that ends it in the chat template. What looks like a special token in
        a data cell is none."""
        ids: list[int] = self.tokenizer(plain(text))["input_ids"]
        return [*ids, self.end_token(messages)]

    def end_token(self, messages: Messages) -> int:
        """The token with which the chat template ends a reply to these messages; generation stops at it."""
        said: Any = {"role": "assistant", "content": [{"type": "text", "text": MARK}]}
        whole = self._processor.apply_chat_template([*messages, said], tokenize=False, add_generation_prompt=False)
        _, mark, rest = str(whole).partition(MARK)
        ids = self.tokenizer(rest)["input_ids"]
        if not mark or not ids or ids[0] not in {*self.tokenizer.all_special_ids, self.tokenizer.eos_token_id}:
            raise ValueError(
                f"{self.checkpoint.model}: its chat template does not end a reply with a special token (found "
                f"{rest[:40]!r}); the model would never learn to stop"
            )
        return int(ids[0])


def question_for(question: Question, sample: Sample, media: Sequence[Encoded]) -> Messages:
    """The messages about a sample, without the items that its media turned out not to have (as infer.feed does)."""
    messages = question.messages(sample)
    there = {("video", i) for i, one in enumerate(media) if one.video is not None}
    there |= {("audio", i) for i, one in enumerate(media) if one.audio is not None}
    there |= {("text", i) for _, i in there}
    # With the sound between the frames, one video item stands for both.
    return [
        {
            **message,
            "content": [
                item for item in message["content"] if "media" not in item or (item["type"], item["media"]) in there
            ],
        }
        for message in messages
    ]


def dropped(one: Encoded, *, video: bool, audio: bool) -> Encoded:
    """A medium without its pictures or its sound."""
    if not video:
        one = replace(one, video=None, deepstack=None)
    return one if audio else replace(one, audio=None, mels=0)

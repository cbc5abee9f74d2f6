"""From samples to training examples: token ids, positions, and which tokens are learned.

The question is rendered, tokenised and filled with media exactly as at inference; the canonical reply and the token
that ends it follow. The loss is taken on these last tokens alone. An example that is asked about (validation) has the
question alone.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.inputs import Encoded, Processor, dropped, question_for
from finetune.recipe import Recipe
from finetune.samples import Chosen
from finetune.targets import confidence_of
from finetune.towers import Prepared, Towers, ahead
from infer.checkpoint import Checkpoint
from infer.feed import Question
from infer.media import MediaError
from infer.run import InferConfig
from infer.run import make_question as question_of
from tasks.task import Sample

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Example:
    """What one sample is to the model.

    `tokens` [n] and their 3-D `positions` [3, n] (time, height, width); the last `learned` tokens are the reply with
    its end token (0 for a question alone). `weight` multiplies their loss.
    """

    id: str
    tokens: Tensor
    positions: Tensor
    learned: int
    media: tuple[Encoded, ...]
    weight: float = 1.0

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A sample with its media prepared by a worker; the epoch draws which modalities are left out (None: none)."""

    sample: Sample
    media: tuple[Prepared, ...]
    epoch: int | None = None


def make_question(recipe: Recipe, chosen: Chosen, checkpoint: Checkpoint) -> Question:
    """What is the same for all questions of the run, made by `omnimer infer` itself from the options of the recipe.

    Raises ValueError for a way to divide clips where the task asks for no timeline.
    """
    data = recipe.data
    asked = InferConfig(
        data.task,
        data.folder or Path(),
        template=data.template or None,
        transcript=data.transcript,
        system=data.system,
        decode="free",
        clip=recipe.clip,
        stream=recipe.stream,
    )
    return question_of(asked, chosen.task, checkpoint)


class Maker:
    """Makes examples. `wait` may run in any thread, `make` in the one that holds the towers."""

    def __init__(
        self, recipe: Recipe, chosen: Chosen, question: Question, processor: Processor, towers: Towers, thinker: Any
    ) -> None:
        self._recipe = recipe
        self._replies = chosen.replies
        self._question = question
        self._processor = processor
        self._towers = towers
        self._thinker = thinker

    def model_identity(self) -> dict[str, Any]:
        """What says which base model is trained."""
        return dict(self._question.model)

    def wait(self, sample: Sample, epoch: int | None = None) -> Waiting:
        """Prepares the media of a sample; `epoch` draws which modalities are left out (None: none)."""
        return Waiting(sample, tuple(self._towers.prepare(medium) for medium in sample.media), epoch)

    def encoded(self, waiting: Waiting) -> tuple[Encoded, ...]:
        """The vectors of a sample's media, whole."""
        return tuple(self._towers.finish(one) for one in waiting.media)

    def make(self, waiting: Waiting, *, learn: bool = True) -> Example:
        """The example of a sample; with `learn` False the question alone."""
        import torch

        sample, media = waiting.sample, self.encoded(waiting)
        drop = frozenset[str]()
        if waiting.epoch is not None:
            drop = drop_of(sample, waiting.epoch, self._recipe, media)
        media = tuple(dropped(one, video="video" not in drop, audio="audio" not in drop) for one in media)
        question = without(self._question, drop)
        messages = question_for(question, sample, media)
        tokens = self._processor.tokens(messages, media, interleave=question.options.audio_in_video)
        reply = self._processor.reply(self._replies[sample.id], messages) if learn else []
        ids = torch.tensor([*tokens, *reply])
        weighed = self._recipe.options.weight_by_confidence
        return Example(
            sample.id,
            ids,
            positions(self._thinker, ids, media, interleave=question.options.audio_in_video),
            len(reply),
            media,
            confidence_of(sample, self._recipe.options) if weighed else 1.0,
        )


def without(question: Question, drop: frozenset[str]) -> Question:
    """The question when modalities are left out: the prompt does not speak of what is not there."""
    if not drop:
        return question
    video = question.options.video and "video" not in drop
    audio = question.options.audio and "audio" not in drop
    options = dataclasses.replace(
        question.options,
        audio_in_video=question.options.audio_in_video and video and audio,
        video=video,
        audio=audio,
    )
    return dataclasses.replace(question, options=options, transcript=question.transcript and "transcript" not in drop)


def drop_of(sample: Sample, epoch: int, recipe: Recipe, media: Sequence[Encoded]) -> frozenset[str]:
    """What is left out of a sample in an epoch: drawn by seed, epoch and id alone, so the same after a resume.

    `media`: what its media turned out to hold. Where nothing would be left, nothing is left out.
    """
    options = recipe.options
    there = {"video"} if any(one.video is not None for one in media) else set()
    if any(one.audio is not None for one in media):
        there.add("audio")
    if recipe.data.transcript and sample.text:
        there.add("transcript")
    chances = {"video": options.drop_video, "audio": options.drop_audio, "transcript": options.drop_transcript}
    drop = {name for name in there if _uniform(f"{recipe.optimiser.seed}/{epoch}/{name}/{sample.id}") < chances[name]}
    return frozenset() if drop == there else frozenset(drop)


def _uniform(name: str) -> float:
    """A number in [0, 1) from a name."""
    return int.from_bytes(hashlib.sha256(name.encode(errors="surrogatepass")).digest()[:7], "big") / (1 << 56)


def positions(thinker: Any, tokens: Tensor, media: Sequence[Encoded], *, interleave: bool) -> Tensor:
    """The 3-D positions [3, n] of token ids, by the thinker's own rule, as whole numbers.

    transformers gives Qwen3-Omni fractions of a step for the times of frames, and carries them on; vLLM cuts them off
    at each medium, and so does this: what is learned from is what is asked with. vLLM takes one frame rate a question
    too, that of the most frames (infer/vllm_engine.py).
    """
    import torch

    config = thinker.config
    pictures = iter([one for one in media if one.video is not None])
    sounds = iter([one for one in media if one.audio is not None])
    longest = max((one for one in media if one.video is not None), key=lambda one: one.grid[0], default=Encoded())
    both = interleave and all(any(getattr(one, name) is not None for one in media) for name in ("video", "audio"))
    opening = [config.vision_start_token_id, *([] if both else [config.audio_start_token_id])]
    starts = torch.isin(tokens, torch.tensor(opening)).nonzero()[:, 0].tolist()
    found: list[Tensor] = []
    for begin, end in pairwise(dict.fromkeys([0, *starts, len(tokens)])):
        piece = tokens[begin:end]
        picture = next(pictures, None) if piece[0] == config.vision_start_token_id else None
        heard = picture is not None if both else piece[0] == config.audio_start_token_id
        sound = next(sounds, None) if heard else None
        places, _ = thinker.get_rope_index(
            piece[None],
            None,
            torch.tensor([picture.grid]) if picture else None,
            torch.ones_like(piece)[None],
            both,
            torch.tensor([sound.mels]) if sound else None,
            torch.tensor([longest.seconds]) if picture else None,
        )
        found.append(places[:, 0].floor().long() + (int(found[-1].max()) + 1 if found else 0))
    return torch.cat(found, 1)


def media_failures(samples: Sequence[Sample], maker: Maker, threads: int, tick: Any) -> dict[str, str]:
    """Puts every sample's media through the towers (into the cache, where there is one); sample id -> the reason why
    its media cannot be used. `tick(failed)` is called for each."""

    def attempt(sample: Sample) -> Waiting | str:
        try:
            return maker.wait(sample)
        except (MediaError, ValueError, RuntimeError) as error:
            return f"media: {error}"

    failures: dict[str, str] = {}
    for sample, found in zip(samples, ahead(samples, attempt, threads, 2 * threads), strict=True):
        reason = found if isinstance(found, str) else _unusable(found, maker)
        if reason:
            failures[sample.id] = reason
        tick(bool(reason))
    return failures


def _unusable(waiting: Waiting, maker: Maker) -> str:
    """Puts a sample's media through the towers; why they cannot be used, "" where they can."""
    try:
        media = maker.encoded(waiting)
    except (ValueError, RuntimeError) as error:  # of this clip alone, such as one too long for the memory
        return f"media: {waiting.sample.media[0].path}: {error}"
    if media and all(one.video is None and one.audio is None for one in media):
        return "media: nothing of it is fed (no sound track, and no pictures are asked for)"
    return ""

"""Pretraining of the tiny Qwen2.5-Omni checkpoint: it learns to see, to hear and to describe, and no emotion.

With random weights the towers blur what a face does, and a LoRA adapter on the language layers learns nothing. So all
weights are trained, on data that say of no face and no voice which emotion it shows:

1. the eyes (vision tower) and the ears (audio tower) measure drawn portraits (infer/tiny_portraits.py);
2. the language layers describe portraits in words ("narrow low knitted … trembling harsh …"), from frozen towers;
3. in between they answer with what the text names, in JSON, whatever the media show (infer/tiny_forms.py), so that they
   know the form of a reply and the labels' names. Which label belongs to which face or voice, nothing tells them.

What decides how fast the towers learn is where they start: see `_wake` and `_filters`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from infer.checkpoint import Checkpoint
from infer.media import SAMPLE_RATE
from infer.quiet import quiet
from infer.tiny_forms import named
from infer.tiny_portraits import LOOKS, SIZE, SOUNDS, Portrait, portraits
from prompts.render import Messages

if TYPE_CHECKING:
    from torch import Tensor, nn

Item = TypeVar("Item")

REQUEST = "Describe the face and the voice in words."
BATCH = 16
NAMED = 0.25  # share of the language batches in which the text names the label
WARM_UP = 20  # steps
MATRIX_RATE, OTHER_RATE = 0.02, 2e-3
# Where the four heads of the first vision layer look at first, and of the second: (down, right) in patches.
GAZES = (((-1, -1), (-1, 1), (1, -1), (1, 1)), ((-2, 0), (2, 0), (0, -2), (0, 2)))
GAZE_STRENGTH = 3.0


@dataclass(frozen=True, slots=True)
class Budget:
    """How much is learned: batches of BATCH portraits, and passes of each part over them. `timelines`: share of the
    named replies that are timelines, 0 to 1; the others are labels."""

    batches: int = 160
    eyes: int = 5
    ears: int = 6
    language: int = 4
    timelines: float = 0.0


@dataclass(frozen=True, slots=True)
class Batch:
    """BATCH portraits of one duration, and their sounds as the audio tower takes them."""

    portraits: Sequence[Portrait]
    sound: dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Encoded:
    """A batch as the towers give it: vectors [portraits, tokens, hidden] of the pictures and of the sound."""

    batch: Batch
    seen: Tensor
    heard: Tensor


@dataclass(frozen=True, slots=True)
class Pupil:
    """The thinker that is trained, and what feeds it."""

    thinker: Any
    processor: Any
    checkpoint: Checkpoint

    def see(self, videos: Sequence[NDArray[np.uint8]]) -> Tensor:
        """The vision tower's vectors of videos of one length, uint8 [T, height, width, 3]: [videos, tokens, hidden]."""
        import torch

        options = {"do_sample_frames": False, "do_resize": False, "return_tensors": "pt"}
        fed = self.processor.video_processor(videos=list(videos), **options)
        found = self.thinker.get_video_features(fed["pixel_values_videos"], fed["video_grid_thw"], return_dict=True)
        return torch.stack(found.pooler_output)

    def hear(self, batch: Batch) -> Tensor:
        """The audio tower's vectors, [portraits, tokens, hidden]."""
        found: Tensor = self.thinker.get_audio_features(**batch.sound, return_dict=True).last_hidden_state
        return found.reshape(len(batch.portraits), -1, found.shape[-1])


def pretrain(folder: Path, seed: int, budget: Budget) -> None:
    """Trains the random checkpoint in `folder` and overwrites its weights.

    The same seed, budget, library versions and number of threads give the same weights.
    """
    import torch
    from safetensors.torch import save_file

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        pupil = _pupil(folder)
        rng = np.random.default_rng(np.random.SeedSequence([seed, 1]))
        batches = [_batch(pupil, rng) for _ in range(budget.batches)]
        _learn_to_see(pupil, batches, budget.eyes, rng)
        _learn_to_hear(pupil, batches, budget.ears, rng)
        with torch.no_grad():
            encoded = [Encoded(batch, pupil.see(_frames(batch)), pupil.hear(batch)) for batch in batches]
        _learn_to_speak(pupil, encoded, budget.language, budget.timelines, rng)
    state = {f"thinker.{name}": tensor.contiguous() for name, tensor in pupil.thinker.state_dict().items()}
    save_file(state, str(folder / "model.safetensors"), metadata={"format": "pt"})


def _pupil(folder: Path) -> Pupil:
    from safetensors.torch import load_file
    from transformers import AutoConfig, AutoProcessor, Qwen2_5OmniThinkerForConditionalGeneration

    quiet()
    thinker = Qwen2_5OmniThinkerForConditionalGeneration(AutoConfig.from_pretrained(folder).thinker_config)
    weights = load_file(str(folder / "model.safetensors"))
    thinker.load_state_dict({name.removeprefix("thinker."): value for name, value in weights.items()})
    return Pupil(thinker.train(), AutoProcessor.from_pretrained(folder), Checkpoint(str(folder)))


def _batch(pupil: Pupil, rng: np.random.Generator) -> Batch:
    drawn = portraits(BATCH, rng)
    found = pupil.processor.feature_extractor(
        [portrait.sound for portrait in drawn],
        sampling_rate=SAMPLE_RATE,
        padding="longest",
        return_attention_mask=True,
        return_tensors="pt",
    )
    return Batch(drawn, {"input_features": found["input_features"], "feature_attention_mask": found["attention_mask"]})


def _frames(batch: Batch) -> list[NDArray[np.uint8]]:
    return [portrait.frames for portrait in batch.portraits]


# --- where the weights start -------------------------------------------------------------------------------------


def _wake(module: nn.Module) -> None:
    """Weights as large as their inputs are many, so that signals pass: the usual 0.02 puts a narrow model to sleep."""
    from torch import nn

    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Conv1d):
            nn.init.normal_(part.weight, std=part.weight[0].numel() ** -0.5)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
        elif isinstance(part, nn.Embedding):
            nn.init.normal_(part.weight, std=0.1)


def _filters(size: int, count: int) -> Tensor:
    """Filters of a patch of two frames, [count, 3, 2, size, size]: the coarsest cosine waves of each frame in grey,
    then contrasts of colour."""
    import torch

    places = torch.arange(size)
    waves = torch.cos(math.pi * (places + 0.5) * places[:, None] / size)
    waves /= waves.norm(dim=1, keepdim=True)
    order = sorted(((i, j) for i in range(size) for j in range(size)), key=lambda pair: pair[0] ** 2 + pair[1] ** 2)
    found = torch.zeros(count, 3, 2, size, size)
    for place in range(count - 3):
        i, j = order[place // 2]
        found[place, :, place % 2] = torch.outer(waves[i], waves[j]) / math.sqrt(12)
    for channel in range(3):
        found[count - 3 + channel, channel] = 1 / size**2
        found[count - 3 + channel, (channel + 1) % 3] = -1 / size**2
    return found


def _wake_eyes(tower: Any) -> None:
    """Fast learning of few pictures: patches start as waves, and heads as convolutions that look at their neighbours
    (by the biases of queries and keys, which the rotary positions turn)."""
    import torch

    _wake(tower)
    with torch.no_grad():
        kernel = tower.patch_embed.proj.weight
        kernel.copy_(_filters(kernel.shape[-1], len(kernel)) + 0.005 * torch.randn_like(kernel))
        turns = tower.rotary_pos_emb.inv_freq
        for block, gazes in zip(tower.blocks, GAZES, strict=True):
            query, key = block.attn.q, block.attn.k
            query.weight *= 0.3
            key.weight *= 0.3
            for part in (query, key):
                part.bias.zero_()
            width = len(query.bias) // len(gazes)
            strength = math.sqrt(GAZE_STRENGTH * math.sqrt(width))
            for head, (down, right) in enumerate(gazes):
                angle = torch.cat([down * turns, right * turns])
                place = slice(head * width, (head + 1) * width)
                query.bias[place] = torch.cat([angle.cos(), angle.sin()]) * strength
                key.bias[place][: width // 2] = strength


# --- learning ----------------------------------------------------------------------------------------------------


def _fit(
    trained: Sequence[nn.Module],
    batches: Sequence[Item],
    epochs: int,
    loss_of: Callable[[Item], Tensor],
    rng: np.random.Generator,
) -> None:
    """Trains modules: the matrices of the first one by Muon, the rest by AdamW; the rate rises briefly, then falls."""
    import torch
    from torch import nn

    matrices = [part.weight for part in trained[0].modules() if isinstance(part, nn.Linear)]
    known = {id(weight) for weight in matrices}
    everything = [weight for module in trained for weight in module.parameters()]
    optimisers: list[torch.optim.Optimizer] = [
        torch.optim.Muon(matrices, lr=MATRIX_RATE, weight_decay=0.01),
        torch.optim.AdamW(
            [weight for weight in everything if id(weight) not in known],
            lr=OTHER_RATE,
            betas=(0.9, 0.98),
            weight_decay=0.0,
        ),
    ]
    total = epochs * len(batches)

    def rate(step: int) -> float:
        return float(min(1.0, (step + 1) / WARM_UP) * (1 - step / total) ** 0.8)

    schedules = [torch.optim.lr_scheduler.LambdaLR(optimiser, rate) for optimiser in optimisers]
    for batch in _shuffled(batches, epochs, rng):
        loss = loss_of(batch)
        for optimiser in optimisers:
            optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(everything, 1.0)
        for optimiser, schedule in zip(optimisers, schedules, strict=True):
            optimiser.step()
            schedule.step()


def _shuffled(batches: Sequence[Item], epochs: int, rng: np.random.Generator) -> Iterator[Item]:
    for _ in range(epochs):
        for place in rng.permutation(len(batches)):
            yield batches[int(place)]


def _gauge(hidden: int, tokens: int, measures: int) -> nn.Module:
    """Reads measures from a tower's tokens [n, tokens, hidden] in two ways, [2, n, measures]: by where a token lies
    (quickly learned), and by what it says (as the language layers will: attention, then a sum)."""
    import torch
    from torch import nn

    class Gauge(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.RMSNorm(hidden)
            self.look = nn.Linear(hidden, 12)
            self.value = nn.Linear(hidden, 12 * 16)
            self.out = nn.Linear(12 * 16, measures)
            self.place = nn.Linear(hidden * tokens, measures) if tokens else None

        def forward(self, vectors: Tensor) -> Tensor:
            plain = self.norm(vectors)
            shares = self.look(plain).softmax(1)
            values = self.value(plain).unflatten(-1, (12, 16))
            found = self.out((shares[..., None] * values).sum(1).flatten(1))
            return torch.stack([found, self.place(vectors.flatten(1))] if self.place else [found])

    return Gauge()


def _learn_to_see(pupil: Pupil, batches: Sequence[Batch], epochs: int, rng: np.random.Generator) -> None:
    import torch

    tower = pupil.thinker.visual
    _wake_eyes(tower)
    _, tokens, hidden = pupil.see([batches[0].portraits[0].frames[:2]]).shape
    gauge = _gauge(hidden, tokens, len(LOOKS))

    def loss_of(batch: Batch) -> Tensor:
        pairs = [int(rng.integers(len(portrait.looks))) for portrait in batch.portraits]
        looks = np.stack([portrait.looks[pair] for portrait, pair in zip(batch.portraits, pairs, strict=True)])
        frames = [portrait.frames[2 * pair :][:2] for portrait, pair in zip(batch.portraits, pairs, strict=True)]
        loss: Tensor = ((gauge(pupil.see(frames)) - torch.from_numpy(looks)) ** 2).mean()
        return loss

    _fit((tower, gauge), batches, epochs, loss_of, rng)


def _learn_to_hear(pupil: Pupil, batches: Sequence[Batch], epochs: int, rng: np.random.Generator) -> None:
    import torch

    tower = pupil.thinker.audio_tower
    _wake(tower)
    hidden = pupil.hear(batches[0]).shape[-1]
    gauge = torch.nn.Linear(hidden, len(SOUNDS))

    def loss_of(batch: Batch) -> Tensor:
        sounds = torch.from_numpy(np.stack([portrait.sounds for portrait in batch.portraits]))
        loss: Tensor = ((gauge(pupil.hear(batch).mean(1)) - sounds) ** 2).mean()
        return loss

    _fit((tower, gauge), batches, epochs, loss_of, rng)


def _learn_to_speak(
    pupil: Pupil, batches: Sequence[Encoded], epochs: int, timelines: float, rng: np.random.Generator
) -> None:
    import torch

    thinker = pupil.thinker
    model, config = thinker.model, thinker.config
    _wake(model)

    def loss_of(encoded: Encoded) -> Tensor:
        if rng.uniform() < NAMED:
            pairs = [named(rng, timelines) for _ in encoded.batch.portraits]
        else:
            pairs = [(_ask(REQUEST), portrait.words) for portrait in encoded.batch.portraits]
        tokens, positions, learned = _rows(pupil, encoded, pairs)
        vectors = model.embed_tokens(tokens)
        for mark, media in ((config.video_token_id, encoded.seen), (config.audio_token_id, encoded.heard)):
            vectors = vectors.masked_scatter((tokens == mark)[..., None], media)
        # What is right of a row's reply is padding, and causal attention does not look to the right.
        states = model(inputs_embeds=vectors, position_ids=positions, use_cache=False)[0]
        logits = thinker.lm_head(states[:, :-1][learned[:, 1:]])
        return torch.nn.functional.cross_entropy(logits, tokens[:, 1:][learned[:, 1:]])

    _fit((model.layers, model.embed_tokens, model.norm, thinker.lm_head), batches, epochs, loss_of, rng)


def _ask(text: str) -> Messages:
    content: Any = [{"type": "video", "media": 0}, {"type": "audio", "media": 0}, {"type": "text", "text": text}]
    return [{"role": "user", "content": content}]


def _rows(pupil: Pupil, encoded: Encoded, pairs: Sequence[tuple[Messages, str]]) -> tuple[Tensor, Tensor, Tensor]:
    """Tokens [n, length] of questions and replies, their positions [3, n, length], and which tokens are learned."""
    import torch

    thinker, tokenizer = pupil.thinker, pupil.processor.tokenizer
    marks = {thinker.config.video_token_id: encoded.seen, thinker.config.audio_token_id: encoded.heard}
    count = {mark: vectors.shape[1] for mark, vectors in marks.items()}
    asked = [tokenizer(pupil.checkpoint.prompt(messages)).input_ids for messages, _ in pairs]
    asked = [[token for token in row for _ in range(count.get(token, 1))] for row in asked]
    replies = [tokenizer(reply + tokenizer.eos_token).input_ids for _, reply in pairs]
    length = max(len(row) + len(reply) for row, reply in zip(asked, replies, strict=True))
    tokens = torch.full((len(pairs), length), tokenizer.pad_token_id)
    learned = torch.zeros_like(tokens, dtype=torch.bool)
    for place, (row, reply) in enumerate(zip(asked, replies, strict=True)):
        tokens[place, : len(row) + len(reply)] = torch.tensor(row + reply)
        learned[place, len(row) : len(row) + len(reply)] = True
    portrait = encoded.batch.portraits[0]
    side = SIZE // pupil.processor.video_processor.patch_size
    positions, _ = thinker.get_rope_index(
        tokens,
        video_grid_thw=torch.tensor([[len(portrait.frames) // 2, side, side]] * len(pairs)),
        attention_mask=torch.ones_like(tokens),
        audio_seqlens=encoded.batch.sound["feature_attention_mask"].sum(1),
        second_per_grids=torch.full((len(pairs),), 2 / portrait.fps),
    )
    return tokens, positions, learned

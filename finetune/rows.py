"""Examples in one row, without padding and without seeing each other; and the model that computes the loss of a row.

Each example keeps its own positions, and the first of the four position rows starts again at 0 with each example: from
this transformers builds the block mask (sdpa, eager, flex) or the lengths (flash attention). Logits are computed where
something is learned, a few dozen tokens of a thousand, instead of for the whole row over a vocabulary of 150,000.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from finetune.examples import Example

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Row:
    """Examples side by side, as tensors.

    `tokens` [1, n]; `positions` [4, 1, n] (place in the example, time, height, width); `video` [v, hidden],
    `deepstack` [levels, v, hidden] and `audio` [a, hidden] in the order of their placeholders, None where there is
    none. The token after place `places[i]` is learned: `targets` [m], its loss times `weights` [m].
    """

    tokens: Tensor
    positions: Tensor
    video: Tensor | None
    deepstack: Tensor | None
    audio: Tensor | None
    places: Tensor
    targets: Tensor
    weights: Tensor

    def to(self, device: Any) -> Row:
        """The row on another device."""
        moved = {
            name: value.to(device, non_blocking=True)
            for name in Row.__slots__
            if (value := getattr(self, name)) is not None
        }
        return replace(self, **moved)


def join(examples: Sequence[Example]) -> Row:
    """The examples as one row."""
    import torch

    starts, total = [], 0
    for one in examples:
        starts.append(total)
        total += len(one)
    places = [
        torch.arange(start + len(one) - one.learned - 1, start + len(one) - 1)
        for start, one in zip(starts, examples, strict=True)
    ]
    own = [torch.arange(len(one))[None] for one in examples]
    media = [medium for one in examples for medium in one.media]
    tokens = torch.cat([one.tokens for one in examples])
    learned = torch.cat(places)
    return Row(
        tokens=tokens[None],
        positions=torch.cat([torch.cat(own, 1), torch.cat([one.positions for one in examples], 1)])[:, None],
        video=_cat([medium.video for medium in media]),
        deepstack=_cat([medium.deepstack for medium in media], 1),
        audio=_cat([medium.audio for medium in media]),
        places=learned,
        targets=tokens[learned + 1],
        weights=torch.cat([torch.full((one.learned,), one.weight) for one in examples]),
    )


def _cat(parts: Sequence[Tensor | None], dim: int = 0) -> Tensor | None:
    import torch

    there = [part for part in parts if part is not None]
    return torch.cat(there, dim) if there else None


def group(lengths: Sequence[int], limit: int, most: int) -> list[list[int]]:
    """Places of examples, as rows: at most `limit` tokens a row (first fit, longest first), or, with `limit` 0, `most`
    examples a row in their order. An example longer than the limit has a row of its own."""
    if not limit:
        return [list(range(start, min(start + most, len(lengths)))) for start in range(0, len(lengths), most)]
    rows: list[tuple[int, list[int]]] = []
    for place in sorted(range(len(lengths)), key=lambda each: (-lengths[each], each)):
        for index, (used, members) in enumerate(rows):
            if used + lengths[place] <= limit:
                rows[index] = (used + lengths[place], [*members, place])
                break
        else:
            rows.append((lengths[place], [place]))
    return [sorted(members) for _, members in rows]


def embed(thinker: Any, row: Row) -> tuple[Tensor, dict[str, Any]]:
    """The row's input vectors [1, n, hidden] with the media in their places, and what the language model wants to know
    besides them (Qwen3-Omni: the deepstack vectors and their places).

    Raises ValueError when placeholders and vectors do not agree in number.
    """
    vectors = thinker.get_input_embeddings()(row.tokens)
    extra: dict[str, Any] = {}
    for name, part, token in (
        ("video", row.video, thinker.config.video_token_id),
        ("audio", row.audio, thinker.config.audio_token_id),
    ):
        there = row.tokens == token
        count = 0 if part is None else len(part)
        if int(there.sum()) != count:
            raise ValueError(f"{int(there.sum())} {name} placeholders for {count} vectors")
        if part is not None:
            vectors = vectors.masked_scatter(there[..., None], part.to(vectors.dtype))
            if name == "video" and row.deepstack is not None:
                extra = {"visual_pos_masks": there, "deepstack_visual_embeds": list(row.deepstack.to(vectors.dtype))}
    return vectors, extra


def learner(model: Any, smoothing: float = 0.0) -> Any:
    """A module whose forward(row) gives the row's weighted sum of token losses; `model` is the PEFT model."""
    from torch import nn
    from torch.nn import functional

    class Learner(nn.Module):
        """The PEFT model with the loss of a row as its forward."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, row: Row) -> Tensor:
            thinker = self.model.get_base_model()
            vectors, extra = embed(thinker, row)
            out = thinker.model(inputs_embeds=vectors, position_ids=row.positions, use_cache=False, **extra)
            hidden = out.last_hidden_state[0, row.places]
            logits = thinker.lm_head(hidden).float()
            losses = functional.cross_entropy(logits, row.targets, reduction="none", label_smoothing=smoothing)
            return (losses * row.weights).sum()

    return Learner()

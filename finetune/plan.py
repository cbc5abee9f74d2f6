"""What each step of a training run computes: from the recipe, the seed and the samples alone.

Nothing here depends on what was computed before, so a run that is resumed goes on with the samples, the rate and the
draws that it would have had.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from finetune.recipe import Recipe
from finetune.targets import confidence_of, label_key
from tasks.task import AnswerKind, Sample


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the optimiser: its number from 1, its epoch from 0, the samples, and whether it ends the epoch."""

    number: int
    epoch: int
    samples: tuple[Sample, ...]
    last: bool


def plan(samples: Sequence[Sample], recipe: Recipe, kind: AnswerKind) -> list[Step]:
    """All steps of a run. Each epoch's samples come in an order of its own; its last step may be smaller.

    Raises ValueError when the curriculum leaves an epoch without samples.
    """
    steps: list[Step] = []
    for epoch in range(recipe.optimiser.epochs):
        order = epoch_samples(samples, recipe, kind, epoch)
        size = recipe.step_examples
        parts = [tuple(order[start : start + size]) for start in range(0, len(order), size)]
        steps += [Step(len(steps) + place, epoch, part, place == len(parts)) for place, part in enumerate(parts, 1)]
    return steps


def epoch_samples(samples: Sequence[Sample], recipe: Recipe, kind: AnswerKind, epoch: int) -> list[Sample]:
    """The samples of an epoch, in its order."""
    import numpy as np

    options = recipe.options
    random = np.random.default_rng([recipe.optimiser.seed, epoch])
    if options.balanced:
        by_label = defaultdict(list)
        for sample in samples:
            by_label[label_key(sample, kind)].append(sample)
        chances = np.array([1 / len(by_label) / len(by_label[label_key(sample, kind)]) for sample in samples])
        return [samples[place] for place in random.choice(len(samples), len(samples), p=chances / chances.sum())]
    if options.curriculum:
        lowest = options.curriculum[min(epoch, len(options.curriculum) - 1)]
        samples = [sample for sample in samples if confidence_of(sample, options) >= lowest]
        if not samples:
            raise ValueError(
                f"options.curriculum: no sample has a confidence of {lowest} or above in epoch {epoch + 1}"
            )
    return [samples[place] for place in random.permutation(len(samples))]


def rate(number: int, total: int, recipe: Recipe) -> float:
    """The learning rate of step `number` (from 1) of `total`: up in a straight line, then down along a cosine that
    would be 0 at the step after the last."""
    warm = math.ceil(recipe.optimiser.warmup * total)
    if number <= warm:
        return recipe.optimiser.rate * number / warm
    return recipe.optimiser.rate * 0.5 * (1 + math.cos(math.pi * (number - warm) / (total - warm + 1)))

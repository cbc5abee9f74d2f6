"""Which samples are learned from, which are held out, and which are left out, with the reason for each."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from finetune.recipe import Recipe
from finetune.targets import check_fields, confidence_of, target
from infer.stream.modes import TEMPLATES
from infer.stream.parts import Part
from prompts.render import Template, load_template
from tasks.registry import task as task_named
from tasks.select import absolute_root, check_options, read_samples, slice_value, take
from tasks.task import Sample, Task

IN_VALIDATION = "is in the validation split"


@dataclass(slots=True)
class Chosen:
    """The samples of a run. `replies` are the replies that are learned, by sample id; `left_out` pairs a sample's id
    with the reason. `parts`: where a sample is a part of a clip, which one (finetune/stream.py)."""

    task: Task
    template: Template
    train: list[Sample]
    held_out: list[Sample]
    replies: dict[str, str]
    left_out: list[tuple[str, str]] = field(default_factory=list)
    parts: dict[str, Part] = field(default_factory=dict)

    def leave_out(self, reasons: dict[str, str], *, held_out: bool = True) -> None:
        """Takes samples out, by id, with `held_out` False of those to learn from alone.

        Raises ValueError when nothing is left to learn from, or of what was held out nothing to validate with.
        """
        validates = bool(self.held_out)
        self.left_out += list(reasons.items())
        self.train = [sample for sample in self.train if sample.id not in reasons]
        if held_out:
            self.held_out = [sample for sample in self.held_out if sample.id not in reasons]
        if not self.train:
            raise ValueError(f"no sample is left to learn from; left out:\n{self.summary()}")
        if validates and not self.held_out:
            raise ValueError(
                "no held-out sample is left to validate with (validation.share = 0 trains without); left out:\n"
                + self.summary()
            )

    def summary(self) -> str:
        """The reasons for leaving samples out, with their counts, most frequent first."""
        counts = Counter(reason for _, reason in self.left_out)
        return "\n".join(f"  {count:>5} x {reason}" for reason, count in counts.most_common(12))


def choose(recipe: Recipe) -> Chosen:
    """Reads the samples of a recipe and checks their gold; no media is opened.

    Raises ValueError for an unknown task or split, an empty split, and when no sample is left.
    """
    data = recipe.data
    task = task_named(data.task)
    check_fields(task, recipe.options)
    template = load_template(data.template or TEMPLATES.get(recipe.stream.mode, task.template))
    if data.folder is None:
        raise ValueError("the recipe names no data: [data] folder = …, or --data")
    root = absolute_root(Path(data.folder), data.media, check_options(task, data.options))
    split = data.split or task.splits[0]
    samples = read_samples(task, root, split, data.where)
    chosen = Chosen(task, template, take(mix(samples, recipe), data.limit), [], {})
    if recipe.validation.split:
        others = read_samples(task, root, recipe.validation.split, data.where)
        chosen.held_out = take(others, recipe.validation.limit)
        asked = {sample.id for sample in others}
        chosen.leave_out({sample.id: IN_VALIDATION for sample in chosen.train if sample.id in asked}, held_out=False)
    elif recipe.validation.share:
        chosen.train, out = hold_out(chosen.train, task, recipe)
        chosen.held_out = take(out, recipe.validation.limit) if out else []
    _check_replies(chosen, recipe)
    return chosen


def _check_replies(chosen: Chosen, recipe: Recipe) -> None:
    """Writes down the reply of each sample; those without one are left out."""
    reasons: dict[str, str] = {}
    options = recipe.options
    needs_confidence = options.weight_by_confidence or options.state_confidence or bool(options.curriculum)
    for sample in [*chosen.train, *chosen.held_out]:
        try:
            chosen.replies[sample.id] = target(sample, chosen.task, chosen.template, options)
            if needs_confidence:
                confidence_of(sample, options)
        except ValueError as error:
            reasons[sample.id] = str(error)
    chosen.leave_out(reasons)


def mix(samples: Sequence[Sample], recipe: Recipe) -> list[Sample]:
    """The samples of the mixture: of each value of the slice its share, chosen by a hash of the ids.

    Raises ValueError for a value that no sample has, and when nothing is taken.
    """
    data = recipe.data
    if not data.mixture:
        return list(samples)
    present = Counter(slice_value(sample, data.mixture_by) for sample in samples)
    for name in data.mixture:
        if not present[name]:
            there = ", ".join(sorted(filter(None, present))) or "none"
            raise ValueError(f"data.mixture: no sample has {data.mixture_by}={name!r}; values there: {there}")
    chosen: set[str] = set()
    for name, share in data.mixture.items():
        group = sorted(
            (sample.id for sample in samples if slice_value(sample, data.mixture_by) == name),
            key=lambda each: _draw("mixture", each),
        )
        chosen |= set(group[: round(share * len(group))])
    if not chosen:
        raise ValueError(f"data.mixture {data.mixture} takes not one of {len(samples):,} samples; give larger shares")
    return [sample for sample in samples if sample.id in chosen]


def hold_out(samples: Sequence[Sample], task: Task, recipe: Recipe) -> tuple[list[Sample], list[Sample]]:
    """(learned from, held out): whole groups, in the order of a hash of their names, until the share is reached.

    Raises ValueError when there is but one group.
    """
    groups = [str(sample.meta.get(task.group, sample.id)) for sample in samples]
    names = sorted(set(groups), key=lambda name: _draw(f"validation-{recipe.optimiser.seed}", name))
    if len(names) < 2:
        raise ValueError(
            f"validation.share holds out whole groups ({task.group}), and the samples have one group alone; set "
            "validation.share = 0, or give validation.split"
        )
    wanted = recipe.validation.share * len(samples)
    sizes, out, held = Counter(groups), set[str](), 0
    for name in names[:-1]:
        if held and held + sizes[name] / 2 > wanted:
            break
        out.add(name)
        held += sizes[name]
    learned = [sample for sample, group in zip(samples, groups, strict=True) if group not in out]
    return learned, [sample for sample, group in zip(samples, groups, strict=True) if group in out]


def _draw(purpose: str, name: str) -> str:
    return hashlib.sha256(f"{purpose}/{name}".encode(errors="surrogatepass")).hexdigest()

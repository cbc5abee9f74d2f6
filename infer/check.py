"""`omnimer check`: before a long run, are the ids, labels, counts, files and sound tracks what they should be?"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import tyro

from infer.media import ClipInfo, MediaError, load_clip, probe
from infer.progress import Progress
from prompts.render import load_template
from tasks.registry import task as task_named
from tasks.select import (
    absolute_root,
    check_at_least,
    check_options,
    read_pairs,
    read_samples,
    slice_value,
    take,
    with_ids,
)
from tasks.task import MediaOptions, Sample, Task
from tasks.validate import check_samples

SHOWN = 20
# The pixel step of the larger model family: whatever decodes for it decodes for the other.
FACTOR = 32


@dataclass(frozen=True)
class CheckConfig:
    """Look at the data before a long run: counts, labels, media files, sound tracks. No model is loaded."""

    task: str
    """Name of the task (`omnimer tasks` lists them)."""
    data: Path
    """Folder of the annotations."""
    media: Path | None = None
    """Folder of the clips, where it is not the release's own place under --data."""
    split: str | None = None
    """Split of the task; the first of the task if not given."""
    where: tuple[str, ...] = ()
    """Only samples whose slice has a value: name=value, repeatable."""
    ids: Path | None = None
    """Only the samples whose ids stand in this file, one a line."""
    option: tuple[str, ...] = ()
    """Named policies of the task: name=value."""
    limit: int | None = None
    """Only so many samples, spread over the data."""
    decode: bool = False
    """Decode each clip as a run would, instead of reading its packets alone."""
    threads: int = 2
    """Files looked at side by side."""
    clip: tyro.conf.OmitArgPrefixes[MediaOptions] = field(default_factory=MediaOptions)


def run(config: CheckConfig) -> int:
    """Prints what the data holds; 0 when every file can be used, 1 when some cannot."""
    check_at_least("--threads", config.threads, 1)
    task = task_named(config.task)
    root = absolute_root(config.data, config.media, check_options(task, read_pairs(config.option, "--option")))
    where = read_pairs(config.where, "--where")
    samples = take(with_ids(read_samples(task, root, config.split, where), config.ids), config.limit)
    print(f"{task.full_name}: {len(samples):,} samples")
    for line in describe(task, samples):
        print(line)
    check_samples(task, samples)
    load_template(task.template)
    problems, infos = check_media(samples, config)
    for line in describe_media(samples, infos, problems):
        print(line)
    if problems and not infos:
        print(f"none of {len(problems):,} files can be used: is --media the right folder?", file=sys.stderr)
        problems = problems[:1]
    for sample_id, reason in problems[:SHOWN]:
        print(f"  {sample_id}: {reason}", file=sys.stderr)
    if len(problems) > SHOWN:
        print(f"  and {len(problems) - SHOWN} more", file=sys.stderr)
    return 1 if problems else 0


def describe(task: Task, samples: Sequence[Sample]) -> list[str]:
    """Counts by slice, group and label."""
    lines = []
    for name in task.slices:
        counts = Counter(slice_value(sample, name) or "none" for sample in samples)
        lines.append(f"{name}: " + ", ".join(f"{value} {count:,}" for value, count in sorted(counts.items())))
    groups = {str(sample.meta.get(task.group, sample.id)) for sample in samples}
    lines.append(f"groups ({task.group}): {len(groups):,}")
    golds = [sample.gold for sample in samples if sample.gold is not None]
    names = Counter(str(gold.get("label") or gold.get("emotion")) for gold in golds)
    if set(names) - {"None"}:
        lines.append("gold: " + ", ".join(f"{name} {count:,}" for name, count in sorted(names.items())))
    lines.append(f"without gold: {len(samples) - len(golds):,}; without text: {sum(not s.text for s in samples):,}")
    return lines


def check_media(samples: Iterable[Sample], config: CheckConfig) -> tuple[list[tuple[str, str]], list[ClipInfo]]:
    """Looks at every file: (sample id, reason) of those that cannot be used, and what the others hold."""

    def look(sample: Sample) -> tuple[str, str] | list[ClipInfo]:
        try:
            infos = [probe(medium.path) for medium in sample.media]
            if config.decode:
                for medium in sample.media:
                    load_clip(medium, config.clip, FACTOR)
        except MediaError as error:
            return sample.id, str(error)
        return infos

    everything = list(samples)
    problems: list[tuple[str, str]] = []
    found: list[ClipInfo] = []
    with ThreadPoolExecutor(config.threads) as pool, Progress(len(everything), "files") as progress:
        for outcome in pool.map(look, everything):
            progress.advance(failed=isinstance(outcome, tuple))
            if isinstance(outcome, tuple):
                problems.append(outcome)
            else:
                found.extend(outcome)
    return problems, found


def describe_media(samples: Sequence[Sample], infos: Sequence[ClipInfo], problems: Sequence[object]) -> list[str]:
    """What the usable files hold."""
    if not any(sample.media for sample in samples):
        return ["media: the task has none"]
    lines = [f"media: {len(infos):,} usable, {len(problems):,} not"]
    if infos:
        seconds = sorted(info.duration_s for info in infos)
        sizes = Counter(f"{info.width}x{info.height}" for info in infos if info.has_video)
        lines.append(
            f"seconds: {seconds[0]:.1f} to {seconds[-1]:.1f}, median {seconds[len(seconds) // 2]:.1f}, "
            f"together {sum(seconds) / 3600:.2f} h"
        )
        lines.append("pixels: " + ", ".join(f"{size} {count:,}" for size, count in sizes.most_common(5)))
        lines.append(f"without a sound track: {sum(not info.has_audio for info in infos):,}")
    return lines

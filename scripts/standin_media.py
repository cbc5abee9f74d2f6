"""Stand-in clips for the EmoS annotations, for people who do not hold the gated media.

    python scripts/standin_media.py --data EMOS --media DIR --n 200

Reads the released annotations, draws a seeded choice of `--n` ids, and renders a synthetic talking head of each one's
label to the place below `--media` where the release would have the clip. Then `omnimer infer --task emos-compact
--data EMOS --media DIR` runs on real ids and labels. Scores on such clips say that the pipeline works and nothing about
people. Clips that exist are left as they are; the annotation folder is never written to. `DIR/standin_ids.txt` lists
the chosen ids.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from rich.progress import track

from tasks import emos
from tasks.emos_release import find_base
from tasks.synthetic.clip import draw_clip, write_clip
from tasks.task import Root, Sample

IDS = "standin_ids.txt"
# How long a transcript takes to say, in characters a second, and the silence around it (seconds).
PACE = {"zh": 4.5, "en": 14.0}
SILENCE, LONGEST = 1.0, 12.0


def choose(found: Sequence[Sample], number: int, seed: int) -> list[Sample]:
    """`number` samples in their order, drawn from every (language, label) in proportion to its size.

    Every such stratum gets at least one, while there are as many samples to choose as strata.
    """
    number = min(number, len(found))
    strata: dict[tuple[str, str], list[Sample]] = defaultdict(list)
    for sample in found:
        strata[sample.language, label_of(sample)].append(sample)
    takes = dict.fromkeys(sorted(strata), 1 if number >= len(strata) else 0)
    while sum(takes.values()) < number:
        short = {key: len(strata[key]) * number / len(found) - take for key, take in takes.items()}
        takes[max((key for key in takes if takes[key] < len(strata[key])), key=short.__getitem__)] += 1
    rng = random.Random(seed)  # noqa: S311  (a choice of samples, not a secret)
    chosen = {sample.id for key, take in takes.items() for sample in rng.sample(strata[key], take)}
    return [sample for sample in found if sample.id in chosen]


def label_of(sample: Sample) -> str:
    """The Basic-7 label of a sample of `emos-basic7`."""
    return str((sample.gold or {})["label"])


def render(sample: Sample, path: Path, size: int, seed: int) -> None:
    """Draw and write one clip: one face and voice for each group of the release, as strong as the label is sure."""
    seconds = min(SILENCE + len(sample.text) / PACE[sample.language], LONGEST)
    frames, audio = draw_clip(
        label_of(sample),
        sample.language,
        sample.text,
        number_of(f"{seed} {sample.meta['group']}"),
        number_of(f"{seed} {sample.id}"),
        0.6 + 0.4 * float(sample.meta["ds_confidence"]),
        seconds,
        size,
    )
    write_clip(path, frames, audio)


def number_of(text: str) -> int:
    """A seed in [0, 2^32) that depends on `text` alone."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def places(chosen: Sequence[Sample], data: Path, media: Path) -> dict[str, Path]:
    """Sample id -> path below `media`, as the release lays its clips out.

    Raises ValueError if `media` lies in the annotation folder, and for a clip that would land outside `media`.
    """
    base = find_base(data)
    if any(media.resolve().is_relative_to(folder.resolve()) for folder in (data, base)):
        raise ValueError(f"--media {media} lies in the annotation folder {data}; give a folder outside it")
    found = {sample.id: media / sample.media[0].path.relative_to(base) for sample in chosen}
    for name, path in found.items():
        if not path.resolve().is_relative_to(media.resolve()):
            raise ValueError(f"sample {name}: its clip would be written to {path}, outside {media}")
    return found


def run(data: Path, media: Path, *, n: int, split: str, size: int, seed: int) -> tuple[int, int]:
    """Render what is missing of the chosen clips; returns (clips written, clips that were there)."""
    # without a media folder the samples name the places of the release itself
    chosen = choose(list(emos.samples(Root(data), split)), n, seed)
    where = places(chosen, data, media)
    missing = [sample for sample in chosen if not where[sample.id].exists()]
    for sample in track(missing, description="clips", disable=not sys.stderr.isatty()):
        render(sample, where[sample.id], size, seed)
    media.mkdir(parents=True, exist_ok=True)
    (media / IDS).write_text("".join(f"{sample.id}\n" for sample in chosen), encoding="utf-8")
    return len(missing), len(chosen) - len(missing)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0 done, 2 bad input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the EmoS repository (annotations)")
    parser.add_argument("--media", type=Path, required=True, help="folder to write the clips to")
    parser.add_argument("--n", type=int, default=200, help="how many ids (default 200)")
    parser.add_argument("--split", choices=emos.SPLITS, default="all", help="take ids of this split (default all)")
    parser.add_argument("--size", type=int, default=168, help="height and width in pixels (default 168)")
    parser.add_argument("--seed", type=int, default=0, help="of the choice and of the clips (default 0)")
    given = parser.parse_args(arguments)
    if given.n < 1:
        parser.error(f"--n is {given.n}; give 1 or more")
    try:
        written, there = run(given.data, given.media, n=given.n, split=given.split, size=given.size, seed=given.seed)
    except (ValueError, OSError) as error:
        print(f"standin_media: {error}", file=sys.stderr)
        return 2
    print(f"{written} clips written, {there} were there; ids in {given.media / IDS}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

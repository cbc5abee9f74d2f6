"""How long a submission takes: python scripts/bench_submission.py [--candidates 20000] [--track mer2025-fg]

Fills a run directory with made-up replies, each synced to disk as a run does it, then reads the run, writes the file,
and validates it. Prints the seconds of each step and the peak of the memory so far.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # runs from anywhere, installed or not

from eval.submit.candidates import read_candidates
from eval.submit.collect import answered
from eval.submit.run import SubmitConfig, run
from eval.submit.tracks import TRACKS, track_named
from eval.submit.validate import validate
from infer.engine import Reply
from infer.store import RunStore
from tasks.registry import TASKS
from tasks.task import Sample

LISTS = [name for name, track in TRACKS.items() if track.shape == "labels"]
WORDS = ("happy", "sad", "angry", "worried", "surprised", "calm", "confused", "hurt", "proud", "bored", "tense")


def main() -> None:
    """Runs the steps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candidates", type=int, default=20_000)
    parser.add_argument("--track", choices=LISTS, default="mer2025-fg")
    given = parser.parse_args()
    print(f"{given.track}, {given.candidates:,} candidates")
    with tempfile.TemporaryDirectory() as folder:
        steps(Path(folder), given.track, given.candidates)


def steps(folder: Path, name: str, count: int) -> None:
    """Every step once, timed."""
    track = track_named(name)
    table, out = folder / "candidates.csv", folder / f"made{track.suffix}"
    samples = [Sample(f"sample_{i:08d}", None, meta={"name": f"sample_{i:08d}"}) for i in range(count)]
    table.write_text("name\n" + "".join(f"{sample.id}\n" for sample in samples))
    timed("replies into the store, synced one by one", lambda: fill(folder / "run", name, samples))
    timed("run and answers read", lambda: answered(folder / "run"))
    config = SubmitConfig((folder / "run",), name, table, out)
    timed("the whole command: read, write, read back, card", lambda: run(config))
    candidates = read_candidates(table, track)
    verdict = timed("validation alone", lambda: validate(out, track, candidates))
    print(f"faults: {len(verdict.faults)}; file: {out.stat().st_size:,} bytes")


def timed(what: str, work: Callable[[], Any]) -> Any:
    """The result of a step; prints its seconds and the peak of the memory of the process so far."""
    start = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # KiB on Linux
    print(f"  {what}: {seconds:.2f} s, peak {peak:.0f} MiB")
    return result


def fill(folder: Path, name: str, samples: list[Sample]) -> None:
    """A run directory with a reply to each sample."""
    config = {"task": TASKS[name].full_name, "model": {"model": "made up"}, "sampling": {"seed": 0}}
    with RunStore(folder) as store:
        store.begin(config, {}, samples)
        for reply in replies(samples):
            store.append([reply])


def replies(samples: list[Sample]) -> Iterator[Reply]:
    """Lists of one to six words; one reply in a thousand failed, one in a thousand cannot be read."""
    draw = random.Random(0)  # noqa: S311 - made-up data
    for number, sample in enumerate(samples):
        key = f"{number:064x}"
        if number % 1000 == 7:
            yield Reply(sample.id, key, error="media: no frames")
        else:
            words = draw.sample(WORDS, draw.randint(1, 6))
            text = "I cannot tell." if number % 1000 == 8 else json.dumps({"labels": words})
            yield Reply(sample.id, key, text, "stop")


if __name__ == "__main__":
    main()

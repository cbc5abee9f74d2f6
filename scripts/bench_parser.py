"""Speed of the parser, as ratios that hold on any machine: above 1, the parser is the faster one.

    python scripts/bench_parser.py [--replies FILE.jsonl]

Valid replies are compared with `json.loads`, alone and followed by a precompiled jsonschema validation; broken ones
with `json_repair.loads` (where that package is installed; it is no dependency of this project), alone and followed by
the same validation. Neither of them resolves labels, checks what a schema cannot say, or notes what was repaired. Each
figure is the best of many rounds, in microseconds a reply; so the parser's caches of labels and keys are warm.
"""

from __future__ import annotations

import argparse
import importlib
import json
import re
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from prompts.parsing import parse  # noqa: E402
from prompts.schema import schema  # noqa: E402
from tasks.kinds import kind  # noqa: E402

ITEMS = [{"label": "sadness", "confidence": 0.8}, {"label": "grief", "confidence": 0.55}]
UTTERANCE = {"timestamp_range": "00:00-00:04", "primary_7class": "Joy", "secondary_Goemotions": ["joy"], "intensity": 2}
VALID: dict[str, dict[str, Any]] = {
    "OneOf:basic7": {"label": "Joy", "confidence": 0.8},
    "AnyOf:goemotions28": {"labels": ITEMS},
    "AnyOf:open": {"labels": ["happy", "at ease", "curious", "tense"]},
    "Record:emos": {"emotion": "Sadness", "confidence": 0.83, "goemotions": ITEMS}
    | {"evidence": "Her voice breaks and she looks down.", "rationale": "Loss and regret are both audible."},
    "Blend:blemore6": {"emotions": [{"emotion": "ang", "salience": 70}, {"emotion": "sad", "salience": 30}]},
    "Timeline:emos": {"summary": "A quarrel.", "overall_emotion_trend": {"dominant": "Anger", "trajectory": "Rising."}}
    | {"utterances": [UTTERANCE | {"timestamp_range": f"00:{n:02d}-00:{n + 2:02d}"} for n in range(0, 20, 2)]},
    "Pick:abcd": {"choice": "B"},
    "Dims:va": {"valence": -0.4, "arousal": 0.7},
}
BREAKS: dict[str, Callable[[str], str]] = {
    "prose and fence": lambda reply: f"Here is my answer:\n```json\n{reply}\n```\nI hope this helps.",
    "single quotes": lambda reply: reply.replace('"', "'").replace("null", "None"),
    "no closing brackets": lambda reply: reply.rstrip("]}"),
    "trailing commas": lambda reply: reply.replace("}", ",}"),
    "unquoted keys": lambda reply: re.sub(r'"(\w+)":', r"\1:", reply),
}


Work = Callable[[str], Any]


def microseconds(work: Work, replies: Sequence[str], rounds: int = 15, repeat: int = 20) -> float:
    """The time of one reply in microseconds: the best of `rounds`, each over all replies `repeat` times."""
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(repeat):
            for reply in replies:
                work(reply)
        best = min(best, time.perf_counter() - start)
    return best / len(replies) / repeat * 1e6


def validated(loads: Work, validator: Draft202012Validator) -> Work:
    """`loads`, and then the validation of what it gives."""
    return lambda text: validator.is_valid(loads(text))


def table(title: str, break_: Callable[[str], str], loads: Work | None, name_of_loads: str) -> list[float]:
    """Print one row a kind and their sum: parse, `loads`, `loads` + validation, and the ratios of both to parse. Gives
    the ratios to the slower one, a kind each."""
    print(f"\n{title:26} {'parse':>9} {name_of_loads:>12} {'+jsonschema':>12} {'ratio':>7} {'ratio':>7}")
    rows: list[tuple[float, float, float]] = []
    for name, value in VALID.items():
        answer_kind, reply = kind(name), break_(json.dumps(value))
        works: list[Work] = [partial(parse, kind=answer_kind)]
        if loads:
            works += [loads, validated(loads, Draft202012Validator(schema(answer_kind)))]
        times = [microseconds(work, [reply]) for work in works] + [float("nan")] * 2
        rows.append((times[0], times[1], times[2]))
    for name, row in [*zip(VALID, rows, strict=True), ("sum", tuple(map(sum, zip(*rows, strict=True))))]:
        ours, alone, both = row
        print(f"{name:26} {ours:9.1f} {alone:12.1f} {both:12.1f} {alone / ours:7.2f} {both / ours:7.2f}")
    return [both / ours for ours, _, both in rows]


def main() -> int:
    """Print the tables; 1 when valid replies are read at less than a third of the speed of the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--replies", type=Path, help='JSON lines {"id", "text"}: open-vocabulary replies to time as well'
    )
    options = parser.parse_args()
    try:
        repair: Work | None = importlib.import_module("json_repair").loads
    except ImportError:
        repair = None
        print("json_repair is not installed: its columns are left out")
    worst = min(table("valid", lambda reply: reply, json.loads, "json.loads"))
    for title, break_ in BREAKS.items():
        table(title, break_, repair, "json_repair")
    if options.replies:
        texts = [json.loads(line)["text"] for line in options.replies.read_text(encoding="utf-8").splitlines()]
        ours = microseconds(lambda text: parse(text, kind("AnyOf:open")), texts, rounds=5, repeat=1)
        theirs = microseconds(repair, texts, rounds=5, repeat=1) if repair else float("nan")
        print(f"\n{'real replies, AnyOf:open':26} {ours:9.1f} {theirs:12.1f} {'':12} {theirs / ours:7.2f}")
    return 0 if worst >= 1 / 3 else 1


if __name__ == "__main__":
    raise SystemExit(main())

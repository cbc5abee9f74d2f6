"""Speed of the parser, as ratios that hold on any machine.

    python scripts/bench_parser.py [--replies FILE.jsonl]

Valid replies are compared with `json.loads` + a precompiled jsonschema validation of the same text, broken ones with
`json_repair.loads` where that package is installed (it is no dependency of this project) and with `json.loads` of the
same reply unbroken. Each figure is the best of five rounds, in microseconds a reply.
"""

from __future__ import annotations

import argparse
import importlib
import json
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
    "unquoted keys": lambda reply: reply.replace('"label"', "label").replace('"confidence"', "confidence"),
}


def microseconds(work: Callable[[str], Any], replies: Sequence[str], rounds: int = 5, repeat: int = 40) -> float:
    """The time of one reply in microseconds: the best of `rounds`, each over all replies `repeat` times."""
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(repeat):
            for reply in replies:
                work(reply)
        best = min(best, time.perf_counter() - start)
    return best / len(replies) / repeat * 1e6


def valid_row(name: str) -> tuple[float, float]:
    """Microseconds of parse and of json.loads + validation for the valid reply of one kind."""
    answer_kind, reply = kind(name), json.dumps(VALID[name])
    validator = Draft202012Validator(schema(answer_kind))
    return (
        microseconds(lambda text: parse(text, answer_kind), [reply]),
        microseconds(lambda text: validator.is_valid(json.loads(text)), [reply]),
    )


def main() -> int:
    """Print the tables; 1 when valid replies are read at less than a third of the speed of the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--replies", type=Path, help='JSON lines {"id", "text"}: open-vocabulary replies to time as well'
    )
    options = parser.parse_args()
    try:
        repair: Callable[[str], Any] | None = importlib.import_module("json_repair").loads
    except ImportError:
        repair = None
        print("json_repair is not installed: its column is left out")
    worst = float("inf")
    print(f"{'valid replies':28} {'parse':>9} {'loads+validate':>15} {'speed ratio':>12}")
    for name in VALID:
        ours, theirs = valid_row(name)
        worst = min(worst, theirs / ours)
        print(f"{name:28} {ours:9.1f} {theirs:15.1f} {theirs / ours:12.2f}")
    print(
        f"\n{'broken replies, all kinds':28} {'parse':>9} {'json.loads':>15} {'json_repair':>12} {'faster than it':>15}"
    )
    replies = {name: json.dumps(value) for name, value in VALID.items()}
    for title, break_ in BREAKS.items():
        texts = {name: break_(reply) for name, reply in replies.items()}
        ours = sum(microseconds(partial(parse, kind=kind(name)), [text]) for name, text in texts.items())
        strict = microseconds(json.loads, list(replies.values())) * len(replies)
        theirs = microseconds(repair, list(texts.values())) * len(replies) if repair else float("nan")
        print(f"{title:28} {ours:9.1f} {strict:15.1f} {theirs:12.1f} {theirs / ours:15.2f}")
    if options.replies:
        texts_ = [json.loads(line)["text"] for line in options.replies.read_text(encoding="utf-8").splitlines()]
        ours = microseconds(lambda text: parse(text, kind("AnyOf:open")), texts_, repeat=1)
        theirs = microseconds(repair, texts_, repeat=1) if repair else float("nan")
        print(f"{'real replies, AnyOf:open':28} {ours:9.1f} {'':15} {theirs:12.1f} {theirs / ours:15.2f}")
    return 0 if worst >= 1 / 3 else 1


if __name__ == "__main__":
    raise SystemExit(main())

"""Mutation fuzzing of the parser: no exception, no slow reply, and the guarantees on what comes out.

    python scripts/fuzz_parser.py --count 1000000 --replies FILE.jsonl

Inputs are mutated from the parser cases of the tests and from a file of replies ({"id", "text"} a line): pieces cut,
doubled, swapped between replies, characters replaced by hostile ones. Every input is read as one answer kind, in turn.
Reports the count and the slowest reply under 8 kB; exits 1 on the first broken guarantee, and prints the input.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from prompts.parsing import REASONS, REPAIRS, Parsed, parse  # noqa: E402
from prompts.schema import dump  # noqa: E402
from tasks.kinds import KINDS  # noqa: E402

CASES = ROOT / "tests" / "prompts" / "parser_cases"
LIMIT_S = 0.05
LONGEST = 8000
HOSTILE = [
    *"{}[]()<>\"'`:,;|/\\=-_*#&+?!.%~\n\t \u0000\u3000\ufeff\u200b\ud800｛｝［］：，、。“”‘’「」（）😀①é",
    *[
        "```",
        "~~~json\n",
        "<think>",
        "</think>",
        "<answer>",
        "</answer>",
        "\\boxed{",
        "<|im_end|>",
        "assistant\n",
        "user: ",
    ],
    *["[[", "]]", "{{", '\\"', "\\u", "//", "/*", "*/", "null", "None", "NaN", "1e999", "-0", "100%", "not ", " and "],
    *[
        '"label": ',
        "Label: ",
        "| a | b |\n|---|---|\n",
        "00:01-00:02",
        "Utterance 1\n",
        "The emotion is ",
        "none",
        "和",
    ],
]


def seeds(replies: Path | None) -> list[str]:
    """The replies of the cases and, when given, of a file."""
    texts = []
    for path in sorted(CASES.glob("[a-z]*.md")):
        for form, body in re.findall(r"~~~~~reply(-json)?\n(.*?)\n?~~~~~\n", path.read_text(encoding="utf-8"), re.S):
            texts.append(json.loads(body) if form else body)
    if replies is not None:
        texts += [json.loads(line)["text"] for line in replies.read_text(encoding="utf-8").splitlines()]
    return texts


def mutated(rng: random.Random, texts: list[str]) -> str:
    """One reply after one to six random edits."""
    text = rng.choice(texts)
    for _ in range(rng.randint(1, 6)):
        start = rng.randint(0, len(text))
        end = min(len(text), start + rng.randint(0, 12))
        edit = rng.randrange(7)
        if edit == 0:
            text = text[:start] + text[end:]
        elif edit == 1:
            text = text[:start] + rng.choice(HOSTILE) + text[start:]
        elif edit == 2:
            text = text[:start] + rng.choice(HOSTILE) + text[end:]
        elif edit == 3:
            text = text[:end] + text[start:end] * rng.randint(1, 30) + text[end:]
        elif edit == 4:
            text = text[:start]
        elif edit == 5:
            other = rng.choice(texts)
            cut = rng.randint(0, len(other))
            text = text[:start] + other[cut : cut + rng.randint(1, 200)] + text[end:]
        else:
            text = text[:start] + text[start:end].swapcase() + text[end:]
    return text[: LONGEST - 1]


def broken(name: str, text: str) -> str | None:
    """What is wrong with the outcome of one input, None when nothing is."""
    kind = KINDS[name]
    try:
        result = parse(text, kind)
    except Exception as error:  # noqa: BLE001 - any exception at all is what is looked for
        return f"raised {type(error).__name__}: {error}"
    if not isinstance(result, Parsed):
        return None if result.reason in REASONS else f"unknown reason {result.reason!r}"
    if list(result.repairs) != [repair for repair in REPAIRS if repair in result.repairs]:
        return f"repairs out of order: {result.repairs}"
    again: Any = parse(dump(result.value, kind), kind)
    if name.startswith("Official"):
        return None if again == result else f"official value does not come back: {result.value}"
    return None if again == Parsed(result.value, "schema") else f"the value is not valid: {result.value} -> {again}"


def fuzz(count: int, texts: list[str], seed: int = 0) -> tuple[int, float, str]:
    """Read `count` mutated inputs. Gives the number of answers, and the time (s) and text of the slowest input; one
    over the limit is timed again, since another process may have held the core. Raises ValueError for a broken one."""
    rng = random.Random(seed)  # noqa: S311 - reproducible, not secret
    names = list(KINDS)
    answers, slowest, slow_text = 0, 0.0, ""
    for number in range(count):
        text, name = mutated(rng, texts), names[number % len(names)]
        start = time.perf_counter()
        result = parse(text, KINDS[name])
        taken = time.perf_counter() - start
        if taken > slowest:
            for _ in range(3):
                start = time.perf_counter()
                parse(text, KINDS[name])
                taken = min(taken, time.perf_counter() - start)
            if taken > slowest:
                slowest, slow_text = taken, f"{name} {text!r}"
        answers += isinstance(result, Parsed)
        if fault := broken(name, text):
            raise ValueError(f"input {number}, {name}: {fault}\n{text!r}")
        if slowest > LIMIT_S:
            raise ValueError(f"input {number}: {slowest * 1000:.1f} ms, limit {LIMIT_S * 1000:.0f} ms\n{slow_text}")
    return answers, slowest, slow_text


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--replies", type=Path, help='JSON lines {"id", "text"} to mutate beside the cases')
    options = parser.parse_args()
    texts = seeds(options.replies)
    start = time.perf_counter()
    try:
        answers, slowest, slow_text = fuzz(options.count, texts, options.seed)
    except ValueError as fault:
        print(fault, file=sys.stderr)
        return 1
    taken = time.perf_counter() - start
    print(f"{options.count} inputs from {len(texts)} texts in {taken:.0f} s, {answers} answers, no fault")
    print(f"slowest {slowest * 1000:.2f} ms: {slow_text[:200]}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

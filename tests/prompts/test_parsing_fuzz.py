"""A small run of scripts/fuzz_parser.py: no exception, nothing slow, no illegal value. The big run is the script's."""

from __future__ import annotations

from pathlib import Path

from scripts.fuzz_parser import broken, fuzz, seeds

REPLIES = Path(__file__).parents[2].parent / "shared" / "data" / "real_replies.jsonl"


def test_mutated_replies_keep_the_guarantees() -> None:
    texts = seeds(REPLIES if REPLIES.exists() else None)
    assert len(texts) > 400
    answers, slowest, _ = fuzz(20_000, texts, seed=1)
    assert answers > 2000
    assert slowest < 0.05


def test_the_fuzzer_sees_a_fault() -> None:
    assert broken("OneOf:basic7", '{"label": "Joy"}') is None
    assert "raised" in str(broken("OneOf:basic7", None))  # type: ignore[arg-type]

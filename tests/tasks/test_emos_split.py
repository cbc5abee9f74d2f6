"""The grouped, stratified split: whole numbers and SHA-256 only."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.emos_split import Item, digest, pick_test


def items(groups: int, size: int) -> list[Item]:
    """`groups` groups of 1 to `size` rows, three labels in shares 6:3:1, arithmetic instead of chance."""
    found = []
    for group in range(groups):
        for row in range(1 + group * 7 % size):
            label = "aaaaaabbbc"[(group * 3 + row * 7) % 10]
            found.append(Item(f"{group}/{row}", f"g{group}", ("rows", label)))
    return found


def test_digest_is_of_the_sorted_ids_joined_by_newlines() -> None:
    assert digest(["b", "a"]) == digest(["a", "b"])
    assert digest(["a", "b"]) == "7e18f737311b2dc3b2f269dd78396b0351f14fb66efa879f768cb23181883c78"
    assert digest(["ab"]) != digest(["a", "b"])


def test_the_split_is_pinned() -> None:
    assert digest(pick_test(items(60, 9)))[:16] == "7699e5e6c206ec5e"


def test_another_seed_is_another_split() -> None:
    assert pick_test(items(60, 9), "a") != pick_test(items(60, 9), "b")


@given(st.integers(0, 2**32))
def test_the_order_of_the_rows_does_not_matter(seed: int) -> None:
    shuffled = items(60, 9)
    random.Random(seed).shuffle(shuffled)  # noqa: S311 - a test needs no secrets
    assert pick_test(shuffled) == pick_test(items(60, 9))


@pytest.mark.parametrize(("groups", "size"), [(40, 5), (60, 9), (200, 20)])
def test_a_fifth_of_everything_and_no_group_divided(groups: int, size: int) -> None:
    rows = items(groups, size)
    test = pick_test(rows)
    sides = {(row.group, row.id in test) for row in rows}
    assert len(sides) == groups
    assert len(test) / len(rows) == pytest.approx(0.2, abs=0.01)
    everything = Counter(stratum for row in rows for stratum in row.strata)
    chosen = Counter(stratum for row in rows if row.id in test for stratum in row.strata)
    for stratum, number in everything.items():
        assert chosen[stratum] == pytest.approx(number / 5, abs=1)


def test_one_group_stays_in_training() -> None:
    assert pick_test([Item(str(i), "only", ("rows",)) for i in range(10)]) == frozenset()
    assert pick_test([]) == frozenset()

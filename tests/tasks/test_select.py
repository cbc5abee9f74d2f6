"""Which samples are used: splits, slices, ids, limits, and what is said when there are none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.select import check_options, ids_of, read_pairs, read_samples, slice_value, take, with_ids
from tasks.task import OneOf, Root, Sample, Task

ROOT = Root(Path("nowhere"))
TIERS = ("high", "medium", "low")


def adapter(_: Root, split: str) -> Iterator[Sample]:
    size = {"train": 240, "test": 60, "none": 0, "twice": 3}[split]
    for number in range(size):
        yield Sample(
            id=f"{split}_{number % 2 if split == 'twice' else number}",
            gold=None,
            language="zh" if number % 3 else "en",
            meta={"tier": TIERS[number % 5 % 3], "season": number % 4, "empty": None},
        )


TASK = Task(
    name="mood",
    version="1",
    source="here",
    adapter=adapter,
    answer=OneOf(("a", "b")),
    template="oneof_json",
    metrics=("accuracy",),
    group="speaker",
    slices=("language", "tier", "season"),
    splits=("train", "test", "none", "twice"),
    options={"labels": ("repaired", "release"), "media": ("strict", "lenient")},
)


# --- Splits and slices


def test_the_first_split_is_the_default() -> None:
    assert ids_of(read_samples(TASK, ROOT)) == ids_of(adapter(ROOT, "train"))
    assert ids_of(read_samples(TASK, ROOT, "test")) == [f"test_{number}" for number in range(60)]


@pytest.mark.parametrize(
    ("name", "nearest"), [("tets", "test"), ("TEST", "test"), ("trian", "train"), ("trai", "train")]
)
def test_an_unknown_split_names_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(ValueError, match=name) as caught:
        read_samples(TASK, ROOT, name)
    message = str(caught.value)
    assert "train, test" in message
    assert f"mean {nearest}" in message or f"mean {nearest!r}" in message


def test_where_keeps_what_has_the_value_in_order() -> None:
    everything = read_samples(TASK, ROOT)
    for name, value in (("tier", "high"), ("language", "en"), ("season", "2")):
        found = read_samples(TASK, ROOT, where={name: value})
        assert found == [sample for sample in everything if slice_value(sample, name) == value]
        assert 0 < len(found) < len(everything)


def test_the_values_of_a_slice_share_the_samples_out() -> None:
    everything = ids_of(read_samples(TASK, ROOT))
    parts = [ids_of(read_samples(TASK, ROOT, where={"tier": tier})) for tier in TIERS]
    assert sorted(chain.from_iterable(parts)) == sorted(everything)


def test_several_conditions_hold_together_in_any_order() -> None:
    one = read_samples(TASK, ROOT, where={"tier": "high", "language": "en", "season": "0"})
    two = read_samples(TASK, ROOT, where={"season": "0", "language": "en", "tier": "high"})
    assert one == two
    assert {(sample.meta["tier"], sample.language, sample.meta["season"]) for sample in one} == {("high", "en", 0)}


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ({"tier": "hihg"}, ["tier", "hihg", "high, low, medium", "mean high"]),
        ({"tier": "HIGH"}, ["HIGH", "mean high"]),
        ({"language": "zn"}, ["language", "zn", "en, zh", "mean zh"]),
        ({"language": "fr"}, ["language", "fr", "en, zh"]),
        ({"season": "9"}, ["season", "9", "0, 1, 2, 3"]),
        ({"empty": "x"}, ["empty"]),
        ({"tier": ""}, ["tier", "high"]),
        ({"tire": "high"}, ["tire", "mean tier"]),
        ({"langauge": "zh"}, ["langauge", "mean language"]),
    ],
)
def test_a_condition_that_nothing_meets_names_the_nearest(where: dict[str, str], words: list[str]) -> None:
    with pytest.raises(ValueError, match="mood") as caught:
        read_samples(TASK, ROOT, where=where)
    assert [word for word in words if word not in str(caught.value).replace("'", "")] == []


def test_conditions_that_exclude_each_other_say_what_is_left() -> None:
    only = replace(
        TASK, adapter=lambda root, split: iter([sample_with("a", "high", "en"), sample_with("b", "low", "zh")])
    )
    with pytest.raises(ValueError, match="language") as caught:
        read_samples(only, ROOT, where={"tier": "high", "language": "zh"})
    assert "en" in str(caught.value)


def sample_with(name: str, tier: str, language: str) -> Sample:
    return Sample(id=name, gold=None, language=language, meta={"tier": tier})


def test_no_sample_at_all_names_the_data() -> None:
    with pytest.raises(ValueError, match="nowhere") as caught:
        read_samples(TASK, ROOT, "none")
    assert "none" in str(caught.value)


def test_an_id_that_occurs_twice_is_named() -> None:
    with pytest.raises(ValueError, match="twice_0"):
        read_samples(TASK, ROOT, "twice")


@pytest.mark.timeout(120)
def test_many_samples_do_not_take_long_to_check() -> None:
    """An id that occurs twice, last of 200,000: a second or two; comparing each with each would take many minutes."""
    ids = [*(str(number) for number in range(200_000)), "199999"]
    large = replace(TASK, adapter=lambda root, split: (Sample(id=name, gold=None) for name in ids))
    with pytest.raises(ValueError, match="199999"):
        read_samples(large, ROOT)


def test_slice_values_are_text() -> None:
    sample = Sample(
        id="a", gold=None, language="zh", meta={"n": 3, "none": None, "yes": True, "zero": 0, "language": "x"}
    )
    values = [slice_value(sample, name) for name in ("language", "n", "none", "missing", "yes", "zero")]
    assert values == ["zh", "3", "", "", "True", "0"]


# --- Limit

ids = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), unique=True, max_size=60)


def with_names(names: list[str]) -> list[Sample]:
    return [Sample(id=name, gold=None) for name in names]


@given(names=ids, limit=st.integers(1, 70))
def test_limit_takes_so_many_in_order(names: list[str], limit: int) -> None:
    samples = with_names(names)
    found = take(samples, limit)
    assert len(found) == min(limit, len(samples))
    places = [names.index(sample.id) for sample in found]
    assert places == sorted(places)
    assert take(samples, limit) == found
    assert take(samples, None) == samples


def test_ids_that_are_no_utf8() -> None:
    """A folder may hold file names that are no UTF-8; an adapter that lists it makes ids of them."""
    samples = with_names(["caf\udce9.mp4", "\ud800", "c"])
    assert take(samples, 3) == samples


@given(names=ids, small=st.integers(1, 70), more=st.integers(0, 70))
def test_a_larger_limit_contains_a_smaller_one(names: list[str], small: int, more: int) -> None:
    samples = with_names(names)
    assert set(ids_of(take(samples, small))) <= set(ids_of(take(samples, small + more)))


@given(names=ids, limit=st.integers(1, 70), seed=st.randoms())
def test_the_choice_does_not_depend_on_the_order(names: list[str], limit: int, seed: object) -> None:
    turned = with_names(names[::-1])
    assert set(ids_of(take(turned, limit))) == set(ids_of(take(with_names(names), limit)))


def test_the_choice_is_fixed() -> None:
    """Another choice would begin every smoke run anew."""
    names = [f"clip_{number:03}" for number in range(100)]
    assert ids_of(take(with_names(names), 3)) == ["clip_004", "clip_055", "clip_088"]


def test_the_choice_is_spread_over_the_data() -> None:
    samples = with_names([f"clip_{number:05}" for number in range(10_000)])
    places = [int(sample.id[5:]) for sample in take(samples, 1000)]
    counts = [sum(low <= place < low + 1000 for place in places) for low in range(0, 10_000, 1000)]
    assert min(counts) > 60, counts
    assert max(counts) < 145, counts


def test_a_choice_among_the_data_is_spread_over_slices() -> None:
    taken = take(read_samples(TASK, ROOT), 60)
    assert {sample.meta["tier"] for sample in taken} == set(TIERS)
    assert {sample.language for sample in taken} == {"zh", "en"}


@pytest.mark.parametrize("limit", [0, -1, -100])
def test_a_limit_below_one_is_refused(limit: int) -> None:
    with pytest.raises(ValueError, match=f"limit is {limit}.*1"):
        take(with_names(["a"]), limit)


# --- Ids from a file


def test_ids_of_a_file_in_task_order(tmp_path: Path) -> None:
    file = tmp_path / "ids.txt"
    file.write_text("c\n\n  a \n", encoding="utf-8")
    assert ids_of(with_ids(with_names(["a", "b", "c"]), file)) == ["a", "c"]
    assert ids_of(with_ids(with_names(["a", "b", "c"]), None)) == ["a", "b", "c"]


def test_an_unknown_id_names_line_and_nearest(tmp_path: Path) -> None:
    file = tmp_path / "ids.txt"
    file.write_text("dia1_utt1\ndia1_ut2\nzzz\n", encoding="utf-8")
    with pytest.raises(ValueError, match="line 2") as caught:
        with_ids(with_names(["dia1_utt1", "dia1_utt2"]), file)
    assert all(word in str(caught.value) for word in (str(file), "dia1_ut2", "mean dia1_utt2", "2 of 3"))


def test_a_file_with_a_byte_order_mark_or_windows_line_ends(tmp_path: Path) -> None:
    file = tmp_path / "ids.txt"
    file.write_bytes(b"\xef\xbb\xbfa\r\nb\r\n")
    assert ids_of(with_ids(with_names(["a", "b", "c"]), file)) == ["a", "b"]


def test_an_empty_file_of_ids_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "ids.txt"
    file.write_text("\n \n", encoding="utf-8")
    with pytest.raises(ValueError, match="ids"):
        with_ids(with_names(["a"]), file)


def test_a_file_of_ids_that_is_no_text_is_named(tmp_path: Path) -> None:
    file = tmp_path / "ids.txt"
    file.write_bytes(b"\xff\xfe\x00a")
    with pytest.raises(ValueError, match=r"ids\.txt"):
        with_ids(with_names(["a"]), file)


# --- Pairs and options


def test_pairs() -> None:
    assert read_pairs(["a=1", "b=x=y", "c="], "--where") == {"a": "1", "b": "x=y", "c": ""}
    assert read_pairs([], "--where") == {}


@pytest.mark.parametrize(("pairs", "words"), [(["a"], ["--where", "a", "name=value"]), (["=1"], ["--where", "=1"])])
def test_what_is_no_pair_is_refused(pairs: list[str], words: list[str]) -> None:
    with pytest.raises(ValueError, match="name=value") as caught:
        read_pairs(pairs, "--where")
    assert all(word in str(caught.value) for word in words)


def test_a_name_given_twice_is_refused() -> None:
    with pytest.raises(ValueError, match=r"--option.*'a'.*twice"):
        read_pairs(["a=1", "a=1"], "--option")


def test_options_have_their_first_value_by_default() -> None:
    assert check_options(TASK, {}) == {"labels": "repaired", "media": "strict"}
    assert check_options(TASK, {"media": "lenient"}) == {"labels": "repaired", "media": "lenient"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"lables": "release"}, ["mood", "lables", "labels, media", "mean labels"]),
        ({"labels": "relaese"}, ["labels", "relaese", "repaired, release", "mean release"]),
        ({"media": "LENIENT"}, ["LENIENT", "strict, lenient", "mean lenient"]),
        ({"zzz": "1"}, ["zzz", "labels, media"]),
    ],
)
def test_an_unknown_option_or_value_names_the_nearest(options: dict[str, str], words: list[str]) -> None:
    with pytest.raises(ValueError, match="mood") as caught:
        check_options(TASK, options)
    assert [word for word in words if word not in str(caught.value).replace("'", "")] == []


def test_a_task_without_options_says_so() -> None:
    with pytest.raises(ValueError, match="none"):
        check_options(replace(TASK, options={}), {"labels": "release"})

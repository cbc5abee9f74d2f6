"""The examples computed with the official scorers of the MER challenges, each to 1e-12; they are no part of the
repository, and neither are the wheel tables."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import pytest

from eval.metrics.table import METRICS, Options
from eval.wheels.ew import ew_scores, group_lists, hit_rate, preference, read_labels, sentiment, six_class_waf
from eval.wheels.wordmap import COLUMNS, load_words
from prompts.parsing.official import mer_clean_up
from prompts.parsing.official import preference as read_preference
from tasks.task import AnyOf
from tests.eval.wheel_set import EXAMPLES, REAL

pytestmark = pytest.mark.skipif(
    not (EXAMPLES.is_dir() and REAL.is_dir()), reason=f"needs {EXAMPLES} and the wheel tables in {REAL}"
)
EDITIONS = ("mer2025", "mer2026")


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "official-cache"))


def examples(file: str, part: str) -> list[dict[str, Any]]:
    """The cases of one part of a file; none where the file is not there."""
    path = EXAMPLES / file
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))[part] if path.is_file() else []
    return found


def each(file: str, part: str) -> pytest.MarkDecorator:
    cases = examples(file, part)
    return pytest.mark.parametrize("case", cases, ids=[case.get("id", str(n)) for n, case in enumerate(cases)])


def same(one: object, other: object) -> bool:
    """Equal to 1e-12; counts, which are integers, exactly; null is NaN."""
    if isinstance(other, int) and isinstance(one, int):
        return one == other
    return bool(one == pytest.approx(math.nan if other is None else other, rel=0, abs=1e-12, nan_ok=True))


def ours(name: str) -> str:
    """Our key for an official one: case3_wheel2_level1 is w2_l1, avg_level1 is level1."""
    return name.replace("case3_wheel", "w").replace("_level", "_l") if "wheel" in name else name.removeprefix("avg_")


# --- emotion wheels


@pytest.mark.parametrize("edition", EDITIONS)
@each("ew.json", "cases")
def test_every_number_of_the_wheel_scorer(case: Mapping[str, Any], edition: str) -> None:
    expected = case[edition]
    inputs = case["name2gt"], case["name2pred"], edition, REAL, case.get("process_names")
    if "error" in expected:
        with pytest.raises(ValueError, match="cannot split" if expected["error"] == "IndexError" else "no prediction"):
            ew_scores(*inputs)
        return
    found = ew_scores(*inputs)
    assert len(expected) >= 15
    for name, value in expected.items():
        if isinstance(value, dict):
            assert all(same(found[ours(name)][part], number) for part, number in value.items()), name
        else:
            assert same(found[name], value), name


def test_the_rows_of_the_table_say_the_same() -> None:
    """Through the metrics table, for the sets of all samples: 42 rows of columns and levels, and the headlines."""
    checked = 0
    for case in examples("ew.json", "cases"):
        if case["kind"] != "random_set":
            continue
        names = case.get("process_names") or list(case["name2gt"])
        gold = [{"labels": read_labels(case["name2gt"][name], name)} for name in names]
        told = [{"labels": read_labels(case["name2pred"][name], name)} for name in names]
        for edition in EDITIONS:
            options = Options(wheels=edition, wheel_folder=REAL)
            expected = case[edition]
            rows = {
                f"ew_{ours(name).replace('level', 'l')}_{part}": number
                for name, value in expected.items()
                if isinstance(value, dict)
                for part, number in value.items()
                if part != "n"
            }
            if edition == "mer2025":
                rows |= {"ew_mean_f": expected["score"], "ew_m_avg": expected["m_avg12"]}
            for name, number in rows.items():
                assert same(METRICS[name](gold, told, AnyOf(), options), number), (case["id"], edition, name)
                checked += 1
    assert checked == 2 * (2 * 42 + 2)


def test_the_word_map() -> None:
    label_map: dict[str, Any] = json.loads((EXAMPLES / "ew.json").read_text(encoding="utf-8"))["label_map"]
    assert len(label_map) == 60
    for edition in EDITIONS:
        words = load_words(edition, REAL)
        for label, by_edition in label_map.items():
            assert by_edition[edition].keys() == set(COLUMNS)
            assert {column: words.cluster(label, column) for column in COLUMNS} == by_edition[edition], label


@each("ew.json", "string_to_list")
def test_the_list_reader(case: Mapping[str, Any]) -> None:
    if "error" in case:
        with pytest.raises(ValueError, match="cannot split"):
            read_labels(case["in"], "it")
    else:
        assert read_labels(case["in"], "it") == case["out"]


@each("ew.json", "listlist_to_list")
def test_the_reader_of_lists_of_lists(case: Mapping[str, Any]) -> None:
    assert group_lists(case["in"]) == case["out"]


@each("ew.json", "qwen_answer_cleanup")
def test_the_clean_up_of_an_extraction_reply(case: Mapping[str, Any]) -> None:
    assert mer_clean_up(case["in"]) == case["out"]


# --- hit rate


@each("hitrate.json", "cases")
def test_the_hit_rate(case: Mapping[str, Any]) -> None:
    expected = case["out"]
    if "error" in expected:
        with pytest.raises(ValueError, match="one word as text" if expected["error"] == "TypeError" else "prediction"):
            hit_rate(case["name2gt"], case["name2pred"], wheels=REAL)
        return
    found = hit_rate(case["name2gt"], case["name2pred"], wheels=REAL)
    assert same(found["hitrate"], expected["hitrate"])
    assert same(found["mscore"], expected["mscore"])
    for wheel in range(1, 6):
        assert all(same(found[f"w{wheel}"][part], number) for part, number in expected[f"wheel{wheel}"].items()), wheel
    gold = [{"labels": read_labels(label, name)} for name, label in case["name2gt"].items()]
    told = [{"labels": read_labels(case["name2pred"][name], name)} for name in case["name2gt"]]
    for name in ("hitrate", "mscore"):
        row = METRICS[name](gold, told, AnyOf(), Options(wheels="mer2025", wheel_folder=REAL))
        assert same(row, expected[name])


# --- preference, six classes, sentiment


@each("other.json", "preference_parser")
def test_the_preference_reader(case: Mapping[str, Any]) -> None:
    assert read_preference(case["in"]) == case["out"]


@each("other.json", "preference_scores")
def test_preference_scores(case: Mapping[str, Any]) -> None:
    for classes, expected in ((2, case["twoclass"]), (3, case["threeclass"])):
        gold, pred = case["gt"], case["pred"]
        if "error" in expected or len(gold) != len(pred):
            with pytest.raises(ValueError, match=r"a1, a2, same|two classes leave out|but 2 predictions"):
                preference(gold, pred, 2 if classes == 2 else 3)
        if "error" not in expected:  # for rows of unequal number the published scorer drops what is over
            found = preference(gold[: len(pred)], pred, 2 if classes == 2 else 3)
            assert all(same(found[part], number) for part, number in expected.items())


@each("other.json", "six_class_waf")
def test_six_class_scores(case: Mapping[str, Any]) -> None:
    if "error" in case:
        with pytest.raises(ValueError, match="no prediction: b"):
            six_class_waf(case["gt"], case["pred"])
        return
    found = six_class_waf(case["gt"], case["pred"])
    assert same(found["waf"], case["waf"])
    assert same(found["acc"], case["acc"])


@each("other.json", "sentiment")
def test_sentiment_scores(case: Mapping[str, Any]) -> None:
    if "error" in case:
        with pytest.raises(ValueError, match="other than 0"):
            sentiment(case["name2val"], case["name2sentiment"])
        return
    found = sentiment(case["name2val"], case["name2sentiment"])
    assert same(found["waf"], case["waf"])
    assert same(found["acc"], case["acc"])


def test_every_part_of_the_examples_is_read_here() -> None:
    parts = {
        "ew.json": {"meta", "cases", "label_map", "string_to_list", "listlist_to_list", "qwen_answer_cleanup"},
        "hitrate.json": {"meta", "cases"},
        "other.json": {"meta", "preference_parser", "preference_scores", "six_class_waf", "sentiment"},
    }
    for name, keys in parts.items():
        assert json.loads((EXAMPLES / name).read_text(encoding="utf-8")).keys() == keys

"""Wheel scores on the made-up tables: against sets and dictionaries, by hand, and what does not change them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.metrics import wheelscores
from eval.metrics.wheelscores import both, marked, overlaps
from eval.wheels.ew import ew_scores, group_lists, hit_rate, read_labels, set_scores
from eval.wheels.floor import CONSTANTS, companions, constant_floor, lost_labels
from eval.wheels.wordmap import COLUMNS, WordMap, load_words, read_forms, read_synonyms, read_wheel
from tests.eval.wheel_set import VOCABULARY, write_wheels

Lists = dict[str, list[str]]
EDITIONS = ("mer2025", "mer2026")
on_both_editions = pytest.mark.parametrize("edition", EDITIONS)
lists = st.lists(st.sampled_from(VOCABULARY), max_size=5)
samples = st.lists(st.tuples(lists, lists), min_size=1, max_size=8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_wheels(tmp_path_factory.mktemp("wheels"))


def scores(rows: Sequence[tuple[Any, Any]], edition: str, folder: Path) -> dict[str, Any]:
    named = {f"s{number}": row for number, row in enumerate(rows)}
    gold, pred = ({name: row[side] for name, row in named.items()} for side in (0, 1))
    return ew_scores(gold, pred, edition, folder, checked=False)


def same(one: Any, other: Any) -> bool:
    """Equal numbers in equal places, NaN being itself."""
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return bool(one == pytest.approx(other, abs=1e-12, nan_ok=True))


# --- the definition written out


# of one set of tables
forms_of, synonyms_of, wheel_of = cache(read_forms), cache(read_synonyms), cache(read_wheel)


def by_sets(rows: Sequence[tuple[list[str], list[str]]], edition: str, folder: Path) -> dict[str, dict[str, float]]:
    forms, synonyms = forms_of(folder / "format.csv"), synonyms_of(folder / "synonym.xlsx")
    empty = math.nan if edition == "mer2025" else 0.0

    def clusters(labels: list[str], column: str) -> set[str]:
        found = set()
        for label in labels:
            bases = sorted(forms.get(label.lower().strip(), ()))
            if not bases:
                continue
            if column == "case1":
                found.add(bases[0])
            elif column == "case2":
                found |= set(sorted(synonyms.get(bases[0], ()))[:1])
            else:
                ring = wheel_of(folder / f"wheel{column[1]}.xlsx")[int(column[-1]) - 1]
                words = sorted(word for base in bases for word in synonyms.get(base, ()))
                found |= {ring[word] for word in [word for word in words if word in ring][:1]}
        return found

    def one(column: str) -> dict[str, float]:
        pairs = [(clusters(gold, column), clusters(told, column)) for gold, told in rows]
        counted = [(gold, told) for gold, told in pairs if gold]
        precision = [len(gold & told) / len(told) if told else 0.0 for gold, told in counted]
        recall = [len(gold & told) / len(gold) if told else 0.0 for gold, told in counted]
        p, r = (float(np.mean(values)) if values else empty for values in (precision, recall))
        return {"p": p, "r": r, "f": 2 * p * r / (p + r) if p + r > 0 else empty, "n": len(counted)}

    return {column: one(column) for column in COLUMNS}


@on_both_editions
@given(rows=samples)
@settings(max_examples=12, deadline=None)
def test_every_column_equals_the_definition_written_out(edition: str, rows: Any, folder: Path) -> None:
    found, expected = scores(rows, edition, folder), by_sets(rows, edition, folder)
    assert same({column: found[column] for column in COLUMNS}, expected)
    for level in (1, 2):
        for part in "prf":
            mean = np.mean([expected[f"w{wheel}_l{level}"][part] for wheel in range(1, 6)])
            assert same(found[f"level{level}"][part], mean)
    assert same(found["m_avg12"], np.mean([expected[column]["f"] for column in COLUMNS]))
    inner, outer = found["level1"]["f"], found["level2"]["f"]
    assert same(found["score"], (inner + outer) / 2 if edition == "mer2025" else inner)


@given(rows=samples)
@settings(max_examples=30, deadline=None)
def test_blocks_do_not_change_the_counting(rows: Any, folder: Path) -> None:
    words = load_words("mer2026", folder, checked=False)
    pair = [gold for gold, _ in rows], [told for _, told in rows]
    whole = overlaps(*pair, words)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wheelscores, "CELLS", 3)
        assert len(list(marked(both(*pair, words), words, 0))) == len(rows)
        assert np.array_equal(overlaps(*pair, words), whole)


# --- by hand


@on_both_editions
def test_a_small_set_by_hand(edition: str, folder: Path) -> None:
    rows = [(["glad", "mad"], ["glad"]), (["blue"], ["mad", "blue"]), (["neutral"], ["glad"]), (["mad"], None)]
    found = scores(rows, edition, folder)
    # wheel 2, inner ring: good and bad; {good, bad}/{good}, {bad}/{bad}, -, {bad}/{}
    assert same(found["w2_l1"], {"p": 2 / 3, "r": (1 / 2 + 1) / 3, "f": 2 * (2 / 3) * (1 / 2) / (7 / 6), "n": 3})
    # wheel 3 has no blue: {glad, mad}/{glad}, -, -, {mad}/{}
    assert same(found["w3_l1"], {"p": 1 / 2, "r": 1 / 4, "f": 1 / 3, "n": 2})
    # wheel 1 has no mad: {glad}/{glad}, {low}/{low}
    assert same(found["w1_l1"], {"p": 1, "r": 1, "f": 1, "n": 2})


def test_nothing_counted_and_nothing_hit_differ_by_edition(folder: Path) -> None:
    nothing_counted, nothing_hit = [(["neutral"], ["glad"])], [(["glad"], ["mad"])]
    for rows in (nothing_counted, nothing_hit):
        old, new = (scores(rows, edition, folder) for edition in EDITIONS)
        assert math.isnan(old["w1_l1"]["f"])
        assert math.isnan(old["score"]), "one wheel makes the average NaN"
        assert (new["w1_l1"]["f"], new["score"]) == (0, 0)
    assert math.isnan(scores(nothing_counted, "mer2025", folder)["w1_l1"]["p"])
    assert scores(nothing_hit, "mer2025", folder)["w1_l1"]["p"] == 0


# --- what does not change a score


@on_both_editions
@given(rows=samples, seed=st.randoms(use_true_random=False))
@settings(max_examples=20, deadline=None)
def test_order_repetition_case_and_blanks_do_not_matter(edition: str, rows: Any, seed: Any, folder: Path) -> None:
    def dressed(labels: list[str]) -> list[str]:
        found = [*labels, *labels[:2]]
        seed.shuffle(found)
        return [f"  {label.upper()}\n" for label in found]

    other = [(dressed(gold), dressed(told)) for gold, told in rows]
    seed.shuffle(other)
    assert same(scores(other, edition, folder), scores(rows, edition, folder))


@on_both_editions
@given(rows=samples)
@settings(max_examples=20, deadline=None)
def test_unknown_words_change_nothing(edition: str, rows: Any, folder: Path) -> None:
    other = [([*gold, "smile"], ["well-thought-out", *told, "开心"]) for gold, told in rows]
    assert same(scores(other, edition, folder), scores(rows, edition, folder))


@on_both_editions
@given(rows=samples)
@settings(max_examples=20, deadline=None)
def test_predictions_of_other_names_are_left_alone(edition: str, rows: Any, folder: Path) -> None:
    gold = {str(number): row[0] for number, row in enumerate(rows)}
    pred = {str(number): row[1] for number, row in enumerate(rows)}
    pair = (
        ew_scores(gold, {"other": ["glad"], **pred}, edition, folder, checked=False),
        ew_scores(gold, pred, edition, folder, checked=False),
    )
    assert same(*pair)
    some = list(gold)[::2]
    with pytest.raises(ValueError, match="nothing to score"):
        ew_scores(gold, pred, edition, folder, [], checked=False)
    chosen = ew_scores(gold, pred, edition, folder, some, checked=False)
    assert same(chosen, scores(rows[::2], edition, folder))


@on_both_editions
@given(rows=samples)
@settings(max_examples=30, deadline=None)
def test_scores_are_shares_and_gold_itself_is_perfect(edition: str, rows: Any, folder: Path) -> None:
    for found in (scores(rows, edition, folder), scores([(gold, gold) for gold, _ in rows], edition, folder)):
        for column in COLUMNS:
            for part in "prf":
                assert math.isnan(found[column][part]) or 0 <= found[column][part] <= 1 + 1e-12
            assert 0 <= found[column]["n"] <= len(rows)
    for column in COLUMNS:
        assert math.isnan(found[column]["f"]) or found[column]["f"] == pytest.approx(1.0) or not found[column]["n"]


# --- what is refused


def test_missing_predictions_are_named(folder: Path) -> None:
    gold = {f"s{number}": ["glad"] for number in range(9)}
    with pytest.raises(ValueError, match=r"8 of the samples have no prediction: s1, s2, s3, s4, s5, …"):
        ew_scores(gold, {"s0": ["glad"]}, "mer2025", folder, checked=False)
    with pytest.raises(ValueError, match="1 of the samples have no gold: other"):
        ew_scores(gold, gold, "mer2025", folder, ["s1", "other"], checked=False)


@pytest.mark.parametrize(
    ("entry", "message"),
    [("[", "cannot split"), (3, "list of words"), (["glad", 3], "list of words"), ({"glad": 1}, "list of words"),
     (b"glad", "list of words"), (True, "list of words")],
)  # fmt: skip
def test_entries_that_are_no_lists_are_refused_with_their_name(entry: Any, message: str, folder: Path) -> None:
    for gold, pred, side in ((entry, ["glad"], "gold"), (["glad"], entry, "prediction")):
        with pytest.raises(ValueError, match=f"the {side} of clip 7 is .*{message}"):
            ew_scores({"clip 7": gold}, {"clip 7": pred}, "mer2026", folder, checked=False)


@pytest.mark.parametrize(
    ("entry", "labels"),
    [(None, []), (math.nan, []), ("", []), ("[a, 'b c']", ["a", "b c"]), (("a",), ["a"]),
     (np.array(["a", "b"]), ["a", "b"]), ([" a "], [" a "])],
)  # fmt: skip
def test_entries_are_read_as_the_challenges_read_them(entry: Any, labels: list[str]) -> None:
    assert read_labels(entry, "it") == labels


# --- hit rate


def test_hit_rate_by_hand(folder: Path) -> None:
    gold = {"a": "glad", "b": "mad", "c": "neutral", "d": "Blue"}
    pred = {"a": ["proud", "mad"], "b": "[glad]", "c": ["glad"], "d": ["low", "blue", "mad"]}
    found = hit_rate(gold, pred, wheels=folder, checked=False)
    # wheel 4: a glad in {glad, mad}; b mad in {glad}; d blue in {blue, mad}; clusters of glad and mad alone are choices
    assert same(found["w4"], {"hitrate": 2 / 3, "mscore": (1 / 2 + 0 + 1 / 1) / 3, "n": 3})
    assert found["w3"]["n"] == 2
    assert same(found["hitrate"], np.mean([found[f"w{wheel}"]["hitrate"] for wheel in range(1, 6)]))
    with pytest.raises(ValueError, match=r"the gold of a is \['glad'\]"):
        hit_rate({"a": ["glad"]}, pred, wheels=folder, checked=False)  # type: ignore[dict-item]


# --- sets of MER2024


def test_set_scores_by_hand() -> None:
    gold = {"a": "['happy', 'Sad']", "b": ["calm"], "c": ["sad"], "left out": ["sad"]}
    pred = {"a": ["joyful", "angry"], "b": [], "c": ["SAD"], "left out": []}
    groups = {"a": "[['happy', 'joyful'], ['sad'], ['angry']]", "b": [["calm"]], "c": ""}
    assert same(set_scores(gold, pred, groups), {"accuracy": (1 / 2 + 0 + 1) / 3, "recall": (1 / 2 + 0 + 1) / 3,
                                                 "score": 1 / 2, "n": 3})  # fmt: skip
    with pytest.raises(ValueError, match="the gold of b is empty"):
        set_scores({"b": []}, {"b": ["calm"]}, {"b": ""})
    with pytest.raises(ValueError, match="no groups"):
        set_scores(gold, pred, {})
    with pytest.raises(ValueError, match="no gold: d"):
        set_scores(gold, pred, {"d": ""})


@pytest.mark.parametrize(
    ("text", "groups"),
    [("", []), ("[]", []), ("[['a', 'b'], ['c d']]", [["a", "b"], ["c d"]]), ('[[],["x"]]', [["x"]])],
)
def test_groups_are_read_as_mer2024_reads_them(text: str, groups: list[list[str]]) -> None:
    assert group_lists(text) == groups


# --- the constant floor and the companions


def greedy(words: WordMap, gold: Lists, edition: str, folder: Path) -> tuple[list[str], float]:
    """The best constant list, one word after another, by the scorer itself."""
    counts: dict[str, int] = {}
    for labels in gold.values():
        for word in dict.fromkeys(label.lower().strip() for label in labels):
            counts[word] = counts.get(word, 0) + 1
    ordered = sorted((word for word in counts if word in words.known), key=lambda word: (-counts[word], word))
    chosen: list[str] = []
    best = 0.0

    def of(labels: list[str]) -> float:
        found = ew_scores(gold, dict.fromkeys(gold, labels), "mer2026", folder, checked=False)
        return float(found["score"] if edition == "mer2026" else (found["level1"]["f"] + found["level2"]["f"]) / 2)

    while True:
        top = max(((of([*chosen, word]), -place, word) for place, word in enumerate(ordered)), default=(0.0, 0, ""))
        if top[0] <= best + 1e-12:
            return chosen, best
        best = top[0]
        chosen.append(top[2])


@on_both_editions
@given(rows=st.lists(lists, min_size=1, max_size=6))
@settings(max_examples=15, deadline=None)
def test_the_floor_is_what_the_scorer_gives_a_constant_answer(edition: str, rows: Any, folder: Path) -> None:
    gold: Lists = {str(number): labels for number, labels in enumerate(rows)}
    floor = constant_floor(gold, edition, folder, checked=False)
    assert [labels for labels, _ in floor[:-1]] == list(CONSTANTS)
    for labels, value in floor:
        expected = ew_scores(gold, dict.fromkeys(gold, labels), edition, folder, checked=False)["score"]
        assert same(value, expected)
    words = load_words(edition, folder, checked=False)
    best = greedy(words, gold, edition, folder)[1]
    reached = ew_scores(gold, dict.fromkeys(gold, floor[-1][0]), "mer2026", folder, checked=False)
    found = reached["score"] if edition == "mer2026" else (reached["level1"]["f"] + reached["level2"]["f"]) / 2
    assert found == pytest.approx(best, abs=1e-9)


def test_the_floor_of_a_set_by_hand(folder: Path) -> None:
    gold = {"a": ["glad"], "b": ["gladly", "zzz"], "c": ["mad"]}
    labels, value = constant_floor(gold, "mer2026", folder, checked=False)[-1]
    assert labels == ("glad",), "`glad` and `gladly` are one word to the wheels, and one alphabet decides"
    # on wheels 2 to 5 two of three hit; wheel 1 has no mad
    assert same(value, (1 + 4 * (2 / 3)) / 5)
    assert constant_floor({"a": ["zzz"]}, "mer2026", folder, checked=False)[-1] == ((), 0.0)
    with pytest.raises(ValueError, match="no gold"):
        constant_floor({}, "mer2026", folder, checked=False)


def test_companions_by_hand(folder: Path) -> None:
    pred = {"a": ["glad", " Glad", "smile"], "b": "[smile, can't wait]", "c": [], "d": ["don't care", "so, so"]}
    found = companions(pred, "mer2025", folder, most=2, checked=False)
    # glad, smile; smile, can, t wait; -; don't care, "so, so"
    assert found.unknown == pytest.approx(6 / 7)
    assert found.unknown_words == [("smile", 2), ("can", 1)]
    assert found.list_length == pytest.approx(7 / 4)
    assert found.lost == {"don't care": ["don", "t care"], "so, so": ["so", "so"]}
    nothing = companions({"a": []}, "mer2025", folder, checked=False)
    assert math.isnan(nothing.unknown)
    assert nothing.list_length == 0


def test_labels_that_the_splitter_keeps_are_not_lost() -> None:
    assert lost_labels(["happy/content", "ill at ease", " sad ", "a;b", "[x]", "开心，平静"]) == {}
    assert lost_labels(["", '"quoted"']) == {"": [], '"quoted"': ["quoted"]}

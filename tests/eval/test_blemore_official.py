"""The official BLEMORE scorer, and the metrics of blends: reference examples, cases by hand, what both agree on."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.blends import official_scores
from eval.metrics.blend import acc_presence, acc_salience, blemore_score, blend_counts, presence_right, salience_right
from tasks.blemore import BLEMORE, LABELS, NEUTRAL, clip_name

EXAMPLES = Path(__file__).parents[2].parent / "shared" / "spec" / "examples" / "blemore.json"
Entries = list[dict[str, Any]]
GOLD = "A1_mix_ang_hap_70_30_ver1"


@pytest.fixture(scope="module")
def examples() -> dict[str, Any]:
    if not EXAMPLES.is_file():
        pytest.skip("needs the reference examples beside the checkout")
    found: dict[str, Any] = json.loads(EXAMPLES.read_text(encoding="utf-8"))
    return found


def entries(*pairs: Any) -> Entries:
    return [{"emotion": emotion, "salience": share} for emotion, share in zip(pairs[::2], pairs[1::2], strict=True)]


# --- reference examples


def test_every_item_of_the_reference_is_judged_alike(examples: dict[str, Any]) -> None:
    assert len(examples["items"]) == 67
    for item in examples["items"]:
        gold = clip_name(item["filename"]).value["emotions"]
        assert {entry["emotion"] for entry in gold} == {entry["emotion"] for entry in item["label"]}
        assert presence_right(gold, item["pred"]) is item["presence"], item["tag"]
        assert item["presence_error"] is None
        assert (len(gold) == 2) is item["salience_counted"], item["tag"]
        if item["salience_error"]:
            with pytest.raises(ValueError, match="needs a number 'salience'"):
                salience_right(gold, item["pred"])
            with pytest.raises(ValueError, match=f"^{item['filename']}: "):
                official_scores({item["filename"]: item["pred"]})
        elif item["salience_counted"]:
            assert salience_right(gold, item["pred"]) is item["salience"], item["tag"]
        if not item["salience_error"]:
            found = official_scores({item["filename"]: item["pred"]})
            assert found["acc_presence"] == item["presence"]
            assert found["acc_salience"] == bool(item["salience"])


def test_every_group_of_the_reference_has_the_same_totals(examples: dict[str, Any]) -> None:
    assert len(examples["groups"]) == 4
    for name, group in examples["groups"].items():
        chosen = [examples["items"][place] for place in group["index"]]
        predictions = {item["filename"]: item["pred"] for item in chosen}
        found = official_scores(predictions)
        assert found["acc_presence"] == pytest.approx(group["presence"], abs=1e-12), name
        assert found["acc_salience"] == pytest.approx(group["salience"], abs=1e-12), name
        sums = counts(predictions)
        assert acc_presence(sums) == pytest.approx(group["presence"], abs=1e-12), name
        if found["blends"]:
            assert acc_salience(sums) == pytest.approx(group["salience"], abs=1e-12), name
            assert blemore_score(sums) == pytest.approx((group["presence"] + group["salience"]) / 2, abs=1e-12), name
        else:
            assert np.isnan(acc_salience(sums))


def counts(predictions: dict[str, Entries]) -> np.ndarray[Any, np.dtype[np.float64]]:
    gold = [clip_name(name).value for name in predictions]
    table = blend_counts(gold, [{"emotions": told} for told in predictions.values()], BLEMORE.answer)
    return np.asarray(table.sum(0))


# --- by hand


@pytest.mark.parametrize(
    ("told", "presence", "salience"),
    [
        (entries("ang", 70, "hap", 30), True, True),
        (entries("hap", 30, "ang", 70), True, True),
        (entries("ang", "70", "hap", " 30.0 "), True, True),
        (entries("ang", 69.5, "hap", 30.5), True, True),
        (entries("ang", 70.5, "hap", 30.5), True, True),  # 70.5 is 70 and 30.5 is 30: half to even
        (entries("ang", 71.5, "hap", 29.5), True, False),
        (entries("ang", 0.7, "hap", 0.3), True, False),
        (entries("ang", 60, "hap", 40), True, False),
        (entries("ang", 30, "hap", 70), True, False),
        (entries("ang", 100, "hap", 0), True, False),
        (entries("ang", 70, "hap", 30, "ang", 70), True, False),  # three entries
        (entries("ang", 70, "sad", 30), False, False),
        (entries("ang", 70, "ang", 30), False, False),
        (entries("ang", 70), False, False),
        (entries("Ang", 70, "hap", 30), False, False),
        ([{"emotion": "ang"}], False, False),
        ([], False, False),
    ],
)
def test_one_blend(told: Entries, presence: bool, salience: bool) -> None:
    found = official_scores({GOLD: told})
    assert (found["acc_presence"], found["acc_salience"]) == (presence, salience)
    assert found["blemore_score"] == (presence + salience) / 2


def test_totals_by_hand() -> None:
    predictions = {
        GOLD: entries("hap", 30, "ang", 70),
        "A2_mix_ang_hap_50_50_ver1.mov": entries("ang", 70, "hap", 30),
        "A3_mix_disg_sad_30_70_ver1": entries("sad", 100),
        "A4_neu_sit1_ver1": entries("neu", 3),
        "A5_sad_int1_ver1": entries("fea", 100),
    }
    assert official_scores(predictions) == {
        "acc_presence": 3 / 5,
        "acc_salience": 1 / 3,
        "blemore_score": (3 / 5 + 1 / 3) / 2,
        "n": 5,
        "blends": 3,
    }


def test_nothing_submitted_is_nan_and_no_blend_is_zero() -> None:
    found = official_scores({})
    assert math.isnan(found["acc_presence"])
    assert found["acc_salience"] == 0
    assert official_scores({"A5_sad_int1_ver1": entries("sad", 100)})["acc_salience"] == 0


@pytest.mark.parametrize(
    ("name", "told", "said"),
    [
        ("test_0001.mov", entries("ang", 100), "no name of a labelled clip.*the challenge server alone"),
        ("clip.mov", entries("ang", 100), "'clip.mov' is no name of a labelled clip"),
        (GOLD, [{"emotion": "ang"}, {"emotion": "hap"}], f"{GOLD}: .*a number 'salience'"),
        (GOLD, entries("ang", None, "hap", 30), "a number 'salience'"),
        (GOLD, entries("ang", "most", "hap", 30), "a number 'salience'"),
        (GOLD, entries("ang", math.nan, "hap", 30), "a number 'salience'"),
        (GOLD, entries("ang", math.inf, "hap", 30), "a number 'salience'"),
        (GOLD, [{"salience": 70}], "needs an 'emotion'"),
        (GOLD, [{"emotion": ["ang"], "salience": 70}], "needs an 'emotion'"),
        (GOLD, ["ang"], "needs an 'emotion'"),
        (GOLD, "ang", "a list of entries was expected"),
        (GOLD, {"emotion": "ang"}, "a list of entries was expected"),
        (GOLD, None, "a list of entries was expected"),
    ],
)
def test_where_the_official_script_stops_there_is_a_message(name: str, told: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        official_scores({name: told})


def test_shares_of_singles_and_of_single_answers_are_never_looked_at() -> None:
    assert official_scores({"A5_sad_int1_ver1": [{"emotion": "sad"}]})["acc_presence"] == 1
    assert official_scores({"A5_sad_int1_ver1": [{"emotion": "sad"}, {"emotion": "hap"}]})["acc_presence"] == 0


# --- the metrics


def test_no_answer_is_wrong_and_stays_in_n() -> None:
    gold = [clip_name(name).value for name in (GOLD, "A5_sad_int1_ver1", "A4_neu_sit1_ver1")]
    table = blend_counts(gold, [None, {"emotions": entries("sad", 100)}, None], BLEMORE.answer)
    assert table.tolist() == [[1, 0, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0]]
    sums = table.sum(0)
    found = [float(value(sums)) for value in (acc_presence, acc_salience, blemore_score)]
    assert found == pytest.approx([1 / 3, 0, 1 / 6])


def test_shares_beside_a_single_gold_are_not_looked_at() -> None:
    gold = [clip_name("A5_sad_int1_ver1").value]
    table = blend_counts(gold, [{"emotions": [{"emotion": "sad"}, {"emotion": "hap"}]}], BLEMORE.answer)
    assert table.tolist() == [[1, 0, 0, 0]]


def test_no_samples_have_no_score_and_lengths_have_to_agree() -> None:
    sums = blend_counts([], [], BLEMORE.answer).sum(0)
    assert all(np.isnan(value(sums)) for value in (acc_presence, acc_salience, blemore_score))
    with pytest.raises(ValueError, match="1 gold values, but 0 answers"):
        blend_counts([{"emotions": []}], [], BLEMORE.answer)


def test_sums_may_have_leading_axes() -> None:
    sums = np.array([[4.0, 2, 2, 1], [4, 4, 0, 0]])
    assert acc_presence(sums).tolist() == [0.5, 1.0]
    assert acc_salience(sums)[0] == 0.5
    assert np.isnan(blemore_score(sums)[1])


names = st.builds(
    lambda actor, emotions, share, single: (
        f"A{actor}_{emotions[0]}_int1_ver1"
        if single
        else f"A{actor}_mix_{emotions[0]}_{emotions[1]}_{share}_{100 - share}_ver1"
    ),
    st.integers(0, 99),
    st.permutations([label for label in LABELS if label != NEUTRAL]),
    st.sampled_from((30, 50, 70)),
    st.booleans(),
)
shares = st.sampled_from((0, 29.5, 30, 30.5, 49.5, 50, 50.5, 69.5, 70, "70", 71, 100))
told = st.lists(st.builds(lambda e, s: {"emotion": e, "salience": s}, st.sampled_from(LABELS), shares), max_size=3)
files = st.dictionaries(names, told, min_size=1, max_size=12)


def slow(predictions: dict[str, Entries]) -> tuple[float, float]:
    """The two accuracies once more, from their definitions."""
    present, exact = [], []
    for name, entries_ in predictions.items():
        parts = name.split("_")
        wanted = {parts[2]: int(parts[4]), parts[3]: int(parts[5])} if parts[1] == "mix" else {parts[1]: 100}
        answer = {entry["emotion"]: round(float(entry["salience"])) for entry in entries_}
        present.append(set(answer) == set(wanted))
        if len(wanted) == 2:
            exact.append(len(entries_) == 2 and answer == wanted)
    return sum(present) / len(present), sum(exact) / len(exact) if exact else 0.0


@given(files)
def test_scores_are_those_of_the_definition(predictions: dict[str, Entries]) -> None:
    found = official_scores(predictions)
    assert (found["acc_presence"], found["acc_salience"]) == slow(predictions)
    sums = counts(predictions)
    assert acc_presence(sums) == found["acc_presence"]
    assert found["blends"] == sums[2]
    if found["blends"]:
        assert acc_salience(sums) == found["acc_salience"]
        assert blemore_score(sums) == found["blemore_score"]


@given(files, st.randoms())
def test_the_order_of_files_and_entries_does_not_matter(predictions: dict[str, Entries], random: Any) -> None:
    mixed = [(name, random.sample(told, len(told))) for name, told in predictions.items()]
    random.shuffle(mixed)
    once = {name: kept for name, kept in mixed if len({e["emotion"] for e in kept}) == len(kept)}  # no later duplicate
    assert official_scores(once) == pytest.approx(
        official_scores({name: predictions[name] for name in once}), nan_ok=True
    )


def test_gold_as_its_own_answer_is_right(examples: dict[str, Any]) -> None:
    perfect = {item["filename"]: clip_name(item["filename"]).value["emotions"] for item in examples["items"]}
    found = official_scores(perfect)
    assert (found["acc_presence"], found["acc_salience"]) == (1, 1)

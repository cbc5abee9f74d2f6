"""Decoding of a distribution: the official rule and grid search, cross-validated thresholds, votes."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from eval.answers import Answer
from eval.blends import (
    Thresholds,
    cross_fitted,
    decode,
    distributions_of,
    fit,
    official_scores,
    post_process,
    search,
    top_two,
    vote,
    votes_of,
)
from eval.blends.thresholds import STEPS, Distribution
from eval.metrics.metric import Value
from infer.engine import Reply
from tasks.blemore import LABELS, clip_name
from tests.tasks.blemore_folder import names as folder_names

EXAMPLES = Path(__file__).parents[2].parent / "shared" / "spec" / "examples" / "blemore.json"


@pytest.fixture(scope="module")
def examples() -> dict[str, Any]:
    if not EXAMPLES.is_file():
        pytest.skip("needs the reference examples beside the checkout")
    found = json.loads(EXAMPLES.read_text(encoding="utf-8"))
    assert found["class_order"] == list(LABELS)
    post: dict[str, Any] = found["postprocess"]
    return post


def spread(*shares: float) -> Distribution:
    return dict(zip(LABELS, shares, strict=True))


def said(value: Value) -> dict[str, float]:
    return {entry["emotion"]: entry["salience"] for entry in value["emotions"]}


# --- reference examples


def test_the_reference_runs_come_out_alike(examples: dict[str, Any]) -> None:
    assert len(examples["runs"]) == 6
    for run in examples["runs"]:
        thresholds = Thresholds(run["presence_threshold"], run["salience_threshold"])
        found = {
            name: decode(spread(*row), thresholds)["emotions"]
            for name, row in zip(examples["filenames"], examples["probs"], strict=True)
        }
        assert found == run["output"]  # the entries in the same order, 70 == 70.0
        scores = official_scores(found)
        assert scores["acc_presence"] == pytest.approx(run["acc_presence"], abs=1e-12)
        assert scores["acc_salience"] == pytest.approx(run["acc_salience"], abs=1e-12)


def test_without_the_top_two_step_the_reference_stops_and_so_does_the_rule(examples: dict[str, Any]) -> None:
    (case,) = examples["without_top2"]
    assert case["without_top2_error"].startswith("ValueError")
    thresholds = Thresholds(case["presence_threshold"], case["salience_threshold"])
    with pytest.raises(ValueError, match=r"ang, disg, fea reach alpha = 0.1, and a blend has two emotions.*top_two"):
        post_process(spread(*case["vec"]), thresholds)
    assert said(decode(spread(*case["vec"]), thresholds)) == {"ang": 70, "disg": 30}


def test_the_reference_grid_search_comes_out_alike(examples: dict[str, Any]) -> None:
    gold = [clip_name(name).value for name in examples["filenames"]]
    found = search(gold, [spread(*row) for row in examples["probs"]])
    wanted = examples["grid_search"]
    assert (found.best.alpha, found.best.beta) == (wanted["alpha"], wanted["beta"])
    assert found.presence[found.place] == pytest.approx(wanted["acc_presence"], abs=1e-12)
    assert found.salience[found.place] == pytest.approx(wanted["acc_salience"], abs=1e-12)
    assert found.presence.max() == pytest.approx(wanted["presence_only"], abs=1e-12)
    assert found.salience.max() == pytest.approx(wanted["salience_only"], abs=1e-12)


# --- the rule, by hand


@pytest.mark.parametrize(
    ("shares", "alpha", "beta", "wanted"),
    [
        ((0.6, 0.3, 0.1, 0, 0, 0), 0.2, 0.2, {"ang": 70, "disg": 30}),
        ((0.3, 0.6, 0.1, 0, 0, 0), 0.2, 0.2, {"ang": 30, "disg": 70}),
        ((0.6, 0.3, 0.1, 0, 0, 0), 0.2, 0.4, {"ang": 50, "disg": 50}),
        ((0.5, 0.25, 0, 0, 0, 0), 0.25, 0.25, {"ang": 50, "disg": 50}),  # alpha and beta themselves are in
        ((0.6, 0.3, 0.1, 0, 0, 0), 0.31, 0.2, {"ang": 100}),
        ((0.6, 0.3, 0.1, 0, 0, 0), 0.7, 0.2, {"ang": 100}),
        ((0, 0, 0, 0.5, 0, 0.4), 0.2, 0.5, {"hap": 100}),
        ((0, 0, 0, 0.4, 0, 0.5), 0.2, 0.5, {"neu": 100}),
        ((0, 0, 0, 0.5, 0, 0.5), 0.2, 0.5, {"hap": 100}),  # neutral gives way in a tie
        ((0.2, 0.2, 0.2, 0.2, 0.2, 0), 0.2, 0.5, {"ang": 50, "disg": 50}),  # ties: label order
        ((0, 0, 0, 0, 0, 0), 0.1, 0.1, {"ang": 100}),
        ((0, 0, 0, 0, 1, 0), 1, 1, {"sad": 100}),
    ],
)
def test_the_rule(shares: tuple[float, ...], alpha: float, beta: float, wanted: dict[str, int]) -> None:
    found = decode(spread(*shares), Thresholds(alpha, beta))
    assert said(found) == wanted
    assert list(said(found)) == [label for label in LABELS if label in wanted]


def test_two_are_kept_and_labels_that_are_not_given_are_zero() -> None:
    assert top_two({"hap": 0.2, "ang": 0.3, "sad": 0.5}) == spread(0.3, 0, 0, 0, 0.5, 0)
    assert top_two({}) == spread(0, 0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("bad", "said_"),
    [({"joy": 1.0}, "names 'joy'"), ({"ang": -0.1}, "from 0 on"), ({"ang": math.nan}, "from 0 on")],
)
def test_what_is_no_distribution_is_refused(bad: Distribution, said_: str) -> None:
    with pytest.raises(ValueError, match=said_):
        decode(bad, Thresholds(0.1, 0.1))
    with pytest.raises(ValueError, match=said_):
        search([clip_name("A1_ang_int1_ver1").value], [bad])


@pytest.mark.parametrize(("alpha", "beta"), [(0, 0.1), (0.1, 0), (1.1, 0.1), (0.1, math.nan), (-1, 1)])
def test_thresholds_are_shares(alpha: float, beta: float) -> None:
    with pytest.raises(ValueError, match="legal is a number above 0 up to 1"):
        Thresholds(alpha, beta)


# --- the search against the rule, one clip after the other


names = st.sampled_from(folder_names(2))
shares = st.sampled_from((0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, float(STEPS[3]), float(STEPS[11])))
rows = st.lists(shares, min_size=6, max_size=6)
clips = st.lists(st.tuples(names, st.none() | rows), min_size=1, max_size=6)
Clips = list[tuple[str, list[float] | None]]


def by_the_rule(gold: list[Value], spreads: list[Distribution | None], thresholds: Thresholds) -> tuple[float, float]:
    present = exact = 0
    for value, one in zip(gold, spreads, strict=True):
        told = said(decode(one, thresholds)) if one is not None else {}
        present += told.keys() == said(value).keys()
        exact += len(told) == 2 and told == said(value)
    blends = sum(len(value["emotions"]) == 2 for value in gold)
    return present / len(gold), exact / blends if blends else 0


@settings(max_examples=40)
@given(clips)
@example([("A901_mix_ang_hap_50_50_ver2", [0.1, 0, 0, 0.05, 0, 0])])  # at alpha and at beta themselves
@example([("A901_mix_ang_hap_70_30_ver1", [0.1, 0, 0, 0.05, 0, 0]), ("A901_ang_int2_ver1", None)])
def test_the_grid_holds_the_scores_of_the_rule(clips: Clips) -> None:
    gold: list[Value] = [clip_name(name).value for name, _ in clips]
    spreads = [None if row is None else spread(*row) for _, row in clips]
    found = search(gold, spreads)
    for a, alpha in enumerate(STEPS):
        for b, beta in enumerate(STEPS):
            wanted = by_the_rule(gold, spreads, Thresholds(float(alpha), float(beta)))
            assert (found.presence[a, b], found.salience[a, b]) == wanted


@settings(max_examples=60)
@given(clips)
def test_the_first_best_pair_is_taken_in_the_order_of_alpha(clips: Clips) -> None:
    gold = [clip_name(name).value for name, _ in clips]
    found = search(gold, [None if row is None else spread(*row) for _, row in clips])
    grid = [(a, b) for a in range(20) for b in range(20)]
    means = [0.5 * float(found.presence[at]) + 0.5 * float(found.salience[at]) for at in grid]
    assert found.place == grid[means.index(max(means))]
    assert found.best.score == pytest.approx(max(means))


def test_thresholds_that_separate_are_found() -> None:
    """Singles have one emotion above .4, blends two; equal shares differ by less than .1."""
    clips = {
        "A1_ang_int1_ver1": spread(0.6, 0.35, 0, 0, 0, 0.05),
        "A1_sad_int1_ver1": spread(0, 0.3, 0, 0, 0.7, 0),
        "A1_mix_ang_hap_50_50_ver1": spread(0.45, 0, 0, 0.5, 0, 0.05),
        "A1_mix_ang_hap_70_30_ver1": spread(0.58, 0, 0, 0.42, 0, 0),
        "A1_mix_disg_fea_30_70_ver1": spread(0, 0.41, 0.55, 0, 0, 0),
    }
    found = fit([clip_name(name).value for name in clips], list(clips.values()))
    assert found.score == 1
    assert 0.35 < found.alpha <= 0.41
    assert 0.05 <= found.beta < 0.14
    assert official_scores({name: decode(one, found)["emotions"] for name, one in clips.items()})["blemore_score"] == 1


def test_no_clip_cannot_be_fitted_on() -> None:
    with pytest.raises(ValueError, match="on no clip"):
        fit([], [])


# --- cross-validation


def drawn(seed: int) -> tuple[list[Value], list[Distribution | None], list[int]]:
    """Clips of 5 folds with noisy distributions; the one at place 3 has none."""
    rng = np.random.default_rng(seed)
    gold: list[Value] = [clip_name(name).value for name in folder_names()]
    spreads: list[Distribution | None] = []
    for value in gold:
        base = np.array([said(value).get(label, 0) / 100 for label in LABELS])
        mixed = 0.5 * base + 0.5 * rng.dirichlet(np.ones(6))
        spreads.append(spread(*mixed.tolist()))
    spreads[3] = None
    return gold, spreads, [place // 36 % 5 for place in range(len(gold))]


def test_each_fold_is_decoded_by_thresholds_of_the_others() -> None:
    gold, spreads, folds = drawn(0)
    found = cross_fitted(gold, spreads, folds)
    assert list(found.thresholds) == [0, 1, 2, 3, 4]
    for name, thresholds in found.thresholds.items():
        others = [place for place, fold in enumerate(folds) if fold != name]
        assert thresholds == fit([gold[i] for i in others], [spreads[i] for i in others])
        for place, fold in enumerate(folds):
            one = spreads[place]
            if fold == name:
                assert found.values[place] == (None if one is None else decode(one, thresholds))
    assert found.values[3] is None


def test_a_fold_does_not_see_its_own_gold() -> None:
    gold, spreads, folds = drawn(1)
    changed = [
        clip_name("A1_neu_sit1_ver1").value if fold == 2 else value for value, fold in zip(gold, folds, strict=True)
    ]
    first, second = cross_fitted(gold, spreads, folds), cross_fitted(changed, spreads, folds)
    assert first.thresholds[2] == second.thresholds[2]
    own = [place for place, fold in enumerate(folds) if fold == 2]
    assert [first.values[i] for i in own] == [second.values[i] for i in own]


@pytest.mark.parametrize("folds", [[0, 0], [None, 1]])
def test_two_folds_are_needed(folds: list[int | None]) -> None:
    gold = [clip_name("A1_ang_int1_ver1").value] * 2
    with pytest.raises(ValueError, match="at least two are needed"):
        cross_fitted(gold, [spread(1, 0, 0, 0, 0, 0)] * 2, folds)


# --- where distributions come from


def test_label_log_probabilities_become_a_distribution() -> None:
    logs = {label: math.log(share) for label, share in zip(LABELS, (0.5, 0.1, 0.1, 0.1, 0.1, 0.1), strict=True)}
    found = distributions_of(
        [
            Reply("a", "k", "{}", label_logprobs={**logs, "ang": math.log(0.9)}),
            Reply("b", "k", "{}"),
            Reply("a", "k", "{}", label_logprobs=logs),
        ]
    )
    assert list(found) == ["a"]
    assert found["a"] == pytest.approx(spread(0.5, 0.1, 0.1, 0.1, 0.1, 0.1))
    assert said(decode(found["a"], Thresholds(0.2, 0.1))) == {"ang": 100}


def value(**shares: int) -> Value:
    return {"emotions": [{"emotion": label, "salience": share} for label, share in shares.items()]}


def test_votes_are_mean_shares_over_the_answers_that_are_there() -> None:
    found = vote([value(ang=100), None, value(ang=70, hap=30), value(sad=50, hap=50)])
    assert found == pytest.approx(spread(1.7 / 3, 0, 0, 0.8 / 3, 0.5 / 3, 0))
    assert said(decode(found or {}, Thresholds(0.2, 0.1))) == {"ang": 70, "hap": 30}
    assert vote([None, None]) is None
    assert vote([]) is None


def test_votes_of_runs_are_joined_by_sample() -> None:
    runs = [
        [Answer("a", value(ang=100)), Answer("b", reason="refusal"), Answer("c", value(sad=100))],
        [Answer("b", error="gone"), Answer("a", value(hap=100)), Answer("c", reason="empty")],
    ]
    assert votes_of(runs) == {"a": spread(0.5, 0, 0, 0.5, 0, 0), "c": spread(0, 0, 0, 0, 1, 0)}


@given(st.lists(st.sampled_from([clip_name(name).value for name in folder_names(2)]), min_size=1, max_size=9))
def test_votes_are_a_distribution_and_unanimous_ones_come_back(values: list[Value]) -> None:
    found = vote(values)
    assert found is not None
    assert sum(found.values()) == pytest.approx(1)
    again = vote([values[0]] * 5)
    assert said(decode(again or {}, Thresholds(0.1, 0.1))) == said(values[0])

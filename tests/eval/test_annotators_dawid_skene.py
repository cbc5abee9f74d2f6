"""Dawid-Skene by hand, against a plain implementation, against crowd-kit, and its properties."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from eval.annotators.consensus import consensus
from eval.annotators.dawid_skene import TOLERANCE, DawidSkene, dawid_skene, most_probable
from eval.annotators.ratings import MISSING, ratings_of

Votes = NDArray[np.int64]


def array(rows: list[list[int]]) -> Votes:
    return np.array(rows, dtype=np.int64)


def test_one_step_by_hand() -> None:
    """T = 1/0, 1/0, 0/1, ½/½; prior .625/.375. Annotator 1 says 0 for 0 always, for 1 in a third; annotator 2 says 0
    for 0 in .8, for 1 never. Item 4: .625·1·.2 = .375·⅓·1 = .125, so it stays a tie, which goes to the first label."""
    model = dawid_skene(array([[0, 0], [0, 0], [1, 1], [0, 1]]), 2)
    assert model.posterior == pytest.approx(np.array([[1, 0], [1, 0], [0, 1], [0.5, 0.5]]))
    assert model.prior == pytest.approx([0.625, 0.375])
    assert model.confusion == pytest.approx(np.array([[[1, 0], [1 / 3, 2 / 3]], [[0.8, 0.2], [0, 1]]]))
    assert model.steps == 1
    assert model.change == pytest.approx(0)
    assert model.label.tolist() == [0, 0, 1, 0]
    assert model.confidence == pytest.approx([1, 1, 1, 0.5])


def test_a_step_with_a_gap_by_hand() -> None:
    """Items 00, 11, 1-, 01: T = 1/0, 0/1, 0/1, ½/½, prior 3/8, 5/8. Annotator 1: 0 -> 0 always (1.5 of 1.5), 1 -> 0 in
    ½ of 2.5. Annotator 2 saw no item 3: 0 -> 1 in ½ of 1.5, 1 -> 1 always (1.5 of 1.5). Item 4: 0 has 3/8·1·⅓ = 1/8, 1
    has 5/8·1/5·1 = 1/8."""
    model = dawid_skene(array([[0, 0], [1, 1], [1, MISSING], [0, 1]]), 2, steps=1)
    assert model.posterior[3] == pytest.approx([0.5, 0.5])
    assert model.posterior[2] == pytest.approx([0, 1])
    assert model.confusion[1] == pytest.approx(np.array([[2 / 3, 1 / 3], [0, 1]]))


def test_items_without_a_vote_have_no_consensus_and_change_nothing() -> None:
    votes = array([[0, 0], [1, 1], [0, 1]])
    gaps = np.concatenate([votes, np.full((2, 2), MISSING)])
    plain, model = dawid_skene(votes, 2), dawid_skene(gaps, 2)
    assert model.posterior[:3] == pytest.approx(plain.posterior)
    assert np.isnan(model.posterior[3:]).all()
    assert model.label.tolist()[3:] == [MISSING, MISSING]
    assert np.isnan(model.confidence[3:]).all()
    nothing = dawid_skene(gaps[3:], 2)
    assert (nothing.steps, nothing.change, nothing.converged) == (0, 0.0, True)
    assert nothing.label.tolist() == [MISSING, MISSING]


def test_degenerate_tables_have_defined_results() -> None:
    assert dawid_skene(np.empty((0, 3), dtype=np.int64), 2).posterior.shape == (0, 2)
    assert dawid_skene(np.empty((2, 0), dtype=np.int64), 2).label.tolist() == [MISSING, MISSING]
    one = dawid_skene(array([[0], [1], [0]]), 2)
    assert one.label.tolist() == [0, 1, 0]
    assert one.confidence.tolist() == [1, 1, 1]
    same = dawid_skene(array([[0, 0]] * 4), 1)
    assert same.confidence.tolist() == [1] * 4
    # Annotator 2 never saw an item that may be 1: that row of the confusion says nothing.
    assert dawid_skene(array([[0, 0], [1, MISSING]]), 2).confusion[1, 1].tolist() == [0.5, 0.5]


@pytest.mark.parametrize("votes", [array([[2, 0]]), array([[-2, 0]]), np.zeros(3, dtype=np.int64)])
def test_votes_outside_the_labels_are_refused(votes: Votes) -> None:
    with pytest.raises(ValueError, match="numbers from 0 to 1, or -1"):
        dawid_skene(votes, 2)


def test_many_annotators_do_not_underflow() -> None:
    rng = np.random.default_rng(0)
    votes = np.where(rng.random((30, 2000)) < 0.4, rng.integers(0, 5, (30, 2000)), np.arange(30)[:, None] % 5)
    model = dawid_skene(votes, 5)
    assert model.label.tolist() == [i % 5 for i in range(30)]
    assert np.isfinite(model.posterior).all()


def test_ties_within_rounding_go_to_the_first_label() -> None:
    assert most_probable(np.array([[0.5, 0.5 + 1e-12], [0.4, 0.6], [np.nan, np.nan]])).tolist() == [0, 1, MISSING]


def plain_dawid_skene(votes: list[list[int]], labels: int, steps: int) -> list[list[float]]:
    """The same by loops over items, in products instead of logarithms; every item has a vote."""
    belief = [[sum(v == k for v in row) / sum(v >= 0 for v in row) for k in range(labels)] for row in votes]
    for _ in range(steps):
        prior = [sum(row[k] for row in belief) / len(votes) for k in range(labels)]
        tables = []
        for m in range(len(votes[0])):
            table = [[sum(b[k] for b, row in zip(belief, votes, strict=True) if row[m] == j) for j in range(labels)]
                     for k in range(labels)]  # fmt: skip
            tables.append([[x / sum(line) if sum(line) else 1 / labels for x in line] for line in table])
        new = []
        for row in votes:
            scores = [prior[k] * math.prod(tables[m][k][v] for m, v in enumerate(row) if v >= 0) for k in range(labels)]
            new.append([score / sum(scores) for score in scores])
        done = sum(abs(a - b) for x, y in zip(belief, new, strict=True) for a, b in zip(x, y, strict=True))
        belief = new
        if done / (len(votes) * labels) < TOLERANCE:
            break
    return belief


tables = st.integers(2, 4).flatmap(
    lambda labels: st.tuples(
        st.just(labels),
        st.integers(1, 4).flatmap(
            lambda raters: st.lists(
                st.lists(st.integers(-1, labels - 1), min_size=raters, max_size=raters).filter(lambda r: max(r) >= 0),
                min_size=1,
                max_size=12,
            )
        ),
    )
)


@given(tables, st.integers(1, 12))
@settings(deadline=None)
def test_equals_plain_loops(table: tuple[int, list[list[int]]], steps: int) -> None:
    labels, votes = table
    expected = plain_dawid_skene(votes, labels, steps)
    assert dawid_skene(array(votes), labels, steps).posterior == pytest.approx(np.array(expected), abs=1e-9)


@given(tables, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_orders_and_names_do_not_matter(table: tuple[int, list[list[int]]], random: Any) -> None:
    labels, rows = table
    votes = array(rows)
    items, raters, names = (random.sample(range(n), n) for n in (len(votes), votes.shape[1], labels))
    renamed = np.where(votes == MISSING, MISSING, np.array(names)[votes])
    model, other = dawid_skene(votes, labels, 5), dawid_skene(renamed[items][:, raters], labels, 5)
    assert other.posterior[:, names] == pytest.approx(model.posterior[items], abs=1e-9)
    assert model.posterior.sum(1) == pytest.approx(np.ones(len(votes)))
    assert ((model.confidence > 0) & (model.confidence <= 1 + 1e-12)).all()


def test_finds_the_truth_and_the_bad_annotator() -> None:
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 4, 2000)
    accuracy = np.array([0.9, 0.8, 0.3])
    votes = np.where(rng.random((2000, 3)) < accuracy, truth[:, None], rng.integers(0, 4, (2000, 3)))
    model = dawid_skene(votes, 4)
    majority = np.array([np.bincount(row, minlength=4).argmax() for row in votes])
    assert (model.label == truth).mean() > (majority == truth).mean() > 0.8
    means = [np.diagonal(table).mean() for table in model.confusion]
    assert means == pytest.approx(accuracy + (1 - accuracy) / 4, abs=0.05)


def crowd_kit(votes: Votes, steps: int) -> dict[int, dict[int, float]]:
    reason = "crowd-kit is not installed; it is the reference for Dawid-Skene"
    aggregation = pytest.importorskip("crowdkit.aggregation", reason=reason)
    import pandas as pd

    cells = [(i, m, int(v)) for i, row in enumerate(votes) for m, v in enumerate(row) if v != MISSING]
    frame = pd.DataFrame(cells, columns=["task", "worker", "label"])
    found = aggregation.DawidSkene(n_iter=steps, tol=0).fit_predict_proba(frame)
    return {int(i): {int(k): float(p) for k, p in row.items()} for i, row in found.iterrows()}


@pytest.mark.parametrize("gaps", [0.0, 0.3], ids=["whole", "with gaps"])
def test_equals_crowd_kit(gaps: float) -> None:
    rng = np.random.default_rng(2)
    truth = rng.integers(0, 3, 300)
    votes = np.where(rng.random((300, 4)) < 0.6, truth[:, None], rng.integers(0, 3, (300, 4)))
    votes[rng.random(votes.shape) < gaps] = MISSING
    model = dawid_skene(votes, 3, steps=20, tolerance=0)
    assert (model.steps, model.converged) == (20, False)
    reference = crowd_kit(votes, 20)
    assert len(reference) == (~np.isnan(model.confidence)).sum() > 250
    far = max(abs(model.posterior[i, k] - p) for i, row in reference.items() for k, p in row.items())
    assert far < 1e-7


# --- consensus of ratings


def test_label_sets_by_share_and_by_dawid_skene() -> None:
    cells: list[list[set[str] | None]] = [
        [{"a", "b"}, {"a"}, {"a", "c"}],
        [{"b"}, {"b"}, None],
        [{"a"}, {"b"}, None],
        [None, None, None],
        [set(), {"c"}, set()],
    ]
    ratings = ratings_of(list("12345"), ["x", "y", "z"], ["a", "b", "c"], cells)
    share = consensus(ratings)
    assert (share.method, share.models) == ("share", ())
    assert share.chosen.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert share.probability[0] == pytest.approx([1, 1 / 3, 1 / 3])
    assert np.isnan(share.probability[3]).all()
    assert share.confidence[:2].tolist() == [1, 1]
    assert np.isnan(share.confidence[2:]).all()
    assert share.code.tolist() == [0, 1, MISSING, MISSING, MISSING]
    each = consensus(ratings, "dawid-skene")
    assert len(each.models) == 3
    given_a = array([[1, 1, 1], [0, 0, MISSING], [1, 0, MISSING], [MISSING] * 3, [0, 0, 0]])
    expected: DawidSkene = dawid_skene(given_a, 2)
    assert each.probability[:, 0] == pytest.approx(expected.posterior[:, 1], nan_ok=True)


def test_single_labels_by_share_are_the_majority_with_ties_to_the_first() -> None:
    cells: list[list[set[str] | None]] = [[{"b"}, {"b"}, {"a"}], [{"b"}, {"a"}, None], [None, None, None]]
    found = consensus(ratings_of(list("123"), ["x", "y", "z"], ["a", "b"], cells), "share")
    assert found.code.tolist() == [1, 0, MISSING]
    assert found.confidence[:2] == pytest.approx([2 / 3, 1 / 2])


def test_an_unknown_method_is_refused() -> None:
    ratings = ratings_of(["1"], ["x"], ["a"], [[{"a"}]])
    with pytest.raises(ValueError, match="no consensus method 'majority'; there are: dawid-skene, share"):
        consensus(ratings, "majority")

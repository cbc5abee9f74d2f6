"""Coefficients of agreement by hand, against scikit-learn, krippendorff and NLTK, and their properties."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from eval.annotators import agreement
from eval.annotators.agreement import (
    DISTANCES,
    cardinality,
    cohen_kappa,
    exact_match,
    fleiss_kappa,
    jaccard,
    jaccard_distance,
    krippendorff_alpha,
    masi_distance,
    nominal_distance,
    union_sizes,
)
from eval.annotators.ratings import MISSING, Codes, Flags, ratings_of
from eval.annotators.summary import summarise

NAN = float("nan")


def codes(*rows: str) -> Codes:
    """Votes from rows such as "aab-", one character an annotator."""
    return np.array([[MISSING if c == "-" else ord(c) - ord("a") for c in row] for row in rows], dtype=np.int64)


def sets(*rows: str, labels: str = "abcd") -> tuple[Flags, Flags]:
    """chosen, rated from rows such as "ab a - 0": one word an annotator, - not annotated, 0 an empty set."""
    cells = [row.split() for row in rows]
    chosen = np.array([[[label in cell for label in labels] for cell in row] for row in cells])
    return chosen, np.array([[cell != "-" for cell in row] for row in cells])


def hot(votes: Codes, labels: int) -> tuple[Flags, Flags]:
    return votes[..., None] == np.arange(labels), votes != MISSING


def alpha(votes: Codes, labels: int) -> float:
    return krippendorff_alpha(*hot(votes, labels), nominal_distance)


# --- by hand


def test_cohen_by_hand() -> None:
    """Equal on 3 of 4: p_o = .75. First: a 2, b 2; second: a 3, b 1: p_e = ½·¾ + ½·¼ = ½; kappa = ½."""
    votes = codes("aa", "aa", "ba", "bb", "-a", "b-")
    assert cohen_kappa(votes[:, 0], votes[:, 1], 2) == pytest.approx(0.5)


def test_fleiss_by_hand() -> None:
    """aaa, aab, abb (the item with a gap is left out): P = (1 + ⅓ + ⅓) / 3 = 5/9; a 6 of 9, b 3 of 9: P_e = 5/9; 0."""
    assert fleiss_kappa(codes("aaa", "aab", "abb", "bb-"), 2) == pytest.approx(0)


def test_fleiss_example_of_the_textbook() -> None:
    """Ten items, 14 raters, five labels: the worked example that goes with Fleiss (1971); kappa = .210."""
    counts = """
        0 0 0 0 14
        0 2 6 4 2
        0 0 3 5 6
        0 3 9 2 0
        2 2 8 1 1
        7 7 0 0 0
        3 2 6 3 0
        2 5 3 2 2
        6 5 2 1 0
        0 2 2 3 7"""
    rows = [[int(n) for n in line.split()] for line in counts.split("\n") if line.strip()]
    votes = np.array([[k for k, n in enumerate(row) for _ in range(n)] for row in rows], dtype=np.int64)
    assert fleiss_kappa(votes, 5) == pytest.approx(0.20993, abs=1e-5)


def test_alpha_by_hand() -> None:
    """ab, aa, bb, and a lone a (not pairable): n = 6, three a, three b. D_o = 2/6; D_e = 2·3·3 / 30 = .6; 1 - 5/9."""
    assert alpha(codes("ab", "aa", "bb", "a-"), 2) == pytest.approx(4 / 9)


def test_alpha_of_sets_by_hand() -> None:
    """{a} {ab} and {b} {b}: d = ½ (Jaccard). D_o = 2·½ / 4 = ¼. All pairs: a-ab ½, a-b 1 twice, ab-b ½ twice, b-b 0;
    D_e = 2·(½ + 2 + 1) / 12 = 7/12; 1 - 3/7. MASI: a-ab 1 - ½·⅔ = ⅔: D_o = ⅓, D_e = 2·(⅔ + 2 + 4/3) / 12 = ⅔; ½."""
    chosen, rated = sets("a ab", "b b", "c -")
    assert krippendorff_alpha(chosen, rated, jaccard_distance) == pytest.approx(4 / 7)
    assert krippendorff_alpha(chosen, rated, masi_distance) == pytest.approx(1 / 2)


@pytest.mark.parametrize(
    ("first", "second", "nominal", "near", "masi"),
    [
        ("ab", "ab", 0, 0, 0),
        ("0", "0", 0, 0, 0),
        ("a", "0", 1, 1, 1),
        ("a", "b", 1, 1, 1),
        ("a", "ab", 1, 1 / 2, 2 / 3),
        ("abcd", "a", 1, 3 / 4, 5 / 6),
        ("ab", "bc", 1, 2 / 3, 8 / 9),
    ],
)
def test_distances_by_hand(first: str, second: str, nominal: float, near: float, masi: float) -> None:
    (chosen,), _ = sets(f"{first} {second}")
    shared, one, other = ((chosen[0] & chosen[1]).sum(), chosen[0].sum(), chosen[1].sum())
    sizes = [np.array([float(n)]) for n in (shared, one, other)]
    assert [d(*sizes)[0] for d in (nominal_distance, jaccard_distance, masi_distance)] == pytest.approx(
        [nominal, near, masi]
    )


def test_overlap_of_sets_by_hand() -> None:
    chosen, _ = sets("a ab a", "0 0 0", "a b c", "abc abc abc")
    assert jaccard(chosen[:, 0], chosen[:, 1]) == pytest.approx((0.5 + 1 + 0 + 1) / 4)
    assert exact_match(chosen) == pytest.approx(2 / 4)
    assert cardinality(chosen[:, 1]) == pytest.approx(6 / 4)
    assert union_sizes(chosen).tolist() == [2, 0, 3, 3]


# --- undefined


def test_undefined_is_nan_never_a_number() -> None:
    nothing, same, one = codes("--", "--"), codes("aa", "aa"), codes("a", "b")
    assert math.isnan(cohen_kappa(nothing[:, 0], nothing[:, 1], 2))
    assert math.isnan(cohen_kappa(same[:, 0], same[:, 1], 2))
    for votes in (nothing, same, one, codes("a-", "-b")):
        assert math.isnan(fleiss_kappa(votes, 2))
        assert math.isnan(alpha(votes, 2))
    none = np.zeros((0, 2, 3), dtype=bool)
    assert math.isnan(jaccard(none[:, 0], none[:, 1]))
    assert math.isnan(exact_match(none))
    assert math.isnan(cardinality(none))
    assert math.isnan(krippendorff_alpha(none, none[..., 0], masi_distance))


# --- properties

LABELS = 3
votes_of = st.integers(2, 4).flatmap(
    lambda raters: st.lists(
        st.lists(st.integers(-1, LABELS - 1), min_size=raters, max_size=raters), min_size=1, max_size=10
    )
).map(lambda rows: np.array(rows, dtype=np.int64))  # fmt: skip
COEFFICIENTS: dict[str, Callable[[Codes], float]] = {
    "cohen": lambda votes: cohen_kappa(votes[:, 0], votes[:, 1], LABELS),
    "fleiss": lambda votes: fleiss_kappa(votes, LABELS),
    **{
        f"alpha {name}": lambda votes, distance=distance: krippendorff_alpha(*hot(votes, LABELS), distance)  # type: ignore[misc]
        for name, distance in DISTANCES.items()
    },
}
every = pytest.mark.parametrize("of", COEFFICIENTS.values(), ids=list(COEFFICIENTS))


def same(one: float, other: float) -> bool:
    return one == pytest.approx(other, abs=1e-9, nan_ok=True)


def test_every_coefficient_of_the_module_has_properties_here() -> None:
    named = {name for name in vars(agreement) if name.endswith(("_kappa", "_alpha"))}
    assert named == {"cohen_kappa", "fleiss_kappa", "krippendorff_alpha"}
    assert {name.removesuffix("_distance") for name in vars(agreement) if name.endswith("_distance")} == set(DISTANCES)


@every
@given(votes=votes_of, random=st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=50)
def test_orders_and_names_do_not_matter(of: Callable[[Codes], float], votes: Codes, random: Any) -> None:
    items, names = (random.sample(range(n), n) for n in (len(votes), LABELS))
    raters = [1, 0, *range(2, votes.shape[1])]
    renamed = np.where(votes == MISSING, MISSING, np.array(names)[votes])
    assert same(of(renamed[items][:, raters]), of(votes))
    assert math.isnan(of(votes)) or of(votes) <= 1 + 1e-12


@every
@given(votes=votes_of)
@settings(deadline=None, max_examples=50)
def test_perfect_agreement_is_one_or_undefined(of: Callable[[Codes], float], votes: Codes) -> None:
    first = votes[:, :1]
    value = of(np.repeat(first, votes.shape[1], axis=1))
    assert math.isnan(value) == (len(set(first[first != MISSING].tolist())) < 2)
    assert math.isnan(value) or value == pytest.approx(1)


@every
def test_chance_is_about_zero(of: Callable[[Codes], float]) -> None:
    rng = np.random.default_rng(0)
    assert of(rng.choice(LABELS, (4000, 3), p=[0.6, 0.3, 0.1])) == pytest.approx(0, abs=0.03)


def test_alpha_of_sets_at_chance_is_about_zero() -> None:
    rng = np.random.default_rng(0)
    chosen = rng.random((3000, 3, 6)) < 0.3
    for distance in DISTANCES.values():
        assert krippendorff_alpha(chosen, np.ones((3000, 3), dtype=bool), distance) == pytest.approx(0, abs=0.03)


@given(votes=votes_of)
@settings(deadline=None)
def test_all_distances_agree_on_single_labels(votes: Codes) -> None:
    values = [krippendorff_alpha(*hot(votes, LABELS), distance) for distance in DISTANCES.values()]
    assert same(values[0], values[1])
    assert same(values[0], values[2])


# --- references


@given(votes=votes_of)
@settings(deadline=None)
def test_cohen_equals_scikit_learn(votes: Codes) -> None:
    from sklearn.metrics import cohen_kappa_score

    both = votes[(votes[:, :2] != MISSING).all(1)]
    ours = cohen_kappa(votes[:, 0], votes[:, 1], LABELS)
    if len(both) and len(np.unique(both[:, :2])) > 1:
        assert ours == pytest.approx(cohen_kappa_score(both[:, 0], both[:, 1], labels=range(LABELS)), abs=1e-9)
    else:
        assert math.isnan(ours)


@given(votes=votes_of)
@settings(deadline=None)
def test_nominal_alpha_equals_krippendorff(votes: Codes) -> None:
    reason = "krippendorff is not installed; it is the reference for nominal alpha"
    reference = pytest.importorskip("krippendorff", reason=reason)
    ours = alpha(votes, LABELS)
    if not math.isnan(ours):  # the reference refuses what is undefined
        data: NDArray[np.float64] = np.where(votes == MISSING, NAN, votes).T
        assert ours == pytest.approx(reference.alpha(data, level_of_measurement="nominal"), abs=1e-9)


@given(st.lists(st.lists(st.sets(st.sampled_from("abcd"), min_size=1), min_size=3, max_size=3), min_size=2, max_size=8))
@settings(deadline=None, max_examples=50)
def test_alpha_of_sets_equals_nltk(rows: list[list[set[str]]]) -> None:
    reference = pytest.importorskip("nltk.metrics.agreement", reason="nltk is not installed; the reference for sets")
    ratings = ratings_of([str(i) for i in range(len(rows))], list("xyz"), list("abcd"), rows)

    def masi(one: frozenset[str], other: frozenset[str]) -> float:
        """With exact thirds, which nltk.metrics.masi_distance rounds."""
        shared = len(one & other)
        weight = 1 if one == other else 0 if not shared else 2 / 3 if one <= other or other <= one else 1 / 3
        return 1 - shared / len(one | other) * weight

    for ours, theirs in ((jaccard_distance, lambda a, b: 1 - len(a & b) / len(a | b)), (masi_distance, masi)):
        value = krippendorff_alpha(ratings.chosen, ratings.rated, ours)
        cells = [(m, i, frozenset(cell)) for i, row in enumerate(rows) for m, cell in enumerate(row)]
        if not math.isnan(value):
            assert value == pytest.approx(reference.AnnotationTask(cells, distance=theirs).alpha(), abs=1e-9)


def test_fleiss_equals_the_mean_over_pairs_of_annotators() -> None:
    """P is the share of equal pairs of votes: counted here pair by pair."""
    rng = np.random.default_rng(3)
    votes = rng.integers(0, 4, (50, 5))
    equal = np.mean([(votes[:, a] == votes[:, b]).mean() for a, b in combinations(range(5), 2)])
    share = np.bincount(votes.reshape(-1)) / votes.size
    chance = (share**2).sum()
    assert fleiss_kappa(votes, 4) == pytest.approx((equal - chance) / (1 - chance))


# --- the summary


def test_the_summary_of_single_labels() -> None:
    cells: list[list[set[str] | None]] = [[{"a"}, {"a"}], [{"b"}, {"a"}], [{"b"}, None], [None, None]]
    record = summarise(ratings_of(list("1234"), ["x", "y"], ["a", "b"], cells))
    assert record["kind"] == "one label"
    assert record["annotated"] == {"x": 3, "y": 2}
    assert (record["annotated_by_all"], record["annotated_by_none"]) == (2, 1)
    assert record["exact_match"] == 0.5
    assert record["different_labels"] == {"1": 2, "2": 1}
    assert list(record["alpha"]) == ["nominal"]
    assert record["cohen_kappa"] == {"x / y": pytest.approx(0)}
    assert record["notes"] == ["y gave no other label than a"]
    assert sum(map(sum, record["confusion"]["x"])) == 3
    assert record["distribution"]["x"] == {"a": 1, "b": 2}


def test_the_summary_of_label_sets() -> None:
    cells: list[list[set[str] | None]] = [[{"a", "b"}, {"a"}], [{"b"}, {"b"}], [set(), {"c"}], [{"a"}, None]]
    record = summarise(ratings_of(list("1234"), ["x", "y"], ["a", "b", "c"], cells))
    assert record["kind"] == "label sets"
    assert record["cardinality"] == {"x": 1, "y": 1}
    assert record["union_mean"] == pytest.approx((2 + 1 + 1 + 1) / 4)
    assert record["jaccard"] == {"x / y": pytest.approx((0.5 + 1 + 0) / 3)}
    assert record["exact_match"] == pytest.approx(1 / 3)
    assert record["against_consensus"]["x"] == {"a": [2, 0, 0], "b": [1, 1, 0], "c": [0, 0, 0]}
    assert record["against_consensus"]["y"]["c"] == [0, 1, 0]
    assert record["consensus"]["items_with_a_label"] == 3
    assert set(record["alpha"]) == set(DISTANCES)


def test_the_summary_says_what_limits_it() -> None:
    record = summarise(ratings_of(["1", "2"], ["x", "y"], ["a", "b"], [[{"a"}, None], [{"b"}, None]]))
    assert record["notes"] == ["y annotated nothing"]
    alone = summarise(ratings_of(["1", "2"], ["x"], ["a", "b"], [[{"a"}], [{"b"}]]))
    assert "one annotator" in alone["notes"][0]
    assert (alone["exact_match"], alone["fleiss_kappa"], alone["alpha"]) == (None, None, {"nominal": None})
    assert alone["consensus"]["mean_confidence"] == 1


def test_dawid_skene_against_the_majority_is_counted() -> None:
    """Three items tell Dawid-Skene that y, who has the majority once, is right always: aba becomes b."""
    votes = codes("aab", "bb-", "aba", "---")
    cells = [[None if v == MISSING else {"ab"[v]} for v in row] for row in votes]
    counted = summarise(ratings_of(list("1234"), list("xyz"), ["a", "b"], cells))["consensus"]
    assert (counted["items_with_a_label"], counted["against_majority"], counted["from_nobody"]) == (3, 1, 0)

"""Every metric against a named reference: scikit-learn, scipy, or the definition written out sample by sample."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import jensenshannon  # type: ignore[import-untyped]
from scipy.stats import entropy  # type: ignore[import-untyped]
from sklearn import metrics as sk

from eval.metrics import classification
from eval.metrics.labelsets import label_scores
from eval.metrics.metric import DISTRIBUTION
from eval.metrics.table import METRICS, Options, Value
from eval.timeline.table import TIMELINE
from tasks.task import AnyOf, OneOf, Record
from tests.eval.test_mer_metrics import MER

Values = list[dict[str, Any]]
Answers = list[dict[str, Any] | None]


class Data:
    """Random gold and answers out of `classes` labels; a tenth has no answer, some parts are missing."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = np.random.default_rng(seed)
        self.labels = labels = tuple(f"c{index}" for index in range(2 + seed % 7))
        self.kind = Record(OneOf(labels), AnyOf(labels))
        self.options = Options(threshold=(0.3, 0.5, 1.0)[seed % 3], answer_threshold=(0.0, 0.4)[seed % 2])
        names = rng.choice(labels, 1 + seed * 7, p=rng.dirichlet(np.full(len(labels), 0.7)))
        self.gold: Values = [{"emotion": str(name), "goemotions": self.listed(thirds=True)} for name in names]
        self.answers: Answers = [self.answer(str(name)) for name in names]

    def listed(self, *, thirds: bool = False) -> list[dict[str, Any]]:
        chosen = [label for label in self.labels if self.rng.random() < 0.4]
        if thirds:
            return [{"label": label, "confidence": self.rng.integers(1, 4) / 3} for label in chosen]
        return [{"label": label, "confidence": self.rng.integers(0, 11) / 10} for label in chosen]

    def answer(self, gold: str) -> dict[str, Any] | None:
        if self.rng.random() < 0.1:
            return None
        weights = self.rng.dirichlet(np.ones(len(self.labels)))
        told = gold if self.rng.random() < 0.5 else str(self.rng.choice(self.labels))
        found: dict[str, Any] = {"emotion": told, "goemotions": self.listed() if self.rng.random() < 0.9 else None}
        found["confidence"] = float(self.rng.integers(0, 21) / 20) if self.rng.random() < 0.8 else None
        found[DISTRIBUTION] = dict(zip(self.labels, weights.tolist(), strict=True))
        return found

    # --- what the references need

    def told(self) -> tuple[list[str], list[str]]:
        """Gold and answered labels, "no answer" being a label of its own that is not among `labels`."""
        gold = [value["emotion"] for value in self.gold]
        return gold, ["no answer" if answer is None else answer["emotion"] for answer in self.answers]

    def indicators(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
        """Gold and answered sets as indicator matrices, and which samples are answered."""
        answered = np.array([bool(a is not None and a["goemotions"] is not None) for a in self.answers])
        lists = [(a or {}).get("goemotions") or [] for a in self.answers]
        gold = self.matrix([value["goemotions"] for value in self.gold], self.options.threshold)
        return gold, self.matrix(lists, self.options.answer_threshold), answered

    def matrix(self, lists: Sequence[Sequence[dict[str, Any]]], threshold: float) -> NDArray[np.int64]:
        found = np.zeros((len(lists), len(self.labels)), dtype=np.int64)
        for row, items in enumerate(lists):
            for item in items:
                found[row, self.labels.index(item["label"])] = round(item["confidence"], 9) >= round(threshold, 9)
        return found

    def stated(self, part: str) -> list[tuple[float, bool]]:
        """Confidence and correct of the answers that hold one."""
        rows = []
        for value, answer in zip(self.gold, self.answers, strict=True):
            if answer is not None and answer.get("confidence" if part == "verbal" else DISTRIBUTION) is not None:
                sure = answer["confidence"] if part == "verbal" else answer[DISTRIBUTION][answer["emotion"]]
                rows.append((sure, value["emotion"] == answer["emotion"]))
        return rows


# --- the references


def one_label(average: str) -> Callable[[Data], float]:
    def f1(data: Data) -> float:
        zero = np.nan if average == "macro" else 0
        gold, told = data.told()
        return float(sk.f1_score(gold, told, labels=data.labels, average=average, zero_division=zero))

    return f1


def pooled(average: str) -> Callable[[Data], float]:
    def f1(data: Data) -> float:
        gold, told, _ = data.indicators()
        if not (gold | told).any():
            return math.nan
        return float(sk.f1_score(gold, told, average=average, zero_division=np.nan))

    return f1


def by_sample(score: Callable[[Any, Any], float], unanswered: float = 0.0) -> Callable[[Data], float]:
    """A mean over samples: scikit-learn's on those answered, `unanswered` for each of the others."""

    def mean(data: Data) -> float:
        gold, told, there = data.indicators()
        known = float(score(gold[there], told[there])) * there.sum() if there.any() else 0.0
        return float((known + unanswered * (~there).sum()) / len(there))

    return mean


def mean_average_precision(data: Data) -> float:
    """For each label: walk down the distinct confidences; what an answer does not list is not retrieved."""
    gold, _, _ = data.indicators()
    found = []
    for place, label in enumerate(data.labels):
        scores: dict[int, float] = {}
        for row, answer in enumerate(data.answers):
            for item in (answer or {}).get("goemotions") or []:
                if item["label"] == label:
                    scores[row] = item["confidence"]
        positives, area, hits_before = int(gold[:, place].sum()), 0.0, 0
        for level in sorted(set(scores.values()), reverse=True):
            retrieved = [row for row, score in scores.items() if score >= level]
            hits = sum(int(gold[row, place]) for row in retrieved)
            area += (hits - hits_before) * hits / len(retrieved)
            hits_before = hits
        if positives:
            found.append(area / positives)
    return float(np.mean(found)) if found else math.nan


def soft(name: str) -> Callable[[Data], float]:
    def mean(data: Data) -> float:
        size, share, found = len(data.labels), data.options.smoothing, []
        for value, answer in zip(data.gold, data.answers, strict=True):
            if not value["goemotions"]:
                continue
            p, q = (spread(data.labels, each) for each in (value["goemotions"], (answer or {}).get("goemotions")))
            if p is None or q is None:
                found.append(1.0 if name == "js" else math.log(size / share))
                continue
            mixed = [(1 - share) * each + share / size for each in (p, q)]
            cross = float(entropy(*mixed) + entropy(mixed[0]))
            values = {"kl": float(entropy(*mixed)), "ce": cross, "js": float(jensenshannon(p, q, base=2)) ** 2}
            found.append(values[name])
        return float(np.mean(found)) if found else math.nan

    return mean


def spread(labels: Sequence[str], listed: Sequence[dict[str, Any]] | None) -> NDArray[np.float64] | None:
    if listed is None:
        return None
    weights = np.array([sum(item["confidence"] for item in listed if item["label"] == label) for label in labels])
    uniform = np.full(len(labels), 1 / len(labels))
    return np.asarray(weights / weights.sum()) if weights.sum() > 0 else uniform


def mean_stated(part: str) -> Callable[[Data], float]:
    return lambda data: float(np.mean([sure for sure, _ in data.stated(part)])) if data.stated(part) else math.nan


def equal_width(part: str) -> Callable[[Data], float]:
    """Bin by bin, (low, high]; 0 is in the first."""

    def ece(data: Data) -> float:
        rows, bins = data.stated(part), data.options.bins
        total = 0.0
        for i in range(bins):
            inside = [row for row in rows if (i / bins < row[0] or i == 0) and row[0] <= (i + 1) / bins]
            if inside:
                total += abs(sum(right for _, right in inside) - sum(sure for sure, _ in inside))
        return total / len(rows) if rows else math.nan

    return ece


def equal_mass(part: str) -> Callable[[Data], float]:
    """Level by level: a level goes where the middle of its ranks lies."""

    def ece(data: Data) -> float:
        rows, bins = sorted(data.stated(part)), data.options.bins
        gaps, before = dict.fromkeys(range(bins), 0.0), 0
        for _, level in itertools.groupby(rows, key=lambda row: row[0]):
            members = list(level)
            place = min(int((before + len(members) / 2) / len(rows) * bins), bins - 1)
            gaps[place] += sum(right - sure for sure, right in members)
            before += len(members)
        return sum(map(abs, gaps.values())) / len(rows) if rows else math.nan

    return ece


def top_label_brier(data: Data) -> float:
    rows = data.stated("verbal")
    if not rows:
        return math.nan
    return float(sk.brier_score_loss([right for _, right in rows], [sure for sure, _ in rows], pos_label=True))


def full_brier(data: Data) -> float:
    pairs = [(v["emotion"], list(a[DISTRIBUTION].values())) for v, a in zip(data.gold, data.answers, strict=True) if a]
    if not pairs:
        return math.nan
    labels, chances = [label for label, _ in pairs], np.array([row for _, row in pairs])
    if len(data.labels) == 2:  # scikit-learn takes two classes for the probability of one; both squares are equal
        right = [label == data.labels[1] for label in labels]
        return 2 * float(sk.brier_score_loss(right, chances[:, 1], pos_label=True))
    return float(sk.brier_score_loss(labels, chances, labels=list(data.labels), scale_by_half=False))


def area(part: str) -> Callable[[Data], float]:
    """Mean over k of the error rate among the k surest; inside a tie, errors are spread evenly."""

    def aurc(data: Data) -> float:
        rows = []
        for value, answer in zip(data.gold, data.answers, strict=True):
            sure = None if answer is None else answer["confidence"]
            if part == "logprob" and answer is not None:
                sure = answer[DISTRIBUTION][answer["emotion"]]
            right = answer is not None and answer["emotion"] == value["emotion"]
            rows.append((-1.0 if sure is None else sure, not right))
        rates: list[float] = []
        for _, level in itertools.groupby(sorted(rows, reverse=True), key=lambda row: row[0]):
            wrong = [error for _, error in level]
            rates += [sum(wrong) / len(wrong)] * len(wrong)
        return float(np.mean(np.cumsum(rates) / np.arange(1, len(rows) + 1)))

    return aurc


def f1_of_sets(gold: Any, told: Any) -> float:
    return float(sk.f1_score(gold, told, average="samples", zero_division=1))


def jaccard_of_sets(gold: Any, told: Any) -> float:
    return float(sk.jaccard_score(gold, told, average="samples", zero_division=1))


REFERENCES: dict[str, Callable[[Data], float]] = {
    "accuracy": lambda data: float(sk.accuracy_score(*data.told())),
    "macro_f1": one_label("macro"),
    "weighted_f1": one_label("weighted"),
    "set_micro_f1": pooled("micro"),
    "set_macro_f1": pooled("macro"),
    "set_sample_f1": by_sample(f1_of_sets),
    "set_exact": by_sample(sk.accuracy_score),
    "set_jaccard": by_sample(jaccard_of_sets),
    "set_hamming": by_sample(sk.hamming_loss, unanswered=1.0),
    "label_map": mean_average_precision,
    "soft_kl": soft("kl"),
    "soft_ce": soft("ce"),
    "soft_js": soft("js"),
    "confidence": mean_stated("verbal"),
    "ece": equal_width("verbal"),
    "ece_mass": equal_mass("verbal"),
    "brier": top_label_brier,
    "aurc": area("verbal"),
    "logprob_confidence": mean_stated("logprob"),
    "logprob_ece": equal_width("logprob"),
    "logprob_ece_mass": equal_mass("logprob"),
    "logprob_brier": full_brier,
    "logprob_aurc": area("logprob"),
}
DATA = [Data(seed) for seed in range(12)]


def test_no_metric_is_without_its_reference() -> None:
    """Those of MER are in test_mer_metrics_reference.py, those of timelines in test_timeline_reference.py."""
    assert REFERENCES.keys() | MER.keys() | {metric.name for metric in TIMELINE} == METRICS.keys()


@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning", "ignore:y_pred contains")
def test_a_metric_equals_its_reference(name: str) -> None:
    for data in DATA:
        found = METRICS[name](data.gold, data.answers, data.kind, data.options)
        assert found == pytest.approx(REFERENCES[name](data), abs=1e-10, nan_ok=True)


def test_per_class_scores_equal_scikit_learn() -> None:
    for data in DATA:
        gold, told = data.told()
        expected = sk.precision_recall_fscore_support(gold, told, labels=data.labels, zero_division=0)
        answers = [None if label == "no answer" else label for label in told]
        rows = classification.per_class(classification.confusion(gold, answers, data.labels), data.labels)
        for row, precision, recall, f1, support in zip(rows, *expected, strict=True):
            assert (row.support, row.answered) == (support, told.count(row.label))
            if row.support + row.answered:
                assert (row.precision, row.recall, row.f1) == pytest.approx((precision, recall, f1), abs=1e-12)
            else:
                assert all(math.isnan(number) for number in (row.precision, row.recall, row.f1))


def test_per_label_scores_equal_scikit_learn() -> None:
    for data in DATA:
        gold, told, _ = data.indicators()
        expected = sk.precision_recall_fscore_support(gold, told, zero_division=0)
        rows = label_scores(data.gold, data.answers, data.kind, data.options)
        assert [row.label for row in rows] == list(data.labels)
        for row, precision, recall, f1, support in zip(rows, *expected, strict=True):
            assert (row.support, row.answered) == (support, told[:, data.labels.index(row.label)].sum())
            if row.support + row.answered:
                assert (row.precision, row.recall, row.f1) == pytest.approx((precision, recall, f1), abs=1e-12)


@pytest.mark.parametrize("seed", range(8))
def test_map_of_full_rankings_equals_scikit_learn(seed: int) -> None:
    """Where every answer gives every label a confidence nothing is left unretrieved; ties included."""
    rng = np.random.default_rng(seed)
    labels = tuple("abcd")
    gold = rng.random((30, 4)) < 0.4
    scores = rng.integers(0, 6 if seed % 2 else 10**6, (30, 4)) / 10**6
    values = [
        [{"label": label, "confidence": float(x)} for label, x in zip(labels, row, strict=True)] for row in scores
    ]
    wanted = [[{"label": label, "confidence": 1.0} for label, x in zip(labels, row, strict=True) if x] for row in gold]
    told: list[Value | None] = [{"labels": items} for items in values]
    found = METRICS["label_map"]([{"labels": items} for items in wanted], told, AnyOf(labels))
    assert found == pytest.approx(sk.average_precision_score(gold, scores, average="macro"), abs=1e-12)


def test_adaptive_ece_without_ties_cuts_equal_parts() -> None:
    rng = np.random.default_rng(3)
    sure, right = rng.permutation(np.linspace(0.01, 0.99, 60)), rng.random(60) < 0.5
    order = np.argsort(sure)
    parts = zip(np.array_split(sure[order], 10), np.array_split(right[order], 10), strict=True)
    expected = sum(abs(part.mean() - hits.mean()) * len(part) for part, hits in parts) / 60
    gold = [{"label": "a"}] * 60
    told: list[Value | None] = [
        {"label": "a" if hit else "b", "confidence": float(x)} for hit, x in zip(right, sure, strict=True)
    ]
    assert METRICS["ece_mass"](gold, told, OneOf(("a", "b"))) == pytest.approx(expected, abs=1e-12)


def test_aurc_with_ties_is_the_mean_over_all_their_orders() -> None:
    rows = [(0.9, 0), (0.5, 1), (0.5, 0), (0.5, 0), (0.2, 1), (0.2, 0)]
    orders = [order for order in itertools.permutations(rows) if [r[0] for r in order] == [r[0] for r in rows]]
    curves = [np.cumsum([error for _, error in order]) / np.arange(1, 7) for order in orders]
    told: list[Value | None] = [{"label": "ab"[error], "confidence": sure} for sure, error in rows]
    found = METRICS["aurc"]([{"label": "a"}] * 6, told, OneOf(("a", "b")))
    assert found == pytest.approx(np.mean(curves), abs=1e-12)

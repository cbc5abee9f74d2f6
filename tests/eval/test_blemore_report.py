"""What a report says of blends, from a data folder on: shares as stated, trivial baselines, breakdown, ablations."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.answers import Answer, read_answers
from eval.blends import (
    breakdown,
    cross_fitted,
    distributions_of,
    drops,
    importance,
    sections,
    stated_value,
    stated_values,
    trivial,
)
from eval.blends.ablation import MARK, left_out
from eval.blends.tables import said
from eval.layouts import Layout
from eval.metrics.blend import acc_presence, acc_salience, blend_counts
from eval.metrics.metric import Value
from eval.metrics.table import METRICS
from eval.report import RunResult, difference, number, with_interval
from eval.scores import score
from infer.engine import Reply
from prompts.parsing import Parsed, parse
from prompts.schema import dump
from tasks.blemore import BLEMORE, LABELS, PUBLISHED, clip_name, read_release
from tasks.task import Blend, OneOf, Root, Sample
from tests.tasks.blemore_folder import EXPECTED, names, write

KIND = Blend(BLEMORE.answer.labels, BLEMORE.answer.aliases) if isinstance(BLEMORE.answer, Blend) else Blend(())


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    return read_release(Root(write(tmp_path_factory.mktemp("blemore"))), "train", EXPECTED)


def value(**shares: float) -> dict[str, Any]:
    return {"emotions": [{"emotion": label, "salience": share} for label, share in shares.items()]}


def gold_of(samples: Sequence[Sample]) -> list[Value]:
    return [sample.gold for sample in samples if sample.gold is not None]


# --- shares as stated


@pytest.mark.parametrize(
    ("text", "stated", "snapped"),
    [
        ('{"emotions": [{"emotion": "ang", "salience": 70}, {"emotion": "hap", "salience": 30}]}',
         value(ang=70, hap=30), value(ang=70, hap=30)),
        ('{"emotions": [{"emotion": "ang", "salience": 69.5}, {"emotion": "hap", "salience": 30.5}]}',
         value(ang=69.5, hap=30.5), value(ang=70, hap=30)),
        ('{"emotions": [{"emotion": "anger", "salience": 0.7}, {"emotion": "joy", "salience": 0.3}]}',
         value(ang=0.7, hap=0.3), value(ang=70, hap=30)),
        ("Anger 60%, sadness 40%", value(ang=60, sad=40), value(ang=70, sad=30)),
        ("```json\n[{\"emotion\": \"sad\", \"salience\": \"85\"}, {\"emotion\": \"fea\", \"salience\": 15}]\n```",
         value(sad=85, fea=15), value(sad=70, fea=30)),
        ('<think>maybe 50/50</think>{"ang": 55, "hap": 45}', value(ang=55, hap=45), value(ang=50, hap=50)),
        ('{"ang": 100, "disg": 0}', value(ang=100, disg=0), value(ang=100)),
        ('{"emotions": [{"emotion": "ang", "salience": 70}, {"emotion": "hap"}]}',
         value(ang=70, hap=0), value(ang=70, hap=30)),
        ('{"emotions": [{"emotion": "ang", "salience": 100}, {"emotion": "joyful rage", "salience": 0}]}',
         value(**{"ang": 100, "joyful rage": 0}), value(ang=100)),
        ('{"emotions": ["sad"]}', value(sad=0), value(sad=100)),
        ('{"emotions": [{"emotion": "sad", "salience": 80}]}', value(sad=80), value(sad=100)),
    ],
)  # fmt: skip
def test_shares_as_they_were_written(text: str, stated: Value, snapped: Value) -> None:
    outcome = parse(text, KIND)
    assert isinstance(outcome, Parsed)
    assert outcome.value == snapped
    assert stated_value(text, KIND) == stated


@pytest.mark.parametrize(
    "text",
    ["", "I cannot say", '{"emotions": []}', "ang, hap", '{"ang": 30, "hap": 30, "sad": 40}', '{"joyful rage": 70}'],
)
def test_what_the_parser_refuses_states_nothing(text: str) -> None:
    assert not isinstance(parse(text, KIND), Parsed)
    assert stated_value(text, KIND) is None


@given(st.sampled_from([clip_name(name).value for name in names(2)]))
def test_a_valid_reply_states_its_value(told: dict[str, Any]) -> None:
    assert stated_value(dump(told, KIND), KIND) == told


@given(st.text(max_size=60), st.integers(0, 100), st.integers(0, 100))
def test_stating_and_reading_agree_on_what_can_be_read(text: str, one: int, other: int) -> None:
    reply = (
        f'{text} {{"emotions": [{{"emotion": "ang", "salience": {one}}}, {{"emotion": "hap", "salience": {other}}}]}}'
    )
    outcome, stated = parse(reply, KIND), stated_value(reply, KIND)
    if stated is not None:
        assert isinstance(outcome, Parsed)
        assert {e["emotion"] for e in outcome.value["emotions"]} <= {e["emotion"] for e in stated["emotions"]}


def test_only_touched_answers_are_read_again() -> None:
    off = '{"emotions": [{"emotion": "ang", "salience": 66}, {"emotion": "hap", "salience": 34}]}'
    replies = {
        "snapped": Reply("snapped", "k", off),
        "alias": Reply("alias", "k", '{"emotions": [{"emotion": "anger", "salience": 100}]}'),
        "again": Reply("again", "k", "no", attempt=0),
    }
    answers = [
        Answer("snapped", value(ang=70, hap=30), "json", ("snapped",)),
        Answer("alias", value(ang=100), "json", ("alias",)),
        Answer("again", value(sad=50, fea=50), "json", ("snapped",), attempt=1),
        Answer("failed", error="gone"),
    ]
    assert stated_values(answers, replies, KIND) == [
        value(ang=66, hap=34), value(ang=100), value(sad=50, fea=50), None,
    ]  # fmt: skip


# --- trivial baselines and the breakdown


def test_trivial_answers_are_the_most_frequent_ones() -> None:
    gold = [value(sad=100), value(hap=100), value(hap=100),
            value(ang=30, hap=70), value(ang=70, hap=30), value(ang=70, hap=30), value(disg=50, fea=50)]  # fmt: skip
    assert trivial(gold) == [
        ("always hap (most frequent emotion)", value(hap=100)),
        ("always ang+hap 70/30 (most frequent blend)", value(ang=70, hap=30)),
    ]
    assert trivial([value(disg=50, fea=50)] * 2 + [value(ang=s, hap=100 - s) for s in (70, 50, 30)]) == [
        ("always ang+hap 30/70 (most frequent blend)", value(ang=30, hap=70))  # the pair first, then its ratio
    ]
    assert trivial(gold[:1]) == [("always sad (most frequent emotion)", value(sad=100))]


def test_trivial_scores_of_the_published_counts() -> None:
    """With the counts of the release they are the published .078, and .057 with .035."""
    gold: list[Value] = [value(**{name: 100}) for name, count in PUBLISHED.singles.items() for _ in range(count)]
    for name, count in PUBLISHED.blends.items():
        one, other = name.split("+")
        gold += [value(**{one: share, other: 100 - share}) for _, share in zip(range(count), cycle((30, 50, 70)))]
    found = []
    for _, told in trivial(gold):
        sums = blend_counts(gold, [told] * len(gold), KIND).sum(0)
        found.append((float(acc_presence(sums)), float(acc_salience(sums))))
    assert found == [(192 / 2456, 0), (140 / 2456, 47 / 1326)]


def test_the_breakdown_by_hand() -> None:
    gold = [value(ang=70, hap=30), value(ang=70, hap=30), value(ang=50, hap=50), value(sad=100), value(neu=100)]
    told = [value(hap=30, ang=70), value(hap=100), value(ang=70, hap=30), None, value(neu=100)]
    assert [dataclasses.astuple(part) for part in breakdown(gold, told, KIND)] == [
        ("sad", "", 1, 0.0, pytest.approx(math.nan, nan_ok=True), "no answer", 1),
        ("neu", "", 1, 1.0, pytest.approx(math.nan, nan_ok=True), "", 0),
        ("ang+hap", "", 3, pytest.approx(2 / 3), pytest.approx(1 / 3), "hap", 1),
        ("ang+hap", "50/50", 1, 1.0, 0.0, "ang+hap 70/30", 1),
        ("ang+hap", "70/30", 2, 0.5, 0.5, "hap", 1),
    ]


VALUES = [clip_name(name).value for name in names(2)]


@given(st.lists(st.tuples(st.sampled_from(VALUES), st.none() | st.sampled_from(VALUES)), min_size=1, max_size=30))
def test_parts_make_up_the_whole(rows: list[tuple[Value, Value | None]]) -> None:
    gold, told = [row[0] for row in rows], [row[1] for row in rows]
    sums = blend_counts(gold, told, KIND).sum(0)
    parts = breakdown(gold, told, KIND)
    for chosen in (
        [part for part in parts if not part.ratio],
        [part for part in parts if part.ratio or "+" not in part.emotions],
    ):
        assert sum(part.n for part in chosen) == len(rows)
        assert sum(part.presence * part.n for part in chosen) == pytest.approx(sums[1])
        assert sum(part.salience * part.n for part in chosen if "+" in part.emotions) == pytest.approx(sums[3])
    for part in parts:
        assert 0 <= part.times <= part.n
        assert (part.times == 0) == (part.presence == 1 and (not part.ratio or part.salience == 1))


def test_values_in_words() -> None:
    assert [said(each) for each in (value(hap=30, ang=70), value(sad=100), None)] == [
        "ang+hap 70/30",
        "sad",
        "no answer",
    ]


# --- runs


def run(
    name: str, samples: list[Sample], right: float, media: dict[str, bool] | None = None, seed: int = 0
) -> RunResult:
    """A run that gets a share of the clips right, and takes the others for anger."""
    rng = np.random.default_rng(seed)
    replies = {
        sample.id: Reply(sample.id, "k", dump(sample.gold if draw < right and sample.gold else value(ang=100), KIND))
        for sample, draw in zip(samples, rng.random(len(samples)), strict=True)
    }
    answers = read_answers(samples, replies.values(), KIND)
    facts = {"config": {"media": media or {"video": True, "audio": True}}}
    return RunResult(Path(name), BLEMORE, facts, samples, score(BLEMORE, samples, answers, 200), answers, replies)


def test_a_folder_becomes_scores_by_kind_blend_ratio_and_fold(samples: list[Sample]) -> None:
    found = run("all", samples, 1.0).scores
    sizes = {row.slice: row.n for row in found.rows}
    assert len(sizes) == 1 + 2 + 10 + 6 + 3 + 5
    assert sizes["all"] == 186
    assert sizes["kind=blend"] == 150
    assert (sizes["blend=ang+hap"], sizes["single=neu"], sizes["ratio=50/50"], sizes["fold=0"]) == (15, 6, 50, 42)
    for row in found.rows:
        single = row.slice.startswith(("kind=single", "single="))
        if single and row.metric != "acc_presence":
            assert math.isnan(row.value)
        else:
            assert row.value == 1


def cells(layout: Layout) -> dict[str, list[str]]:
    """The rows of a table by their first cell."""
    assert all(len(row) == len(layout.head) for row in layout.rows)
    return {row[0]: row[1:] for row in layout.rows}


def test_tables_of_a_run_without_probabilities(samples: list[Sample]) -> None:
    result = run("all", samples, 0.5)
    ways, whole, by_ratio = sections(result.task, result.samples, result.answers, result.replies, count=200)
    row = result.scores.row("blemore_score")
    assert row is not None
    assert list(cells(ways)) == [
        "as answered",
        "shares as stated, not snapped",
        "always ang (most frequent emotion)",
        "always ang+disg 30/70 (most frequent blend)",
    ]
    assert cells(ways)["as answered"][0] == with_interval(row)
    assert cells(ways)["shares as stated, not snapped"] == cells(ways)["as answered"]
    assert cells(ways)["always ang (most frequent emotion)"][1].startswith(f"{6 / 186:.3f} [")
    assert cells(ways)["always ang+disg 30/70 (most frequent blend)"][2].startswith(f"{5 / 150:.3f} [")
    assert (len(whole.rows), len(by_ratio.rows)) == (16, 30)
    assert cells(whole)["neu"][0] == "6"
    for part in breakdown(gold_of(samples), [answer.value for answer in result.answers], KIND):
        shown = cells(by_ratio)[f"{part.emotions} {part.ratio}"] if part.ratio else cells(whole)[part.emotions]
        taken = f"{part.taken_for} ({part.times})" if part.times else "–"
        assert shown == [str(part.n), number(part.presence), number(part.salience), taken]


def test_shares_off_the_grid_count_only_where_they_are_snapped(samples: list[Sample]) -> None:
    blends = [sample for sample in samples if sample.meta["ratio"] == "70/30"]
    replies = {sample.id: Reply(sample.id, "k", off_the_grid(sample)) for sample in blends}
    answers = read_answers(blends, replies.values(), KIND)
    found = cells(sections(BLEMORE, blends, answers, replies, count=50)[0])
    assert found["as answered"][2].startswith("1.000 [")
    assert found["shares as stated, not snapped"][1].startswith("1.000 [")
    assert found["shares as stated, not snapped"][2].startswith("0.000 [")


def off_the_grid(sample: Sample) -> str:
    one, other = (entry["emotion"] for entry in (sample.gold or {})["emotions"])
    return f"{one} 65%, {other} 35%"


def with_logprobs(samples: list[Sample], seed: int = 0) -> dict[str, Reply]:
    rng = np.random.default_rng(seed)
    replies = {}
    for sample in samples:
        shares = {e["emotion"]: e["salience"] / 100 for e in (sample.gold or {})["emotions"]}
        mixed = [
            0.7 * shares.get(label, 0) + 0.3 * noise
            for label, noise in zip(LABELS, rng.dirichlet(np.ones(6)), strict=True)
        ]
        logs = {label: math.log(share) for label, share in zip(LABELS, mixed, strict=True)}
        best = LABELS[int(np.argmax(mixed))]
        replies[sample.id] = Reply(sample.id, "k", dump(value(**{best: 100}), KIND), "label", label_logprobs=logs)
    return replies


def test_tables_of_a_run_with_probabilities(samples: list[Sample]) -> None:
    replies = with_logprobs(samples)
    answers = read_answers(samples, replies.values(), KIND)
    ways = sections(BLEMORE, samples, answers, replies, count=200)[0]
    found = {name: float(row[0].split()[0]) for name, row in cells(ways).items()}
    assert found["as answered"] < 0.2  # single labels have no blend right
    assert found["label probabilities, thresholds from the other folds"] > 0.4
    assert "fold 0 0." in ways.notes[0]
    assert "fold 4 0." in ways.notes[0]
    assert "optimistic" in ways.notes[1]
    assert "over 5 folds" in ways.notes[1]


def test_the_fitted_row_is_the_score_of_the_cross_fitted_answers(samples: list[Sample]) -> None:
    replies = with_logprobs(samples)
    answers = read_answers(samples, replies.values(), KIND)
    shown = cells(sections(BLEMORE, samples, answers, replies, count=50)[0])
    spreads = distributions_of(replies.values())
    fitted = cross_fitted(
        gold_of(samples), [spreads[sample.id] for sample in samples], [sample.meta["fold"] for sample in samples]
    )
    sums = blend_counts(gold_of(samples), fitted.values, KIND).sum(0)
    row = shown["label probabilities, thresholds from the other folds"]
    assert row[1].startswith(f"{float(acc_presence(sums)):.3f} [")
    assert row[2].startswith(f"{float(acc_salience(sums)):.3f} [")


def test_one_fold_alone_has_no_cross_validation_and_none_says_so(samples: list[Sample]) -> None:
    replies = with_logprobs(samples)
    for chosen, said_ in (
        ([sample for sample in samples if sample.meta["fold"] == 1], "over 1 fold)"),
        ([dataclasses.replace(s, meta={**s.meta, "fold": None}) for s in samples], "the samples have no folds"),
    ):
        answers = read_answers(chosen, replies.values(), KIND)
        ways = sections(BLEMORE, chosen, answers, replies, count=50)[0]
        assert said_ in " ".join(ways.notes)
        assert not any(name.startswith("label probabilities") for name in cells(ways))


def test_other_tasks_and_samples_without_gold_have_no_tables(samples: list[Sample]) -> None:
    blind = [dataclasses.replace(sample, gold=None) for sample in samples[:3]]
    answers = [Answer(sample.id, value(ang=100)) for sample in blind]
    assert sections(BLEMORE, blind, answers, {}) == []
    other = dataclasses.replace(BLEMORE, answer=OneOf(LABELS))
    assert sections(other, samples[:3], answers, {}) == []


# --- ablation


def test_what_was_left_out(samples: list[Sample]) -> None:
    few = samples[:4]
    full = run("full", few, 1)
    for media, wanted in (
        ({"video": True, "audio": False}, "sound"),
        ({"video": False, "audio": True}, "pictures"),
        ({"video": False, "audio": False}, "sound and pictures"),
        ({"video": True, "audio": True}, ""),
    ):
        assert left_out(full, run("other", few, 1, media)) == wanted


def test_a_loss_is_the_score_of_the_full_run_minus_the_other(samples: list[Sample]) -> None:
    full, muted = run("full", samples, 0.9), run("muted", samples, 0.3, {"video": True, "audio": False})
    found = {(each.metric, each.slice): each for each in drops(full, muted)}
    for metric in BLEMORE.metrics:
        for name in ("all", "kind=blend", "blend=hap+sad"):
            rows = [result.scores.row(metric, name) for result in (full, muted)]
            assert rows[0] is not None
            assert rows[1] is not None
            one = found[metric, name]
            assert one.difference == pytest.approx(rows[0].value - rows[1].value)
            assert one.low is not None
            assert one.high is not None
            assert one.low <= one.difference <= one.high
    assert found["blemore_score", "all"].mark == MARK
    assert all(
        each.mark == "" and each.difference == 0 for each in drops(full, full) if not math.isnan(each.difference)
    )


def test_importance_lists_what_is_lost_most_first(samples: list[Sample]) -> None:
    full = run("full", samples, 0.9)
    deaf = run("deaf", samples, 0.7, {"video": True, "audio": False})
    blind = run("blind", samples, 0.2, {"video": False, "audio": True})
    again = run("again", samples, 0.9)
    tables = importance([full, deaf, again, blind])
    assert [shown.title.partition(": ")[2] for shown in tables] == [METRICS[name].title for name in BLEMORE.metrics]
    assert all(shown.head == ["", "without pictures (blind)", "without sound (deaf)"] for shown in tables)
    score_, presence, salience = map(cells, tables)
    assert {"all", "kind=single", "single=neu", "blend=fea+hap", "ratio=30/70"} <= presence.keys()
    assert score_.keys() == salience.keys() == {name for name in presence if "single" not in name}
    losses = [float(cell.split()[0]) for cell in score_["all"]]
    assert losses[0] > losses[1] > 0
    assert all(cell.endswith(MARK) for cell in score_["all"])
    (found,) = (each for each in drops(full, deaf) if (each.metric, each.slice) == ("acc_salience", "blend=hap+sad"))
    assert salience["blend=hap+sad"][1] == difference(found)


def test_importance_needs_a_run_that_lacks_something(samples: list[Sample]) -> None:
    full = run("full", samples[:8], 0.9)
    assert importance([]) == []
    assert importance([full]) == []
    assert importance([full, run("again", samples[:8], 0.5)]) == []
    with pytest.raises(ValueError, match="sample ids differ"):
        importance([full, run("deaf", samples[:9], 0.5, {"video": True, "audio": False})])

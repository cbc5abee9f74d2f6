"""The plan of a run and the samples it is made of: seeded, whole, and each option changing what it says."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.plan import epoch_samples, plan, rate
from finetune.recipe import DataPart, OptimiserPart, OptionsPart, Recipe, ValidationPart
from finetune.samples import IN_VALIDATION, choose, hold_out, mix
from tasks.registry import TASKS
from tasks.synthetic import generate
from tasks.synthetic.layout import ANNOTATIONS
from tasks.task import OneOf, Sample

KIND = OneOf(("Joy", "Anger", "Fear"))
TASK = TASKS["synthetic"]


def samples(count: int, labels: str = "JAF") -> list[Sample]:
    names = {"J": "Joy", "A": "Anger", "F": "Fear"}
    return [
        Sample(
            f"s{i}",
            {"label": names[labels[i % len(labels)]]},
            meta={"ds_confidence": (i % 10) / 10, "tier": ("high", "medium", "low")[i % 3], "speaker": f"p{i // 4}"},
        )
        for i in range(count)
    ]


def recipe(optimiser: OptimiserPart = OptimiserPart(), **options: object) -> Recipe:  # noqa: B008
    return Recipe(optimiser=optimiser, options=OptionsPart(**options))  # type: ignore[arg-type]


@given(st.integers(1, 40), st.integers(1, 3), st.integers(1, 4), st.integers(1, 3))
def test_every_epoch_holds_every_sample_once(count: int, batch: int, accumulation: int, epochs: int) -> None:
    found = plan(samples(count), recipe(OptimiserPart(batch=batch, accumulation=accumulation, epochs=epochs)), KIND)
    assert [step.number for step in found] == list(range(1, len(found) + 1))
    assert len(found) == epochs * math.ceil(count / (batch * accumulation))
    for epoch in range(epochs):
        part = [step for step in found if step.epoch == epoch]
        ids = [sample.id for step in part for sample in step.samples]
        assert sorted(ids) == sorted(sample.id for sample in samples(count))
        assert [step.last for step in part] == [False] * (len(part) - 1) + [True]


def test_the_order_is_the_seeds_and_differs_by_epoch() -> None:
    def order(seed: int, epoch: int) -> list[str]:
        return [s.id for s in epoch_samples(samples(30), recipe(OptimiserPart(seed=seed)), KIND, epoch)]

    assert order(0, 0) == order(0, 0)
    assert len({tuple(order(seed, epoch)) for seed in (0, 1) for epoch in (0, 1)}) == 4


def test_balanced_sampling_draws_each_label_equally_often() -> None:
    lopsided = samples(300, "JJJJJJJJAF")
    drawn = [s for epoch in range(20) for s in epoch_samples(lopsided, recipe(balanced=True), KIND, epoch)]
    counts = Counter(str((sample.gold or {})["label"]) for sample in drawn)
    assert len(drawn) == 6000
    assert all(1850 < count < 2150 for count in counts.values()), counts
    plain = Counter(str((s.gold or {})["label"]) for s in epoch_samples(lopsided, recipe(), KIND, 0))
    assert plain == {"Joy": 240, "Anger": 30, "Fear": 30}


def test_the_curriculum_takes_the_sure_ones_first() -> None:
    chosen = recipe(curriculum=(0.8, 0.5, 0.0))
    lowest = [
        min(s.meta["ds_confidence"] for s in epoch_samples(samples(30), chosen, KIND, epoch)) for epoch in range(5)
    ]
    assert lowest == [0.8, 0.5, 0.0, 0.0, 0.0]
    sizes = Counter(step.epoch for step in plan(samples(30), chosen, KIND) for _ in step.samples)
    assert sizes == {0: 6, 1: 15, 2: 30}
    with pytest.raises(ValueError, match=r"no sample has a confidence of 0\.95 or above in epoch 1"):
        plan(samples(30), recipe(curriculum=(0.95,)), KIND)


def test_the_rate_rises_for_a_tenth_and_falls_along_a_cosine() -> None:
    plain = Recipe()
    found = [rate(number, 100, plain) for number in range(1, 101)]
    assert found[:10] == pytest.approx([5e-6 * number for number in range(1, 11)])
    assert max(found) == found[9] == 5e-5
    assert all(a > b > 0 for a, b in itertools.pairwise(found[9:]))
    middle = found[54]
    assert middle == pytest.approx(2.5e-5, rel=0.02)
    assert rate(1, 1, plain) == 5e-5
    unwarmed = dataclasses.replace(plain, optimiser=OptimiserPart(warmup=0.0))
    assert rate(1, 10, unwarmed) < 5e-5


def test_a_mixture_takes_its_share_of_each_tier() -> None:
    def mixed(**shares: float) -> Counter[str]:
        found = mix(samples(90), Recipe(data=DataPart(mixture=shares)))
        return Counter(str(sample.meta["tier"]) for sample in found)

    assert mixed(high=1.0, low=1.0) == {"high": 30, "low": 30}
    assert mixed(high=1.0, low=0.5) == {"high": 30, "low": 15}
    assert mixed() == {"high": 30, "medium": 30, "low": 30}
    whole = {s.id for s in mix(samples(90), Recipe(data=DataPart(mixture={"low": 0.8})))}
    assert {s.id for s in mix(samples(90), Recipe(data=DataPart(mixture={"low": 0.4})))} < whole
    with pytest.raises(ValueError, match=r"no sample has tier='hihg'; values there: high, low, medium"):
        mixed(hihg=1.0)


@given(st.integers(8, 60), st.floats(0.05, 0.6), st.integers(0, 3))
def test_whole_groups_are_held_out(count: int, share: float, seed: int) -> None:
    asked = Recipe(optimiser=OptimiserPart(seed=seed), validation=ValidationPart(share=share))
    everything = samples(count)
    learned, held = hold_out(everything, TASK, asked)
    assert {s.meta["speaker"] for s in learned} & {s.meta["speaker"] for s in held} == set()
    assert sorted(s.id for s in [*learned, *held]) == sorted(s.id for s in everything)
    assert learned
    assert held
    assert abs(len(held) - share * count) <= 4
    assert hold_out(everything, TASK, asked) == (learned, held)


def test_one_group_cannot_be_held_out() -> None:
    with pytest.raises(ValueError, match="the samples have one group alone"):
        hold_out(samples(4), TASK, Recipe())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return generate(tmp_path / "data", clips=14, seed=1, size=84)


def plain(folder: Path, **tables: object) -> Recipe:
    made = Recipe(data=DataPart(task="synthetic", folder=folder), validation=ValidationPart(share=0.0))
    return dataclasses.replace(made, **tables)  # type: ignore[arg-type]


def test_samples_of_the_validation_split_are_not_learned_from(folder: Path) -> None:
    found = choose(plain(folder, validation=ValidationPart(split="test")))
    held = {sample.id for sample in found.held_out}
    assert held
    assert held & {sample.id for sample in found.train} == set()
    assert Counter(reason for _, reason in found.left_out) == {IN_VALIDATION: len(held)}
    assert all(found.replies[sample.id] for sample in [*found.train, *found.held_out])


def test_a_label_outside_the_set_is_an_error_of_the_data(folder: Path) -> None:
    table = folder / ANNOTATIONS
    table.write_text(table.read_text(encoding="utf-8").replace("Joy", "Bliss"), encoding="utf-8")
    with pytest.raises(ValueError, match="ds_label is 'Bliss'; legal are Anger"):
        choose(plain(folder))


def test_a_mixture_that_takes_nothing_and_a_validation_that_loses_all_are_errors(folder: Path) -> None:
    tier = next(iter(choose(plain(folder)).train)).meta["tier"]
    made = dataclasses.replace(plain(folder).data, mixture={str(tier): 0.0})
    with pytest.raises(ValueError, match=r"data\.mixture .* takes not one of 14 samples"):
        choose(plain(folder, data=made))
    found = choose(plain(folder, validation=ValidationPart(split="test")))
    with pytest.raises(ValueError, match=r"no held-out sample is left to validate with(.|\n)*1 x broken"):
        found.leave_out(
            {sample.id: "broken" for sample in found.held_out[:1]}
            | dict.fromkeys((sample.id for sample in found.held_out[1:]), "gone")
        )


def test_samples_whose_gold_cannot_be_learned_are_left_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = TASK.adapter

    def damaged(root: object, split: str) -> list[Sample]:
        found = list(original(root, split))  # type: ignore[arg-type]
        found[0] = dataclasses.replace(found[0], gold=None)
        found[1] = dataclasses.replace(found[1], gold={"label": "Bliss"})
        found[2] = dataclasses.replace(found[2], meta={**found[2].meta, "ds_confidence": "high"})
        return found

    monkeypatch.setitem(TASKS, "synthetic", dataclasses.replace(TASK, adapter=damaged))
    found = choose(plain(folder, options=OptionsPart(weight_by_confidence=True)))
    assert len(found.train) == 11
    reasons = [reason for _, reason in found.left_out]
    assert reasons[0] == "no gold answer"
    assert "'Bliss' is not one of" in reasons[1]
    assert "a confidence from 0 to 1 was expected" in reasons[2]
    assert "    1 x no gold answer" in found.summary()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"folder": None}, "names no data"),
        ({"split": "trian"}, r"no split 'trian'.*train"),
        ({"task": "synthetik"}, r"no task 'synthetik'; did you mean synthetic"),
        ({"where": {"tier": "hihg"}}, "no sample of synthetic/all has tier='hihg'"),
        ({"options": {"x": "y"}}, "task synthetic has no option 'x'"),
    ],
)
def test_a_recipe_that_does_not_fit_its_data(folder: Path, data: dict[str, object], said: str) -> None:
    part = dataclasses.replace(plain(folder).data, **data)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=said):
        choose(plain(folder, data=part))


def test_an_empty_split_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TASKS, "synthetic", dataclasses.replace(TASK, adapter=lambda _root, _split: []))
    with pytest.raises(ValueError, match="holds no sample"):
        choose(plain(folder))
    everything_bad = dataclasses.replace(TASK, adapter=lambda _root, _split: [Sample("a", None), Sample("b", None)])
    monkeypatch.setitem(TASKS, "synthetic", everything_bad)
    with pytest.raises(ValueError, match=r"no sample is left to learn from; left out:\n +2 x no gold answer"):
        choose(plain(folder))

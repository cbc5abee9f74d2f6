"""MER-UniBench (Lian et al., AffectGPT, ICML 2025): the tasks on its nine test sets.

`Root.data` is the folder that holds `mer2023-dataset-process`, `meld-process` and the like, or one of these. Basic
emotions are asked with an open vocabulary and scored by hit rate, which the benchmark defines so (longer lists score
higher: look at `list_length` beside it); polarity is one of three, scored as positive against not positive without the
true neutrals. The headline of the benchmark is the mean of the nine headlines.
"""

from __future__ import annotations

from typing import Any

from tasks.labels import label_space
from tasks.mer_release import OPTIONS, WHEEL_METRICS, headed
from tasks.mer_unibench_sets import SETS, hit_rate_set, polarity_set, wheel_set
from tasks.task import Adapter, AnyOf, OneOf, Root, Sample, Task


def mer2023(root: Root, split: str) -> list[Sample]:
    """The 411 clips of MER2023 (MULTI)."""
    return hit_rate_set(root, "mer2023")


def mer2024(root: Root, split: str) -> list[Sample]:
    """The 1,169 clips of MER2024 (SEMI)."""
    return hit_rate_set(root, "mer2024")


def meld(root: Root, split: str) -> list[Sample]:
    """The 2,610 test clips of MELD; grouped by dialogue."""
    return hit_rate_set(root, "meld")


def iemocap(root: Root, split: str) -> list[Sample]:
    """The 1,241 clips of the fifth recording session of IEMOCAP with four emotions; grouped by dialogue."""
    return hit_rate_set(root, "iemocap")


def mosi(root: Root, split: str) -> list[Sample]:
    """The 686 test clips of CMU-MOSI; grouped by video."""
    return polarity_set(root, "mosi")


def mosei(root: Root, split: str) -> list[Sample]:
    """The 4,659 test clips of CMU-MOSEI; grouped by video."""
    return polarity_set(root, "mosei")


def sims(root: Root, split: str) -> list[Sample]:
    """The 457 test clips of CH-SIMS; grouped by video."""
    return polarity_set(root, "sims")


def simsv2(root: Root, split: str) -> list[Sample]:
    """The 1,034 test clips of CH-SIMS v2; grouped by video."""
    return polarity_set(root, "simsv2")


def ovmerd_plus(root: Root, split: str) -> list[Sample]:
    """The 532 clips of OV-MERD+."""
    return wheel_set(root, "ovmerd-plus")


def _task(name: str, adapter: Adapter, family: dict[str, Any]) -> Task:
    return Task(
        name=f"unibench-{name}",
        version="1",
        source=f"Lian et al., AffectGPT, ICML 2025 (MER-UniBench), {SETS[name].folder}",
        adapter=adapter,
        group="name" if name == "ovmerd-plus" else "group",
        slices=("language",),
        sizes={"test": SETS[name].rows},
        splits=("test",),
        options=OPTIONS,
        **family,
    )


_OPEN: dict[str, Any] = {"answer": AnyOf(), "template": "ov_list_json", "wheels": "mer2025"}
_HIT = {**_OPEN, "metrics": ("hitrate", "mscore", "ew_unknown", "list_length")}
_WHEEL = {**_OPEN, "metrics": headed("ew_l1_f", WHEEL_METRICS)}
_POLARITY: dict[str, Any] = {
    "answer": OneOf(*label_space("sentiment3")),
    "template": "sentiment_json",
    "metrics": ("sentiment_waf", "sentiment_acc", "weighted_f1", "accuracy", "macro_f1"),
}

MER2023 = _task("mer2023", mer2023, _HIT)
MER2024 = _task("mer2024", mer2024, _HIT)
MELD = _task("meld", meld, _HIT)
IEMOCAP = _task("iemocap", iemocap, _HIT)
MOSI = _task("mosi", mosi, _POLARITY)
MOSEI = _task("mosei", mosei, _POLARITY)
SIMS = _task("sims", sims, _POLARITY)
SIMSV2 = _task("simsv2", simsv2, _POLARITY)
OVMERD_PLUS = _task("ovmerd-plus", ovmerd_plus, _WHEEL)

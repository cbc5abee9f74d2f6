"""The official numbers of the MER challenges over plain mappings, name -> gold and name -> prediction: no task, no run.

Every number is that of a row of the metrics table, or is taken from the same sums. What makes a published scorer crash
(a missing name, a foreign label, a list that is none) is a ValueError here that names the sample. Predictions of other
names are left alone. The two lists of labels may be lists or text, which is then split as the challenges split it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from eval.metrics.dims import is_number
from eval.metrics.hitrate import hitrate, hits, mscore
from eval.metrics.metric import Value
from eval.metrics.preference import LABELS as CHOICES
from eval.metrics.sentiment import LABELS as SENTIMENTS
from eval.metrics.sums import Array
from eval.metrics.table import METRICS
from eval.metrics.wheelscores import column_scores, ew_level, ew_m_avg, ew_mean_f, overlaps
from eval.wheels.wordmap import COLUMNS, load_words
from prompts.parsing.official import mer_list
from tasks.labels import label_space
from tasks.task import Dims, OneOf, Pick

Entry = Sequence[str] | str | float | None
Entries = Mapping[str, Entry]
_NOTHING = "there is no gold: there is nothing to score"
# The score that ranks: MER2025-FG averages both levels, MER2026-FG takes the first.
HEADLINES: dict[str, Callable[[Array], Array]] = {
    "mer2025": ew_mean_f,
    "mer2026": partial(ew_level, level=1, part="f"),
}


def read_labels(entry: Entry, whose: str) -> list[str]:
    """The labels of an entry: a list of words as it is, text as the challenges split it, none for None and NaN.

    Raises ValueError, beginning with `whose` the entry is, for anything else.
    """
    if entry is None or (isinstance(entry, float) and math.isnan(entry)):
        return []
    if isinstance(entry, str):
        try:
            return mer_list(entry)
        except IndexError:
            raise ValueError(f"{whose} is {entry!r}, which the official reader cannot split; `[]` is empty") from None
    labels = entry.tolist() if isinstance(entry, np.ndarray) else entry
    if not isinstance(labels, list | tuple) or not all(isinstance(label, str) for label in labels):
        raise ValueError(f"{whose} is {entry!r}; a list of words, or text such as `[happy, sad]`, is legal")
    return list(labels)


def read_both(gold: Entries, pred: Entries, names: Sequence[str] | None) -> tuple[list[list[str]], list[list[str]]]:
    """Gold and predicted labels of the names, which are all gold names if not given. ValueError for missing names, and
    where there are none."""
    chosen = list(gold) if names is None else list(names)
    if not chosen:
        raise ValueError(_NOTHING)
    check_names(chosen, gold, "gold")
    check_names(chosen, pred, "prediction")
    return (
        [read_labels(gold[name], f"the gold of {name}") for name in chosen],
        [read_labels(pred[name], f"the prediction of {name}") for name in chosen],
    )


def check_names(names: Iterable[str], there: Mapping[str, object], what: str) -> None:
    """Raises ValueError where names have no entry."""
    missing = [name for name in names if name not in there]
    if missing:
        shown = ", ".join(map(str, missing[:5])) + (", …" if len(missing) > 5 else "")
        raise ValueError(f"{len(missing)} of the samples have no {what}: {shown}")


def ew_scores(
    gold: Entries,
    pred: Entries,
    edition: str,
    wheels: Path | None = None,
    names: Sequence[str] | None = None,
    *,
    checked: bool = True,
) -> dict[str, Any]:
    """Every number of the emotion wheel scorer of an edition, as fractions; `wheels` and `checked` as in `load_words`.

    Keys: `case1`, `case2`, `w1_l1` … `w5_l2` (p, r, f and n, the samples counted), `level1` and `level2` (f, p, r:
    means over the wheels), `score` (the ranking score of the edition) and `m_avg12` (M-avg of OV-MER). NaN where the
    scorer of the edition has NaN.
    """
    words = load_words(edition, wheels, checked=checked)
    sums = overlaps(*read_both(gold, pred, names), words).sum(0)
    table = column_scores(sums)
    found: dict[str, Any] = {
        column: {**dict(zip("prf", map(float, table[place]), strict=True)), "n": int(sums[place, 2])}
        for place, column in enumerate(COLUMNS)
    }
    for level in (1, 2):
        found[f"level{level}"] = {part: float(ew_level(sums, level=level, part=part)) for part in ("f", "p", "r")}
    return found | {"score": float(HEADLINES[edition](sums)), "m_avg12": float(ew_m_avg(sums))}


def hit_rate(
    gold: Mapping[str, str],
    pred: Entries,
    edition: str = "mer2025",
    wheels: Path | None = None,
    *,
    checked: bool = True,
) -> dict[str, Any]:
    """Hit rate and m-score of open labels on a set with one basic emotion a sample; the published one is of `mer2025`.

    Keys: `w1` … `w5` (hitrate, mscore and n, the samples counted), `hitrate` and `mscore` (means over the wheels).
    """
    for name, label in gold.items():
        if not isinstance(label, str):
            raise ValueError(f"the gold of {name} is {label!r}; the hit rate needs one word as text")
    words = load_words(edition, wheels, checked=checked)
    sums = hits(*read_both(gold, pred, None), list(gold.values()), words).sum(0)
    found: dict[str, Any] = {
        f"w{wheel}": {
            "hitrate": float(hitrate(sums, wheel=wheel)),
            "mscore": float(mscore(sums, wheel=wheel)),
            "n": int(sums[wheel - 1, 2]),
        }
        for wheel in range(1, 6)
    }
    return found | {"hitrate": float(hitrate(sums)), "mscore": float(mscore(sums))}


def six_class_waf(gold: Mapping[str, str], pred: Mapping[str, str]) -> dict[str, float]:
    """Weighted F1 (`waf`) and accuracy (`acc`) of the six classes of MER2025 and MER2026 track 1, over the gold."""
    labels = label_space("mer6").labels
    if not gold:
        raise ValueError(_NOTHING)
    check_names(gold, pred, "prediction")
    for side, entries in (("gold", gold), ("prediction", pred)):
        for name in gold:
            if entries[name] not in labels:
                raise ValueError(f"the {side} of {name} is {entries[name]!r}; legal are {', '.join(labels)}")
    return _classified([gold[name] for name in gold], [pred[name] for name in gold], "weighted_f1", "accuracy", labels)


def sentiment(values: Mapping[str, float], pred: Mapping[str, str]) -> dict[str, float]:
    """Weighted F1 (`waf`) and accuracy (`acc`) of the sign of sentiment values, over the names whose value is not 0.

    A prediction is positive if it is the very word `positive`, as in the published code; anything else is not positive.
    """
    check_names(values, pred, "prediction")
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(f"the sentiment value of {name} is {value!r}; a finite number is legal")
    if not any(values.values()):
        raise ValueError("no sample has a sentiment value other than 0: there is nothing to score")
    signs = ["neutral" if value == 0 else "positive" if value > 0 else "negative" for value in values.values()]
    told = ["positive" if pred[name] == "positive" else "neutral" for name in values]
    return _classified(signs, told, "sentiment_waf", "sentiment_acc", SENTIMENTS)


def _classified(
    gold: Sequence[str], told: Sequence[str], waf: str, acc: str, labels: tuple[str, ...]
) -> dict[str, float]:
    pair = [{"label": label} for label in gold], [{"label": label} for label in told], OneOf(labels)
    return {"waf": METRICS[waf](*pair), "acc": METRICS[acc](*pair)}


def preference(gold: Sequence[str], pred: Sequence[str], classes: Literal[2, 3] = 2) -> dict[str, float]:
    """Weighted F1 (`waf`) and accuracy (`acc`) of preferences `a1`, `a2`, `same`, in the order of the rows.

    Two classes, the official score, leave out gold `same` and take a prediction `same` for `a1`; three take all. Raises
    ValueError for other words, for lists of unequal length (of which the published code drops the surplus for two
    classes), and where no sample is left.
    """
    if len(gold) != len(pred):
        raise ValueError(f"{len(gold)} gold preferences, but {len(pred)} predictions")
    for side, rows in (("gold", gold), ("prediction", pred)):
        for number, word in enumerate(rows, 1):
            if word not in CHOICES:
                raise ValueError(f"the {side} in row {number} is {word!r}; legal are {', '.join(CHOICES)}")
    if not any(word != "same" or classes == 3 for word in gold):
        raise ValueError(f"no row is left to score: there are {len(gold)}, and two classes leave out gold `same`")
    pair = [{"choice": word} for word in gold], [{"choice": word} for word in pred], Pick(CHOICES)
    prefix = "preference" if classes == 2 else "preference3"
    return {"waf": METRICS[f"{prefix}_waf"](*pair), "acc": METRICS[f"{prefix}_acc"](*pair)}


def trait_scores(
    gold: Mapping[str, Mapping[str, float]], pred: Mapping[str, Mapping[str, float]]
) -> dict[str, dict[str, float]]:
    """RMSE, PCC and CCC of numbers in named dimensions: `mean` over the dimensions, then each of them by its name.

    The dimensions are those of the first gold entry. Raises ValueError for missing names and for what is no finite
    number; predictions outside of the scale of the gold are legal.
    """
    if not gold:
        raise ValueError(_NOTHING)
    check_names(gold, pred, "prediction")
    dimensions = tuple(next(iter(gold.values())))
    kind = Dims(dimensions, -math.inf, math.inf)
    for side, entries in (("gold", gold), ("prediction", pred)):
        for name in gold:
            for dimension in dimensions:
                if not is_number(entries[name].get(dimension), kind):
                    found = entries[name].get(dimension)
                    raise ValueError(f"the {side} of {name} has {dimension} {found!r}; a finite number is legal")
    rows = [gold[name] for name in gold], [pred[name] for name in gold]

    def scores(kind: Dims) -> dict[str, float]:
        return {name: METRICS[name](*rows, kind) for name in ("rmse", "pcc", "ccc")}

    return {"mean": scores(kind)} | {name: scores(Dims((name,), kind.low, kind.high)) for name in dimensions}


def group_lists(text: str) -> list[list[str]]:
    """The groups of synonyms in the text of a list of lists, as MER2024-OV reads it: quotes alone part the words, and
    empty groups are left out."""
    groups = [group for group in re.split(r"[\[\]]", text) if group.strip() not in ("", ",")]
    return [[word for word in re.split("['\"]", group) if word.strip() not in ("", ",")] for group in groups]


def set_scores(gold: Entries, pred: Entries, groups: Mapping[str, str | Sequence[Sequence[str]]]) -> dict[str, float]:
    """Set accuracy |G∩P| / |P| and set recall |G∩P| / |G| of MER2024-OV, their mean (`score`), and n.

    `groups`: the groups of synonyms of each sample, lists or their text; a word stands for the first of its group, and
    the samples are those that have groups. Words are lower-cased and not stripped. An empty prediction scores 0.
    """
    if not groups:
        raise ValueError("there are no groups of synonyms: the score is over the samples that have them")
    rows: list[Value] = []
    for name, (wanted, told) in zip(groups, zip(*read_both(gold, pred, list(groups)), strict=True), strict=True):
        lists = groups[name]
        synonyms = {
            word: group[0] for group in (group_lists(lists) if isinstance(lists, str) else lists) for word in group
        }
        if told and not wanted:
            raise ValueError(f"the gold of {name} is empty; recall is undefined")
        g, p = ({synonyms.get(label.lower(), label.lower()) for label in labels} for labels in (wanted, told))
        both = len(g & p)
        rows.append({"accuracy": both / len(p) if p else 0.0, "recall": both / len(g) if p else 0.0})
    accuracy, recall = (float(np.mean([row[part] for row in rows])) for part in ("accuracy", "recall"))
    return {"accuracy": accuracy, "recall": recall, "score": (accuracy + recall) / 2, "n": len(rows)}

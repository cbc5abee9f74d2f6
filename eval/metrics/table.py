"""The table of metrics. A further metric is one function and one row."""

from __future__ import annotations

import math
from functools import partial

from eval.metrics import blend, dims, hitrate, preference, sentiment, soft
from eval.metrics import classification as one
from eval.metrics import confidence as sure
from eval.metrics import labelsets as many
from eval.metrics import wheelscores as ew
from eval.metrics.metric import Metric, Options, Value, label_of, primary
from eval.timeline.table import TIMELINE
from eval.wheels.wordmap import COLUMNS

__all__ = ["METRICS", "Metric", "Options", "Value", "label_of", "primary"]

_SK = "sklearn.metrics."
_VERBAL = partial(Metric, part="confidence", missing="left out")
_LOGPROB = partial(Metric, part="distribution", missing="left out")
_LABELS = partial(Metric, part="labels")
_OPEN = partial(Metric, part="open")
_DIMS = partial(Metric, part="dims")
_BLEND = partial(Metric, part="blend")
_SENTIMENT = partial(Metric, names=sentiment.LABELS)
_PREFERENCE = partial(Metric, names=preference.LABELS)
_PARTS: dict[ew.Part, str] = {"f": "F", "p": "precision", "r": "recall"}
_MER = "MER2025 and MER2026 track 2, baseline code"
_HIT = "AffectGPT, evaluation of basic emotions"
_MER_PR = "MER2025 track 4, baseline code"
_BLEMORE = "BLEMORE at FG 2026: github.com/BlEmoRe/blemore-common, commit 98e6236"


def _wheel_rows() -> list[Metric]:
    """Open labels on the emotion wheels: the averages, then every column of the word map."""
    rows = [
        _OPEN(f"ew_l{level}_{part}", f"EW level {level}, {title}", ew.ew_counts,
              partial(ew.ew_level, level=level, part=part), 0, 1, 1, _MER)
        for level in (1, 2) for part, title in _PARTS.items()
    ]  # fmt: skip
    columns = {name: name.replace("w", "EW wheel ").replace("_l", ", level ") for name in COLUMNS[2:]}
    columns |= {"case1": "EW base words", "case2": "EW wheel words"}
    rows += [
        _OPEN(f"ew_{column}_{part}", f"{name}, {title}", ew.ew_counts,
              partial(ew.ew_column, column=column, part=part), 0, 1, 1, _MER)
        for column, name in columns.items() for part, title in _PARTS.items()
    ]  # fmt: skip
    for name, title, value in (("hitrate", "Hit rate", hitrate.hitrate), ("mscore", "M-score", hitrate.mscore)):
        rows.append(_OPEN(name, title, hitrate.hit_counts, value, 0, 1, 1, _HIT))
        rows += [
            _OPEN(f"{name}_w{wheel}", f"{title}, wheel {wheel}", hitrate.hit_counts, partial(value, wheel=wheel), 0, 1,
                  1, _HIT)
            for wheel in range(1, 6)
        ]  # fmt: skip
    return rows


def _trait_rows() -> list[Metric]:
    """The scores of each of the Big Five of MER-PR."""
    kinds = (("rmse", "RMSE", dims.rmse, 0, math.inf, 0), ("pcc", "PCC", dims.pcc, -1, 1, 1),
             ("ccc", "CCC", dims.ccc, -1, 1, 1))  # fmt: skip
    return [
        _DIMS(f"{name}_{trait}", f"{title}, {trait}", dims.trait_moments, partial(value, place=place), low, high, best,
              _MER_PR, names=dims.TRAITS)
        for name, title, value, low, high, best in kinds for place, trait in enumerate(dims.TRAITS)
    ]  # fmt: skip


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        # --- a single label; name, title, statistics, value, lowest, highest, best, definition
        Metric("accuracy", "Accuracy", one.confusions, one.accuracy, 0, 1, 1, _SK + "accuracy_score"),
        Metric("macro_f1", "Macro-F1", one.confusions, one.macro_f1, 0, 1, 1,
               _SK + "f1_score(average='macro', labels=…, zero_division=nan)"),
        Metric("weighted_f1", "Weighted-F1", one.confusions, one.weighted_f1, 0, 1, 1,
               _SK + "f1_score(average='weighted', labels=…)"),
        # --- a set of labels against annotator shares
        _LABELS("set_micro_f1", "Label micro-F1", many.set_counts, many.set_micro_f1, 0, 1, 1,
                _SK + "f1_score(average='micro')"),
        _LABELS("set_macro_f1", "Label macro-F1", many.set_counts, many.set_macro_f1, 0, 1, 1,
                _SK + "f1_score(average='macro', zero_division=nan)"),
        _LABELS("set_sample_f1", "Label sample-F1", many.set_means, many.set_sample_f1, 0, 1, 1,
                _SK + "f1_score(average='samples', zero_division=1)"),
        _LABELS("set_exact", "Exact match", many.set_means, many.set_exact, 0, 1, 1, _SK + "accuracy_score"),
        _LABELS("set_jaccard", "Jaccard", many.set_means, many.set_jaccard, 0, 1, 1,
                _SK + "jaccard_score(average='samples', zero_division=1)"),
        _LABELS("set_hamming", "Hamming loss", many.set_means, many.set_hamming, 0, 1, 0, _SK + "hamming_loss"),
        _LABELS("label_map", "mAP", many.listings, many.average_precision, 0, 1, 1,
                _SK + "average_precision_score, mean over labels; what is not listed is not retrieved", ranked=True),
        _LABELS("soft_kl", "KL (nats)", soft.distances, soft.soft_kl, 0, math.inf, 0, "scipy.stats.entropy(p, q)"),
        _LABELS("soft_ce", "Cross-entropy (nats)", soft.distances, soft.soft_ce, 0, math.inf, 0,
                "scipy.stats.entropy(p, q) + scipy.stats.entropy(p)"),
        _LABELS("soft_js", "JS (bits)", soft.distances, soft.soft_js, 0, 1, 0,
                "scipy.spatial.distance.jensenshannon(p, q, base=2)²"),
        # --- stated confidence
        _VERBAL("confidence", "Mean confidence", sure.verbal_bins, sure.mean_confidence, 0, 1, None, "EmoS Table 8"),
        _VERBAL("ece", "ECE", sure.verbal_bins, sure.calibration_error, 0, 1, 0, "Guo et al. 2017, eq. 5"),
        _VERBAL("ece_mass", "ECE (equal mass)", sure.verbal_list, sure.equal_mass_error, 0, 1, 0,
                "Nguyen & O'Connor 2015, ties kept together", ranked=True),
        _VERBAL("brier", "Brier (top label)", sure.verbal_bins, sure.brier, 0, 1, 0, _SK + "brier_score_loss"),
        _VERBAL("aurc", "AURC", sure.verbal_list, sure.aurc, 0, 1, 0,
                "Geifman & El-Yaniv 2017, mean over the orders of ties", missing="wrong", ranked=True),
        # --- probability of the answered label (label decoding)
        _LOGPROB("logprob_confidence", "Mean probability", sure.logprob_bins, sure.mean_confidence, 0, 1, None,
                 "mean of the answered label's probability"),
        _LOGPROB("logprob_ece", "ECE (probability)", sure.logprob_bins, sure.calibration_error, 0, 1, 0,
                 "Guo et al. 2017, eq. 5"),
        _LOGPROB("logprob_ece_mass", "ECE (probability, equal mass)", sure.logprob_list, sure.equal_mass_error, 0, 1,
                 0, "Nguyen & O'Connor 2015, ties kept together", ranked=True),
        _LOGPROB("logprob_brier", "Brier (probability)", sure.logprob_bins, sure.brier, 0, 2, 0,
                 _SK + "brier_score_loss(scale_by_half=False)"),
        _LOGPROB("logprob_aurc", "AURC (probability)", sure.logprob_list, sure.aurc, 0, 1, 0,
                 "Geifman & El-Yaniv 2017, mean over the orders of ties", missing="wrong", ranked=True),
        # --- labels of an open vocabulary, led to the clusters of the emotion wheels
        _OPEN("ew_mean_f", "EW, both levels, F", ew.ew_counts, ew.ew_mean_f, 0, 1, 1, "MER2025-FG, ranking score"),
        _OPEN("ew_m_avg", "EW M-avg", ew.ew_counts, ew.ew_m_avg, 0, 1, 1, "Lian et al. 2024 (OV-MER)"),
        *_wheel_rows(),
        _OPEN("ew_unknown", "Words no wheel knows", ew.unknown_counts, ew.ew_unknown, 0, 1, 0,
              "share of the answered words that the word map leaves out", missing="left out"),
        _OPEN("list_length", "Words an answer", ew.list_lengths, ew.list_length, 0, math.inf, None,
              "mean number of distinct words", missing="left out"),
        # --- positive or not; one description or the other
        _SENTIMENT("sentiment_waf", "Sentiment weighted-F1", sentiment.sentiments, one.weighted_f1, 0, 1, 1,
                   "AffectGPT, calculate_dimension_zeroshot"),
        _SENTIMENT("sentiment_acc", "Sentiment accuracy", sentiment.sentiments, one.accuracy, 0, 1, 1,
                   "AffectGPT, calculate_dimension_zeroshot"),
        _PREFERENCE("preference_waf", "Preference weighted-F1", preference.two_class, one.weighted_f1, 0, 1, 1,
                    "MER2026 track 3, baseline code, two classes"),
        _PREFERENCE("preference_acc", "Preference accuracy", preference.two_class, one.accuracy, 0, 1, 1,
                    "MER2026 track 3, baseline code, two classes"),
        _PREFERENCE("preference3_waf", "Preference weighted-F1 (3 classes)", preference.preferences, one.weighted_f1,
                    0, 1, 1, "MER2026 track 3, baseline code, three classes"),
        _PREFERENCE("preference3_acc", "Preference accuracy (3 classes)", preference.preferences, one.accuracy, 0, 1,
                    1, "MER2026 track 3, baseline code, three classes"),
        # --- numbers in named dimensions
        _DIMS("rmse", "RMSE", dims.moments, dims.rmse, 0, math.inf, 0, _MER_PR),
        _DIMS("pcc", "PCC", dims.moments, dims.pcc, -1, 1, 1, _MER_PR),
        _DIMS("ccc", "CCC", dims.moments, dims.ccc, -1, 1, 1, _MER_PR),
        *_trait_rows(),
        # --- blends of two emotions
        _BLEND("blemore_score", "BLEMORE score", blend.blend_counts, blend.blemore_score, 0, 1, 1, _BLEMORE),
        _BLEND("acc_presence", "Presence accuracy", blend.blend_counts, blend.acc_presence, 0, 1, 1, _BLEMORE),
        _BLEND("acc_salience", "Salience accuracy", blend.blend_counts, blend.acc_salience, 0, 1, 1, _BLEMORE),
        # --- timelines
        *TIMELINE,
    )
}  # fmt: skip

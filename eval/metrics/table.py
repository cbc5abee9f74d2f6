"""The table of metrics. A further metric is one function and one row."""

from __future__ import annotations

import math
from functools import partial

from eval.metrics import classification as one
from eval.metrics import confidence as sure
from eval.metrics import labelsets as many
from eval.metrics import soft
from eval.metrics.metric import Metric, Options, Value, label_of, primary

__all__ = ["METRICS", "Metric", "Options", "Value", "label_of", "primary"]

_SK = "sklearn.metrics."
_VERBAL = partial(Metric, part="confidence", missing="left out")
_LOGPROB = partial(Metric, part="distribution", missing="left out")
_LABELS = partial(Metric, part="labels")

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
    )
}  # fmt: skip

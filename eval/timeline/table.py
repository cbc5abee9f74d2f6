"""The rows of the timeline metrics: `eval/metrics/table.py` takes them in."""

from __future__ import annotations

from functools import partial

from eval.metrics.metric import Metric, Statistics
from eval.timeline import counts, trajectory, turning
from eval.timeline import utterances as said

_ROW = partial(Metric, part="timeline")
_PAIRED = partial(Metric, part="timeline", missing="left out")
_SK = "sklearn.metrics."
_FOUND = (("p", "precision", counts.found_precision), ("r", "recall", counts.found_recall),
          ("f1", "F1", counts.found_f1))  # fmt: skip


def _found(name: str, title: str, statistics: Statistics, source: str, tail: str = "") -> list[Metric]:
    """Precision, recall and F1 of what was found."""
    return [
        _ROW(f"tl_{name}_{short}{tail}", f"{title}: {long}", statistics, value, 0, 1, 1, source)
        for short, long, value in _FOUND
    ]


TIMELINE: tuple[Metric, ...] = (
    # --- utterances
    *_found("iou50", "Utterances, IoU ≥ 0.5", said.half_covered, "IoU ≥ 0.5 as in ActivityNet, highest first"),
    *_found("match", "Utterances, any overlap", said.overlapping, "scipy.optimize.linear_sum_assignment on IoU"),
    # --- what is said of them: over all gold utterances, then over those that have a partner
    _ROW("tl_accuracy", "Utterance accuracy", said.label_counts, said.label_accuracy, 0, 1, 1, _SK + "accuracy_score"),
    _ROW("tl_macro_f1", "Utterance macro-F1", said.label_counts, said.label_macro_f1, 0, 1, 1,
         _SK + "f1_score(average='macro', labels=…, zero_division=nan)"),
    _PAIRED("tl_accuracy_matched", "Utterance accuracy, matched", said.label_counts, said.matched_accuracy, 0, 1, 1,
            _SK + "accuracy_score on the pairs"),
    _PAIRED("tl_macro_f1_matched", "Utterance macro-F1, matched", said.label_counts, said.matched_macro_f1, 0, 1, 1,
            _SK + "f1_score(average='macro', labels=…, zero_division=nan) on the pairs"),
    _ROW("tl_secondary_micro_f1", "Utterance GoEmotions micro-F1", said.secondary_counts, said.secondary_micro_f1, 0, 1,
         1, _SK + "f1_score(average='micro')"),
    _ROW("tl_secondary_macro_f1", "Utterance GoEmotions macro-F1", said.secondary_counts, said.secondary_macro_f1, 0, 1,
         1, _SK + "f1_score(average='macro', zero_division=nan)"),
    _PAIRED("tl_secondary_micro_f1_matched", "Utterance GoEmotions micro-F1, matched", said.secondary_counts,
            said.matched_secondary_micro_f1, 0, 1, 1, _SK + "f1_score(average='micro') on the pairs"),
    _PAIRED("tl_secondary_macro_f1_matched", "Utterance GoEmotions macro-F1, matched", said.secondary_counts,
            said.matched_secondary_macro_f1, 0, 1, 1,
            _SK + "f1_score(average='macro', zero_division=nan) on the pairs"),
    _PAIRED("tl_intensity_mae", "Intensity MAE", said.intensity_counts, said.intensity_error, 0, 4, 0,
            _SK + "mean_absolute_error on the pairs"),
    _PAIRED("tl_intensity_qwk", "Intensity kappa (quadratic)", said.intensity_counts, said.intensity_kappa, -1, 1, 1,
            _SK + "cohen_kappa_score(weights='quadratic') on the pairs"),
    # --- points in time
    *(row for name, statistics in turning.boundary_counts.items()
      for row in _found("boundary", f"Boundaries ± {name}", statistics, "mir_eval.segment.detection", f"_{name}")),
    *(row for name, statistics in turning.turning_counts.items()
      for row in _found("turn", f"Turning points ± {name}", statistics, "changes of the primary label, one to one",
                        f"_{name}")),
    *(_PAIRED(f"tl_turn_type_{name}", f"Turning points ± {name}: type accuracy", statistics,
              turning.turn_type_accuracy, 0, 1, 1, _SK + "accuracy_score of (from, to) on the pairs")
      for name, statistics in turning.turning_counts.items()),
    *(row for name, statistics in turning.joint_counts.items()
      for row in _found("joint", f"Joints ± {name}", statistics,
                        "all starts but the first: what EmoS Table 6 counts as turning points", f"_{name}")),
    # --- the emotion over time
    _ROW("tl_time_agreement", "Agreement over time", trajectory.time_counts, trajectory.time_agreement, 0, 1, 1,
         _SK + "accuracy_score over seconds"),
    _ROW("tl_time_macro_f1", "Macro-F1 over time", trajectory.time_counts, trajectory.time_macro_f1, 0, 1, 1,
         _SK + "f1_score(average='macro', zero_division=nan) over seconds"),
    _ROW("tl_time_weighted_f1", "Weighted-F1 over time", trajectory.time_counts, trajectory.time_weighted_f1, 0, 1, 1,
         _SK + "f1_score(average='weighted') over seconds"),
    _ROW("tl_valence_dtw", "Valence distance (DTW)", trajectory.valence_costs, trajectory.valence_distance, 0, 2, 0,
         "Sakoe & Chiba 1978, symmetric form"),
)  # fmt: skip

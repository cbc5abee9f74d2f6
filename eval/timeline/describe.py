"""What timelines hold, counted: to tell a data set, or a model's answers, in a few numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from eval.metrics.metric import Value
from eval.timeline.spans import INTENSITIES, parts, spans
from eval.timeline.turning import joints, turns
from tasks.task import AnswerKind


@dataclass(frozen=True, slots=True)
class Facts:
    """Counts over clips. `turning_points` are changes of the primary label, `joints` all places where one utterance
    follows another (the EmoS paper's "turning points"); `most_…` in one clip. `seconds`: the utterances' lengths added
    up. `primary`, `secondary`, `intensity`: utterances by label, in the order of the labels, zeros included."""

    clips: int
    utterances: int
    turning_points: int
    joints: int
    most_turning_points: int
    most_joints: int
    seconds: float
    primary: Mapping[str, int]
    secondary: Mapping[str, int]
    intensity: Mapping[int, int]


def describe(values: Sequence[Value | None], kind: AnswerKind) -> Facts:
    """The facts of gold or answered timelines, None being an empty one. Raises ValueError as `spans`."""
    clips = [spans(value, kind) for value in values]
    flat = [span for found in clips for span in found]
    turned = [len(turns(found)) for found in clips]
    joined = [len(joints(found)) for found in clips]
    labels, others = parts(kind)
    primary = Counter(span.primary for span in flat)
    secondary = Counter(label for span in flat for label in span.secondary or ())
    intensity = Counter(span.intensity for span in flat)
    return Facts(
        clips=len(clips),
        utterances=len(flat),
        turning_points=sum(turned),
        joints=sum(joined),
        most_turning_points=max(turned, default=0),
        most_joints=max(joined, default=0),
        seconds=sum(span.end - span.start for span in flat) / 1000,
        primary={label: primary[label] for label in labels},
        secondary={label: secondary[label] for label in others},
        intensity={level: intensity[level] for level in INTENSITIES},
    )

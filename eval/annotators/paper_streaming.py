"""Tables 6, 10 and 11 of the EmoS paper from the streaming release; what each line means stands in published.toml."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from eval.annotators.paper_static import percent
from tasks.emos_stream_release import Emotions, turning_points
from tasks.labels import label_space

Streaming = Sequence[Emotions]
Values = Mapping[str, tuple[float, float | None]]
CLIPS_PRINTED = 50


def table_6(clips: Streaming) -> Values:
    """Clips and turning points; as counted: all boundaries between utterances."""
    turns = [turning_points([one.primary for one in clip.utterances]) for clip in clips]
    boundaries = [max(0, len(clip.utterances) - 1) for clip in clips]
    return {
        "clips": (len(clips), None),
        "turning points": (sum(turns), sum(boundaries)),
        "turning points a clip": (sum(turns) / max(len(clips), 1), sum(boundaries) / CLIPS_PRINTED),
        "most in a clip": (max(turns, default=0), max(boundaries, default=0)),
    }


def table_10(clips: Streaming) -> Values:
    """Utterances whose secondary labels hold a GoEmotions label exactly as it is spelt."""
    found = [set(one.secondary) for clip in clips for one in clip.utterances]
    labels = label_space("goemotions28").labels
    return {label: (percent(sum(label in words for words in found), len(found)), None) for label in labels}


def table_11(clips: Streaming) -> Values:
    """Utterances by primary emotion; for Figure 2, as counted: only those written without a translation."""
    labels = label_space("basic7").labels
    found = [one for clip in clips for one in clip.utterances]
    shares = {label: percent(sum(one.primary == label for one in found), len(found)) for label in labels}
    exact = {label: percent(sum(one.as_written == label for one in found), len(found)) for label in labels}
    figure = ("Anger", "Joy", "Neutral", "Sadness")  # the four that Figure 2 labels
    return {
        **{label: (value, None) for label, value in shares.items()},
        **{f"Figure 2: {label}": (shares[label], exact[label]) for label in figure},
    }

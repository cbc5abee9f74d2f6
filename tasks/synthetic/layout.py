"""Names and rows of a synthetic data set: what the generator writes and the adapter reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tasks.labels import label_space

VERSION = "1"  # of the generator and of the tasks: raise it with any change to what a seed draws
ANNOTATIONS, MANIFEST, CLIPS = "annotations.csv", "manifest.json", "clips"

# A clip without one thing: its sound, its pictures, their movement, their order.
Variant = Literal["muted", "blank", "frozen", "shuffled"]
VARIANTS: tuple[Variant, ...] = ("muted", "blank", "frozen", "shuffled")

# What tells a label from its partner: the sound, the face, or the order of the frames. Neutral has no partner.
CARRIERS = {
    "Anger": "face",
    "Disgust": "face",
    "Fear": "voice",
    "Joy": "order",
    "Neutral": "both",
    "Sadness": "order",
    "Surprise": "voice",
}
PARTNERS = {
    "Anger": "Disgust",
    "Disgust": "Anger",
    "Fear": "Surprise",
    "Surprise": "Fear",
    "Joy": "Sadness",
    "Sadness": "Joy",
}
# The confidence tiers of the EmoS release for CH-SIMS v2: from .9 high, from .8 medium, low below.
TIERS = ((0.9, "high"), (0.8, "medium"), (0.0, "low"))


@dataclass(frozen=True, slots=True)
class ClipPlan:
    """One clip: what its annotation says and what it is drawn from. `goemotions` holds counts 0-3 in GO29 order."""

    video_id: str
    clip_id: str
    speaker: str
    split: str
    label: str
    language: str
    text: str
    transcript_kind: str
    strength: float
    seconds: float
    votes: tuple[str, str, str]
    confidence: float
    goemotions: tuple[int, ...]
    speaker_seed: int
    clip_seed: int

    @property
    def uid(self) -> str:
        """The id of the clip, unique in a data set."""
        return f"{self.video_id}_{self.clip_id}"

    @property
    def tier(self) -> str:
        """The EmoS tier of the confidence."""
        return tier(self.confidence)


def go29() -> tuple[str, ...]:
    """The 28 GoEmotions labels and "unsure", in the column order of the EmoS release."""
    return (*label_space("goemotions28").labels, "unsure")


def tier(confidence: float) -> str:
    """The EmoS tier (high, medium, low) of a confidence in [0, 1]."""
    return next(name for low, name in TIERS if confidence >= low)


def annotation_columns() -> tuple[str, ...]:
    """The columns of annotations.csv, in order."""
    return (
        *("uid", "video_id", "clip_id", "text", "language", "speaker", "ds_label", "ds_confidence", "unique_labels"),
        *("confidence_tier", "basic_vote_1", "basic_vote_2", "basic_vote_3"),
        *(f"goemotion_prob_{name}" for name in go29()),
        *("carrier", "transcript_kind", "strength", "split"),
    )

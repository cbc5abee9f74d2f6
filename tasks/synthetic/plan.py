"""What a synthetic data set will hold, decided before anything is drawn: labels, speakers, annotators, transcripts.

Three annotators are simulated: the weaker the cues of a clip, the more often they take it for another emotion (most
often for its partner, which shares its face, voice or frames). The confidence is the posterior of the label under
their average error rates, as Dawid-Skene would give it; votes whose posterior names another label are drawn again, so
`ds_label` is the true label and the label with the highest posterior at once.
"""

from __future__ import annotations

import numpy as np

from tasks.labels import label_space
from tasks.synthetic.layout import PARTNERS, ClipPlan, go29
from tasks.synthetic.sentences import contradicting_sentence, neutral_sentence

LANGUAGES = ("zh", "en")
TEST_SHARE = 0.2  # of the speakers
CLIPS_A_SESSION = 10
STRENGTHS = (0.6, 1.0)
DURATIONS = (2.0, 3.2)  # seconds
# An annotator errs with probability ERROR_FLOOR + slope * (1 - strength); to the partner with PARTNER_SHARE.
ERROR_FLOOR = 0.02
ERROR_SLOPES = (0.7, 0.95, 1.2)
PARTNER_SHARE = 0.6
# GoEmotions labels an annotator may add to a Basic-7 label; the first is the most likely.
FINE_LABELS: dict[str, tuple[str, ...]] = {
    "Anger": ("anger", "annoyance", "disapproval"),
    "Disgust": ("disgust",),
    "Fear": ("fear", "nervousness"),
    "Joy": ("joy", "amusement", "excitement", "gratitude", "optimism", "pride", "relief"),
    "Neutral": ("neutral", "realization", "curiosity"),
    "Sadness": ("sadness", "disappointment", "grief", "remorse"),
    "Surprise": ("surprise",),
}


def plan(clips: int, seed: int, speakers: int, contradict: float) -> list[ClipPlan]:
    """Plan `clips` clips of `speakers` speakers, ordered by speaker.

    Labels are balanced (to one clip) in train and in test; languages alternate from speaker to speaker; the last
    speakers (TEST_SHARE of them) are the test split; the share `contradict` of the clips gets a contradicting
    transcript. Everything else is drawn independently of the label.
    """
    rng = np.random.default_rng(np.random.SeedSequence([seed, 0]))
    voices = [index * speakers // clips for index in range(clips)]
    begins = {voice: index for index, voice in reversed(list(enumerate(voices)))}
    first_test = speakers - max(1, round(TEST_SHARE * speakers)) if speakers > 1 else 1
    splits = ["train" if voice < first_test else "test" for voice in voices]
    labels = _balanced_labels(splits, rng)
    contradicting = set(rng.permutation(clips)[: round(contradict * clips)].tolist())
    speaker_seeds = rng.integers(0, 2**31, speakers).tolist()
    plans: list[ClipPlan] = []
    for index, voice in enumerate(voices):
        own = np.random.default_rng(np.random.SeedSequence([seed, 1, index]))
        plans.append(
            _plan_clip(
                labels[index],
                voice,
                index - begins[voice],
                split=splits[index],
                contradicts=index in contradicting,
                speaker_seed=speaker_seeds[voice],
                rng=own,
            )
        )
    return plans


def _balanced_labels(splits: list[str], rng: np.random.Generator) -> list[str]:
    names = label_space("basic7").labels
    labels = [""] * len(splits)
    for split in ("train", "test"):
        where = [index for index, name in enumerate(splits) if name == split]
        # the order of the names is drawn too, or a small split would always miss the same labels
        names_here = rng.permutation(len(names))
        for rank, place in enumerate(rng.permutation(len(where))):
            labels[where[int(place)]] = names[int(names_here[rank % len(names)])]
    return labels


def _plan_clip(
    label: str, voice: int, place: int, *, split: str, contradicts: bool, speaker_seed: int, rng: np.random.Generator
) -> ClipPlan:
    language = LANGUAGES[voice % len(LANGUAGES)]
    strength = round(float(rng.uniform(*STRENGTHS)), 3)
    seconds = round(float(rng.uniform(*DURATIONS)), 2)
    sentence = contradicting_sentence(language, label, rng) if contradicts else neutral_sentence(language, rng)
    votes, confidence = _vote(label, strength, rng)
    return ClipPlan(
        video_id=f"spk{voice:04d}_s{place // CLIPS_A_SESSION:02d}",
        clip_id=f"{place:04d}",
        speaker=f"spk{voice:04d}",
        split=split,
        label=label,
        language=language,
        text=sentence,
        transcript_kind="contradicts" if contradicts else "neutral",
        strength=strength,
        seconds=seconds,
        votes=votes,
        confidence=confidence,
        goemotions=_fine_counts(label, strength, rng),
        speaker_seed=speaker_seed,
        clip_seed=int(rng.integers(0, 2**31)),
    )


# --- annotators --------------------------------------------------------------------------------------------------


def _confusion(label: str, error: float) -> dict[str, float]:
    """Probabilities of the votes of an annotator with this error rate, for a clip of `label`."""
    others = [name for name in label_space("basic7").labels if name != label]
    partner = PARTNERS.get(label)
    rest = others if partner is None else [name for name in others if name != partner]
    share = dict.fromkeys(rest, (1.0 if partner is None else 1.0 - PARTNER_SHARE) / len(rest))
    if partner is not None:
        share[partner] = PARTNER_SHARE
    return {label: 1.0 - error} | {name: error * part for name, part in share.items()}


def posterior(votes: tuple[str, ...]) -> dict[str, float]:
    """Probability of every Basic-7 label given the three votes, a uniform prior and the average error rates."""
    names = label_space("basic7").labels
    middle = sum(STRENGTHS) / 2
    weights = dict.fromkeys(names, 1.0)
    for vote, slope in zip(votes, ERROR_SLOPES, strict=True):
        for name in names:
            weights[name] *= _confusion(name, ERROR_FLOOR + slope * (1 - middle))[vote]
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()}


def _vote(label: str, strength: float, rng: np.random.Generator) -> tuple[tuple[str, str, str], float]:
    """Three votes whose posterior names `label`, and that posterior (6 decimals, as written and as tiered)."""
    tables = [_confusion(label, ERROR_FLOOR + slope * (1 - strength)) for slope in ERROR_SLOPES]
    while True:
        first, second, third = (str(rng.choice(list(table), p=list(table.values()))) for table in tables)
        belief = posterior((first, second, third))
        if max(belief, key=belief.__getitem__) == label:
            return (first, second, third), round(belief[label], 6)


def _fine_counts(label: str, strength: float, rng: np.random.Generator) -> tuple[int, ...]:
    """How many of three annotators ticked each GO29 label; all ticked labels but "unsure" belong to `label`."""
    words = FINE_LABELS[label]
    counts = dict.fromkeys(go29(), 0)
    for _ in range(3):
        ticked = {words[0] if rng.uniform() < strength else words[int(rng.integers(len(words)))]}
        if rng.uniform() < 0.3:
            ticked.add(words[int(rng.integers(len(words)))])
        if rng.uniform() < 0.3 * (1 - strength):
            ticked.add("unsure")
        for word in ticked:
            counts[word] += 1
    return tuple(counts.values())

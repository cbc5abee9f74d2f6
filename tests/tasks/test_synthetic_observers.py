"""What can be told from the written clips, and what cannot: simple observers measure the decoded files.

An observer measures a few numbers of the sound (pitch and its course, energy, roughness) and of the pictures (where
the edges of a face lie, how far it moved), learns the means of the seven labels on half of the speakers and is tested
on the other half. It is trained anew for every ablation, so what it cannot learn is not in the clips.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.synthetic import IDEAL_ACCURACY, generate, samples
from tasks.synthetic.clip import variant
from tasks.synthetic.layout import CARRIERS
from tasks.task import Root, Sample

Array = NDArray[Any]
CLIPS = 196
SIZE = 84
LABELS = tuple(CARRIERS)


class Clip(NamedTuple):
    sample: Sample
    frames: Array  # uint8 [T, H, W, 3]
    audio: Array  # float32 [n]


class Outcome(NamedTuple):
    accuracy: float
    pairs: dict[str, float]  # by carrier


def decode(path: Path) -> tuple[Array, Array]:
    import av

    with av.open(str(path)) as container:
        frames = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    with av.open(str(path)) as container:
        audio = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    return frames, audio


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Clip]:
    out = generate(tmp_path_factory.mktemp("synthetic"), clips=CLIPS, seed=5, speakers=28, size=SIZE)
    found = list(samples(Root(out), "all"))
    return [Clip(sample, *decode(sample.media[0].path)) for sample in found]


# --- measurements ------------------------------------------------------------------------------------------------


def pitch_track(audio: Array) -> Array:
    """Pitch (Hz) of the voiced 64 ms windows, by autocorrelation; [] for silence."""
    windows = np.lib.stride_tricks.sliding_window_view(audio, 1024)[::320]
    loud = windows.std(axis=1)
    windows = windows[loud > max(0.35 * loud.max(), 2e-3)]
    if not len(windows):
        return np.zeros(0)
    power = np.abs(np.fft.rfft(windows * np.hanning(1024), 2048, axis=1)) ** 2
    power[:, 400:] = 0  # below 3.1 kHz
    echo = np.fft.irfft(power, axis=1)[:, :240] / np.fft.irfft(np.abs(np.fft.rfft(np.hanning(1024), 2048)) ** 2)[:240]
    lags = np.arange(30, 240)
    return np.asarray(16_000 / lags[np.argmax(echo[:, 30:] * (1 - lags / 2400), axis=1)])


def hear(audio: Array) -> Array:
    """Six numbers of a voice: pitch course (rise, arch), trembling, loudness, roughness, dullness."""
    octaves = np.log2(pitch_track(audio) + 1e-9)
    if len(octaves) < 20:
        return np.zeros(6)
    x = np.linspace(-1, 1, len(octaves))
    _, rise, arch = np.polynomial.polynomial.polyfit(x, octaves, 2)
    rough = np.median(np.abs(np.diff(octaves)))
    rms = np.log10(audio.std() + 1e-6)
    power = np.abs(np.fft.rfft(audio)) ** 2
    hertz = np.fft.rfftfreq(len(audio), 1 / 16_000)
    bright = np.log10(power[hertz > 1500].sum() / power.sum())
    noisy = np.log10(power[hertz > 6000].sum() / power.sum())
    return np.array([rise, arch, rough * 5, rms, bright, noisy])


def look(frames: Array) -> Array:
    """Where edges and white lie in a face, whatever the order of its frames: means over 9 frames, 12 x 12 cells."""
    grey = frames[:: max(1, len(frames) // 9)].mean(axis=3)
    flat = (grey - grey.mean(axis=(1, 2), keepdims=True)) / (grey.std(axis=(1, 2), keepdims=True) + 1e-6)
    down, right = np.abs(np.diff(flat, axis=1))[:, :, :-1], np.abs(np.diff(flat, axis=2))[:, :-1]
    cells = [part[:, :72, :72].reshape(len(flat), 12, 6, 12, 6).mean(axis=(2, 4)) for part in (down, right)]
    return np.concatenate([cell.mean(axis=0).ravel() for cell in cells])


def move(frames: Array) -> Array:
    """How many pixels the picture rises from its first fifth to its last, by the best match of its row profiles, and
    how many it moves either way."""
    part = len(frames) // 5
    profile = frames[:, :, SIZE // 4 : -SIZE // 4].mean(axis=(2, 3))
    first, last = (np.diff(profile[cut].mean(axis=0)) for cut in (slice(None, part), slice(-part, None)))
    inner = slice(16, 60)
    errors = [np.abs(first[inner] - np.roll(last, shift)[inner]).mean() for shift in range(-14, 15)]
    rise = float(np.argmin(errors) - 14)
    return np.array([rise, abs(rise)])


def accuracy(clips: list[Clip], features: list[Array]) -> Outcome:
    """Accuracy of a linear discriminant (class means, one shared shrunken covariance), by halves of the speakers."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    x = np.stack(features)
    x = (x - x.mean(axis=0)) / (x.std(axis=0) + 1e-6)
    gold = np.array([str((clip.sample.gold or {})["label"]) for clip in clips])
    half = np.array([int(str(clip.sample.meta["speaker"])[3:]) // 2 % 2 for clip in clips])
    right = np.zeros(len(clips), bool)
    for test in (0, 1):
        model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
        model.fit(x[half != test], gold[half != test])
        right[half == test] = model.predict(x[half == test]) == gold[half == test]
    carriers = np.array([CARRIERS[label] for label in gold])
    return Outcome(float(right.mean()), {name: float(right[carriers == name].mean()) for name in set(carriers)})


def observe(clips: list[Clip], kind: str) -> Outcome:
    """Train and test an observer on clips changed by `variant` (kind "whole": unchanged)."""
    features = []
    for number, clip in enumerate(clips):
        frames, audio = clip.frames, clip.audio
        if kind != "whole":
            frames, audio = variant(frames, audio, kind, seed=number)  # type: ignore[arg-type]
        features.append(np.concatenate([hear(audio), look(frames), move(frames)]))
    return accuracy(clips, features)


# --- tests -------------------------------------------------------------------------------------------------------


def cases() -> Iterator[Any]:
    for kind, given, lost in (
        ("whole", "avt", ()),
        ("muted", "vt", ("voice",)),
        ("blank", "at", ("face", "order")),
        ("shuffled", "shuffled", ("order",)),
        ("frozen", "frozen", ("order",)),
    ):
        yield pytest.param(kind, IDEAL_ACCURACY[given], lost, id=kind)


@pytest.mark.parametrize(("kind", "ideal", "lost"), cases())
def test_what_is_taken_away_is_lost_and_nothing_else(
    clips: list[Clip], kind: str, ideal: float, lost: tuple[str, ...]
) -> None:
    found = observe(clips, kind)
    print(kind, round(found.accuracy, 3), {name: round(value, 3) for name, value in found.pairs.items()})
    assert ideal - 0.1 < found.accuracy < ideal + 0.07
    for carrier, value in found.pairs.items():
        if carrier in lost:  # 56 tosses: outside this range less than once in a thousand
            assert 0.28 < value < 0.72, carrier
        else:
            assert value > 0.78, carrier

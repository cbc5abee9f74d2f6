"""The voice of the synthetic benchmark: a pitch contour, an energy contour and vowel colour, summed from harmonics.

Every 20 ms one period of the sound is built from harmonics under three formants; the samples are read from these
periods by phase, so a whole clip costs a few milliseconds. Time runs in seconds, pitch in hertz, sound in [-1, 1].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

RATE = 16_000
HOP = 320  # samples between two drawn periods (20 ms)
PERIOD = 512  # samples of one drawn period
HIGHEST_HZ = 5000.0

Series = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Manner:
    """How an emotion sounds, against a plain voice (all zero); values are scaled by the strength of a clip.

    `pitch` is octaves above the speaker's own, `rise` octaves from the first to the last moment, `arch` octaves of a
    rise that falls back, `tremor` the share by which pitch trembles at 7 Hz (energy trembles five times as much),
    `pace` the syllables a second added to 4.5, `loud` decibels, `harsh` and `breath` shares of roughness and of
    breath noise, `bright` decibels an octave added to the spectral slope.
    """

    pitch: float = 0.0
    rise: float = 0.0
    arch: float = 0.0
    tremor: float = 0.0
    pace: float = 0.0
    loud: float = 0.0
    harsh: float = 0.0
    breath: float = 0.0
    bright: float = 0.0


_ROUGH = Manner(pitch=-0.4, loud=8.0, harsh=0.8, bright=5.0)
_TENDER = Manner(pitch=0.05, arch=0.8, pace=-1.6, loud=-2.0, breath=0.3, bright=-3.0)

# Anger and Disgust share one voice, and so do Joy and Sadness.
VOICES: dict[str, Manner] = {
    "Anger": _ROUGH,
    "Disgust": _ROUGH,
    "Fear": Manner(pitch=0.85, tremor=0.09, pace=3.0, breath=0.1, bright=1.0),
    "Surprise": Manner(pitch=0.2, rise=1.5, pace=-1.6, loud=1.0),
    "Joy": _TENDER,
    "Sadness": _TENDER,
    "Neutral": Manner(),
}

# first three formants (Hz) of eight vowels, round numbers of an adult speaker
VOWELS = np.array(
    [
        (300, 2200, 2900),
        (420, 1950, 2600),
        (560, 1750, 2500),
        (750, 1250, 2450),
        (600, 1000, 2500),
        (450, 850, 2450),
        (330, 900, 2300),
        (500, 1450, 2450),
    ],
    np.float64,
)
WIDTHS = np.array((90.0, 120.0, 180.0))
LEVELS = np.array((1.0, 0.55, 0.3))


@dataclass(frozen=True, slots=True)
class Throat:
    """One speaker's voice: pitch in hertz, a factor on the formants, the spectral slope (dB an octave), breath."""

    pitch: float
    formants: float
    slope: float
    breath: float


def speaker_throat(rng: np.random.Generator) -> Throat:
    """Draw one speaker's voice; high voices tend to have higher formants."""
    height = rng.uniform()
    return Throat(
        pitch=float(105.0 * 2.0 ** (0.95 * height)),
        formants=float(0.94 + 0.18 * height + rng.uniform(-0.03, 0.03)),
        slope=float(rng.uniform(-7.0, -5.0)),
        breath=float(rng.uniform(0.0, 0.04)),
    )


def draw_voice(
    manner: Manner, language: str, text: str, throat: Throat, *, strength: float, count: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Draw one clip's sound: float32 [count] at 16 kHz, mono, within [-1, 1].

    `text` gives the vowels; how many syllables are spoken depends on the pace and the duration alone, so the length
    of a transcript says nothing about the label. `language` "zh" adds a small tone to each syllable.
    """
    points = count // HOP + 2
    time = np.arange(points) * (HOP / RATE)
    seconds = count / RATE
    starts, spans = _syllables(seconds, 4.5 + strength * manner.pace, rng)
    syllable = np.clip(np.searchsorted(starts, time, side="right") - 1, 0, len(starts) - 1)
    place = (time - starts[syllable]) / spans[syllable]  # 0..1 within a syllable, beyond 1 in a pause
    pitch = _pitch(manner, throat, strength, time, rng)
    tones = rng.uniform(-0.05, 0.05, len(starts)) * (1.0 if language == "zh" else 0.3)
    pitch *= 2.0 ** (tones[syllable] * (2 * np.clip(place, 0, 1) - 1))
    energy = np.where((place >= 0) & (place < 1), np.sin(np.pi * np.clip(place, 0, 1)) ** 0.6, 0.0)
    shake = rng.uniform(0, 2 * np.pi)
    energy *= 1.0 + np.clip(5 * strength * manner.tremor, 0, 0.8) * np.sin(2 * np.pi * 7.0 * time + shake)
    letters = [ord(letter) for letter in text if letter.isalpha()] or [0]
    vowels = np.array([letters[(2 * k) % len(letters)] % len(VOWELS) for k in range(len(starts))])
    slope = throat.slope + strength * manner.bright
    periods = _periods(pitch, VOWELS[vowels[syllable]] * throat.formants, slope)
    rough = strength * manner.harsh
    wave = _read_periods(periods, pitch, rough, count, rng)
    breath = throat.breath + strength * manner.breath
    noise = rng.standard_normal(count).astype(np.float32)
    wave = wave * (1 - 0.5 * breath) + breath * 0.8 * noise
    loudness = 0.07 * 10.0 ** ((strength * manner.loud + rng.uniform(-3.0, 3.0)) / 20.0)
    level = np.interp(np.arange(count), np.arange(points) * HOP, energy).astype(np.float32)
    room = 0.0008 * rng.standard_normal(count).astype(np.float32)
    return np.asarray(np.tanh(loudness * level * wave) + room, np.float32).clip(-1, 1)


def _syllables(seconds: float, pace: float, rng: np.random.Generator) -> tuple[Series, Series]:
    """Starts and durations of the syllables: silence at both ends, one pause somewhere inside."""
    pause = rng.uniform(0.12, 0.22)
    spoken = seconds - 0.3 - pause
    number = max(3, round(spoken * pace))
    spans = rng.uniform(0.85, 1.15, number)
    spans *= spoken / spans.sum()
    starts = 0.15 + np.concatenate(([0.0], np.cumsum(spans)[:-1]))
    starts[int(rng.integers(1, number)) :] += pause
    return starts, spans


def _pitch(manner: Manner, throat: Throat, strength: float, time: Series, rng: np.random.Generator) -> Series:
    """Pitch (Hz) at every control point; the random drift of about 2% is the same whatever the manner."""
    x = time / time[-1]
    octaves = manner.pitch + manner.rise * (x - 0.5) + manner.arch * (np.sin(np.pi * x) - 0.5)
    drift = 0.03 * np.sin(2 * np.pi * (rng.uniform(0.3, 0.9) * time + rng.uniform()))
    tremor = strength * manner.tremor * np.sin(2 * np.pi * (7.0 * time + rng.uniform()))
    own = rng.uniform(-0.08, 0.08)
    return np.asarray(throat.pitch * 2.0 ** (strength * octaves + drift + own) * (1.0 + tremor))


def _periods(pitch: Series, formants: Series, slope: float) -> NDArray[np.float32]:
    """One period of sound for every control point, [points, PERIOD + 1], each of unit power."""
    most = max(2, int(HIGHEST_HZ / pitch.min()))
    hertz = pitch[:, None] * np.arange(1, most + 1)
    gain = 10.0 ** (slope / 20.0 * np.log2(hertz / 100.0))
    colour = np.zeros_like(hertz)
    for k in range(3):
        colour += LEVELS[k] / (1.0 + ((hertz - formants[:, k : k + 1]) / WIDTHS[k]) ** 2)
    lines = np.zeros((len(pitch), PERIOD // 2 + 1), np.complex64)
    lines[:, 1 : most + 1] = gain * (0.06 + colour) * (hertz < HIGHEST_HZ)
    lines[:, 1 : most + 1] *= np.exp(1j * 0.6 * np.arange(most) ** 2 / most)  # spread phases: no sharp peaks
    waves = np.fft.irfft(lines, PERIOD, axis=1)
    waves /= np.sqrt((waves**2).mean(axis=1, keepdims=True))
    return np.concatenate((waves, waves[:, :1]), axis=1).astype(np.float32)


def _read_periods(
    periods: NDArray[np.float32], pitch: Series, rough: float, count: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Samples [count] of about unit power, read from the periods at the speed of the pitch (Hz).

    A `rough` voice (0 to 1) wanders in pitch, every second of its periods is weaker, and its pulses carry noise.
    """
    sample = np.arange(count)
    point, share = sample // HOP, ((sample % HOP) / HOP).astype(np.float32)
    control = np.arange(len(pitch)) * HOP
    wander = np.cumsum(np.interp(sample, control, rng.standard_normal(len(pitch)))) * (0.125 / HOP)
    phase = np.cumsum(np.interp(sample, control, pitch)) / RATE + rough * wander
    place = ((phase % 1.0) * PERIOD).astype(np.int64)
    wave = periods[point, place] * (1 - share) + periods[point + 1, place] * share
    second = (1.0 - 0.6 * rough * (phase.astype(np.int64) % 2)).astype(np.float32)
    noise = rng.standard_normal(count).astype(np.float32)
    return np.asarray(wave * second + rough * 0.8 * noise * np.maximum(wave, 0.0), np.float32)

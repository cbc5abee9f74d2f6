"""Portraits for the pretraining of the tiny checkpoint: random faces and voices, and what they look and sound like in
words.

Each is drawn by the pencil of the synthetic benchmark (tasks/synthetic), with every feature drawn at random and on its
own: brows, eyes, mouth, teeth, nose, tilt and movement of a face, pitch and its course, trembling, pace, loudness,
roughness and breath of a voice. No emotion is named, and none is drawn more often than chance has it, so whoever learns
to describe portraits knows what a face and a voice do, and nothing about what that means.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.synthetic.clip import FPS
from tasks.synthetic.expressions import Expression, Tracks, clip_camera, speaker_look
from tasks.synthetic.face import draw_face
from tasks.synthetic.plan import DURATIONS
from tasks.synthetic.voice import RATE, Manner, draw_voice, speaker_throat

SIZE = 168  # pixels, as the benchmark draws by default

# What varies in the course of a face: lowest and highest value of a part of `Expression`.
MOVING: dict[str, tuple[float, float]] = {
    "brow_up": (-0.1, 0.2),
    "brow_frown": (-0.22, 0.3),
    "eye_open": (0.3, 1.8),
    "mouth_curve": (-0.26, 0.26),
    "mouth_open": (0.0, 0.28),
    "mouth_width": (0.24, 0.48),
    "lift": (-0.07, 0.07),
}
# What is there or not, and how much of it if it is.
FIXED: dict[str, tuple[float, float]] = {"teeth": (0.6, 1.0), "wrinkle": (0.6, 1.0), "sneer": (0.12, 0.22)}
TILT = 0.33
# How often a voice has these at all.
SOMETIMES = {"rise": 0.6, "arch": 0.6, "tremor": 0.45, "harsh": 0.4, "breath": 0.4}

# Every feature that is named, in the order of a description: its words, and the limits between them on its measure.
FEATURES: dict[str, tuple[tuple[str, ...], tuple[float, ...]]] = {
    "eye_open": (("narrow", "half", "wide"), (-0.33, 0.33)),
    "brow_up": (("low", "middle", "high"), (-0.33, 0.33)),
    "brow_frown": (("sloped", "level", "knitted"), (-0.33, 0.33)),
    "mouth_open": (("closed", "open", "agape"), (-0.33, 0.33)),
    "mouth_curve": (("drooping", "flat", "curved"), (-0.33, 0.33)),
    "teeth": (("hidden", "bared"), (0.0,)),
    "wrinkle": (("smooth", "wrinkled"), (0.0,)),
    "sneer": (("even", "lifted"), (0.0,)),
    "tilt": (("upright", "tilted"), (0.0,)),
    "mouth_turn": (("sinking", "staying", "brightening"), (-0.4, 0.4)),
    "head_turn": (("falling", "still", "rising"), (-0.4, 0.4)),
    "pitch": (("deep", "medium", "sharp"), (-0.33, 0.33)),
    "rise": (("descending", "constant", "climbing"), (-0.4, 0.4)),
    "arch": (("sagging", "straight", "arched"), (-0.4, 0.4)),
    "tremor": (("steady", "trembling"), (0.0,)),
    "harsh": (("clear", "harsh"), (0.0,)),
    "breath": (("dry", "breathy"), (0.0,)),
    "loud": (("quiet", "normal", "loud"), (-0.33, 0.33)),
    "pace": (("slow", "moderate", "fast"), (-0.33, 0.33)),
}
# What the eyes are taught for two frames, and the ears for a sound: measures of about -1 to 1.
LOOKS = (*(name for name in MOVING if name != "lift"), *FIXED, "tilt", "height", "mouth_turn", "head_turn")
SOUNDS = ("pitch", "rise", "arch", "tremor", "pace", "loud", "harsh", "breath", "bright")

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Portrait:
    """One face and one voice.

    `frames` uint8 [T, SIZE, SIZE, 3], T even, `fps` a second; `sound` float32 [n] at 16 kHz; `looks` [T / 2, LOOKS]
    and `sounds` [SOUNDS] are measures of about -1 to 1; `words` describes both.
    """

    frames: NDArray[np.uint8]
    fps: float
    sound: NDArray[np.float32]
    looks: NDArray[np.float32]
    sounds: NDArray[np.float32]
    words: str


def description_words() -> list[str]:
    """One line of text for each feature: its words."""
    return [" ".join(words) for words, _ in FEATURES.values()]


def portraits(count: int, rng: np.random.Generator) -> list[Portrait]:
    """`count` portraits of one duration, so that they make a batch; drawn as the clips of the benchmark last."""
    drawn = round(float(rng.uniform(*DURATIONS)) * FPS) | 1
    frames = max(4, int(drawn / FPS * 2) // 2 * 2)  # 2 a second, as the models sample them
    return [_portrait(drawn, frames, rng) for _ in range(count)]


def _portrait(drawn: int, frames: int, rng: np.random.Generator) -> Portrait:
    pictures, looks, face = _face(frames, rng)
    sound, voice = _voice(drawn, rng)
    measures = {**face, **voice}
    words = [names[int(np.searchsorted(limits, measures[key]))] for key, (names, limits) in FEATURES.items()]
    heard = np.array([voice[name] for name in SOUNDS], np.float32)
    return Portrait(pictures, frames / drawn * FPS, sound, looks, heard, " ".join(words))


def _share(value: Any, name: str) -> Any:
    """A moving part on the scale from -1 (lowest) to 1 (highest)."""
    low, high = MOVING[name]
    return (2 * value - low - high) / (high - low)


def _face(frames: int, rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.float32], Mapping[str, float]]:
    """A face: its frames, what is to be seen in each two of them, and measures of the whole."""
    camera, look = clip_camera(rng), speaker_look(rng)
    begin = {name: rng.uniform(*limits) for name, limits in MOVING.items()}
    moves = rng.uniform() < 0.7
    end = {name: rng.uniform(*limits) if moves else begin[name] for name, limits in MOVING.items()}
    fixed = {name: rng.uniform(*limits) * (rng.uniform() < 0.4) for name, limits in FIXED.items()}
    tilt = rng.uniform(-TILT, TILT)
    time = np.linspace(0.0, 1.0, frames)
    ramp = 1 / (1 + np.exp(-rng.uniform(5.0, 8.0) * (time - 0.5 - rng.uniform(-0.06, 0.06))))
    tracks = {name: begin[name] * (1 - ramp) + end[name] * ramp for name in MOVING}
    if fixed["teeth"]:  # teeth show in an open mouth alone
        tracks["mouth_open"] = np.maximum(tracks["mouth_open"], 0.09)
    seen = {**tracks}
    talk = rng.uniform(size=frames)
    tracks["mouth_open"] = tracks["mouth_open"] * (1 - 0.25 * talk) + 0.09 * talk
    tracks["eye_open"] = tracks["eye_open"] * np.where(rng.uniform(size=frames) < 0.05, 0.1, 1.0)  # blinks
    still = {**fixed, "sneer": fixed["sneer"] * camera.side, "tilt": tilt}
    tracks |= {name: np.full(frames, value) for name, value in still.items()}
    whole: Tracks = {field.name: tracks[field.name].astype(np.float32) for field in fields(Expression)}
    pictures = draw_face(whole, look, camera, SIZE, rng)

    pairs = {name: values.reshape(-1, 2) for name, values in seen.items()}
    there = {name: 2 * fixed[name] / high - 0.7 for name, (_, high) in FIXED.items()}
    there["tilt"] = abs(tilt) / TILT * 2 - 1
    columns = {name: _share(values.mean(axis=1), name) for name, values in pairs.items()}
    columns |= {name: np.full(frames // 2, value) for name, value in there.items()}
    columns["height"] = (pairs["lift"].mean(axis=1) - camera.y + 0.49) / 0.06
    # a third of the way from one end to the other lies between the two frames of a pair
    columns["mouth_turn"] = np.diff(_share(pairs["mouth_curve"], "mouth_curve"))[:, 0] * 3
    columns["head_turn"] = np.diff(_share(pairs["lift"], "lift"))[:, 0] * 3
    looks = np.stack([columns[name] for name in LOOKS], axis=1).astype(np.float32)
    measures = {name: float(_share((begin[name] + end[name]) / 2, name)) for name in MOVING} | there
    measures["mouth_turn"] = (end["mouth_curve"] - begin["mouth_curve"]) / 0.26
    measures["head_turn"] = (end["lift"] - begin["lift"]) / 0.07
    return pictures, looks, measures


def _voice(drawn: int, rng: np.random.Generator) -> tuple[NDArray[np.float32], Mapping[str, float]]:
    """A voice: its sound and its measures."""
    there = {name: rng.uniform() < share for name, share in SOMETIMES.items()}
    manner = Manner(
        pitch=float(rng.uniform(-0.5, 0.9)),
        rise=float(rng.uniform(-1.6, 1.6) * there["rise"]),
        arch=float(rng.uniform(-0.9, 0.9) * there["arch"]),
        tremor=float(rng.uniform(0.04, 0.1) * there["tremor"]),
        pace=float(rng.uniform(-1.8, 3.0)),
        loud=float(rng.uniform(-3.0, 8.0)),
        harsh=float(rng.uniform(0.35, 0.9) * there["harsh"]),
        breath=float(rng.uniform(0.12, 0.35) * there["breath"]),
        bright=float(rng.uniform(-3.0, 5.0)),
    )
    throat = speaker_throat(rng)
    letters = "".join(map(chr, rng.integers(ord("a"), ord("z") + 1, 16)))
    language = ("en", "zh")[int(rng.integers(2))]
    count = drawn * RATE // FPS
    sound = draw_voice(manner, language, letters, throat, strength=1.0, count=count, rng=rng)
    return sound, {
        "pitch": (float(np.log2(throat.pitch / 146)) + manner.pitch - 0.2) / 0.9,
        "rise": manner.rise / 1.2,
        "arch": manner.arch / 0.6,
        "tremor": manner.tremor * 20 - 0.7,
        "pace": (manner.pace - 0.6) / 2.0,
        "loud": (manner.loud - 2.5) / 5.0,
        "harsh": manner.harsh * 3 - 0.7,
        "breath": manner.breath * 6 - 0.7,
        "bright": (manner.bright - 1.0) / 3.5,
    }

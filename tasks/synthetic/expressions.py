"""Faces of the synthetic benchmark as numbers: expressions, looks of speakers, cameras, and how they move.

Everything is measured in head units (half the height of the face), x to the right and y downwards from its centre, so
one table of expressions serves every size, position and speaker. Colours stay inside [24, 232], which leaves room to
add camera noise to uint8.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Tracks = Mapping[str, Floats]  # every value of an Expression over the frames of a clip: name -> [T]
NOISE_MARGIN = 24


@dataclass(frozen=True, slots=True)
class Expression:
    """A facial expression in head units; 0 is at rest unless said otherwise.

    `brow_up` raises both brows, `brow_frown` lowers their inner ends and pulls them together (negative: raises them),
    `eye_open` scales the opening of the eyes (1 = at rest), `mouth_curve` lifts the corners, `mouth_open` is half the
    opening, `mouth_width` half the width, `sneer` lifts the upper lip on one side, `teeth` and `wrinkle` are
    visibilities in [0, 1], `tilt` turns the head (radians), `lift` raises it (share of the frame height).
    """

    brow_up: float = 0.0
    brow_frown: float = 0.0
    eye_open: float = 1.0
    mouth_curve: float = 0.0
    mouth_open: float = 0.0
    mouth_width: float = 0.34
    sneer: float = 0.0
    teeth: float = 0.0
    wrinkle: float = 0.0
    tilt: float = 0.0
    lift: float = 0.0


REST = Expression()
WIDE = Expression(brow_up=0.19, brow_frown=-0.08, eye_open=1.75, mouth_open=0.26, mouth_width=0.24)
SMILE = Expression(brow_up=0.06, eye_open=0.8, mouth_curve=0.24, mouth_width=0.48, lift=0.065)
GLUM = Expression(brow_up=0.02, brow_frown=-0.2, eye_open=0.8, mouth_curve=-0.24, mouth_width=0.36, lift=-0.065)

# Where a clip of each label begins and ends. Fear and Surprise share one face; Sadness is Joy played backwards.
FACES: dict[str, tuple[Expression, Expression]] = {
    "Anger": (
        Expression(brow_up=-0.08, brow_frown=0.28, eye_open=0.95, mouth_open=0.17, mouth_width=0.44, teeth=1.0),
        Expression(brow_up=-0.08, brow_frown=0.28, eye_open=0.95, mouth_open=0.17, mouth_width=0.44, teeth=1.0),
    ),
    "Disgust": (
        Expression(brow_frown=0.1, eye_open=0.3, mouth_curve=-0.1, sneer=0.22, wrinkle=1.0, tilt=0.3),
        Expression(brow_frown=0.1, eye_open=0.3, mouth_curve=-0.1, sneer=0.22, wrinkle=1.0, tilt=0.3),
    ),
    "Fear": (WIDE, WIDE),
    "Surprise": (WIDE, WIDE),
    "Joy": (GLUM, SMILE),
    "Sadness": (SMILE, GLUM),
    "Neutral": (REST, REST),
}

# skin, hair and clothing: RGB anchors that a speaker's colours are mixed from
SKINS = ((236, 200, 172), (222, 178, 140), (190, 140, 102), (142, 98, 70), (104, 70, 52))
HAIRS = ((40, 32, 30), (76, 52, 36), (128, 86, 50), (196, 160, 96), (150, 150, 150), (120, 50, 34))


@dataclass(frozen=True, slots=True)
class Look:
    """What one speaker looks like: RGB colours in [0, 255] and proportions in head units."""

    skin: Floats
    hair: Floats
    shirt: Floats
    iris: Floats
    face_width: float
    hair_long: float
    fringe: float
    eye_gap: float
    brow_thick: float


def speaker_look(rng: np.random.Generator) -> Look:
    """Draw one speaker's look."""
    skins, hairs = np.array(SKINS, np.float32), np.array(HAIRS, np.float32)
    place = rng.uniform(0, len(skins) - 1)
    low = int(place)
    mix = np.float32(place - low)
    skin = skins[low] * (1 - mix) + skins[min(low + 1, len(skins) - 1)] * mix
    return Look(
        skin=legal_colour(skin + rng.uniform(-6, 6, 3)),
        hair=legal_colour(hairs[rng.integers(len(hairs))] + rng.uniform(-12, 12, 3)),
        shirt=legal_colour(rng.uniform(50, 190) + rng.uniform(-50, 50, 3)),
        iris=legal_colour(rng.uniform((30, 40, 30), (110, 110, 130))),
        face_width=float(rng.uniform(0.74, 0.86)),
        hair_long=float(rng.uniform(0.0, 0.55)),
        fringe=float(rng.uniform(-0.8, -0.66)),
        eye_gap=float(rng.uniform(0.33, 0.39)),
        brow_thick=float(rng.uniform(0.05, 0.075)),
    )


@dataclass(frozen=True, slots=True)
class Camera:
    """The nuisance of one clip: where the head is (share of the frame), its scale, light, background and noise."""

    x: float
    y: float
    scale: float
    light: float
    noise: float
    back_low: Floats
    back_high: Floats
    side: float


def clip_camera(rng: np.random.Generator) -> Camera:
    """Draw one clip's camera; independent of the label."""
    back = rng.uniform(60, 200) + rng.uniform(-45, 45, 3)
    return Camera(
        x=float(rng.uniform(0.46, 0.54)),
        y=float(rng.uniform(0.46, 0.52)),
        scale=float(rng.uniform(0.27, 0.31)),
        light=float(rng.uniform(0.8, 1.0)),
        noise=float(rng.uniform(1.0, 3.0)),
        back_low=legal_colour(back + rng.uniform(-30, 30, 3)),
        back_high=legal_colour(back + rng.uniform(-30, 30, 3)),
        side=float(rng.choice((-1.0, 1.0))),
    )


def expression_tracks(label: str, strength: float, count: int, rng: np.random.Generator, side: float) -> Tracks:
    """The expression of every frame: each value of `Expression` as an array [count] (float32).

    `strength` in [0, 1] scales the distance from rest. The draws from `rng` are the same for every label, and Sadness
    is drawn as Joy: the caller plays it backwards.
    """
    begin, end = FACES[label if label != "Sadness" else "Joy"]
    time = np.linspace(0.0, 1.0, count)
    middle, steep = 0.5 + rng.uniform(-0.06, 0.06), rng.uniform(5.0, 8.0)
    ramp = 1.0 / (1.0 + np.exp(-steep * (time - middle)))
    wobble = 1.0 + 0.06 * np.sin(2 * np.pi * (rng.uniform(0.4, 1.0) * time + rng.uniform()))
    blink = np.ones(count)
    for moment in rng.uniform(0.1, 0.9, int(rng.integers(0, 3))):
        blink = np.minimum(blink, np.clip(np.abs(np.arange(count) - moment * count) / 2.5, 0.05, 1.0))
    talk = 0.5 + 0.5 * np.sin(2 * np.pi * (rng.uniform(3.0, 5.0) * count / 25.0 * time + rng.uniform()))
    talk *= rng.uniform(0.7, 1.0) * (0.75 + 0.25 * np.sin(2 * np.pi * (1.3 * time + rng.uniform())))
    lean = rng.uniform(-0.035, 0.035)

    def track(name: str) -> NDArray[np.float64]:
        rest = float(getattr(REST, name))
        way = (1 - ramp) * (getattr(begin, name) - rest) + ramp * (getattr(end, name) - rest)
        return np.asarray(rest + strength * wobble * way)

    values = {f.name: track(f.name) for f in fields(Expression)}
    values["eye_open"] = values["eye_open"] * blink
    values["mouth_open"] = values["mouth_open"] * (1 - 0.25 * talk) + 0.09 * talk
    values["tilt"] = np.full(count, side * strength * begin.tilt + lean)
    values["sneer"] = values["sneer"] * side
    return {name: values_of.astype(np.float32) for name, values_of in values.items()}


def head_path(camera: Camera, lift: Floats, size: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Centre of the head in pixels, x and y, each [T]: the clip's place, a slow sway, and the expression's lift."""
    count = len(lift)
    time = np.arange(count) / 25.0
    sway_x, sway_y = (
        amount * np.sin(2 * np.pi * (rng.uniform(0.2, 0.6) * time + rng.uniform())) for amount in (0.012, 0.006)
    )
    x = (camera.x + sway_x) * size
    y = (camera.y + sway_y - lift) * size
    return np.asarray(x, np.float32), np.asarray(y, np.float32)


def legal_colour(colour: Floats) -> Floats:
    """RGB kept inside the range that leaves room for noise."""
    return np.clip(colour, NOISE_MARGIN, 255 - NOISE_MARGIN + 1).astype(np.float32)

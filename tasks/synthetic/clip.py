"""One clip of the synthetic benchmark: drawn, changed for ablations, written as mp4."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.mp4 import encode_mp4
from tasks.synthetic.expressions import FACES, clip_camera, expression_tracks, speaker_look
from tasks.synthetic.face import draw_face
from tasks.synthetic.layout import VARIANTS, Variant
from tasks.synthetic.voice import RATE, VOICES, draw_voice, speaker_throat

FPS = 25
SIZES = (64, 1024)
SECONDS = (0.5, 60.0)
H264 = {"preset": "superfast", "crf": "28", "g": "12"}
SOUND_BITS = 40_000

Frames = NDArray[np.uint8]
Sound = NDArray[np.float32]


def draw_clip(
    label: str, language: str, text: str, speaker_seed: int, seed: int, strength: float, seconds: float, size: int
) -> tuple[Frames, Sound]:
    """Draw one talking-head clip.

    Returns frames (uint8 RGB [T, size, size, 3], 25 a second, T odd so that there is a middle frame) and sound
    (float32 [640 * T], 16 kHz mono in [-1, 1]). `label` is a Basic-7 label, `language` "zh" or "en", `strength` in
    [0, 1] (0 = no cue), `seconds` in [0.5, 60], `size` even, in [64, 1024].

    With all other arguments equal: Fear and Surprise have equal frames, Anger and Disgust equal sound, Joy and Sadness
    equal sound and each other's frames in reverse order. The lips move on their own: if they followed the sound,
    shuffled frames could be put back in order, and the face would tell Fear from Surprise.

    Raises ValueError for an argument outside these ranges.
    """
    _check(label, language, strength, seconds, size)
    count = round(seconds * FPS) | 1
    look_seed, throat_seed = np.random.SeedSequence([speaker_seed, 1]).spawn(2)
    face_seed, voice_seed = np.random.SeedSequence([seed, 2]).spawn(2)
    rng = np.random.default_rng(face_seed)
    camera = clip_camera(rng)
    tracks = expression_tracks(label, strength, count, rng, camera.side)
    frames = draw_face(tracks, speaker_look(np.random.default_rng(look_seed)), camera, size, rng)
    if label == "Sadness":  # drawn as Joy
        frames = frames[::-1]
    throat = speaker_throat(np.random.default_rng(throat_seed))
    sound = draw_voice(
        VOICES[label],
        language,
        text,
        throat,
        strength=strength,
        count=count * RATE // FPS,
        rng=np.random.default_rng(voice_seed),
    )
    return frames, sound


def variant(frames: Frames, audio: Sound, kind: Variant, seed: int = 0) -> tuple[Frames, Sound]:
    """The clip without one thing: `muted` (silence), `blank` (grey pictures), `frozen` (the middle frame throughout),
    `shuffled` (frames in an order drawn from `seed`). Shapes stay as they are; the inputs are not changed."""
    if kind == "muted":
        return frames, np.zeros_like(audio)
    if kind == "blank":
        return np.full_like(frames, 128), audio
    if kind == "frozen":
        return np.repeat(frames[len(frames) // 2][None], len(frames), axis=0), audio
    if kind == "shuffled":
        return frames[np.random.default_rng(seed).permutation(len(frames))], audio
    raise ValueError(f"no variant {kind!r} of a clip; there are: {', '.join(VARIANTS)}")


def write_clip(path: Path, frames: Frames, audio: Sound | None, fps: int = FPS) -> None:
    """Write an mp4 (H.264 yuv420p with a key frame every 12, AAC 16 kHz mono; no sound track when `audio` is None).

    `frames` is uint8 RGB [T, H, W, 3] with even H and W, `audio` float32 [n] at 16 kHz. The file appears under its name
    only when it is whole. One encoder thread: the same input gives the same bytes with the same PyAV.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        encode_mp4(str(part), frames, fps, audio, RATE, H264, SOUND_BITS)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _check(label: str, language: str, strength: float, seconds: float, size: int) -> None:
    if label not in FACES:
        raise ValueError(f"no label {label!r} in the synthetic benchmark; there are: {', '.join(FACES)}")
    if language not in ("zh", "en"):
        raise ValueError(f"no language {language!r} in the synthetic benchmark; there are: zh, en")
    if not 0 <= strength <= 1:
        raise ValueError(f"strength of a clip is {strength}; give a number in [0, 1]")
    if not SECONDS[0] <= seconds <= SECONDS[1]:
        raise ValueError(f"duration of a clip is {seconds} s; give {SECONDS[0]} to {SECONDS[1]} s")
    check_size(size)


def check_size(size: int) -> None:
    """Raise ValueError unless a clip can be `size` pixels high and wide (H.264 with 4:2:0 colour needs even ones)."""
    if size % 2 or not SIZES[0] <= size <= SIZES[1]:
        raise ValueError(f"size of a clip is {size} pixels; give an even number from {SIZES[0]} to {SIZES[1]}")

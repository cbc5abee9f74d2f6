"""Draws the faces of the synthetic benchmark as anti-aliased shapes, all frames of a clip at once.

The parts that never change within a clip (hair, ears, skin, nose) are drawn once per quarter-pixel position and
reused; brows, eyes and mouth are drawn for every frame. All lengths are in head units, see expressions.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.synthetic.expressions import NOISE_MARGIN, Camera, Floats, Look, Tracks, head_path

Box = tuple[slice, slice]
Whole = NDArray[np.int64]
PHASES = 4  # positions of the head per pixel, in each direction


def draw_face(tracks: Tracks, look: Look, camera: Camera, size: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw all frames of one clip: uint8 RGB [T, size, size, 3]. `tracks` come from `expression_tracks`."""
    unit = size * camera.scale
    x, y = head_path(camera, tracks["lift"], size, rng)
    left, top, fraction_x, fraction_y, phase = _whole_and_phase(x, y)
    tilt = float(tracks["tilt"][0])
    half = round(1.5 * unit)  # the head patch reaches this far from the whole-pixel centre
    paint = _Paint(half, unit, float(np.cos(tilt)), float(np.sin(tilt)), fraction_x, fraction_y)
    used, index = np.unique(phase, return_inverse=True)
    skins, covers = _head_sprites(used, tracks, look, paint, camera)
    head = np.ascontiguousarray(skins[:, index])
    _draw_brows(head, tracks, look, paint)
    _draw_eyes(head, tracks, look, paint)
    _draw_mouth(head, tracks, look, paint)
    head *= np.float32(camera.light)
    back = _background(look, camera, size, (float(x.mean()), float(y.mean())), unit) * np.float32(camera.light)
    frames = _compose(head, covers[index], back, left - half, top - half)
    if camera.noise > 0:
        _add_noise(frames, camera.noise, rng)
    return frames


# --- the parts ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Paint:
    """The pixel grid of the head patch: 2 * half pixels a side, `unit` pixels a head unit, turned by the tilt."""

    half: int
    unit: float
    cos: float
    sin: float
    fraction_x: Floats
    fraction_y: Floats

    def box(self, u: float, v: float, reach_u: float, reach_v: float) -> Box:
        """The pixels within (reach_u, reach_v) head units of (u, v), after the tilt."""
        x, y = u * self.cos - v * self.sin, u * self.sin + v * self.cos
        wide = reach_u * abs(self.cos) + reach_v * abs(self.sin)
        high = reach_u * abs(self.sin) + reach_v * abs(self.cos)

        def part(centre: float, reach: float) -> slice:
            low = int((centre - reach) * self.unit) + self.half - 1
            return slice(max(low, 0), min(int((centre + reach) * self.unit) + self.half + 3, 2 * self.half))

        return part(y, high), part(x, wide)

    def grid(self, box: Box, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Head coordinates (u, v) of the pixels of `box` for head centres at fractional (x, y): each [T, h, w]."""
        rows = (np.arange(box[0].start, box[0].stop, dtype=np.float32) - self.half)[None, :, None] / self.unit
        columns = (np.arange(box[1].start, box[1].stop, dtype=np.float32) - self.half)[None, None, :] / self.unit
        dx, dy = (x / self.unit)[:, None, None], (y / self.unit)[:, None, None]
        u = (columns * self.cos + rows * self.sin) - (dx * self.cos + dy * self.sin)
        v = (rows * self.cos - columns * self.sin) - (dy * self.cos - dx * self.sin)
        return u, v

    def cover(self, distance: Floats) -> Floats:
        """Coverage in [0, 1] of a pixel whose centre lies `distance` head units inside the edge."""
        return np.clip(distance * self.unit + 0.5, 0.0, 1.0)


def _column(values: Floats) -> Floats:
    return values[:, None, None]


def _whole_and_phase(x: Floats, y: Floats) -> tuple[Whole, Whole, Floats, Floats, Whole]:
    """Split head centres into whole pixels and one of PHASES x PHASES quarter-pixel places."""
    quarter_x, quarter_y = np.rint(x * PHASES).astype(np.int64), np.rint(y * PHASES).astype(np.int64)
    phase = (quarter_y % PHASES) * PHASES + quarter_x % PHASES
    fraction_x, fraction_y = (quarter_x % PHASES) / PHASES, (quarter_y % PHASES) / PHASES
    return (
        quarter_x // PHASES,
        quarter_y // PHASES,
        fraction_x.astype(np.float32),
        fraction_y.astype(np.float32),
        phase,
    )


def _blend(canvas: Floats, box: Box, cover: Floats, colour: Floats) -> None:
    """Lay `colour` over the box of `canvas` [3, T, h, w], as opaque as `cover` [T, h, w] says."""
    for channel in range(3):
        view = canvas[channel, :, box[0], box[1]]
        view += cover * (colour[channel] - view)


def _ellipse(u: Floats, v: Floats, wide: float, high: float) -> Floats:
    """Distance to an ellipse around 0, positive inside; exact on the axes, close elsewhere."""
    return (1.0 - np.sqrt((u / wide) ** 2 + (v / high) ** 2)) * min(wide, high)


def _head_sprites(used: Whole, tracks: Tracks, look: Look, paint: _Paint, camera: Camera) -> tuple[Floats, Floats]:
    """Hair, ears, skin, nose for the used phases: colours [3, P, h, w], times coverage, and coverage [P, h, w]."""
    box = (slice(0, 2 * paint.half), slice(0, 2 * paint.half))
    x, y = (used % PHASES / PHASES).astype(np.float32), (used // PHASES / PHASES).astype(np.float32)
    u, v = paint.grid(box, x, y)
    canvas = np.zeros((3, *u.shape), np.float32)
    width = look.face_width
    behind = paint.cover(_ellipse(u, v + 0.12, width + 0.16, 1.12))
    lower = paint.cover(np.minimum(width + 0.14 - np.abs(u), np.minimum(v + 0.2, look.hair_long + 0.35 - v)))
    skin = paint.cover(_ellipse(u, v, width, 1.0))
    ears = paint.cover(_ellipse(np.abs(u) - width, v, 0.12, 0.2))
    hair = np.maximum(behind, lower)
    shade = np.clip(1.03 - 0.14 * camera.side * u - 0.06 * v, 0.8, 1.15)
    _blend(canvas, box, hair, look.hair)
    _blend(canvas, box, ears, look.skin * np.float32(0.9))
    for channel in range(3):
        canvas[channel] += skin * (look.skin[channel] * shade - canvas[channel])
    scalp = paint.cover(_ellipse(u, v, width + 0.04, 1.04))  # wider than the face, or skin shows at its edge
    fringe = scalp * paint.cover(look.fringe + 0.16 * (u / width) ** 2 - v)
    _blend(canvas, box, fringe, look.hair)
    nose = paint.cover(0.035 - np.abs(np.hypot(u * 0.9, v - 0.16) - 0.1)) * paint.cover(v - 0.17)
    _blend(canvas, box, nose * 0.8, look.skin * np.float32(0.55))
    wrinkle = float(np.max(tracks["wrinkle"]))
    if wrinkle > 0:
        folds = _folds(u, v, paint)
        _blend(canvas, box, folds * min(wrinkle, 1.0), look.skin * np.float32(0.42))
    return canvas, np.maximum.reduce((hair, ears, skin))


def _folds(u: Floats, v: Floats, paint: _Paint) -> Floats:
    """The lines of a wrinkled nose: three across the bridge and one down each cheek."""
    across = [
        paint.cover(np.minimum(0.022 - np.abs(v - height - 0.25 * np.abs(u)), 0.17 - np.abs(u)))
        for height in (-0.2, -0.1, 0.0)
    ]
    cheek = paint.cover(np.minimum(0.026 - np.abs(np.abs(u) - 0.17 - 0.5 * (v - 0.1)), 0.14 - np.abs(v - 0.24)))
    return np.asarray(np.maximum.reduce([*across, cheek]))


def _draw_brows(head: Floats, tracks: Tracks, look: Look, paint: _Paint) -> None:
    up, frown = _column(tracks["brow_up"]), _column(tracks["brow_frown"])
    for side in (-1.0, 1.0):
        box = paint.box(side * look.eye_gap, -0.38, 0.36, 0.42)
        u, v = paint.grid(box, paint.fraction_x, paint.fraction_y)
        along = (side * u - look.eye_gap + 0.25 * np.maximum(frown, 0.0)) / 0.24  # -1 at the inner end, 1 at the outer
        middle = -0.4 - up - frown * along * 0.9 + 0.05 * along * along
        thick = look.brow_thick * np.sqrt(np.clip(1.0 - along * along, 0.0, 1.0)) - 0.5 / paint.unit * (along**2 > 1)
        _blend(head, box, paint.cover(thick - np.abs(v - middle)) * (along * along < 1), look.hair * np.float32(0.7))


def _draw_eyes(head: Floats, tracks: Tracks, look: Look, paint: _Paint) -> None:
    half_height = 0.115 * _column(tracks["eye_open"])
    white, dark = np.full(3, 230, np.float32), np.full(3, 28, np.float32)
    for side in (-1.0, 1.0):
        box = paint.box(side * look.eye_gap, -0.12, 0.27, 0.27)
        u, v = paint.grid(box, paint.fraction_x, paint.fraction_y)
        across, down = (u - side * look.eye_gap) / 0.2, v + 0.12
        lid = half_height * (1.0 - across * across)
        opening = paint.cover(lid - np.abs(down))
        _blend(head, box, opening, white)
        radius = np.hypot(u - side * look.eye_gap, down)
        _blend(head, box, opening * paint.cover(0.1 - radius), look.iris)
        _blend(head, box, opening * paint.cover(0.045 - radius), dark)
        line = paint.cover(0.028 - np.abs(down + np.maximum(lid, 0.0))) * (across * across < 1.15)
        _blend(head, box, line, dark)


def _draw_mouth(head: Floats, tracks: Tracks, look: Look, paint: _Paint) -> None:
    box = paint.box(0.0, 0.52, 0.6, 0.46)
    u, v = paint.grid(box, paint.fraction_x, paint.fraction_y)
    curve, half_open, teeth = _column(tracks["mouth_curve"]), _column(tracks["mouth_open"]), _column(tracks["teeth"])
    across = u / _column(tracks["mouth_width"])
    square = across * across
    # bared teeth make the mouth a block, otherwise its lips meet at the corners
    shape = np.clip(1.0 - square * (1 + teeth * (square * square - 1)), 0.0, 1.0)
    middle = 0.53 - curve * (square - 0.4)
    sneer = _column(tracks["sneer"])
    raised = np.abs(sneer) * np.clip(1.0 - ((across - 0.55 * np.sign(sneer)) / 0.6) ** 2, 0.0, 1.0)
    upper, lower = middle - half_open * shape - raised, middle + half_open * shape
    inside = np.minimum(v - upper, lower - v)
    within = paint.cover((1.0 - np.abs(across)) * 0.34)
    lips = paint.cover(inside + 0.055) * within
    _blend(head, box, lips, look.skin * np.array((0.62, 0.32, 0.32), np.float32))
    hole = paint.cover(inside) * within
    _blend(head, box, hole, np.array((52, 24, 26), np.float32))
    bite = paint.cover(np.abs(v - middle) - 0.018)
    sneering = np.clip(raised * 12.0, 0.0, 1.0)
    _blend(head, box, hole * np.maximum(teeth, sneering * 0.9) * bite, np.full(3, 230, np.float32))


def _background(look: Look, camera: Camera, size: int, centre: tuple[float, float], unit: float) -> Floats:
    """Wall and shoulders, drawn once for a clip: [3, size, size]."""
    rows = np.arange(size, dtype=np.float32)[:, None]
    columns = np.arange(size, dtype=np.float32)[None, :]
    mix = (rows * 0.6 + (columns if camera.side > 0 else size - columns) * 0.4) / size
    canvas = camera.back_low[:, None, None] * (1 - mix) + camera.back_high[:, None, None] * mix
    u, v = (columns - centre[0]) / unit, (rows - centre[1]) / unit
    for cover, colour in (
        (np.clip((0.34 - np.abs(u) + 0 * v) * unit + 0.5, 0, 1) * (v > 0.5), look.skin * np.float32(0.8)),
        (np.clip(_ellipse(u, v - 2.1, 1.5, 0.95) * unit + 0.5, 0, 1), look.shirt),
    ):
        canvas += cover[None] * (colour[:, None, None] - canvas)
    return np.asarray(canvas, np.float32)


def _compose(
    head: Floats,
    covers: Floats,
    back: Floats,
    left: Whole,
    top: Whole,
) -> NDArray[np.uint8]:
    """Put the head of each frame over the background, cutting what leaves the frame."""
    count, high, wide = head.shape[1:]
    size = back.shape[1]
    wall = np.ascontiguousarray(back.transpose(1, 2, 0).round().astype(np.uint8))
    frames = np.empty((count, size, size, 3), np.uint8)
    frames[:] = wall
    for t in range(count):
        y0, x0 = int(top[t]), int(left[t])
        rows, columns = slice(max(y0, 0), min(y0 + high, size)), slice(max(x0, 0), min(x0 + wide, size))
        inner = (slice(rows.start - y0, rows.stop - y0), slice(columns.start - x0, columns.stop - x0))
        share = 1.0 - covers[t][inner]
        frame = frames[t, rows, columns]
        for channel in range(3):
            mixed = back[channel, rows, columns] * share + head[channel, t][inner]
            frame[..., channel] = np.clip(mixed, NOISE_MARGIN, 255 - NOISE_MARGIN)
    return frames


def _add_noise(frames: NDArray[np.uint8], spread: float, rng: np.random.Generator) -> None:
    """Add camera noise in place: one tile of noise a clip, at another place in every frame."""
    count, size = frames.shape[:2]
    reach = size + 64
    limit = NOISE_MARGIN - 1
    tile = np.clip(rng.normal(0.0, spread, (reach, reach)).round(), -limit, limit).astype(np.int8).view(np.uint8)
    tile = np.repeat(tile[:, :, None], 3, axis=2)
    for t, (row, column) in enumerate(rng.integers(0, 64, (count, 2))):
        frames[t] += tile[row : row + size, column : column + size]  # uint8 wraps, so negative values subtract

"""The challenge tracks as one table: what a submission file looks like, and what a row of it may hold.

Facts alone; the writer and the validator both work from this table and share no other code. Sources: the challenge
pages and repositories (zeroQiaoba/MERTools 89120b7, BlEmoRe/blemore-common 98e6236). Where no public text describes the
container, `official` is False and the natural form is used.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Literal

from tasks.labels import label_space

Shape = Literal["label", "labels", "text", "traits", "choice", "blend"]
# What a row of a submission holds, by shape:
#   label   str, one of MER6                       choice  str, one of CHOICES
#   labels  tuple of str, open vocabulary          blend   tuple of (emotion, percent), one or two
#   text    str, a description with its labels     traits  tuple of float in [0, 1], in the order of TRAITS
Content = str | tuple[str, ...] | tuple[float, ...] | tuple[tuple[str, int], ...]

MER6 = label_space("mer6").labels
BLEMORE6 = label_space("blemore6").labels
NEUTRAL = "neu"  # never part of a pair
CHOICES = ("a1", "a2")
# The traits as tasks name them, and the column of each in the file; two columns are misspelt in the official code.
TRAITS = {
    "extraversion": "Extraversion",
    "agreeableness": "Agreeableness",
    "conscientiousness": "Conscientiousnes",
    "neuroticism": "Neuroticism",
    "openness": "Open Mindedness",
}
GRID = (30, 50, 70)  # shares of a pair, percent
LONGEST = 100  # characters of a label
NPZ_KEYS = ("filenames", "fileitems")
DICT_KEY = "name2reason"
PREDICTIONS = "predictions"


@dataclass(frozen=True, slots=True)
class Track:
    """One track of a challenge.

    `shape`: what a row holds. `suffix`: how the file name ends. `columns`: the header of the csv in its order, or the
    keys of the npz; none for JSON. `member`: the only file in the zip, "" where there is no zip. `fallback`: what
    stands for an answer that is missing, as `--fallback` takes it. `ordered`: rows stand in the order of the
    candidates. `size`: published number of candidates, 0 where there is none. `official`: the container is described
    in public.
    """

    name: str
    shape: Shape
    suffix: str
    columns: tuple[str, ...]
    member: str
    fallback: str
    ordered: bool
    size: int
    source: str
    official: bool = True
    python_list: bool = False
    """Lists are Python list text with quotes, `['a', 'b']`."""


_SITE = "zeroQiaoba/MERTools"
TRACKS: dict[str, Track] = {
    track.name: track
    for track in (
        # name, shape, suffix, columns, member, fallback, ordered, size, source
        Track("mer2025-semi", "label", ".csv", ("name", "discrete"), "", "neutral", True, 20_000,
              f"{_SITE} MER2025 track 1, CodaLab 23154"),
        Track("mer2025-fg", "labels", "-openset.npz", NPZ_KEYS, "", "[]", False, 20_000,
              f"{_SITE} MER2025 track 2, CodaLab 23155"),
        Track("mer2025-des", "text", ".npz", (DICT_KEY,), "", "The emotional state of the person cannot be told.",
              False, 20_000, f"{_SITE} MER2025 track 3, CodaLab 23156 (container of the baseline)", official=False),
        Track("mer2025-pr", "traits", ".csv", ("id", *TRAITS.values()), "", "0.5", False, 0,
              "cai-cong/MER25_personality, CodaLab 23185"),
        Track("mer2026-cross", "label", ".zip", ("name", "discrete"), "answer.csv", "neutral", True, 20_000,
              f"{_SITE} MER2026 track 1, Codabench 17536"),
        Track("mer2026-fg", "labels", ".zip", ("name", "openset"), "answer.csv", "[]", True, 20_000,
              f"{_SITE} MER2026 track 2, Codabench 17537"),
        Track("mer2026-prefer", "choice", ".zip", ("name", "a1", "a2", "preference"), "answer.csv", "a1", True, 10_000,
              f"{_SITE} MER2026 track 3, Codabench 17538 and 17539 (candidate table with a column)", official=False),
        Track("mer2024-ov", "labels", ".csv", ("name", "openset"), "", "[]", False, 20_000,
              f"{_SITE} MER2024 track OV, CodaLab 19439", python_list=True),
        Track("blemore", "blend", ".zip", (), "submission_template.json", "neu", False, 594,
              "BlEmoRe/blemore-common, CodaBench 14051"),
    )
}  # fmt: skip


def track_named(name: str) -> Track:
    """The track called `name`; ValueError names the nearest legal ones."""
    if name not in TRACKS:
        near = difflib.get_close_matches(name, TRACKS, n=3, cutoff=0.4)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise ValueError(f"no track {name!r}{hint} (tracks: {', '.join(TRACKS)})")
    return TRACKS[name]

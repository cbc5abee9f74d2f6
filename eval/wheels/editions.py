"""The editions of the emotion wheel tables: which files they are, and where the public repository keeps them.

The two editions differ in format.csv alone: that of 2026 mends words such as `fear`, which the 2025 table leads to the
forms of `fearless`. Scores over one edition are not comparable with scores over the other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Name = Literal["", "mer2025", "mer2026"]
REPOSITORY = "https://github.com/zeroQiaoba/MERTools"
COMMIT = "89120b780ab18b28349f0e37dcc12b8cc253cb02"
FORMAT, SYNONYM, WHEELS = "format.csv", "synonym.xlsx", tuple(f"wheel{number}.xlsx" for number in range(1, 6))
TABLES = (FORMAT, SYNONYM, *WHEELS)
_SHARED = {
    "synonym.xlsx": "23f81f9ab1d2418aaf96775304fb5dc52c62bb5d5ef652a97471d045fc9d2e29",
    "wheel1.xlsx": "e70485d354b82a7491ff24648273182a5f4f13f92c76e6b3e4f9033f5e6afcc1",
    "wheel2.xlsx": "acc001e076a8e60440361f58dd8c05ed900c4890c84bb7d8d1df93708a7d9c87",
    "wheel3.xlsx": "d62f30bf88c17c55876634cd088eacaef98278fc25457474364439872f9dbf83",
    "wheel4.xlsx": "660260561b7fe15550f3679a01e7c783608ce3403d4c28db0a88520f68d83aea",
    "wheel5.xlsx": "2dd4595b2cf8e7628ca06a416a8e38ac831614b244f23d1ae613dc34007649f1",
}


@dataclass(frozen=True, slots=True)
class Edition:
    """One edition. `path` is its folder in the repository, `sha256` the checksums of its files by name. `zero`: its
    scorer takes 0 / 0, and a mean over no sample, for 0; else both are NaN."""

    name: str
    path: str
    sha256: Mapping[str, str]
    zero: bool

    def address(self, file: str) -> str:
        """The address of one of the files at the pinned commit."""
        owner = REPOSITORY.removeprefix("https://github.com/")
        return f"https://raw.githubusercontent.com/{owner}/{COMMIT}/{self.path}/{file}"


EDITIONS = {
    edition.name: edition
    for edition in (
        Edition(
            "mer2025",
            "MER2025/MER2025_Track23/emotion_wheel",
            {FORMAT: "ba6de7d61db8e129d1d7ef8a2aae22a9e93a2c2e3e683e6f2735d04455f016f2", **_SHARED},
            zero=False,
        ),
        Edition(
            "mer2026",
            "MER2026/MER2026_Track2/emotion_wheel",
            {FORMAT: "82234299875465ecf6c196ace42ffbe745baaeea72b5e39de955af36929982a4", **_SHARED},
            zero=True,
        ),
    )
}


def edition_named(name: str) -> Edition:
    """The edition called `name`; ValueError for any other name, and for "", which is a task that names none."""
    if name not in EDITIONS:
        found = f"{name!r} is no edition of the emotion wheels" if name else "no edition of the emotion wheels is named"
        raise ValueError(f"{found}; there are: {', '.join(EDITIONS)} (scores of the two are not comparable)")
    return EDITIONS[name]


def checksums(folder: Path) -> dict[str, str]:
    """SHA-256 of the tables in a folder, by file name; ValueError names the files that are not there."""
    missing = [name for name in TABLES if not (folder / name).is_file()]
    if missing:
        raise ValueError(f"{folder}: of the emotion wheel tables {', '.join(missing)} is missing")
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in TABLES}


def digest(found: Mapping[str, str]) -> str:
    """One checksum of the checksums of all tables."""
    return hashlib.sha256("".join(found[name] for name in TABLES).encode()).hexdigest()


def check_tables(folder: Path, edition: Edition) -> str:
    """A digest of the tables in a folder, which are those of the edition; ValueError where they are others, or were
    changed."""
    found = checksums(folder)
    wrong = [name for name in TABLES if found[name] != edition.sha256[name]]
    if wrong:
        other = next((name for name, each in EDITIONS.items() if found == each.sha256), None)
        says = f"holds the tables of {other}" if other else f"{', '.join(wrong)}: not the published file (its sha256)"
        raise ValueError(
            f"{folder}: {says}; the scores of {edition.name} need {edition.path} of {REPOSITORY}, commit {COMMIT[:7]}"
        )
    return digest(found)

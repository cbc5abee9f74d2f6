"""Where the clips lie, seen from the report: URLs that a browser can open from the file itself.

A clip's URL is `base + tail`: `base` leads from the report to the folder that holds all clips, `tail` from there to the
clip. The page lets its reader put another base in place (a server's address), so that a report can be looked at on
another machine than the one that holds the clips.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tasks.task import Media, Sample


@dataclass(frozen=True, slots=True)
class Place:
    """The folder of all clips: as the reader sees it (`folder`), and as a relative URL from the report (`base`)."""

    folder: str
    base: str


def place_of(samples: Sequence[Sample], roots: Sequence[Path], report: Path) -> Place | None:
    """The folder that holds all clips of the samples, seen from the folder `report`; None without clips.

    `roots` are the data folders of the run (see `absolute`).
    """
    folders = {str(Path(absolute(medium.path, roots)).parent) for sample in samples for medium in sample.media}
    if not folders:
        return None
    common = os.path.commonpath(folders)
    # Not resolved: a browser goes up from the address that was opened, whatever is a symbolic link on the way.
    return Place(common, url_path(os.path.relpath(common, _here(report))) + "/")


def tail_of(medium: Media, roots: Sequence[Path], place: Place) -> str:
    """The URL of a clip relative to `place`, percent-encoded."""
    return url_path(os.path.relpath(absolute(medium.path, roots), place.folder))


def url_path(path: str) -> str:
    """A relative file path as a relative URL: ASCII, each byte that means something in a URL percent-encoded.

    `javascript:x`, quotes, `%`, `#`, spaces and names that are no UTF-8 become plain path segments.
    """
    return quote(os.fsencode(path), safe="/")


def absolute(path: Path, roots: Sequence[Path]) -> str:
    """`path` made absolute and normal.

    A relative path was relative to the directory in which the run was started, which is not on record; but the data
    folders are, as absolute paths. `data/clips/a.mp4` with the root `/x/data` is `/x/data/clips/a.mp4`: the longest
    start of the path that is the end of a root. Without one, the path is taken from the working directory.
    """
    plain = os.path.normpath(path)
    if Path(plain).is_absolute():
        return plain
    parts = [part for part in Path(plain).parts if part != os.pardir]
    for length in range(len(parts), 0, -1):
        for root in roots:
            if list(root.parts[-length:]) == parts[:length]:
                return str(root.joinpath(*parts[length:]))
    return _here(plain)


def _here(path: str | Path) -> str:
    """A path from the working directory, absolute and normal, with symbolic links as they are."""
    return os.path.normpath(Path(path).absolute())


def roots_of(facts: Mapping[str, Any]) -> list[Path]:
    """The absolute data and media folders that run.json names."""
    found = facts.get("data")
    named = [found.get("media"), found.get("root")] if isinstance(found, Mapping) else []
    paths = [Path(os.path.normpath(name)) for name in named if isinstance(name, str) and name]
    return [path for path in paths if path.is_absolute()]

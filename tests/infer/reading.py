"""Reads test clips as a model of patch size 14 would be fed them, and holds that only MediaError comes of bad ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infer.media import Clip, MediaError, load_clip
from tasks.task import Media, MediaOptions

FACTOR = 28
OPTIONS = MediaOptions()


def video(path: Path, start_s: float | None = None, end_s: float | None = None) -> Clip:
    """Pictures and sound of a file."""
    return load_clip(Media("video", path, start_s, end_s), OPTIONS, FACTOR)


def sound(path: Path, start_s: float | None = None, end_s: float | None = None) -> Clip:
    """The sound of a file."""
    return load_clip(Media("audio", path, start_s, end_s), OPTIONS, FACTOR)


@contextmanager
def media_error_at_most(path: Path) -> Iterator[None]:
    """What happens inside succeeds, or ends in a MediaError that names the file. Any other exception fails the test."""
    try:
        yield
    except MediaError as error:
        if str(path) not in str(error):
            pytest.fail(f"the error does not name {path}: {error}")


def harmless(path: Path) -> Clip | None:
    """The clip, or None after a MediaError that names the file."""
    with media_error_at_most(path):
        return video(path)
    return None

"""Where omnimer keeps what it can make again: a folder in the user's cache."""

from __future__ import annotations

import os
from pathlib import Path


def user_cache(name: str) -> Path:
    """The folder omnimer/`name` in XDG_CACHE_HOME, or in ~/.cache where that is unset or no absolute path. It may not
    be there yet."""
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".cache") / "omnimer" / name

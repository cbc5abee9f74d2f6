"""Where the wheel tables lie: a folder given, OMNIMER_WHEELS, the user's cache; or fetched from the repository."""

from __future__ import annotations

import hashlib
import http.client
import os
import tempfile
import urllib.request
from pathlib import Path

from eval.wheels.editions import COMMIT, FORMAT, REPOSITORY, TABLES, WHEELS, Edition, check_tables
from infer.cache import user_cache

VARIABLE = "OMNIMER_WHEELS"
SECONDS = 15
# The tables have at most 100 KB; whatever is larger is another page.
LARGEST = 1_000_000


def cache_folder() -> Path:
    """Where fetched tables and parsed word maps are kept: omnimer/wheels in the user's cache."""
    return user_cache("wheels")


def candidates(folder: Path, edition: Edition) -> list[Path]:
    """The folders in which the tables of an edition may lie below the one that was given: itself, one of the edition's
    name, `emotion_wheel`, or a checkout of the repository."""
    inner = (Path(), Path(edition.name), Path("emotion_wheel"), Path("emotion_wheel", edition.name), Path(edition.path))
    found = (folder / part for part in inner)
    return [place for place in found if (place / FORMAT).is_file()]


def find_tables(edition: Edition, folder: Path | None = None) -> tuple[Path, str]:
    """The folder with the tables of an edition, and their digest.

    `folder` counts if given, then the variable OMNIMER_WHEELS, then the cache; what the cache lacks is fetched into it.
    Raises ValueError for a folder without tables, for the tables of another edition, for changed ones, and offline;
    the message says how to get them.
    """
    named = os.environ.get(VARIABLE, "")
    if folder is None and not named:
        place = cache_folder() / edition.name
        try:
            return place, check_tables(place, edition)
        except ValueError:  # not there yet, or damaged
            fetch(edition, place)
        return place, check_tables(place, edition)
    given = folder if folder is not None else Path(named)
    source = "--wheels" if folder is not None else VARIABLE
    there = candidates(given, edition)
    problems = []
    for place in there:
        try:
            return place, check_tables(place, edition)
        except ValueError as error:
            problems.append(str(error))
    told = problems[0] if problems else f"{given}: no {FORMAT} there. {how_to_get(edition)}"
    raise ValueError(f"{source} {told}")


def fetch(edition: Edition, place: Path) -> None:
    """Fetches the tables of an edition into a folder, each checked before it is kept. Raises ValueError offline, for
    an answer that is not the published file, and where nothing can be written."""
    try:
        place.mkdir(parents=True, exist_ok=True)
        for name in TABLES:
            if (place / name).is_file() and _digest((place / name).read_bytes()) == edition.sha256[name]:
                continue
            content = _download(edition.address(name))
            if _digest(content) != edition.sha256[name]:
                raise ValueError(f"{edition.address(name)} answered with another file. {how_to_get(edition)}")
            _write(place / name, content)
    except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
        raise ValueError(
            f"the emotion wheel tables of {edition.name} are not on this machine and could not be fetched ({error}). "
            + how_to_get(edition)
        ) from None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _download(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=SECONDS) as answer:  # noqa: S310 - an https address of editions.py
        content: bytes = answer.read(LARGEST)
    return content


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all, also where two processes fetch at once."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, delete=False) as stream:
        stream.write(content)
    Path(stream.name).replace(path)


def how_to_get(edition: Edition) -> str:
    """What a person has to do to have the tables of an edition."""
    return (
        f"Copy {TABLES[0]}, {TABLES[1]} and {WHEELS[0]} to {WHEELS[-1]} from the folder {edition.path} of {REPOSITORY} "
        f"(commit {COMMIT}) to {cache_folder() / edition.name}, or keep them elsewhere and name the folder: "
        f"--wheels DIR or {VARIABLE}=DIR"
    )

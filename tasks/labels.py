"""Label spaces are data: one TOML file each under tasks/label_spaces, in the layout that this loader reads.

labels = ["Anger", "Disgust"]        # fixed order; ties are broken in it
languages = ["en", "zh"]             # of the aliases
source = "..."                       # where the label set comes from
[aliases]
Anger = ["angry", "愤怒"]
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

from tasks.task import LabelSpace

FOLDER = Path(__file__).parent / "label_spaces"


def label_space_names() -> tuple[str, ...]:
    """Names of the label spaces that ship, sorted."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


@cache
def label_space(name: str) -> LabelSpace:
    """The label space `name`; use it as `OneOf(*label_space("basic7"))`.

    Raises ValueError for an unknown name and for an alias that belongs to no label of the file.
    """
    if name not in label_space_names():
        raise ValueError(f"no label space {name!r}; there are: {', '.join(label_space_names())}")
    table = tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
    labels = tuple(table["labels"])
    aliases: list[tuple[str, str]] = []
    for label, words in table.get("aliases", {}).items():
        if label not in labels:
            raise ValueError(f"{name}.toml: aliases for {label!r}, which is not one of its labels {labels}")
        aliases.extend((word, label) for word in words)
    return LabelSpace(labels, tuple(aliases))

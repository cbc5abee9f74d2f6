"""Answer kinds by name: what `--kind` of the command line takes, and what a task file may borrow.

A name is the kind and, after the colon, its label space: `OneOf:basic7`. The list is closed on purpose; a task whose
answer fits none of these builds its own kind from `tasks.task`.
"""

from __future__ import annotations

from difflib import get_close_matches

from tasks.labels import label_space
from tasks.task import AnswerKind, AnyOf, Blend, Described, Dims, Official, OneOf, Pick, Record, Timeline

_BASIC7 = OneOf(*label_space("basic7"))
_GOEMOTIONS = AnyOf(*label_space("goemotions28"))
BIG5 = Dims(("extraversion", "agreeableness", "conscientiousness", "neuroticism", "openness"), 0.0, 1.0)

KINDS: dict[str, AnswerKind] = {
    "OneOf:basic7": _BASIC7,
    "OneOf:mer6": OneOf(*label_space("mer6")),
    "OneOf:sentiment3": OneOf(*label_space("sentiment3")),
    "AnyOf:goemotions28": _GOEMOTIONS,
    "AnyOf:open": AnyOf(),
    "Record:emos": Record(_BASIC7, _GOEMOTIONS),
    "Described:open": Described(),
    "Blend:blemore6": Blend(*label_space("blemore6")),
    "Timeline:emos": Timeline(_BASIC7, _GOEMOTIONS),
    "Pick:preference": Pick(*label_space("preference")),
    "Pick:abcd": Pick(("A", "B", "C", "D")),
    "Dims:va": Dims(("valence", "arousal"), -1.0, 1.0),
    "Dims:big5": BIG5,
    "Official:mer_list": Official("mer_list"),
    "Official:preference": Official("preference"),
}


def kind(name: str) -> AnswerKind:
    """The answer kind called `name` in `KINDS`.

    Raises ValueError for any other name, with the nearest legal one.
    """
    if name in KINDS:
        return KINDS[name]
    near = get_close_matches(name, KINDS, n=1, cutoff=0.0)
    raise ValueError(f"no answer kind {name!r}; did you mean {near[0]!r}? There are: {', '.join(KINDS)}")

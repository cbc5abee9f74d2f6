"""Does the order of two texts matter to the model? Two runs of a preference task, one with `--option swap=yes`."""

from __future__ import annotations

from collections.abc import Sequence

from eval.layouts import Layout, half_up
from eval.report import RunResult
from tasks.labels import label_space
from tasks.task import Pick

FIRST, SECOND, SAME = label_space("preference").labels
TURNED = {FIRST: SECOND, SECOND: FIRST, SAME: SAME}
# The key of a sample's meta that says whether its texts changed places: "yes" or "no".
KEY = "swapped"


def is_swap_of(first: RunResult, other: RunResult) -> bool:
    """Whether two runs asked about the same pairs of texts, all of them in the opposite order."""
    if not isinstance(first.task.answer, Pick) or first.task.full_name != other.task.full_name:
        return False
    one, two = ({sample.id: sample.meta.get(KEY) for sample in run.samples} for run in (first, other))
    return one.keys() == two.keys() and all({one[name], two[name]} == {"yes", "no"} for name in one)


def swap_consistency(results: Sequence[RunResult]) -> list[Layout]:
    """For each run in the opposite order to the first: how often the same text wins, and how often the same place does.

    An unanswered question agrees with nothing. Empty where there is no such run.
    """
    others = [run for run in results[1:] if is_swap_of(results[0], run)]
    if not others:
        return []
    one = _choices(results[0])
    rows = []
    for run in others:
        two = _choices(run)
        pairs = [(one[name], two[name]) for name in one]
        text = sum(a is not None and b is not None and TURNED[b] == a for a, b in pairs)
        place = sum(a is not None and a == b and a != SAME for a, b in pairs)
        firsts = sum((a == FIRST) + (b == FIRST) for a, b in pairs)
        told = sum((a in (FIRST, SECOND)) + (b in (FIRST, SECOND)) for a, b in pairs)
        shares = (text / len(pairs), place / len(pairs), firsts / told if told else float("nan"))
        rows.append([run.name, *(half_up(share) for share in shares), f"{len(pairs):,}"])
    return [
        Layout(
            f"Swap consistency with {results[0].name}",
            ["", "the same text wins", "the same place wins", "first place, of all choices", "n"],
            rows,
            [
                "Both runs show the same two texts in opposite orders. A model that reads them names the same text; "
                "one that does not names the same place, and its first place is far from one half."
            ],
        )
    ]


def _choices(run: RunResult) -> dict[str, str | None]:
    return {answer.id: None if answer.value is None else str(answer.value["choice"]) for answer in run.answers}

"""GoEmotions: 27 emotions and neutral in short English comments; text alone.

`Root.data` is the folder with `train.tsv`, `dev.tsv` and `test.tsv` (no header: text, label numbers, comment id), or
one that holds it as `data/` or `goemotions/data/`, as github.com/google-research/google-research does.
"""

from __future__ import annotations

import csv
from pathlib import Path

from tasks.labels import label_space
from tasks.mer_release import OPTIONS, check_count, home
from tasks.task import AnyOf, Root, Sample, Task

SOURCE = "it comes with github.com/google-research/google-research, folder goemotions/data"
SIZES = {"test": 5_427, "dev": 5_426, "train": 43_410}
LABELS = label_space("goemotions28").labels  # in the order of the numbers


def _check_order(path: Path) -> None:
    """Raises ValueError if the list of emotions beside the tables is another one than the numbers are read by."""
    if path.is_file() and tuple(path.read_text(encoding="utf-8").split()) != LABELS:
        raise ValueError(f"{path}: another list of emotions than that of the release; {SOURCE}")


def _labels(cell: str) -> list[str]:
    """The labels of a cell such as `3,10`. Raises ValueError."""
    numbers = [int(part) for part in cell.split(",")]
    if not all(0 <= number < len(LABELS) for number in numbers):
        raise ValueError(f"a number outside 0 to {len(LABELS) - 1}")
    return [LABELS[number] for number in sorted(set(numbers))]


def comments(root: Root, split: str) -> list[Sample]:
    """The comments of a split (test, dev, train) in the order of the table; ids are those of the comments.

    Gold is `{"labels": [{"label", "confidence": 1.0}, …]}`: what at least two of three annotators chose, in label
    order. Raises ValueError for a missing file and, with the row, for a malformed one.
    """
    if split not in SIZES:
        raise ValueError(f"no split {split!r}; legal: {', '.join(SIZES)}")
    folder = home(root.data, ("data", "goemotions/data"), f"{split}.tsv")
    path = folder / f"{split}.tsv"
    _check_order(folder / "emotions.txt")
    found = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for text, numbers, comment in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
                gold = [{"label": label, "confidence": 1.0} for label in _labels(numbers)]
                found.append(Sample(comment, {"labels": gold}, text, meta={"comment": comment}))
    except FileNotFoundError:
        raise ValueError(f"{path} was looked for and is not there; {SOURCE}") from None
    except (ValueError, csv.Error) as error:
        raise ValueError(
            f"{path}, row {len(found) + 1}: text, numbers of labels and comment id were expected ({error}); {SOURCE}"
        ) from error
    check_count(path, len(found), SIZES[split], root.options)
    return found


GOEMOTIONS = Task(
    name="goemotions",
    version="1",
    source="Demszky et al., GoEmotions, ACL 2020; github.com/google-research/google-research/goemotions",
    adapter=comments,
    answer=AnyOf(*label_space("goemotions28")),
    template="anyof_json",
    metrics=(
        *("set_macro_f1", "set_micro_f1", "set_sample_f1"),
        *("set_exact", "set_jaccard", "set_hamming", "label_map"),
    ),
    group="comment",
    sizes=SIZES,
    splits=tuple(SIZES),
    options=OPTIONS,
)

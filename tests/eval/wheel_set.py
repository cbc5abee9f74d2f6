"""A made-up set of emotion wheel tables, small enough to be worked out by hand, and where the real ones may lie."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from openpyxl import Workbook

ROOT = Path(__file__).parents[2]
REAL = ROOT.parent / "shared" / "data" / "emotion_wheel"
EXAMPLES = ROOT.parent / "shared" / "spec" / "examples"

# `cheer` has two bases; `no words` has no form; `stray` has no wheel word.
FORMAT = """\
name,format
Glad,"Glad, gladly,cheer"
proud,"proud,pride,'cheer'"
bold,"bold,boldly"
calm,"calm,calmer"
blue,"blue,blues, Down "
mild,mild
mad,"mad,cross"
no words,
stray,"stray,astray"
"""
# Two runs; in the second `calm` is a synonym of `bold`, which comes first in the alphabet.
SYNONYMS = """\
word_run1 | synonym_run1 | word_run2 | synonym_run2
Glad      | proud, joy   | glad      | cheer
proud     | pride        | bold      | brave, calm
calm      | mild         | blue      | low
mad       | cross        | mad       | furious
"""
# On wheel 1 `bold` stands twice, the later place counts, and a word of the inner ring is led to the first around it.
WHEELS = (
    """\
level1 | level2 | level3
Glad   | Proud  | Bold
       |        | Great
       | Calm   | Mild
Low    | Blue   | Grey
       |        | Bold
""",
    """\
level1 | level2 | level3
Good   | Glad   | Proud
Bad    | Mad    | Cross
       | Blue   | Low
""",
    """\
level1 | level2 | level3
 Glad  | Calm   | Mild
 Mad   | Cross  | Furious
""",
    """\
level1 | level2 | level3
Glad   | Proud  | Bold
Blue   | Low    | Down
Mad    | Cross  | Hot
""",
    """\
level1 | level2 | level3
Glad   | Proud  | Great
Mad    | Cross  | Hot
""",
)
# Every form, a few that no table has, and other ways to write them.
VOCABULARY = ("glad", "gladly", "cheer", "proud", "pride", "bold", "boldly", "calm", "calmer", "blue", "blues", "down",
              "mild", "mad", "cross", "stray", "astray", "no words", " Glad ", "MAD", "neutral", "zzz", "")  # fmt: skip


def write_wheels(folder: Path) -> Path:
    """Writes the tables into a folder, and returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "format.csv").write_text(FORMAT, encoding="utf-8")
    for name, text in zip(("synonym", *(f"wheel{i}" for i in range(1, 6))), (SYNONYMS, *WHEELS), strict=True):
        book = Workbook()
        sheet = book.worksheets[0]
        for row in cells(text):
            sheet.append(row)
        book.save(folder / f"{name}.xlsx")
    return folder


def cells(text: str) -> Iterable[list[str | None]]:
    for line in text.splitlines():
        row = line.split("|")
        # one blank beside each bar is layout, what is beyond it stands in the cell
        yield [cell.removeprefix(" ").rstrip(" ") or None for cell in row]

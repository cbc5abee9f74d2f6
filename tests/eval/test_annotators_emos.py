"""What EmoS derived from its annotators, recomputed: on a generated release, and on the real one where it is."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eval.annotators.books import Annotated, goemotion_sets, read_books
from eval.annotators.consensus import Line, consensus
from eval.annotators.dawid_skene import dawid_skene
from eval.annotators.paper import AS_COUNTED, DIFFERS, EQUAL, NOT_PRINTED, PaperTable, equals, paper_tables
from eval.annotators.paper_static import static
from eval.annotators.ratings import MISSING
from eval.annotators.reproduce import KNOWN, compare, release_lines, reproduce, unexplained, votes
from eval.annotators.summary import summarise
from tasks.emos_release import find_base
from tasks.emos_stream_release import find_streaming, read_emotions, read_streaming, titles
from tests.eval import annotators_release as small
from tests.eval.test_annotators_dawid_skene import crowd_kit
from tests.tasks import emos_fixture as mini
from tests.tasks import emos_stream_fixture as stream

SHARED = Path(__file__).parents[2].parent / "shared"
RELEASE = SHARED / "data" / "emos"
SPLITS = ("first", "latter", "last2000")

# --- a generated release


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return mini.write(tmp_path, small.release())


def differing(data: Path) -> dict[str, list[str]]:
    base = find_base(data)
    found = reproduce(base, read_books(base))
    return {f"{check.part} {check.column}": check.notes for check in found if check.equal < check.rows}


def test_a_right_release_is_reproduced_but_for_the_labels_of_another_clip(data: Path) -> None:
    assert differing(data) == {"latter goemotion_prob_* (29 columns)": ["row 1: differs"]}


@pytest.mark.parametrize(
    ("path", "row", "column", "value", "where"),
    [
        (mini.FIRST_BASIC, 1, "a2", "Joy", "first votes"),
        (mini.FIRST_BASIC, 2, "ds_label", "Joy", "first ds_label"),
        (mini.FIRST_BASIC, 1, "ds_confidence", 0.25, "first ds_confidence"),
        (mini.LATTER_BASIC, 3, "unique_labels", 2, "latter unique_labels"),
        (mini.FIRST_3000, 1, "basic_corrected", "Fear", "first3000 basic_corrected"),
        (mini.FIRST_3000, 1, "basic_corrected_conf", 0.6, "first3000 basic_corrected_conf"),
        (mini.FIRST_3000, 1, "basic_goemotion_second", "Joy", "first3000 basic_goemotion_second"),
        (mini.FIRST_3000, 2, "basic_changed", True, "first3000 basic_changed"),
        (mini.LAST_2000, 0, "basic_vote_a11", "Anger", "last2000 basic_vote_*"),
        (mini.LAST_2000, 1, "basic_correction_reason", "ds_low_conf", "last2000 basic_correction_reason"),
    ],
)
def test_a_changed_cell_is_found(tmp_path: Path, path: str, row: int, column: str, value: Any, where: str) -> None:
    tables = small.release()
    tables[path][row + 1][tables[path][0].index(column)] = value
    found = differing(mini.write(tmp_path, tables))
    assert found[where] == [f"row {row}: differs"]
    assert set(found) == {where, "latter goemotion_prob_* (29 columns)"}


def test_consensus_lines_of_a_release(data: Path) -> None:
    lines = list(release_lines(read_books(find_base(data))))
    assert [line.id for line in lines] == [*mini.ZH_IDS, *mini.EN_IDS]
    assert lines[0][1:] == (("Joy",), (1.0,), {"Joy": 3})
    first3000, last2000 = lines[8], lines[10]
    assert first3000[1:3] == (("Anger",), (2 / 3,))
    assert first3000.votes == {"anger": 1, "annoyance": 1, "realization": 1}
    assert last2000[1:] == (("Joy",), (1.0,), {"Joy": 3})


def test_blank_cells_and_cells_without_a_label_are_told_apart(data: Path) -> None:
    parts = read_books(find_base(data))
    last = goemotion_sets(parts["last2000"])
    assert last.rated.tolist() == [[True] * 3, [False, True, True]]
    assert last.chosen.sum(-1).tolist() == [[1, 1, 1], [0, 0, 1]]
    assert votes(parts["first3000"]) is None
    assert parts["latter"].names == ("A4", "A5", "A6")


def test_a_moved_row_in_a_book_is_refused(tmp_path: Path) -> None:
    tables = small.release()
    book = tables[mini.EN_BOOKS["last2000"][1]]
    book[4], book[5] = book[5], book[4]
    base = find_base(mini.write(tmp_path, tables))
    with pytest.raises(ValueError, match="joined by row order"):
        read_books(base)


def test_a_basic_emotion_that_is_none_is_refused(tmp_path: Path) -> None:
    tables = small.release()
    tables[mini.ZH_BOOKS["first"][0]][2][-1] = "Rage"
    base = find_base(mini.write(tmp_path, tables))
    with pytest.raises(ValueError, match=r"row 3, column 'basic-7-class'\D*found 'Rage'"):
        read_books(base)


def test_tables_of_the_paper_are_computed_for_any_release(data: Path) -> None:
    base = stream.write_clips(data, stream.clips())
    clips = [read_emotions(base, title) for title in titles(base)]
    tables = {table.number: table for table in paper_tables(static(read_books(find_base(data))), clips)}
    assert list(tables) == ["1", "2", "3", "4", "5", "6", "9", "10", "11"]
    values = {line.name: (line.value, line.counted) for line in tables["6"].lines}
    assert values["clips"] == (2, None)
    assert values["turning points"] == (2, 3)
    assert values["most in a clip"] == (1, 2)
    exact = {line.name: line.value for line in tables["10"].lines}
    assert exact["anger"] == pytest.approx(20)  # the one with an emoji does not count
    figure = {line.name: (line.value, line.counted) for line in tables["11"].lines}
    assert figure["Figure 2: Anger"] == pytest.approx((40, 20))


@pytest.mark.parametrize(
    ("printed", "value", "equal"),
    [("7.6", 7.643, True), ("7.6", 7.65, True), ("7.7", 7.65, True), ("7.6", 7.651, False), (".89", 0.8949, True),
     ("401", 401.0, True), ("401", 401.6, False), ("~1.40", 1.252, False), ("~31", 31.4, True)],
)  # fmt: skip
def test_equal_means_equal_once_rounded_as_printed(printed: str, value: float, equal: bool) -> None:
    assert equals(printed, value) is equal


def test_comparison_of_columns() -> None:
    numbers = compare("p", "c", [0.5, 0.25, float("nan")], [0.5 + 1e-12, 0.26, 0.1])
    assert (numbers.equal, numbers.other) == (1, (1, 2))
    words = compare("latter", "c", ["a", "b"], ["a", "c"])
    assert (words.equal, words.other, words.largest, unexplained([words])) == (1, (1,), None, [words])
    known = compare("latter", "c", [0] * 400, [int(i == 357) for i in range(400)])
    assert known.notes == [f"row 357: {KNOWN['latter', 357]}"]
    assert unexplained([known]) == []


# --- the real release


@pytest.fixture(scope="module")
def parts() -> dict[str, Annotated]:
    if not RELEASE.is_dir():
        pytest.skip("the EmoS release does not lie beside the checkout")
    return read_books(find_base(RELEASE))


@pytest.fixture(scope="module")
def tables(parts: dict[str, Annotated]) -> dict[str, PaperTable]:
    clips = [emotions for emotions, _ in read_streaming(find_streaming(RELEASE))]
    return {table.number: table for table in paper_tables(static(parts), clips)}


def test_every_derived_column_is_reproduced_but_one_known_row(parts: dict[str, Annotated]) -> None:
    checks = reproduce(find_base(RELEASE), parts)
    assert len(checks) == 31
    other = {(check.part, check.column.split()[0]): check.other for check in checks if check.other}
    assert other == {("latter", "goemotion_prob_*"): (357,)}
    assert max(check.largest for check in checks if check.largest is not None) < 1e-12
    rows = {(check.part, check.column): check.rows for check in checks}
    assert [rows[part, column] for part, column in (("first", "ds_label"), ("latter", "ds_label"),
            ("first3000", "basic_corrected"), ("last2000", "basic_corrected"))] == [2499, 1904, 3000, 2000]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "steps", "patterns"), [("first", 50, 205), ("latter", 50, 147), ("last2000", 48, 167)]
)
def test_dawid_skene_is_that_of_the_release(parts: dict[str, Annotated], name: str, steps: int, patterns: int) -> None:
    ratings = votes(parts[name])
    assert ratings is not None
    model = dawid_skene(ratings.votes, len(ratings.labels))
    assert (model.steps, model.converged) == (steps, name == "last2000")
    assert len(np.unique(ratings.votes, axis=0)) == patterns
    assert [ratings.labels[k] for k in model.label] == [row.label for row in parts[name].rows]
    released = np.array([row.confidence for row in parts[name].rows])
    assert np.abs(model.confidence - released).max() < 1e-9


def test_dawid_skene_equals_crowd_kit_on_the_release(parts: dict[str, Annotated]) -> None:
    """For equal steps; crowd-kit adds 1e-10 to probabilities."""
    ratings = votes(parts["first"])
    assert ratings is not None
    model = dawid_skene(ratings.votes, 7, steps=50, tolerance=0)
    reference = crowd_kit(ratings.votes, 50)
    assert max(abs(model.posterior[i, k] - p) for i, row in reference.items() for k, p in row.items()) < 1e-9


@pytest.mark.parametrize(
    ("name", "folder", "books", "fleiss"),
    [
        ("first", "First-2500/analysis_outputs", ("a1", "a2", "a3"), 0.4891),
        ("latter", "Last-2500/analysis_outputs_after2500", ("cp", "ljx", "wqf"), 0.5183),
    ],
)
def test_agreement_is_that_of_the_summaries_of_the_release(
    parts: dict[str, Annotated], name: str, folder: str, books: tuple[str, ...], fleiss: float
) -> None:
    outputs = find_base(RELEASE) / "datasets/ch-simsv2s" / folder / "basic7"
    released = json.loads((outputs / "analysis_summary.json").read_text(encoding="utf-8"))
    ratings = votes(parts[name])
    assert ratings is not None
    record = summarise(ratings)
    assert record["fleiss_kappa"] == pytest.approx(released["fleiss_kappa"], abs=1e-12)
    assert record["fleiss_kappa"] == pytest.approx(fleiss, abs=5e-5)
    assert list(record["cohen_kappa"].values()) == pytest.approx(list(released["pairwise_cohen"].values()), abs=1e-12)
    assert record["exact_match"] == pytest.approx(released["agreement_ratios"]["all_same"], abs=1e-12)
    assert list(record["agrees_with_consensus"].values()) == pytest.approx(list(released["accuracy_vs_ds"].values()))
    assert record["consensus"]["mean_confidence"] == pytest.approx(released["ds_confidence"]["mean"], abs=1e-12)
    assert record["consensus"]["median_confidence"] == pytest.approx(released["ds_confidence"]["median"], abs=1e-12)
    for annotator, book in zip(ratings.annotators, books, strict=True):
        with (outputs / f"confusion_{book}.csv").open(encoding="utf-8-sig", newline="") as file:
            head, *rows = csv.reader(file)
        assert tuple(head[1:]) == ratings.labels
        assert [[int(float(cell)) for cell in row[1:]] for row in rows] == record["confusion"][annotator]
    assert record["consensus"]["from_nobody"] == (6 if name == "first" else 0)


def test_tiers_and_shares_of_the_examples(tables: dict[str, PaperTable]) -> None:
    record = json.loads((SHARED / "spec/examples/emos.json").read_text(encoding="utf-8"))
    lines = {line.name: line for line in tables["1"].lines}
    for part, expected in record["table1"]["expected"].items():
        names = ("rows", "high", "medium", "low", "1 label", "2 labels", "3 labels")
        assert [lines[f"{part}: {name}"].value for name in names] == list(expected.values())
    lines = {line.name: line for line in tables["5"].lines}
    for heading, key, counted in (
        ("CH-SIMS v2", "ch_sims_v2", None),
        ("MELD-Core", "meld_5000", "meld_first3000"),
        ("both", "combined_9403", "combined_7403"),
    ):
        for label, cell in record["table5"]["expected"][key].items():
            assert round(lines[f"{heading}: {label}"].value, 2) == cell["pct"]
            other = lines[f"{heading}: {label}"].counted
            assert (None if other is None else round(other, 2)) == (
                None if counted is None else record["table5"]["expected"][counted][label]["pct"]
            )
    printed = record["table5"]["paper"]["meld_core"]
    assert all(float(lines[f"MELD-Core: {label}"].printed or 0) == value for label, value in printed.items())


# Lines by verdict: equal, equal as counted, not reproduced, no printed value.
VERDICTS = {"1": (14, 0, 0, 0), "2": (4, 1, 7, 0), "3": (0, 1, 7, 0), "4": (4, 2, 10, 0), "5": (7, 14, 0, 0),
            "6": (0, 3, 1, 0), "9": (0, 0, 0, 84), "10": (28, 0, 0, 0), "11": (7, 4, 0, 0)}  # fmt: skip


@pytest.mark.parametrize("number", VERDICTS)
def test_how_the_printed_tables_are_met(tables: dict[str, PaperTable], number: str) -> None:
    expected = dict(zip((EQUAL, AS_COUNTED, DIFFERS, NOT_PRINTED), VERDICTS[number], strict=True))
    assert tables[number].tally() == expected
    assert tables[number].counted or not expected[AS_COUNTED]


# Numbers that spec/emos.md gives for lines of the paper that no definition reproduces, and for artefacts.
RECOMPUTED = """
2   A4 labels                  2.226
2   A6 labels                  1.674
2   first: union               3.047
2   first: union >= 4          808
2   latter: union              3.747
2   latter: union >= 4         1107
2   latter: equal, %           0.788
3   confidence >= .7           3592
3   confidence .5 to .7        1169
3   confidence < .5            239
3   changed                    1106
3   union >= 4                 999
3   union >= 5                 201
3   equal                      864
4   A4-A6: lowest Jaccard      0.220
4   A4-A6: highest Jaccard     0.285
4   A8 labels                  1.252
4   A9 labels                  1.262
4   A7-A9: lowest Jaccard      0.3856
4   A7-A9: highest Jaccard     0.4447
4   A7-A9: equal, %            16.63
4   A10 labels                 1.446
4   A11 labels                 1.199
4   A12 labels                 1.200
4   A10-A12: lowest Jaccard    0.381
4   A10-A12: highest Jaccard   0.461
4   A10-A12: equal, %          18.25
6   turning points             233
6   turning points a clip      5.07
6   most in a clip             15
"""


@pytest.mark.parametrize("line", [line for line in RECOMPUTED.splitlines() if line])
def test_true_values_beside_the_printed_ones(tables: dict[str, PaperTable], line: str) -> None:
    number, name, value = line[:4].strip(), line[4:31].strip(), line[31:].strip()
    found = next(found for found in tables[number].lines if found.name == name)
    assert equals(value, found.value)


def test_the_windows_of_the_intermediate_tables(parts: dict[str, Annotated]) -> None:
    """Blank rows: 1 in the first window; 595 in the second, and one more that only one annotator labelled."""
    windows = static(parts).windows
    assert (~windows["first"].rated.any(1)).sum() == 1
    assert (~windows["latter"].rated.any(1)).sum() == 595
    assert windows["latter"].rated.sum(0).tolist() == [1904, 1905, 1904]


def test_label_sets_of_the_release_have_the_shares_as_consensus(parts: dict[str, Annotated]) -> None:
    sets = goemotion_sets(parts["last2000"])
    found = consensus(sets)
    assert found.method == "share"
    assert (found.chosen == (2 * sets.chosen.sum(1) > sets.rated.sum(1)[:, None])).all()
    assert (found.code == MISSING).sum() > 100


@pytest.fixture(scope="module")
def lines(parts: dict[str, Annotated]) -> list[Line]:
    return list(release_lines(parts))


def test_every_clip_has_a_line(parts: dict[str, Annotated], lines: list[Line]) -> None:
    assert len(lines) == len({line.id for line in lines}) == 9403
    released = [(row.id, row.label) for annotated in parts.values() for row in annotated.rows]
    assert [(line.id, *line.labels) for line in lines] == released

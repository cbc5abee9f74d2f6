"""`omnimer annotators` from outside: output, files, exit codes."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from omnimer import main
from tests.eval import annotators_release as small
from tests.tasks import emos_fixture as mini

ROOT = Path(__file__).parents[2]
RELEASE = ROOT.parent / "shared" / "data" / "emos"
VOTES = "id,ann,bob,cy\n1,Joy,Joy,Sad\n2,Sad,Sad,\n3,Sad,Sad,Sad\n4,,,\n"
SETS = "id,ann,bob\n=1+1,joy;love,joy\n2,sad,\n3,sad,sad\n"

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def votes(tmp_path: Path) -> Path:
    path = tmp_path / "votes.csv"
    path.write_text(VOTES, encoding="utf-8")
    return path


def test_tables_and_the_consensus_file(votes: Path, tmp_path: Path, capsys: Captured) -> None:
    out = tmp_path / "out.csv"
    assert main(["annotators", "--csv", str(votes), "--out", str(out)]) == 0
    said = capsys.readouterr()
    for words in ("votes.csv: 4 items, 3 annotators, one label, 2 labels", "Fleiss kappa", "Cohen kappa, ann / bob",
                  "cy (columns) against the consensus (rows)", "by nobody 1"):  # fmt: skip
        assert words in said.out
    assert "4 rows" in said.err
    head, *rows = csv.reader(io.StringIO(out.read_text(encoding="utf-8")))
    assert head == ["id", "label", "confidence", "votes"]
    assert [row[:2] for row in rows] == [["1", "Joy"], ["2", "Sad"], ["3", "Sad"], ["4", ""]]
    assert rows[0][3] == "Joy 2;Sad 1"
    assert 0.5 < float(rows[0][2]) <= 1
    assert rows[3][2:] == ["", ""]


def test_json_holds_everything(votes: Path, capsys: Captured) -> None:
    assert main(["annotators", "--csv", str(votes), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["items"] == 4
    assert record["consensus"]["method"] == "dawid-skene"
    assert record["cohen_kappa"]["ann / bob"] == 1
    assert record["rows"][0] == {
        "id": "1", "labels": ["Joy"], "confidences": record["rows"][0]["confidences"], "votes": {"Joy": 2, "Sad": 1}
    }  # fmt: skip


def test_label_sets(tmp_path: Path, capsys: Captured) -> None:
    path, out = tmp_path / "sets.csv", tmp_path / "out.csv"
    path.write_text(SETS, encoding="utf-8")
    assert main(["annotators", "--csv", str(path), "--labels", "joy", "love", "sad", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    for words in ("label sets", "Krippendorff alpha, masi", "Jaccard, ann / bob", "consensus by share"):
        assert words in said
    rows = list(csv.reader(io.StringIO(out.read_text(encoding="utf-8"))))[1:]
    assert rows[0] == ["=1+1", "joy", "1.0", "joy 2;love 1"]
    assert main(["annotators", "--csv", str(path), "--consensus", "dawid-skene"]) == 0
    assert "consensus by dawid-skene in" in capsys.readouterr().out


def test_markup_in_names_is_printed_as_it_is(tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "votes.csv"
    path.write_text("id,[red]a[/red],[/]\n1,[bold]x,y\n2,y,y\n", encoding="utf-8")
    assert main(["annotators", "--csv", str(path)]) == 0
    said = capsys.readouterr().out
    assert "[red]a[/red]" in said
    assert "[bold]x" in said


@pytest.mark.parametrize("annotators", [1, 30])
def test_one_annotator_and_many(tmp_path: Path, capsys: Captured, annotators: int) -> None:
    path = tmp_path / "votes.csv"
    names = [f"a{m}" for m in range(annotators)]
    rows = [[str(i), *("xy"[(i + m) % 2] for m in range(annotators))] for i in range(5)]
    path.write_text("\n".join(map(",".join, [["id", *names], *rows])), encoding="utf-8")
    assert main(["annotators", "--csv", str(path)]) == 0
    said = capsys.readouterr().out
    assert ("one annotator: agreement is undefined" in said) == (annotators == 1)
    assert ("423 pairs more" in said) == (annotators == 30)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "give either --csv FILE"),
        ("--csv VOTES --data DIR", "give either --csv FILE"),
        ("--csv VOTES --paper", "--paper belongs to --data"),
        ("--csv none.csv", "no such file"),
        ("--csv VOTES --labels Joy", "at least two different labels, or the name of a label space (basic7"),
        ("--csv VOTES --labels Joy Joy", "at least two different labels"),
        ("--csv VOTES --labels basic7", "line 2, column 'cy': found 'Sad', legal is Anger, Disgust"),
        ("--csv VOTES --steps 0", "at least 1 step"),
        ("--csv VOTES --tolerance nan", "a tolerance from 0"),
        ("--csv VOTES --out none/out.csv", "a file in a folder that exists"),
        ("--csv VOTES --out VOTES", "this is the file that is read"),
        ("--data DIR", "no EmoS annotations here"),
        ("--data DIR --labels basic7", "belong to --csv"),
        ("--data DIR --consensus share", "belong to --csv"),
    ],
)
def test_mistakes_are_one_message(votes: Path, tmp_path: Path, capsys: Captured, words: str, said: str) -> None:
    arguments = [{"VOTES": str(votes), "DIR": str(tmp_path)}.get(word, word) for word in words.split()]
    assert main(["annotators", *arguments]) == 2
    found = capsys.readouterr()
    assert said in found.err
    assert "Traceback" not in found.err
    assert votes.read_text(encoding="utf-8") == VOTES


def test_a_release_that_is_not_reproduced_ends_with_1(tmp_path: Path, capsys: Captured) -> None:
    data, out = mini.write(tmp_path, small.release()), tmp_path / "all.csv"
    assert main(["annotators", "--data", str(data), "--out", str(out)]) == 1
    said = capsys.readouterr()
    assert "first, basic emotions: 3 items" in said.out
    assert "first3000: basic_corrected_conf" in said.out
    assert "not reproduced: latter, goemotion_prob_* (29 columns): row 1: differs" in said.err
    assert len(out.read_text(encoding="utf-8").splitlines()) == 1 + 12
    assert main(["annotators", "--data", str(data), "--json"]) == 1
    record = json.loads(capsys.readouterr().out)
    assert set(record) == {"source", "agreement", "checks", "rows"}
    assert len(record["rows"]) == 12
    assert main(["annotators", "--data", str(data), "--paper"]) == 2
    assert "no streaming part" in capsys.readouterr().err


def test_the_paper_beside_the_release() -> None:
    if not RELEASE.is_dir():
        pytest.skip("the EmoS release does not lie beside the checkout")
    words = [sys.executable, "omnimer.py", "annotators", "--data", str(RELEASE), "--paper"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    flat = [" ".join(line.split()) for line in done.stdout.splitlines()]
    for line in (
        "turning points 401 233 401 equal as counted",
        "latter: equal, % 24.4 0.79 24.40 equal as counted",
        "both: Neutral 35.4 38.07 35.42 equal as counted",
        "first: union 3.68 3.047 3.046 NOT REPRODUCED",
        "Sadness 24.2 24.16 – equal",
        "6 0 3 1 0",
    ):
        assert line in flat

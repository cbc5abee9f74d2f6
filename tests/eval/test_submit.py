"""`omnimer submit`: files of every track from runs made by hand, as official readers see them; mistakes of users."""

from __future__ import annotations

import ast
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eval.submit import run as command
from eval.submit.candidates import read_candidates
from eval.submit.run import SubmitConfig, run
from eval.submit.tracks import TRACKS, track_named
from eval.submit.validate import validate
from prompts.parsing.official import mer_list
from tasks.registry import TASKS
from tests.eval.submissions import (
    CONTENTS,
    REPLIES,
    candidates_of,
    members,
    samples_of,
    submitted,
    table,
    write_candidates,
    write_run,
)

ROOT = Path(__file__).parents[2]
every_track = pytest.mark.parametrize("name", TRACKS)


# --- every track


@every_track
def test_a_run_becomes_a_valid_file_that_says_the_same(name: str, tmp_path: Path) -> None:
    track = track_named(name)
    out = submitted(tmp_path, name, write_run(tmp_path / "run", name))
    verdict = validate(out, track, candidates_of(name))
    assert (verdict.faults, verdict.rows) == ([], 5)
    assert verdict.contents == CONTENTS[track.shape]
    assert run(SubmitConfig(track=name, candidates=tmp_path / write_candidates(tmp_path, name).name, validate=out)) == 0


@every_track
def test_the_same_answers_are_the_same_bytes(name: str, tmp_path: Path) -> None:
    files = []
    for place in ("one", "two"):
        folder = tmp_path / place
        folder.mkdir()
        order = slice(None) if place == "one" else slice(None, None, -1)  # of the run; the candidates set the order
        replies, samples = REPLIES[TRACKS[name].shape][order], samples_of(name)[order]
        if name == "mer2026-prefer":  # rows that are equal in all but their number keep their order
            replies, samples = REPLIES["choice"], samples_of(name)
        files.append(submitted(folder, name, write_run(folder / "run", name, replies, samples)).read_bytes())
    assert files[0] == files[1]


@every_track
def test_archives_hold_what_the_organisers_expect_and_no_time(name: str, tmp_path: Path) -> None:
    track = track_named(name)
    out = submitted(tmp_path, name, write_run(tmp_path / "run", name))
    if not zipfile.is_zipfile(out):
        assert track.suffix == ".csv"
        return
    with zipfile.ZipFile(out) as archive:
        dates = {entry.date_time for entry in archive.infolist()}
        names = archive.namelist()
    assert dates == {(1980, 1, 1, 0, 0, 0)}
    assert names == ([track.member] if track.member else [f"{key}.npy" for key in track.columns])


@every_track
def test_text_is_utf8_without_mark_and_with_line_feeds_alone(name: str, tmp_path: Path) -> None:
    out = submitted(tmp_path, name, write_run(tmp_path / "run", name))
    if out.suffix == ".npz":
        return
    data = out.read_bytes() if out.suffix == ".csv" else next(iter(members(out).values()))
    assert data.decode().endswith("\n")
    assert not data.startswith(b"\xef\xbb\xbf")
    assert b"\r" not in data


# --- as the official readers see them


def test_mer2025_semi_is_a_table_in_the_order_of_the_candidates(tmp_path: Path) -> None:
    out = submitted(tmp_path, "mer2025-semi", write_run(tmp_path / "run", "mer2025-semi"))
    assert out.read_text().splitlines()[:3] == ["name,discrete", "clip_b,angry", "clip_a,happy"]


def test_mer2025_fg_loads_with_and_without_pickles(tmp_path: Path) -> None:
    out = submitted(tmp_path, "mer2025-fg", write_run(tmp_path / "run", "mer2025-fg"))
    for allowed in (True, False):
        loaded = np.load(out, allow_pickle=allowed)
        assert loaded.files == ["filenames", "fileitems"]
        items = dict(zip(loaded["filenames"].tolist(), loaded["fileitems"].tolist(), strict=True))
    assert items["clip_b"] == "[happy, calm]"
    assert [tuple(mer_list(text)) for text in items.values()] == CONTENTS["labels"]


def test_mer2025_des_holds_one_dict_that_numpy_1_and_2_can_rebuild(tmp_path: Path) -> None:
    out = submitted(tmp_path, "mer2025-des", write_run(tmp_path / "run", "mer2025-des"))
    loaded = np.load(out, allow_pickle=True)
    assert loaded.files == ["name2reason"]
    assert loaded["name2reason"].tolist()["clip_b"] == "He smiles. Emotional state: happy."
    assert b"numpy._core" not in members(out)["name2reason.npy"]


def test_mer2025_pr_has_the_misspelt_columns_and_ids_as_text(tmp_path: Path) -> None:
    out = submitted(tmp_path, "mer2025-pr", write_run(tmp_path / "run", "mer2025-pr"))
    lines = out.read_text().splitlines()
    assert lines[0] == "id,Extraversion,Agreeableness,Conscientiousnes,Neuroticism,Open Mindedness"
    assert lines[2] == "007,0.100000,0.250000,0.500000,1.000000,0.100000"


def test_mer2026_lists_stand_in_brackets_so_that_no_cell_is_a_missing_value(tmp_path: Path) -> None:
    out = submitted(tmp_path, "mer2026-fg", write_run(tmp_path / "run", "mer2026-fg"))
    cells = [row["openset"] for row in table(members(out)["answer.csv"])]
    assert cells == ["[happy, calm]", "[sad]", "[]", "[not sure]", "[surprised]"]


def test_mer2026_prefer_keeps_the_candidate_table_as_it_is(tmp_path: Path) -> None:
    out = submitted(tmp_path, "mer2026-prefer", write_run(tmp_path / "run", "mer2026-prefer"))
    rows = table(members(out)["answer.csv"])
    assert [(row["name"], row["a1"], row["a2"]) for row in rows] == candidates_of("mer2026-prefer")
    assert [row["preference"] for row in rows] == ["a1", "a2", "a2", "a1", "a1"]


def test_mer2024_lists_are_python_text(tmp_path: Path) -> None:
    out = submitted(tmp_path, "mer2024-ov", write_run(tmp_path / "run", "mer2024-ov"))
    cells = [row["openset"] for row in table(out.read_bytes())]
    assert cells[0] == "['happy', 'calm']"
    assert [tuple(ast.literal_eval(cell)) for cell in cells] == CONTENTS["labels"]
    assert [tuple(mer_list(cell)) for cell in cells] == CONTENTS["labels"]


def test_blemore_is_one_json_with_every_key(tmp_path: Path) -> None:
    out = submitted(tmp_path, "blemore", write_run(tmp_path / "run", "blemore"))
    found = json.loads(members(out)["submission_template.json"])
    assert list(found) == ["predictions"]
    assert list(found["predictions"]) == [candidate.name for candidate in candidates_of("blemore")]
    assert found["predictions"]["test_0002.mov"] == [
        {"emotion": "hap", "salience": 70},
        {"emotion": "sad", "salience": 30},
    ]


def test_the_blemore_template_may_be_the_organisers_zip(tmp_path: Path) -> None:
    folder = ROOT.parent / "shared" / "data" / "blemore"
    if not folder.is_dir():
        pytest.skip("needs the BLEMORE template in ../shared")
    track = track_named("blemore")
    found = read_candidates(folder / "submission_template_codabench.zip", track)
    assert len(found) == 594 == track.size
    assert found == read_candidates(folder / "submission_template.json", track)
    verdict = validate(folder / "submission_template_codabench.zip", track, found)
    assert verdict.faults == []


# --- mistakes


@every_track
def test_answers_of_another_kind_are_refused(name: str, tmp_path: Path) -> None:
    other = "mer2025-semi" if name == "blemore" else "blemore"
    run_ = write_run(tmp_path / "run", other)
    with pytest.raises(ValueError, match=f"holds answers of kind .*track {name} takes"):
        submitted(tmp_path, name, run_)


def test_a_label_task_of_other_labels_is_refused(tmp_path: Path) -> None:
    run_ = write_run(tmp_path / "run", "mer2025-semi", task=TASKS["synthetic"])
    with pytest.raises(ValueError, match="takes one label of neutral, angry"):
        submitted(tmp_path, "mer2025-semi", run_)


def test_the_end_of_the_file_name_is_checked_before_anything_is_read(tmp_path: Path) -> None:
    config = SubmitConfig(
        (tmp_path / "no run",), "mer2025-fg", write_candidates(tmp_path, "mer2025-fg"), tmp_path / "a.npz"
    )
    with pytest.raises(ValueError, match=r"ends with -openset\.npz"):
        run(config)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"track": ""}, "--track is missing"),
        ({"track": "mer2025-fgg"}, "did you mean mer2025-fg"),
        ({"candidates": None}, "--candidates is missing"),
        ({"out": None}, "--out are needed"),
        ({"runs": ()}, "a run directory"),
        ({"validate": Path("x")}, "give no run"),
        ({"candidates": Path("nowhere.csv")}, "is no file there"),
        ({"out": Path("nowhere/x-openset.npz")}, "no folder nowhere"),
    ],
)
def test_wrong_options_are_named(change: dict[str, Any], said: str, tmp_path: Path) -> None:
    name = "mer2025-fg"
    given = {"runs": (tmp_path / "run",), "track": name, "candidates": write_candidates(tmp_path, name)}
    with pytest.raises(ValueError, match=said):
        run(SubmitConfig(**{**given, "out": tmp_path / "o-openset.npz", **change}))


def test_a_file_that_would_not_be_valid_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = submitted(tmp_path, "mer2025-semi", write_run(tmp_path / "run", "mer2025-semi"))
    before = out.read_bytes()
    monkeypatch.setattr(command, "encode", lambda *_: b"name,discrete\nclip_b,joy\n")
    with pytest.raises(ValueError, match="was not written: it would not be a valid"):
        submitted(tmp_path, "mer2025-semi", tmp_path / "run")
    monkeypatch.setattr(command, "encode", lambda *_: before.replace(b"clip_b,angry", b"clip_b,happy"))
    with pytest.raises(ValueError, match="read back as others, such as 'clip_b'"):
        submitted(tmp_path, "mer2025-semi", tmp_path / "run")
    assert out.read_bytes() == before
    assert not list(tmp_path.glob("*.tmp"))


def test_the_validator_and_the_writer_share_no_code_but_the_table_of_tracks() -> None:
    def imports(module: str) -> set[str]:
        tree = ast.parse((ROOT / "eval" / "submit" / f"{module}.py").read_text(encoding="utf-8"))
        own = {str(node.module).rpartition(".")[2] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
               and str(node.module).startswith("eval.submit")}  # fmt: skip
        return own | {name for other in own for name in imports(other)}

    assert imports("validate") & imports("write") <= {"tracks", "candidates"}
    assert not imports("validate") & {"write", "content", "collect"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("title\nx\n", "no column 'name'"),
        ("name\n", "holds no candidate"),
        ("name\na\na\n", "'a' occurs 2 times"),
        ("name\n a\n", "without outer blanks"),
        ("name,x\na\n", "row 2: 1 cells"),
        ("name\n\n", "holds no candidate"),
    ],
)
def test_candidate_files_are_checked(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "candidates.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=said):
        read_candidates(path, TRACKS["mer2025-fg"])


def test_blank_lines_of_a_candidate_file_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "candidates.csv"
    path.write_text("name\na\n\nb\n\n")
    assert [candidate.name for candidate in read_candidates(path, TRACKS["mer2025-fg"])] == ["a", "b"]


@pytest.mark.parametrize("how", ["path", "symbolic link", "hard link", "reply", "card", "temporary"])
def test_what_is_read_is_not_written_over(how: str, tmp_path: Path) -> None:
    name = "mer2025-semi"
    run_, candidates = write_run(tmp_path / "run", name), write_candidates(tmp_path, name)
    source, out = candidates, tmp_path / "out.csv"
    if how == "path":
        out = tmp_path / "run" / ".." / candidates.name
    elif how == "symbolic link":
        out.symlink_to(candidates)
    elif how == "hard link":
        out.hardlink_to(candidates)
    elif how == "reply":
        source = run_ / "replies.jsonl"
        out.symlink_to(source)
    else:
        candidates = candidates.rename(tmp_path / ("out.csv.card.md" if how == "card" else "out.csv.tmp"))
        source = candidates
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(ValueError, match=f"{source.name}, which is read"):
        run(SubmitConfig((run_,), name, candidates, out))
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_submission_may_be_written_again_and_into_the_run(tmp_path: Path) -> None:
    name = "mer2025-semi"
    run_ = write_run(tmp_path / "run", name)
    config = SubmitConfig((run_,), name, write_candidates(tmp_path, name), run_ / "submission.csv")
    assert [run(config), run(config)] == [0, 0]


@pytest.mark.parametrize("filled", [False, True])
def test_a_template_that_nobody_filled_in_is_noted(
    filled: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    candidates, path = write_candidates(tmp_path, "blemore"), tmp_path / "answer.zip"
    text = candidates.read_text()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("submission_template.json", text.replace('"sad"', '"fea"', 1) if filled else text)
    assert run(SubmitConfig(track="blemore", candidates=candidates, validate=path)) == 0
    assert ("not filled in" in capsys.readouterr().out) is not filled


def test_a_run_that_names_no_task_is_named(tmp_path: Path) -> None:
    run_ = write_run(tmp_path / "run", "mer2025-semi")
    (run_ / "run.json").write_text('{"config": {}}')
    with pytest.raises(ValueError, match=r"run\.json: names no task"):
        submitted(tmp_path, "mer2025-semi", run_)

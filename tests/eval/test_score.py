"""`omnimer score` as a command: missing names, runs, groups, constant answers, files that cannot be read."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eval.metrics.table import METRICS
from eval.score.families import family_of
from eval.score.run import ScoreConfig, run
from eval.submit.run import SubmitConfig
from eval.submit.run import run as submit
from eval.submit.tracks import TRACKS
from tasks.labels import label_space
from tasks.registry import TASKS
from tasks.task import Timeline
from tests.eval.submissions import PAIRS, SUBJECTS, TASKS_BY_TRACK, write_candidates, write_run

ROOT = Path(__file__).parents[2]
WHEELS = ROOT.parent / "shared" / "data" / "emotion_wheel"
needs_wheels = pytest.mark.skipif(not WHEELS.is_dir(), reason="needs the wheel tables in ../shared")
B7 = label_space("basic7").labels


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    """What the command prints, and its remarks."""

    def score(task: str, gold: Path, pred: Path, **options: Any) -> tuple[str, str]:
        capsys.readouterr()
        assert run(ScoreConfig(task, gold, pred, **{"wheels": WHEELS, "resamples": 200, **options})) == 0
        captured = capsys.readouterr()
        return captured.out, captured.err

    return score


@pytest.fixture
def scored(printed: Any) -> Any:
    """The object that the command prints."""
    return lambda *words, **options: json.loads(printed(*words, json=True, **options)[0], parse_constant=pytest.fail)


def table(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8", newline="")
    return path


def json_lines(path: Path, entries: Mapping[str, Any]) -> Path:
    path.write_text("".join(json.dumps({"id": name, "value": value}) + "\n" for name, value in entries.items()))
    return path


SIX = "name,discrete\na,angry\nb,happy\nc,sad\nd,happy\n"


# --- what is printed


def test_the_object_has_the_agreed_keys_and_fractions(tmp_path: Path, scored: Any) -> None:
    gold, pred = table(tmp_path / "g.csv", SIX), table(tmp_path / "p.csv", SIX.replace("c,sad", "c,happy"))
    found = scored("mer2025-semi", gold, pred)
    assert list(found) == ["task", "score", "metrics", "companions", "n", "coverage"]
    assert (found["task"], found["n"], found["coverage"]) == ("mer2025-semi", 4, 1.0)
    assert found["metrics"]["acc"] == 0.75
    assert found["score"] == found["metrics"]["waf"] == pytest.approx(0.25 + 0.5 * 0.8)
    low, high = found["companions"]["intervals"]["waf"]
    assert low <= found["metrics"]["waf"] <= high


def test_the_official_headline_comes_first(tmp_path: Path, printed: Any) -> None:
    gold, pred = table(tmp_path / "g.csv", SIX), table(tmp_path / "p.csv", SIX.replace("c,sad", "c,happy"))
    out, err = printed("mer2025-semi", gold, pred)
    assert out.splitlines()[0] == "mer2025-semi@1: ACC 0.7500   WAF 0.6500"
    assert "n 4, coverage 100.0%" in out
    assert "the official script asserts 20,000 predictions; there are 4" in err


@needs_wheels
def test_open_labels_print_percent_and_the_constant_answers(tmp_path: Path, printed: Any) -> None:
    gold = table(tmp_path / "g.csv", 'name,openset\na,"[happy, sad]"\nb,[angry]\nc,"worried,nervous"\n')
    pred = table(tmp_path / "p.csv", "name,openset\na,\"['happy', 'zonked']\"\nb,[angry]\nc,None\n")
    out, _ = printed("mer2025-fg", gold, pred)
    first = out.splitlines()[0]
    assert first.startswith("mer2025-fg@1: S1 ")
    assert " S2 " in first
    assert " Avg " in first
    for said in ("zonked (1)", "empty answers: 1", "[worried, angry, sad, happy]", "95% intervals: 200 resamples of 3"):
        assert said in out


@needs_wheels
def test_repair_changes_a_companion_and_never_the_score(tmp_path: Path, scored: Any) -> None:
    gold = table(tmp_path / "g.csv", "name,openset\na,[happy]\nb,[angry]\n")
    pred = table(tmp_path / "p.csv", "name,openset\na,Output: [happy]\nb,[angry/sad]\n")
    found = scored("mer2026-fg", gold, pred, resamples=0)
    assert found["score"] == 0.0
    assert found["companions"]["score_with_repaired_reading"] > 80
    assert found["companions"]["lists_that_the_repair_changes"] == 2
    assert "intervals" not in found["companions"]


@needs_wheels
def test_gold_cells_are_split_twice_as_the_official_script_does(tmp_path: Path, scored: Any) -> None:
    pred = table(tmp_path / "p.csv", "name,openset\na,[happy]\nb,[sad]\n")
    rows = "name,openset\na,{}\nb,[sad]\n"
    scores = [
        scored("mer2026-fg", table(tmp_path / "g.csv", rows.format(cell)), pred, resamples=0)["score"]
        for cell in ("[happy]", "[[happy]]", "happy")
    ]
    assert scores == [100.0] * 3


@needs_wheels
def test_what_pandas_takes_for_missing_is_an_empty_list(tmp_path: Path, scored: Any) -> None:
    gold = table(tmp_path / "g.csv", "name,openset\na,[happy]\nb,[sad]\nc,[angry]\n")
    for cell in ("", "NaN", "None", "null", "N/A"):
        pred = table(tmp_path / "p.csv", f"name,openset\na,[happy]\nb,[sad]\nc,{cell}\n")
        companions = scored("mer2025-fg", gold, pred, resamples=0)["companions"]
        assert (companions["empty_lists"], companions["unknown"]) == (1, 0.0)


# --- names


def test_missing_names_are_named_and_refused(tmp_path: Path) -> None:
    gold, pred = table(tmp_path / "g.csv", SIX), table(tmp_path / "p.csv", "name,discrete\nb,happy\n")
    with pytest.raises(
        ValueError, match=r"3 of 4 gold names have no prediction, such as 'a', 'c', 'd'.*--missing empty"
    ):
        run(ScoreConfig("mer2025-semi", gold, pred))


def test_missing_names_can_be_counted_as_empty_answers(tmp_path: Path, scored: Any) -> None:
    gold, pred = table(tmp_path / "g.csv", SIX), table(tmp_path / "p.csv", "name,discrete\nb,happy\n")
    found = scored("mer2025-semi", gold, pred, missing="empty")
    assert (found["metrics"]["acc"], found["n"], found["coverage"]) == (0.25, 4, 0.25)


@needs_wheels
def test_empty_lists_for_missing_names_keep_n(tmp_path: Path, scored: Any) -> None:
    gold = table(tmp_path / "g.csv", "name,openset\na,[happy]\nb,[sad]\n")
    for told, coverage in (({"a": ["happy"]}, 0.5), ({"a": ["happy"], "b": None}, 1)):  # null is an empty list
        found = scored("mer2025-fg", gold, json_lines(tmp_path / "p.jsonl", told), missing="empty")
        assert (found["metrics"]["ew_l1_p"], found["n"], found["coverage"]) == (0.5, 2, coverage)


def test_other_predictions_are_not_counted_and_the_last_of_a_name_is(tmp_path: Path, printed: Any) -> None:
    gold, pred = table(tmp_path / "g.csv", SIX), table(tmp_path / "p.csv", SIX + "x,sad\na,happy\n")
    out, err = printed("mer2025-semi", gold, pred)
    assert "ACC 0.7500" in out
    assert "predictions of other names, not counted: 1" in out
    assert "'a'; the last counts" in err


def test_groups_are_resampled_together(tmp_path: Path, scored: Any) -> None:
    rng = np.random.default_rng(0)
    labels = {f"s{i}": ("happy", "sad")[i // 25 % 2] for i in range(100)}
    gold = json_lines(tmp_path / "g.jsonl", labels)
    # whole groups of 25 are right or wrong, so that the interval over groups is the wider one
    pred = json_lines(tmp_path / "p.jsonl", {k: v if int(k[1:]) < 50 else "angry" for k, v in labels.items()})
    groups = table(
        tmp_path / "groups.csv", "name,speaker\n" + "".join(f"s{i},p{i // 25}\n" for i in rng.permutation(100))
    )
    plain = scored("mer2025-semi", gold, pred)["companions"]
    grouped = scored("mer2025-semi", gold, pred, group=groups)["companions"]
    assert (plain["groups"], grouped["groups"]) == (100, 4)
    width = [np.ptp(found["intervals"]["acc"]) for found in (plain, grouped)]
    assert width[1] > 2 * width[0]
    with pytest.raises(ValueError, match="no group for 's0'"):
        run(ScoreConfig("mer2025-semi", gold, pred, group=table(tmp_path / "none.csv", "name,speaker\nx,y\n")))


# --- every task that can be scored


def test_a_task_is_scored_by_its_own_family() -> None:
    found = {name: family_of(task) for name, task in TASKS.items() if not isinstance(task.answer, Timeline)}
    assert {name: found[name] for name in TASKS_BY_TRACK} == {
        "mer2025-semi": "six",
        "mer2025-fg": "wheels",
        "mer2025-des": "wheels",
        "mer2025-pr": "traits",
        "mer2026-cross": "six",
        "mer2026-fg": "wheels",
        "mer2026-prefer": "preference",
        "mer2024-ov": "wheels",
        "blemore": "blend",
    }
    assert found["unibench-mer2023"] == "hits"
    assert found["unibench-mosi"] == "sentiment"
    assert found["emos-basic7"] == found["emos-compact"] == "plain"


def test_a_basic_label_task_is_scored_from_json_lines(tmp_path: Path, scored: Any) -> None:
    gold = json_lines(tmp_path / "g.jsonl", {f"s{i}": {"label": B7[i % 7]} for i in range(14)})
    told: dict[str, Any] = {f"s{i}": B7[i % 7] for i in range(14)}
    told |= {"s0": {"label": B7[1], "confidence": 0.5}, "s1": "I cannot tell", "s2": f"**{B7[2].lower()}**"}
    found = scored("emos-basic7", gold, json_lines(tmp_path / "p.jsonl", told))
    assert found["metrics"]["accuracy"] == pytest.approx(12 / 14)
    assert found["score"] == found["metrics"][TASKS["emos-basic7"].metrics[0]]


def test_a_compact_record_is_scored_from_json_lines(tmp_path: Path, scored: Any) -> None:
    fine = [{"label": "joy", "confidence": 1.0}]
    value = {"emotion": "Joy", "confidence": 0.9, "goemotions": fine, "evidence": None, "rationale": None}
    gold = json_lines(
        tmp_path / "g.jsonl", {"a": {"emotion": "Joy", "goemotions": fine}, "b": {"emotion": "Fear", "goemotions": []}}
    )
    found = scored("emos-compact", gold, json_lines(tmp_path / "p.jsonl", {"a": value, "b": value}))
    assert found["metrics"]["accuracy"] == 0.5
    assert found["metrics"]["set_micro_f1"] == pytest.approx(2 / 3)


def test_traits_out_of_range_are_scored_as_they_are(tmp_path: Path, scored: Any) -> None:
    head = "id,Extraversion,Agreeableness,Conscientiousnes,Neuroticism,Open Mindedness\n"
    gold = table(tmp_path / "g.csv", head + "1,0.1,0.2,0.3,0.4,0.5\n2,0.3,0.4,0.1,0.2,0.9\n3,0.2,0.2,0.2,0.2,0.2\n")
    pred = table(
        tmp_path / "p.csv", head + "001,1.1,0.2,0.3,0.4,0.5\n002,0.3,0.4,0.1,0.2,0.9\n003,0.2,0.2,0.2,0.2,0.2\n"
    )
    found = scored("mer2025-pr", gold, pred)
    assert found["metrics"]["rmse_extraversion"] == pytest.approx(np.sqrt(1 / 3))
    assert found["metrics"]["rmse_openness"] == 0.0
    assert found["score"] == found["metrics"]["rmse"]
    turned = "id,Open Mindedness,Neuroticism,Conscientiousness,Agreeableness,Extraversion\n"
    turned += "1,0.5,0.4,0.3,0.2,0.1\n2,0.9,0.2,0.1,0.4,0.3\n"
    by_name = table(tmp_path / "t.csv", turned + "3,0.2,0.2,0.2,0.2,0.2\n")
    assert scored("mer2025-pr", gold, by_name)["metrics"]["rmse"] == 0.0


def test_blends_need_no_more_than_the_names_of_the_clips(tmp_path: Path, scored: Any) -> None:
    names = ["A1_ang_int1_ver1", "A1_mix_ang_hap_30_70_ver1"]
    gold = table(tmp_path / "train_metadata.csv", "filename,fold\n" + "".join(f"{name},0\n" for name in names))
    both = {names[0]: [{"emotion": "ang", "salience": 100}]}
    with pytest.raises(ValueError, match="A1_mix_ang_hap_30_70_ver1"):
        run(ScoreConfig("blemore", gold, json_lines(tmp_path / "p.jsonl", both)))
    found = scored("blemore", gold, tmp_path / "p.jsonl", missing="empty")
    assert found["metrics"] == {"blemore_score": 0.25, "acc_presence": 0.5, "acc_salience": 0.0}
    test = table(tmp_path / "test.csv", "filename\ntest_0001.mov\n")
    with pytest.raises(ValueError, match="challenge server"):
        run(ScoreConfig("blemore", test, json_lines(tmp_path / "t.jsonl", {"test_0001.mov": both[names[0]]})))


def gold_of(folder: Path, name: str) -> Path:
    """Gold that the answers of the hand-made runs agree with, and the wheel word for each."""
    files: dict[str, str] = {
        "six": "name,discrete\nclip_b,angry\nclip_a,happy\nclip_d,neutral\nclip_c,surprise\nclip_e,worried\n",
        "wheels": 'name,openset\nclip_b,"[happy, calm]"\nclip_a,[sad]\nclip_d,[]\nclip_c,[]\nclip_e,[surprised]\n',
    }
    family = family_of(TASKS[name])
    if family == "preference":
        import csv

        with (folder / "gold.csv").open("w", newline="") as stream:
            rows = [(*pair, word) for pair, word in zip(PAIRS, ("a1", "a2", "a2", "a1", "a1"), strict=True)]
            csv.writer(stream).writerows([("name", "a1", "a2", "preference"), *rows])
    elif family == "traits":
        head = "id,Extraversion,Agreeableness,Conscientiousness,Neuroticism,Openness\n"
        table(
            folder / "gold.csv", head + "".join(f"{int(s)},0.1,0.25,0.5,1,{k / 10}\n" for k, s in enumerate(SUBJECTS))
        )
    else:
        table(folder / "gold.csv", files[family])
    return folder / "gold.csv"


@needs_wheels
@pytest.mark.parametrize("name", [name for name in TASKS_BY_TRACK if name not in ("blemore", "mer2025-des")])
def test_a_submission_and_its_run_have_the_same_score(name: str, tmp_path: Path, scored: Any) -> None:
    folder = write_run(tmp_path / "run", name)
    out = tmp_path / ("out" + TRACKS[name].suffix)
    assert submit(SubmitConfig((folder,), name, write_candidates(tmp_path, name), out)) == 0
    gold = gold_of(tmp_path, name)
    files = [scored(name, gold, pred, resamples=0) for pred in (out, folder)]
    one, other = (
        {name: file["metrics"][name] for name in file["metrics"] if "preference3" not in name} for file in files
    )
    assert one == other  # a file of two classes has no `same`
    assert files[0]["score"] == files[1]["score"] is not None


@needs_wheels
def test_a_run_of_descriptions_is_scored_by_its_labels(tmp_path: Path, scored: Any) -> None:
    folder = write_run(tmp_path / "run", "mer2025-des")
    gold = table(tmp_path / "g.csv", "name,openset\nclip_b,[happy]\nclip_a,[sad]\n")
    assert scored("mer2025-des", gold, folder)["metrics"]["ew_l1_r"] == 1.0
    out = tmp_path / "out.npz"
    submit(SubmitConfig((folder,), "mer2025-des", write_candidates(tmp_path, "mer2025-des"), out))
    with pytest.raises(ValueError, match="holds descriptions; give their labels"):
        run(ScoreConfig("mer2025-des", gold, out, WHEELS))


def test_unread_answers_of_a_run_are_missing_predictions(tmp_path: Path, scored: Any) -> None:
    replies: Sequence[Any] = [{"label": "angry"}, "no idea", None, {"label": "surprise"}, {"label": "worried"}]
    folder = write_run(tmp_path / "run", "mer2025-semi", replies)
    gold = gold_of(tmp_path, "mer2025-semi")
    with pytest.raises(ValueError, match="2 of 5 gold names have no prediction, such as 'clip_a', 'clip_d'"):
        run(ScoreConfig("mer2025-semi", gold, folder))
    assert scored("mer2025-semi", gold, folder, missing="empty")["metrics"]["acc"] == pytest.approx(0.6)


def test_every_metric_has_a_name_of_the_table_or_an_official_one(tmp_path: Path, scored: Any) -> None:
    gold = gold_of(tmp_path, "mer2026-prefer")
    names = set(scored("mer2026-prefer", gold, gold)["metrics"])
    names |= set(scored("mer2025-semi", table(tmp_path / "g.csv", SIX), tmp_path / "g.csv")["metrics"])
    assert names - set(METRICS) == {"waf", "acc"}


# --- mistakes


@pytest.mark.parametrize(
    ("task", "gold", "pred", "said"),
    [
        ("mer2025-semi", SIX, "title,discrete\na,angry\n", "no column 'name' or 'id' or 'filename'"),
        (
            "mer2025-semi",
            SIX,
            "name,emotion\na,angry\n",
            "no column 'discrete' or 'label'; its header is 'name,emotion'",
        ),
        ("mer2025-semi", SIX, SIX.replace("c,sad", "c"), "row 4: 1 cells"),
        ("mer2025-semi", SIX, SIX.replace("c,sad", "c,joy"), "the prediction of c is 'joy'; legal are neutral"),
        ("mer2025-semi", SIX.replace("c,sad", "c,joy"), SIX, "the gold of c is 'joy'"),
        ("mer2025-semi", "name,discrete\n", SIX, "holds no sample"),
        ("mer2025-semi", SIX, '{"id": "a"}\n', "line 1"),
        ("mer2025-semi", SIX, '{"id": "a", "value": {"choice": "a1"}}\n', "'label' is needed"),
        ("mer2025-pr", "id,a,b\n1,2,3\n", "id,a,b\n1,2,3\n", "3 columns; an id and extraversion"),
        ("mer2025-pr", "id,a,b,c,d,e\n1,0,0,0,0,x\n", "", "1, openness: found 'x'; a number"),
        ("mer2026-prefer", "name,preference\na,tie\n", "name,preference\na,a1\n", "the gold in row 1 is 'tie'"),
        ("emos-basic7", '{"id": "a", "value": 3}\n', '{"id": "a", "value": 3}\n', "the gold of a is 3"),
        ("mer2025-semi", SIX, 'name,discrete\na,"angry\n', "is no csv"),
    ],
)
def test_files_that_cannot_be_scored_say_why(task: str, gold: str, pred: str, said: str, tmp_path: Path) -> None:
    files = table(tmp_path / "gold.csv", gold), table(tmp_path / "pred.csv", pred)
    with pytest.raises(ValueError, match=said):
        run(ScoreConfig(task, *files))


def test_files_that_are_not_there_or_no_text_say_so(tmp_path: Path) -> None:
    gold = table(tmp_path / "g.csv", SIX)
    with pytest.raises(ValueError, match=r"--pred .*no file there"):
        run(ScoreConfig("mer2025-semi", gold, tmp_path / "none.csv"))
    with pytest.raises(ValueError, match=r"--gold .*no file there"):
        run(ScoreConfig("mer2025-semi", tmp_path, gold))
    (tmp_path / "p.csv").write_bytes(b"name,discrete\na,\xff\n")
    with pytest.raises(ValueError, match="is no UTF-8 text"):
        run(ScoreConfig("mer2025-semi", gold, tmp_path / "p.csv"))
    (tmp_path / "p.npz").write_bytes(b"no npz")
    with pytest.raises(ValueError, match="not a readable npz"):
        run(ScoreConfig("mer2025-semi", gold, tmp_path / "p.npz"))


def test_a_constant_answer_is_a_floor_for_every_family(tmp_path: Path, scored: Any) -> None:
    gold = table(tmp_path / "g.csv", SIX)
    floor = scored("mer2025-semi", gold, gold)["companions"]["constant_floor"]
    assert max(floor, key=lambda row: row["score"])["answer"] == "happy"
    values = json_lines(tmp_path / "v.jsonl", {"a": 0.5, "b": -1, "c": 2})
    words = json_lines(tmp_path / "w.jsonl", {"a": "positive", "b": "positive", "c": "x"})
    rows = {
        row["answer"]: row["score"] for row in scored("unibench-mosi", values, words)["companions"]["constant_floor"]
    }
    assert rows == {"positive": pytest.approx(100 * 2 / 3 * 0.8), "negative": pytest.approx(100 / 3 * 0.5)}


def test_scoring_needs_no_heavy_package(tmp_path: Path) -> None:
    gold = table(tmp_path / "g.csv", SIX)
    body = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from pathlib import Path\nfrom tasks.registry import TASKS\nfrom tasks.mer2025 import SEMI\n"
        "TASKS.setdefault(SEMI.name, SEMI)\nfrom eval.score.run import ScoreConfig, run\n"
        f"code = run(ScoreConfig('mer2025-semi', Path({str(gold)!r}), Path({str(gold)!r}), resamples=20))\n"
        "assert not {'torch', 'transformers', 'vllm', 'peft'} & set(sys.modules)\nsys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", body], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "WAF 1.0000" in done.stdout

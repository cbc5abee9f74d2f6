"""`omnimer score`: the forms in which gold and predictions come, and what is said of those that are none."""

from __future__ import annotations

import csv
import json
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eval.score.run import ScoreConfig, run
from eval.submit.tracks import TRAITS
from tests.eval.submissions import write_run

WHEELS = Path(__file__).parents[3] / "shared" / "data" / "emotion_wheel"
needs_wheels = pytest.mark.skipif(not WHEELS.is_dir(), reason="needs the wheel tables in ../shared")
SIX = {"a": "angry", "b": "happy"}
Scored = Callable[..., dict[str, Any]]


@pytest.fixture
def scored(capsys: pytest.CaptureFixture[str]) -> Scored:
    """The object that the command prints, with its notes under `said`."""

    def score(task: str, gold: Path, pred: Path, **options: Any) -> dict[str, Any]:
        capsys.readouterr()
        assert run(ScoreConfig(task, gold, pred, **{"wheels": WHEELS, "resamples": 0, "json": True, **options})) == 0
        told = capsys.readouterr()
        return {**json.loads(told.out), "said": told.err}

    return score


def lines(path: Path, entries: Mapping[Any, Any] | Iterable[tuple[Any, Any]]) -> Path:
    rows = entries.items() if isinstance(entries, Mapping) else entries
    path.write_text("".join(json.dumps({"id": name, "value": value}) + "\n" for name, value in rows))
    return path


def table(path: Path, *rows: Iterable[Any]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows(rows)
    return path


# --- nothing where a value was expected


@pytest.mark.parametrize("task", ["mer2025-semi", "mer2025-pr", "mer2026-prefer", "unibench-mosi", "emos-basic7"])
def test_null_gold_names_the_sample(task: str, tmp_path: Path) -> None:
    gold = lines(tmp_path / "g.jsonl", {"clip_x": None})
    with pytest.raises(ValueError, match="clip_x: the gold is null"):
        run(ScoreConfig(task, gold, gold))


@pytest.mark.parametrize("task", ["mer2025-semi", "mer2026-prefer", "emos-basic7"])
def test_a_null_prediction_of_a_label_is_missing(task: str, tmp_path: Path) -> None:
    label = {"mer2025-semi": "angry", "mer2026-prefer": "a1", "emos-basic7": "Joy"}[task]
    gold, pred = (lines(tmp_path / f"{i}.jsonl", {"a": label, "b": told}) for i, told in enumerate((label, None)))
    with pytest.raises(ValueError, match="1 of 2 gold names have no prediction, such as 'b'"):
        run(ScoreConfig(task, gold, pred))


def test_null_keeps_the_place_of_a_repeated_name(tmp_path: Path, scored: Scored) -> None:
    gold = lines(tmp_path / "g.jsonl", [("a", "a1"), ("a", "a2"), ("a", "a1")])
    pred = lines(tmp_path / "p.jsonl", [("a", "a1"), ("a", None), ("a", "a1")])
    assert scored("mer2026-prefer", gold, pred, missing="empty")["metrics"]["preference_acc"] == pytest.approx(2 / 3)


@needs_wheels
def test_a_gold_list_that_says_nothing_is_empty_and_counts(tmp_path: Path, scored: Scored) -> None:
    pred = lines(tmp_path / "p.jsonl", {"a": ["happy"], "b": ["sad"]})
    for task, gold in (("mer2025-fg", {"a": ["happy"], "b": None}), ("unibench-mer2023", {"a": "joy", "b": None})):
        found = scored(task, lines(tmp_path / "g.jsonl", gold), pred, resamples=20)
        assert (found["score"], found["n"]) == (100.0, 2)


def test_an_empty_cell_is_shown_as_it_is(tmp_path: Path) -> None:
    good = table(tmp_path / "g.csv", ("name", "discrete"), *SIX.items())
    for cell in ("", "nan"):
        bad = table(tmp_path / "p.csv", ("name", "discrete"), ("a", cell), ("b", "happy"))
        with pytest.raises(ValueError, match=f"the prediction of a is '{cell}'; legal are"):
            run(ScoreConfig("mer2025-semi", good, bad))


# --- one word a sample


@needs_wheels
def test_the_gold_of_the_hit_rate_is_one_word_also_in_a_list(tmp_path: Path, scored: Scored) -> None:
    pred = lines(tmp_path / "p.jsonl", {"a": ["happy"]})
    for word in ("joy", ["joy"], {"labels": ["joy"]}):
        assert scored("unibench-meld", lines(tmp_path / "g.jsonl", {"a": word}), pred)["score"] == 100.0
    with pytest.raises(ValueError, match="a: found a list of 2 words; the hit rate takes one word a sample"):
        run(ScoreConfig("unibench-meld", lines(tmp_path / "g.jsonl", {"a": ["joy", "fear"]}), pred, WHEELS))


def test_six_classes_may_be_lists_of_one_word_and_ids_numbers(tmp_path: Path, scored: Scored) -> None:
    gold = table(tmp_path / "g.csv", ("name", "discrete"), (1, "angry"), (2, "happy"))
    pred = lines(tmp_path / "p.jsonl", {1: ["angry"], 2: ["happy"]})
    assert scored("mer2025-semi", gold, pred)["score"] == 1.0
    for value in (["angry", "happy"], []):
        with pytest.raises(ValueError, match="the prediction of 1 is"):
            run(ScoreConfig("mer2025-semi", gold, lines(tmp_path / "p.jsonl", {1: value, 2: "happy"})))


@pytest.mark.parametrize("name", [True, None, 1.5, ["a"]])
def test_an_id_is_text_or_a_whole_number(name: Any, tmp_path: Path) -> None:
    path = lines(tmp_path / "g.jsonl", [(name, "angry")])
    with pytest.raises(ValueError, match="line 1"):
        run(ScoreConfig("mer2025-semi", path, path))


def test_the_label_file_of_six_classes_is_gold(tmp_path: Path, scored: Scored) -> None:
    labels = {name: {"emo": label} for name, label in SIX.items()}
    np.savez_compressed(tmp_path / "l.npz", train_corpus=np.array({}, object), test1_corpus=np.array(labels, object))
    pred = table(tmp_path / "p.csv", ("name", "discrete"), *SIX.items())
    found = scored("mer2026-cross", tmp_path / "l.npz", pred)
    assert (found["score"], found["n"]) == (1.0, 2)


@pytest.mark.parametrize("column", ["sentiment", "discrete", "val"])
def test_the_gold_of_sentiment_may_be_words(column: str, tmp_path: Path, scored: Scored) -> None:
    words = [("a", "positive"), ("b", "negative"), ("c", "neutral")]
    gold = table(tmp_path / "g.csv", ("name", column), *words)
    assert scored("unibench-mosi", gold, lines(tmp_path / "p.jsonl", words))["score"] == 100.0
    with pytest.raises(ValueError, match="found 'Positive'; a number or positive or negative or neutral is legal"):
        run(ScoreConfig("unibench-mosi", table(tmp_path / "g.csv", ("name", column), ("a", "Positive")), gold))


def test_a_line_separator_inside_a_text_ends_no_line(tmp_path: Path, scored: Scored) -> None:
    path = tmp_path / "g.jsonl"
    path.write_text('{"id": "a\u2028b", "value": "angry"}\r\n', encoding="utf-8")
    assert scored("mer2025-semi", path, path)["n"] == 1


# --- traits


def test_traits_in_json_may_have_the_names_of_the_columns(tmp_path: Path, scored: Scored) -> None:
    rows = {f"{i}": [round((i * k) % 7 / 7, 3) for k in range(1, 6)] for i in range(1, 7)}
    files = [
        lines(tmp_path / f"{place}.jsonl", {name: dict(zip(names, row, strict=True)) for name, row in rows.items()})
        for place, names in enumerate((TRAITS, TRAITS.values()))
    ]
    assert scored("mer2025-pr", *files)["metrics"]["ccc"] == 1.0
    short = lines(tmp_path / "short.jsonl", {name: {"Extraversion": 0.5} for name in rows})
    with pytest.raises(ValueError, match="1, agreeableness: found None; a number is legal"):
        run(ScoreConfig("mer2025-pr", files[0], short))


@pytest.mark.parametrize(
    "header",
    [
        "id,openness_sd,extraversion,agreeableness,conscientiousness,neuroticism,openness",
        "Extraversion,Agreeableness,Conscientiousnes,Neuroticism,Open Mindedness,id,age",
        "subject,e,a,c,n,o",
    ],
)
def test_traits_are_found_among_other_columns(header: str, tmp_path: Path, scored: Scored) -> None:
    keys, names = ["extr", "agre", "cons", "neur", "open"], header.lower().split(",")
    gold = {str(i): [round((i * k) % 7 / 7, 3) for k in range(1, 6)] for i in range(1, 7)}
    rows = []
    for subject, values in gold.items():
        told = dict(zip(keys, values, strict=True)) | dict(zip("eacno", values, strict=True))
        own = {"id": subject, "subject": subject, "age": 40, "openness_sd": 9}
        rows.append([own.get(name, told.get(name, told.get(name[:4]))) for name in names])
    wanted = lines(tmp_path / "g.jsonl", {name: dict(zip(TRAITS, row, strict=True)) for name, row in gold.items()})
    found = scored("mer2025-pr", wanted, table(tmp_path / "p.csv", header.split(","), *rows))
    assert [found["metrics"][name] for name in ("rmse", "ccc")] == [0.0, 1.0]


def test_columns_of_which_none_is_the_trait_are_refused(tmp_path: Path) -> None:
    header = "id,openness_1,openness_2,extraversion,agreeableness,conscientiousness,neuroticism"
    path = table(tmp_path / "g.csv", header.split(","), range(7))
    with pytest.raises(ValueError, match=r"7 columns; an id and extraversion.*openness_1"):
        run(ScoreConfig("mer2025-pr", path, path))


# --- lists and their groups


@needs_wheels
@pytest.mark.parametrize("name", ["g.csv", "g.txt", "g.zip"])
def test_a_gold_table_is_split_twice_whatever_its_name(name: str, tmp_path: Path, scored: Scored) -> None:
    gold = table(tmp_path / "g.csv", ("name", "openset"), ("a", "[[happy]]"))
    if name == "g.zip":
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.write(gold, "track2_test.csv")
    else:
        gold = gold.rename(tmp_path / name)
    pred = lines(tmp_path / "p.jsonl", {"a": ["happy"]})
    assert scored("mer2026-fg", tmp_path / name, pred)["score"] == 100.0
    once = lines(tmp_path / "g.jsonl", {"a": "[[happy]]"})
    assert scored("mer2026-fg", once, pred)["score"] == 0.0


@needs_wheels
def test_groups_of_synonyms_give_set_accuracy_and_recall(tmp_path: Path, scored: Scored) -> None:
    gold = table(tmp_path / "g.csv", ("name", "openset"), ("a", "['happy', 'calm']"), ("b", "['sad']"), ("c", "['x']"))
    pred = lines(tmp_path / "p.jsonl", {"a": ["Joyful", "angry", "glad"], "b": [], "c": ["x"]})
    lists = [["happy", "joyful", "glad"], ["calm"], ["angry"]]
    for value in (lists, str(lists)):
        groups = lines(tmp_path / "groups.jsonl", {"a": value, "b": [["sad"]]})
        found = scored("mer2024-ov", gold, pred, groups=groups)
        sets = {name: value for name, value in found["metrics"].items() if name.startswith("set_")}
        assert sets == {"set_accuracy": 0.25, "set_recall": 0.25, "set_score": 0.25}  # a: 1 of 2, 1 of 2; b: nothing
        plain = scored("mer2024-ov", gold, pred)
        assert (found["score"], found["n"]) == (plain["score"], plain["n"])
        assert not plain["metrics"].keys() & sets.keys()


@needs_wheels
def test_set_scores_are_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gold, groups = lines(tmp_path / "g.jsonl", {"a": ["sad"]}), lines(tmp_path / "s.jsonl", {"a": [["sad"]]})
    run(ScoreConfig("mer2024-ov", gold, gold, WHEELS, groups=groups))
    out = capsys.readouterr().out
    assert all(title in out for title in ("Set accuracy", "Set recall", "Set score"))


@needs_wheels
@pytest.mark.parametrize(
    ("value", "said"),
    [({"a": [["x", 3]]}, "a: found"), ({"a": ["x"]}, "a: found"), ({"a": [[]]}, "a: found"), ({"z": [["x"]]}, "z"),
     ({}, "no groups")],
)  # fmt: skip
def test_groups_that_are_none_are_refused(value: dict[str, Any], said: str, tmp_path: Path) -> None:
    gold, groups = lines(tmp_path / "g.jsonl", {"a": ["sad"]}), lines(tmp_path / "s.jsonl", value)
    with pytest.raises(ValueError, match=said):
        run(ScoreConfig("mer2024-ov", gold, gold, WHEELS, groups=groups))
    with pytest.raises(ValueError, match="--groups: groups of synonyms are scored for mer2024-ov"):
        run(ScoreConfig("mer2025-fg", gold, gold, WHEELS, groups=groups))


# --- blends

ANGRY, BLEND, SAD = "A1_ang_int1_ver1", "A1_mix_ang_hap_30_70_ver1", "A2_sad_int1_ver1"


def alone(name: str) -> list[dict[str, Any]]:
    return [{"emotion": name, "salience": 100}]


def pair(one: Any, other: Any) -> list[dict[str, Any]]:
    return [{"emotion": "ang", "salience": one}, {"emotion": "hap", "salience": other}]


@pytest.mark.parametrize("ends", [("", ""), (".mov", ""), ("", ".mov"), (".mov", ".mp4")])
def test_a_plain_list_of_clips_is_gold_with_or_without_extension(
    ends: tuple[str, str], tmp_path: Path, scored: Scored
) -> None:
    gold = tmp_path / "names.txt"
    gold.write_text(f"{ANGRY}{ends[0]}\n{BLEND}{ends[0]}\n")
    groups = table(tmp_path / "groups.csv", ("filename", "actor"), (f"{ANGRY}.mov", "A1"), (BLEND, "A1"))
    pred = lines(tmp_path / "p.jsonl", {f"{ANGRY}{ends[1]}": alone("ang"), f"{BLEND}{ends[1]}": pair(70, 30)})
    found = scored("blemore", gold, pred, group=groups, resamples=5)
    assert found["metrics"] == {"blemore_score": 0.5, "acc_presence": 1.0, "acc_salience": 0.0}
    assert (found["n"], found["companions"]["extra_predictions"]) == (2, 0)


def test_all_submitted_labelled_clips_are_scored_as_the_official_script_does(tmp_path: Path, scored: Scored) -> None:
    gold = table(tmp_path / "g.csv", ("filename",), (ANGRY,))
    pred = lines(tmp_path / "p.jsonl", {ANGRY: alone("ang"), SAD: alone("fea"), "test_0001.mov": alone("fea")})
    found = scored("blemore", gold, pred)
    assert (found["metrics"]["acc_presence"], found["n"]) == (0.5, 2)
    assert found["companions"]["extra_predictions"] == 1
    assert "1 predictions of labelled clips" in found["said"]
    assert SAD in found["said"]


def test_gold_of_blends_from_a_file_is_what_counts(tmp_path: Path, scored: Scored) -> None:
    gold = lines(tmp_path / "g.jsonl", {"clip1": pair("70", 30), "clip2": alone("sad"), SAD: None})
    pred = lines(tmp_path / "p.jsonl", {"clip1": pair(70.5, 29.5), "clip2": alone("sad"), SAD: alone("ang")})
    found = scored("blemore", gold, pred, resamples=20)
    assert (found["metrics"]["acc_presence"], found["metrics"]["acc_salience"]) == (2 / 3, 1.0)
    assert found["companions"]["constant_floor"][0]["answer"].startswith("always sad")


@pytest.mark.parametrize("value", [[], "sad", [{"label": "sad"}], [*alone("sad"), *pair(50, 50)]])
def test_gold_that_is_no_blend_names_the_clip(value: Any, tmp_path: Path) -> None:
    gold = lines(tmp_path / "g.jsonl", {"clip1": value})
    with pytest.raises(ValueError, match=r"clip1: found .*emotion"):
        run(ScoreConfig("blemore", gold, gold))


@pytest.mark.parametrize("given", [None, pair(30, 70)])
def test_a_prediction_without_salience_names_the_clip(given: Any, tmp_path: Path) -> None:
    gold = lines(tmp_path / "g.jsonl", {BLEND: given})
    pred = lines(tmp_path / "p.jsonl", {BLEND: [{"emotion": "ang"}, {"emotion": "hap", "salience": 70}]})
    with pytest.raises(ValueError, match=f"{BLEND}: .*needs a number 'salience'"):
        run(ScoreConfig("blemore", gold, pred))


def test_a_missing_blend_is_refused_in_true_words(tmp_path: Path) -> None:
    gold = table(tmp_path / "g.csv", ("filename",), (ANGRY,), (BLEND,))
    pred = lines(tmp_path / "p.jsonl", {ANGRY: alone("ang"), BLEND: None})
    with pytest.raises(ValueError, match=f"such as '{BLEND}'; the official script scores the others alone"):
        run(ScoreConfig("blemore", gold, pred))
    with pytest.raises(ValueError, match="and no table"):
        run(ScoreConfig("blemore", gold, gold))


# --- preferences

HEAD = ("name", "a1", "a2", "preference")


@pytest.mark.parametrize("answer", ["a1", "a2"])
def test_a_missing_preference_is_wrong(answer: str, tmp_path: Path, scored: Scored) -> None:
    gold = table(tmp_path / "g.csv", HEAD, ("n", "p", "q", "a1"), ("n", "r", "s", answer), ("m", "t", "u", "same"))
    pred = table(tmp_path / "p.csv", HEAD, ("n", "p", "q", "a1"))
    found = scored("mer2026-prefer", gold, pred, missing="empty")["metrics"]
    assert (found["preference_acc"], found["preference3_acc"]) == (0.5, pytest.approx(1 / 3))


def test_exchanged_descriptions_are_recognised(tmp_path: Path) -> None:
    gold = table(tmp_path / "g.csv", HEAD, ("n", "p", "q", "a1"), ("m", "r", "s", "a2"))
    pred = table(tmp_path / "p.csv", HEAD, ("n", "q", "p", "a2"), ("m", "s", "r", "a1"))
    with pytest.raises(ValueError, match="a1 and a2 are exchanged in all rows"):
        run(ScoreConfig("mer2026-prefer", gold, pred))


def test_groups_and_messages_of_preferences_go_by_the_name(tmp_path: Path, scored: Scored) -> None:
    gold = table(tmp_path / "g.csv", HEAD, ("n", "p", "q", "a1"), ("n", "r", "s", "a2"), ("m", "t", "u", "a2"))
    groups = table(tmp_path / "groups.csv", ("name", "film"), ("n", "x"), ("m", "y"))
    assert scored("mer2026-prefer", gold, gold, group=groups, resamples=9)["companions"]["groups"] == 2
    pred = table(tmp_path / "p.csv", HEAD, ("n", "p", "q", "a1"), ("m", "t", "u", "a2"))
    with pytest.raises(ValueError, match=r"such as 'n' \('r' or 's'\); the official script stops"):
        run(ScoreConfig("mer2026-prefer", gold, pred))


def test_a_run_that_names_no_task_is_named(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", "mer2025-semi")
    (folder / "run.json").write_text('{"config": {"task": ""}}')
    with pytest.raises(ValueError, match=r"run\.json: names no task"):
        run(ScoreConfig("mer2025-semi", table(tmp_path / "g.csv", ("name", "discrete"), *SIX.items()), folder))

"""`omnimer score --json` equals the official scorers on the reference examples, whatever format the files have."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eval.score.run import ScoreConfig, run
from prompts.parsing.official import mer_list

SHARED = Path(__file__).parents[3] / "shared"
EXAMPLES, WHEELS = SHARED / "spec" / "examples", SHARED / "data" / "emotion_wheel"
pytestmark = pytest.mark.skipif(not (EXAMPLES.is_dir() and WHEELS.is_dir()), reason="needs the examples in ../shared")
EDITIONS = {"mer2025": "mer2025-fg", "mer2026": "mer2026-fg"}


def examples(file: str, part: str) -> list[dict[str, Any]]:
    if not EXAMPLES.is_dir():
        return []
    found: list[dict[str, Any]] = json.loads((EXAMPLES / file).read_text(encoding="utf-8"))[part]
    return found


def cases(file: str, part: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", examples(file, part), ids=lambda case: case["id"])


@pytest.fixture
def scored(capsys: pytest.CaptureFixture[str]) -> Any:
    """The object that the command prints."""

    def score(task: str, gold: Path, pred: Path, **options: Any) -> dict[str, Any]:
        capsys.readouterr()
        assert run(ScoreConfig(task, gold, pred, WHEELS, resamples=0, json=True, **options)) == 0
        found: dict[str, Any] = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
        return found

    return score


def near(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    for name, value in wanted.items():
        assert found[name] == (None if value is None else pytest.approx(value, abs=1e-12)), name


# --- the formats


def cell(entry: Any) -> str | None:
    """An entry as a csv cell; None where csv cannot hold it so that the script reads the same."""
    if entry is None:
        return ""
    if isinstance(entry, str):
        return entry if entry else None  # an empty cell is a missing value, which scores the same
    text = "[" + ", ".join(entry) + "]"
    return text if mer_list(text) == entry else None


def write_csv(path: Path, header: Iterable[str], rows: Iterable[Iterable[Any]]) -> Path:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([list(header), *rows])
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("answer.csv", text.getvalue())
    else:
        path.write_text(text.getvalue(), encoding="utf-8", newline="")
    return path


def write_lines(path: Path, entries: Mapping[str, Any]) -> Path:
    rows = [{"id": name, "value": "" if value is None else value} for name, value in entries.items()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def write_npz(path: Path, entries: Mapping[str, Any]) -> Path:
    items = np.empty(len(entries), dtype=object)
    items[:] = ["" if value is None else value for value in entries.values()]
    np.savez_compressed(path, filenames=np.array(list(entries), dtype=np.str_), fileitems=items)
    return path


def lists_in_every_format(folder: Path, gold: Mapping[str, Any], pred: Mapping[str, Any]) -> list[tuple[Path, Path]]:
    found = [(write_lines(folder / "gold.jsonl", gold), write_lines(folder / "pred.jsonl", pred))]
    found.append((found[0][0], write_npz(folder / "pred-openset.npz", pred)))
    cells = [{name: cell(entry) for name, entry in side.items()} for side in (gold, pred)]
    if None not in {*cells[0].values(), *cells[1].values()}:
        header = ("name", "openset")
        found += [
            (
                write_csv(folder / "gold.csv", header, cells[0].items()),
                write_csv(folder / name, header, cells[1].items()),
            )
            for name in ("pred.csv", "pred.zip")
        ]
    return found


# --- emotion wheels


def wheel_numbers(outcome: Mapping[str, Any]) -> dict[str, Any]:
    """The official numbers under the names of this project."""
    wanted: dict[str, Any] = {}
    for name, row in outcome.items():
        column = name.replace("case3_wheel", "w").replace("_level", "_l").replace("avg_l", "l")
        if isinstance(row, Mapping):
            wanted |= {f"ew_{column}_{part}": row[part] for part in "fpr"}
    return wanted


@pytest.mark.parametrize("edition", EDITIONS)
@cases("ew.json", "cases")
def test_wheel_scores(edition: str, case: dict[str, Any], tmp_path: Path, scored: Any) -> None:
    outcome, task = case[edition], EDITIONS[edition]
    names = case.get("process_names") or list(case["name2gt"])
    gold = {name: case["name2gt"][name] for name in names}
    files = lists_in_every_format(tmp_path, gold, case["name2pred"])
    for one in files:
        if "error" in outcome:
            with pytest.raises(ValueError, match=r"no prediction|cannot split"):
                scored(task, *one)
            continue
        found = scored(task, *one)
        near(found["metrics"], wheel_numbers(outcome))
        near(
            found,
            {"score": None if outcome["score"] is None else 100 * outcome["score"], "n": len(gold), "coverage": 1},
        )
        if "m_avg12" in outcome:
            near(found["metrics"], {"ew_m_avg": outcome["m_avg12"]})
    assert len(files) >= 2


@cases("hitrate.json", "cases")
def test_hit_rates(case: dict[str, Any], tmp_path: Path, scored: Any) -> None:
    outcome, gold = case["out"], case["name2gt"]
    pred = lists_in_every_format(tmp_path, {}, case["name2pred"])
    if any(isinstance(label, list) for label in gold.values()):
        pytest.skip("a list is no gold of these files; the one in it is taken")
    golds = [
        write_csv(tmp_path / "basic.csv", ("name", "discrete"), gold.items()),
        write_lines(tmp_path / "g.jsonl", gold),
    ]
    labels = np.array({name: {"emo": label, "val": 0.0} for name, label in gold.items()}, dtype=object)
    np.savez_compressed(tmp_path / "label-6way.npz", test1_corpus=labels)
    for gold_file in (*golds, tmp_path / "label-6way.npz"):
        for _, pred_file in pred:
            if "error" in outcome:
                with pytest.raises(ValueError, match="no prediction"):
                    scored("unibench-mer2023", gold_file, pred_file)
                continue
            found = scored("unibench-mer2023", gold_file, pred_file)
            near(found["metrics"], {"hitrate": outcome["hitrate"], "mscore": outcome["mscore"]})
            for wheel in range(1, 6):
                part = outcome[f"wheel{wheel}"]
                near(found["metrics"], {f"{name}_w{wheel}": part[name] for name in ("hitrate", "mscore")})
            near(found, {"score": None if outcome["hitrate"] is None else 100 * outcome["hitrate"]})


# --- labels, sentiment, preference


@cases("other.json", "six_class_waf")
def test_six_classes(case: dict[str, Any], tmp_path: Path, scored: Any) -> None:
    sides = [
        case[side] if isinstance(case[side], dict) else {f"s{i}": label for i, label in enumerate(case[side])}
        for side in ("gt", "pred")
    ]
    files = [write_csv(tmp_path / f"{i}.csv", ("name", "discrete"), side.items()) for i, side in enumerate(sides)]
    lines = [write_lines(tmp_path / f"{i}.jsonl", side) for i, side in enumerate(sides)]
    zipped = write_csv(tmp_path / "answer.zip", ("name", "discrete"), sides[1].items())
    for pair in ((files[0], files[1]), (files[0], zipped), (lines[0], lines[1])):
        if case.get("error") or isinstance(case.get("waf"), Mapping):
            with pytest.raises(ValueError, match=r"is|no prediction"):
                scored("mer2025-semi", *pair)
            continue
        found = scored("mer2025-semi", *pair)
        near(found["metrics"], {"waf": case["waf"], "acc": case["acc"]})
        near(found, {"score": case["waf"]})


@cases("other.json", "sentiment")
def test_sentiment(case: dict[str, Any], tmp_path: Path, scored: Any) -> None:
    values, words = case["name2val"], case["name2sentiment"]
    golds = [
        write_csv(tmp_path / "gold.csv", ("name", "val"), values.items()),
        write_lines(tmp_path / "gold.jsonl", values),
    ]
    np.savez_compressed(
        tmp_path / "label.npz",
        test_corpus=np.array({name: {"emo": 0, "val": value} for name, value in values.items()}, dtype=object),
    )
    preds = [write_npz(tmp_path / "p-openset-sentiment.npz", words), write_lines(tmp_path / "p.jsonl", words)]
    for gold in (*golds, tmp_path / "label.npz"):
        for pred in preds:
            if "waf" not in case or isinstance(case["waf"], Mapping):
                with pytest.raises(ValueError, match=r"no prediction|nothing to score"):
                    scored("unibench-mosi", gold, pred)
                continue
            found = scored("unibench-mosi", gold, pred)
            near(found["metrics"], {"waf": case["waf"], "acc": case["acc"], "sentiment_waf": case["waf"]})
            near(found, {"score": 100 * case["waf"]})


@cases("other.json", "preference_scores")
def test_preferences(case: dict[str, Any], tmp_path: Path, scored: Any) -> None:
    rows = [(f"clip{i // 2}", f"first {i}", f"second\n{i}") for i in range(len(case["gt"]))]  # names repeat
    header = ("name", "a1", "a2", "preference")
    gold, pred, short, zipped = (
        write_csv(tmp_path / name, header, [(*row, word) for row, word in zip(rows, words, strict=False)])
        for name, words in (
            ("gold.csv", case["gt"]),
            ("pred.csv", case["pred"]),
            ("again.csv", case["pred"]),
            ("answer.zip", case["pred"]),
        )
    )
    write_csv(short, ("name", "preference"), [(row[0], word) for row, word in zip(rows, case["pred"], strict=False)])
    two, three = case["twoclass"], case["threeclass"]
    for file in (pred, short, zipped):
        if "error" in two or "error" in three:
            with pytest.raises(ValueError, match=r"no prediction|is 'tie'|no row is left"):
                scored("mer2026-prefer", gold, file)
            continue
        found = scored("mer2026-prefer", gold, file)
        near(found["metrics"], {f"preference_{name}": two[name] for name in ("waf", "acc")})
        near(found["metrics"], {f"preference3_{name}": three[name] for name in ("waf", "acc")})
        near(found, {"score": 100 * two["waf"]})


# --- blends


@pytest.mark.parametrize("name", ["all_random", "first_ten", "only_singles", "only_blends"])
def test_blends(name: str, tmp_path: Path, scored: Any) -> None:
    record = json.loads((EXAMPLES / "blemore.json").read_text(encoding="utf-8"))
    group = record["groups"][name]
    predictions = {record["items"][i]["filename"]: record["items"][i]["pred"] for i in group["index"]}
    gold = write_csv(tmp_path / "train_metadata.csv", ("filename", "fold"), [(file, 0) for file in predictions])
    plain, zipped = tmp_path / "pred.json", tmp_path / "pred.zip"
    plain.write_text(json.dumps({"predictions": predictions}))
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("submission_template.json", plain.read_text())
    for pred in (plain, zipped, write_lines(tmp_path / "pred.jsonl", predictions)):
        found = scored("blemore", gold, pred)
        near(found["metrics"], {"acc_presence": group["presence"], "acc_salience": group["salience"]})
        near(found, {"score": (group["presence"] + group["salience"]) / 2})


@pytest.mark.parametrize(
    "case", examples("blemore.json", "items"), ids=lambda case: f"{case['tag']}-{case['filename']}"
)
def test_single_blends(case: dict[str, Any], tmp_path: Path, scored: Any) -> None:
    gold = write_csv(tmp_path / "gold.csv", ("filename",), [(case["filename"],)])
    pred = write_lines(tmp_path / "pred.jsonl", {case["filename"]: case["pred"]})
    if case["salience_error"]:
        with pytest.raises(ValueError, match="salience"):
            scored("blemore", gold, pred)
        return
    found = scored("blemore", gold, pred)["metrics"]
    assert found["acc_presence"] == float(case["presence"])
    assert found["acc_salience"] == (float(case["salience"]) if case["salience_counted"] else 0.0)

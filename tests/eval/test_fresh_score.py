"""`omnimer score` from outside, against the wheel metrics written once more from their description alone: every format
of gold and of predictions, traps in their cells, and random data sets over the vocabulary."""

from __future__ import annotations

import csv
import functools
import json
import math
import random
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pytest

from omnimer import main

SHARED = Path(__file__).parents[3] / "shared"
EXAMPLES, WHEELS = SHARED / "spec" / "examples", SHARED / "data" / "emotion_wheel"
needs_wheels = pytest.mark.skipif(not (EXAMPLES.is_dir() and WHEELS.is_dir()), reason="needs ../shared")
NAN = math.nan
TASKS = {"mer2025": "mer2025-fg", "mer2026": "mer2026-fg"}

# --- the metrics, from their description


def split(value: Any) -> list[str]:
    """The list reader of the challenge: a text is not stripped first; a bracket goes at each end."""
    if isinstance(value, list) or not value:
        return value or []
    text: str = value[1:] if value[0] == "[" else value
    text = text[:-1] if text[-1] == "]" else text
    pieces = text.replace("'", ",").replace('"', ",").split(",")
    return [piece.strip() for piece in pieces if piece.strip()]


def sheet(path: Path) -> list[dict[str, str]]:
    """The rows of a workbook, lower-cased; "" for an empty cell."""
    head, *rows = openpyxl.load_workbook(path).active.iter_rows(values_only=True)  # type: ignore[union-attr]
    return [{str(k): str(v or "").lower().strip() for k, v in zip(head, row, strict=True)} for row in rows]


class Wheels:
    """Form -> bases, base -> wheel words, and for each wheel and level wheel word -> cluster."""

    def __init__(self, folder: Path) -> None:
        self.forms: dict[str, set[str]] = {}
        self.words: dict[str, set[str]] = {}
        self.clusters: dict[tuple[int, int], dict[str, str]] = {}
        with (folder / "format.csv").open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                base = row["name"].lower().strip()
                for form in (base, *row["format"].split(",")):
                    if form.strip():
                        self.forms.setdefault(form.lower().strip(), set()).add(base)
        for row in sheet(folder / "synonym.xlsx"):
            for k in range(1, 9):
                word = row[f"word_run{k}"]
                for other in (word, *split(row[f"synonym_run{k}"])):
                    if word:
                        self.words.setdefault(other, set()).add(word)
        for wheel in range(1, 6):
            self.read_wheel(wheel, sheet(folder / f"wheel{wheel}.xlsx"))

    def read_wheel(self, wheel: int, rows: Iterable[Mapping[str, str]]) -> None:
        first: dict[str, str] = {}
        second: dict[str, str] = {}
        inner: dict[str, set[str]] = {}
        one = two = ""
        for row in rows:
            one, two, three = row["level1"] or one, row["level2"] or two, row["level3"]
            inner.setdefault(one, set()).add(two)
            for word in filter(None, (three, two)):
                first[word], second[word] = one, two
            first[one] = one
        self.clusters[wheel, 1] = first
        self.clusters[wheel, 2] = second | {name: min(below) for name, below in inner.items()}

    def case1(self, word: str) -> str | None:
        return min(self.forms.get(word.lower().strip(), ()), default=None)

    def case2(self, word: str) -> str | None:
        return min(self.words.get(self.case1(word) or "", ()), default=None)

    def case3(self, wheel: int, level: int, word: str, *, as_is: bool = False) -> str | None:
        bases = self.forms.get(word if as_is else word.lower().strip(), ())
        found = sorted(set().union(*(self.words.get(base, set()) for base in bases)))
        return next((self.clusters[wheel, level][one] for one in found if one in self.clusters[wheel, level]), None)


@functools.cache
def wheels(edition: str) -> Wheels:
    return Wheels(WHEELS / edition)


def mapped(words: Iterable[str], to: Callable[[str], str | None]) -> set[str]:
    return {cluster for cluster in map(to, words) if cluster is not None}


def mean(values: Sequence[float], empty: float = NAN) -> float:
    return sum(values) / len(values) if values else empty


def overlap(
    gold: Mapping[str, Any], pred: Mapping[str, Any], to: Callable[[str], str | None], nil: float
) -> list[float]:
    """F, precision and recall; `nil` stands for 0/0 and for no sample."""
    pairs = [(mapped(split(gold[name]), to), mapped(split(pred[name]), to)) for name in gold]
    pairs = [(wanted, found) for wanted, found in pairs if wanted]
    precision = mean([len(wanted & found) / max(len(found), 1) for wanted, found in pairs], nil)
    recall = mean([len(wanted & found) / len(wanted) for wanted, found in pairs], nil)
    return [2 * precision * recall / (precision + recall) if precision + recall else nil, precision, recall]


def expected(gold: Mapping[str, Any], pred: Mapping[str, Any], edition: str) -> dict[str, float]:
    """All metrics of the command by name, and `score`."""
    tables, nil = wheels(edition), NAN if edition == "mer2025" else 0.0
    rows = {"case1": overlap(gold, pred, tables.case1, nil), "case2": overlap(gold, pred, tables.case2, nil)}
    for wheel in range(1, 6):
        for level in (1, 2):
            rows[f"w{wheel}_l{level}"] = overlap(gold, pred, functools.partial(tables.case3, wheel, level), nil)
    values = {f"ew_{name}_{kind}": value for name, row in rows.items() for kind, value in zip("fpr", row, strict=True)}
    values["ew_m_avg"] = mean([row[0] for row in rows.values()])
    for level in (1, 2):
        for kind in "fpr":
            values[f"ew_l{level}_{kind}"] = mean([values[f"ew_w{wheel}_l{level}_{kind}"] for wheel in range(1, 6)])
    both = mean([values["ew_l1_f"], values["ew_l2_f"]])
    return {**values, "score": 100 * (both if edition == "mer2025" else values["ew_l1_f"])}


def expected_hits(gold: Mapping[str, str], pred: Mapping[str, Any]) -> dict[str, float]:
    values = {}
    for wheel in range(1, 6):
        to = functools.partial(wheels("mer2025").case3, wheel, 1)
        known = mapped(gold.values(), functools.partial(to, as_is=True))
        hits, scores = [], []
        for name, word in gold.items():
            wanted, found = mapped(split(word), to), mapped(split(pred[name]), to)
            if wanted:
                hits.append(len(wanted & found))
                scores.append(len(wanted & found) / len(found & known) if found & known else 0.0)
        values[f"hitrate_w{wheel}"], values[f"mscore_w{wheel}"] = mean(hits), mean(scores)
    for name in ("hitrate", "mscore"):
        values[name] = mean([values[f"{name}_w{wheel}"] for wheel in range(1, 6)])
    return {**values, "score": 100 * values["hitrate"]}


# --- files as an outside user writes them


def bracketed(value: Any) -> str:
    return f"[{', '.join(value)}]" if isinstance(value, list) else value or ""


def plain(value: Any) -> str:
    return ",".join(value) if isinstance(value, list) else value or ""


def table(path: Path, rows: Iterable[Sequence[Any]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows(rows)
    return path


def lines(path: Path, values: Iterable[tuple[str, Any]]) -> Path:
    path.write_text("".join(json.dumps({"id": k, "value": v}) + "\n" for k, v in values), encoding="utf-8")
    return path


def arrays(path: Path, **keys: Any) -> Path:
    np.savez_compressed(path, **keys)
    return path


def objects(values: Iterable[Any]) -> Any:
    found = list(values)
    box = np.empty(len(found), dtype=object)
    box[:] = found
    return box


Write = Callable[[Path, Mapping[str, Any]], Path]
FORMATS: dict[str, Write] = {
    "bracketed.csv": lambda p, d: table(p, [("name", "openset"), *((k, bracketed(v)) for k, v in d.items())]),
    "plain.csv": lambda p, d: table(p, [("n", "name", "x", "openset"), *((1, k, "", plain(v)) for k, v in d.items())]),
    "lists.jsonl": lambda p, d: lines(p, d.items()),
    "texts.jsonl": lambda p, d: lines(p, [(k, bracketed(v)) for k, v in d.items()]),
    "texts.npz": lambda p, d: arrays(p, filenames=list(d), fileitems=[bracketed(v) for v in d.values()]),
    "lists.npz": lambda p, d: arrays(p, filenames=list(d), fileitems=objects(d.values())),
}


@pytest.fixture
def score(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """score(task, gold, pred, *more) = the printed object; the words that were said where the exit code is not 0."""
    monkeypatch.delenv("OMNIMER_DEBUG", raising=False)

    def run(task: str, gold: Path, pred: Path, *more: str) -> Any:
        words = ["score", "--task", task, "--gold", gold, "--pred", pred, "--wheels", WHEELS, "--resamples", "0"]
        capsys.readouterr()
        code = main([str(word) for word in (*words, "--json", *more)])
        told = capsys.readouterr()
        assert "Traceback" not in told.out + told.err
        if code == 0:
            return json.loads(told.out, parse_constant=pytest.fail)
        assert code == 2
        return " ".join(told.err.split())

    return run


def same(found: Any, wanted: Mapping[str, float]) -> None:
    assert not isinstance(found, str), found
    for name, value in wanted.items():
        got = found["score"] if name == "score" else found["metrics"][name]
        assert got == (None if math.isnan(value) else pytest.approx(value, abs=1e-12)), name


# --- random data sets

NAMES = ("s_{}", "样本{}", 'a,"b"{}', " x {} ", "é{}", "q'{}")
JUNK = ["zzz", "a/b", "lack_of_interest", "开心", "Output: happy", "none", "nan", "happy.", "", "  ", "don’t care",
        "can't wait", "neutral", "STRASSE", "İrritated", "happy\u00a0", "sad\t", "sad;x", "fear", "power"]  # fmt: skip
GOLDS = (("neutral", "angry", "happy", "sad", "worried", "surprise"), ("anger", "joy", "fear", "disgust", "sadness"),
         ("Happy", "sad", "happy,sad", "[joy]", "fear ", "ZZ"))  # fmt: skip


def words(rng: random.Random) -> list[str]:
    vocabulary = sorted(wheels("mer2025").forms)
    found = [rng.choice(vocabulary if rng.random() < 0.6 else JUNK) for _ in range(rng.randint(0, 6))]
    return [rng.choice((str, str.upper, "  {} ".format))(word) for word in found]


def answer(rng: random.Random) -> Any:
    """A list, or a text as a model or a table has it."""
    found = words(rng)
    loose = f" [calm, {plain(found)}]"  # the blank before it keeps the bracket on
    told = rng.choice((bracketed(found), plain(found), repr(found), loose, "x" + plain(found), "[]", found))
    return told or "[]"


def read_as(kind: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """What a reader finds in a file of this format: all but those of lists hold a list as its text."""
    if kind.startswith("lists"):
        return dict(values)
    return {name: plain(value) if kind == "plain.csv" else bracketed(value) for name, value in values.items()}


@needs_wheels
@pytest.mark.parametrize("seed", range(30))
def test_random_data_sets_score_as_described(tmp_path: Path, score: Callable[..., Any], seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311
    names = [rng.choice(NAMES).format(i) for i in range(rng.choice((1, 5, 40)))]
    gold, pred = {name: answer(rng) for name in names}, {name: answer(rng) for name in reversed(names)}
    wanted = rng.choice(GOLDS)
    words_of_gold = {name: rng.choice(wanted) for name in names}
    writes = list(FORMATS)
    gold_as, pred_as = rng.choice(writes[2:4] if seed % 2 else writes), rng.choice(writes)
    gold_read, pred_read = read_as(gold_as, gold), read_as(pred_as, pred)
    if gold_as.endswith(".csv"):  # the official scripts split a gold cell, join it, and split it again
        gold_read = {name: ", ".join(split(cell)) for name, cell in gold_read.items()}
    pred_file = FORMATS[pred_as](tmp_path / f"pred-{pred_as}", {**pred, "one more": ["happy"]})
    gold_file = FORMATS[gold_as](tmp_path / f"gold-{gold_as}", gold)
    for edition, task in TASKS.items():
        found = score(task, gold_file, pred_file)
        same(found, expected(gold_read, pred_read, edition))
        assert (found["n"], found["coverage"]) == (len(names), 1.0)
    gold_file = table(tmp_path / "words.csv", [("name", "discrete"), *words_of_gold.items()])
    same(score("unibench-mer2024", gold_file, pred_file), expected_hits(words_of_gold, pred_read))


# --- the reference examples, once more, in formats of gold that a harness would write


def examples(file: str, part: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((EXAMPLES / file).read_text(encoding="utf-8"))[part]
    return found


@needs_wheels
def test_the_description_gives_the_official_values() -> None:
    for case in examples("ew.json", "cases"):
        gold = {name: case["name2gt"][name] for name in case.get("process_names", case["name2gt"])}
        for edition in TASKS:
            if "error" not in case[edition]:
                found, wanted = expected(gold, case["name2pred"], edition)["score"], case[edition]["score"]
                assert math.isnan(found) if wanted is None else found == pytest.approx(100 * wanted, abs=1e-10)


@needs_wheels
@pytest.mark.parametrize("file", ["ew.json", "hitrate.json"])
def test_null_in_json_lines_is_an_empty_cell(tmp_path: Path, score: Callable[..., Any], file: str) -> None:
    """The examples write the NaN of an empty cell as null; the official reader makes an empty list of it."""
    counted = 0
    for case in examples(file, "cases"):
        if None in case["name2pred"].values() and "process_names" not in case:
            gold, pred = (
                lines(tmp_path / "g.jsonl", case["name2gt"].items()),
                lines(tmp_path / "p.jsonl", case["name2pred"].items()),
            )
            found = score("mer2026-fg" if file == "ew.json" else "unibench-mer2023", gold, pred)
            assert not isinstance(found, str), found
            wanted = case["mer2026"]["score"] if file == "ew.json" else case["out"]["hitrate"]
            assert found["score"] == (None if wanted is None else pytest.approx(100 * wanted, abs=1e-10))
            counted += 1
    assert counted


@needs_wheels
@pytest.mark.parametrize("text", [" [happy]", "[happy] ", "\t[happy]", "[happy]\n", "['happy'] "])
@pytest.mark.parametrize("kind", ["bracketed.csv", "texts.jsonl", "texts.npz"])
def test_a_text_is_not_stripped_before_it_is_split(
    tmp_path: Path, score: Callable[..., Any], text: str, kind: str
) -> None:
    gold, pred = {"a": ["happy", "angry"], "b": ["worried", "sad"]}, {"a": text, "b": "[worried]"}
    found = score("mer2026-fg", lines(tmp_path / "g.jsonl", gold.items()), FORMATS[kind](tmp_path / f"p-{kind}", pred))
    same(found, expected(gold, pred, "mer2026"))


# --- gold and predictions of the other kinds

SINGLES = ("A901_ang_int2_ver1", "A902_neu_sit1_ver1", "A903_hap_int4_ver2")


@pytest.mark.parametrize("kind", ["names.csv", "gold.jsonl", "gold.json", "gold.zip"])
def test_blends_score_the_same_whatever_holds_the_gold(tmp_path: Path, score: Callable[..., Any], kind: str) -> None:
    """Without a blend the salience accuracy is 0 in the official script, not undefined."""
    values = {name: [{"emotion": name.split("_")[1], "salience": 100}] for name in SINGLES}
    wrapped = json.dumps({"predictions": values})
    gold, pred = tmp_path / kind, tmp_path / "pred.json"
    pred.write_text(wrapped)
    if kind == "gold.zip":
        with zipfile.ZipFile(gold, "w") as archive:
            archive.writestr("submission_template.json", wrapped)
    elif kind == "gold.json":
        gold.write_text(wrapped)
    elif kind == "gold.jsonl":
        lines(gold, values.items())
    else:
        table(gold, [("filename",), *((name,) for name in SINGLES)])
    same(score("blemore", gold, pred), {"acc_presence": 1.0, "acc_salience": 0.0, "score": 0.5})


def test_a_gold_without_value_is_not_left_out_in_silence(tmp_path: Path, score: Callable[..., Any]) -> None:
    """The official script stops at a label that it does not know; as csv the command says so, too."""
    gold, pred = lines(tmp_path / "g.jsonl", [("a", "happy"), ("b", None)]), [("a", "happy"), ("b", "sad")]
    assert "b" in score("mer2025-semi", gold, lines(tmp_path / "p.jsonl", pred))


def test_traits_are_found_by_their_headers_beside_other_columns(tmp_path: Path, score: Callable[..., Any]) -> None:
    heads = ("Extraversion", "Agreeableness", "Conscientiousnes", "Neuroticism", "Open Mindedness")
    rows = [(f"{i:03d}", *(round((i * k) % 7 / 7, 3) for k in range(1, 6))) for i in range(1, 7)]
    wide = table(tmp_path / "wide.csv", [("id", "age", *heads), *((row[0], 30, *row[1:]) for row in rows)])
    narrow = table(tmp_path / "narrow.csv", [("id", *heads), *rows])
    same(score("mer2025-pr", wide, narrow), {"score": 0.0, "pcc_openness": 1.0, "ccc": 1.0})


def test_preference_rows_are_found_by_their_texts_or_their_place(tmp_path: Path, score: Callable[..., Any]) -> None:
    head = ("name", "a1", "a2", "preference")
    rows = [("n", "l1\nl2", "b", "a1"), ("n", "b", "l1\nl2", "a2"), ("m", 'q"', "r", "same"), ("m", "x\ty", "z", "a2")]
    gold = table(tmp_path / "gold.csv", [head, *rows])
    flat = [(name, a1.replace("\n", " ").replace("\t", " "), a2, pick) for name, a1, a2, pick in rows]
    for place, made in enumerate((rows[::-1], flat, [rows[2], rows[0], rows[3], rows[1]])):
        found = score("mer2026-prefer", gold, table(tmp_path / f"p{place}.csv", [head, *made]))
        same(found, {"score": 100.0, "preference_acc": 1.0, "preference3_waf": 1.0})
    short = table(tmp_path / "short.csv", [("name", "preference"), *((row[0], row[3]) for row in rows)])
    same(score("mer2026-prefer", gold, short), {"score": 100.0})


@pytest.mark.parametrize("label", ["Happy", " happy", "happy ", "joy", "", "None", "2", "surprised"])
@pytest.mark.parametrize("side", ["gold", "pred"])
def test_a_label_that_the_official_table_does_not_hold_is_refused(
    tmp_path: Path, score: Callable[..., Any], label: str, side: str
) -> None:
    good, bad = [("a", "happy"), ("b", "sad")], [("a", label), ("b", "sad")]
    gold = table(tmp_path / "g.csv", [("name", "discrete"), *(bad if side == "gold" else good)])
    pred = table(tmp_path / "p.csv", [("name", "discrete"), *(bad if side == "pred" else good)])
    assert "legal are neutral, angry, happy, sad, worried, surprise" in score("mer2026-cross", gold, pred)


@pytest.mark.parametrize("word", ["Positive", "positive.", " positive", "POSITIVE", "pos", "", "mixed"])
def test_any_other_word_is_neutral_sentiment(tmp_path: Path, score: Callable[..., Any], word: str) -> None:
    pred = lines(tmp_path / "p.jsonl", [("a", word), ("b", "negative"), ("c", "positive")])
    number = lines(tmp_path / "n.jsonl", [("a", 0.1), ("b", -2), ("c", 0.0)])
    name = lines(tmp_path / "w.jsonl", [("a", "positive"), ("b", "negative"), ("c", "neutral")])
    npz = arrays(tmp_path / "l.npz", test_corpus={k: {"val": v} for k, v in (("a", 0.1), ("b", -2.0), ("c", 0.0))})
    for gold in (number, name, npz):
        same(score("unibench-simsv2", gold, pred), {"waf": 1 / 3, "acc": 0.5, "score": 100 / 3})


@pytest.mark.parametrize("value", ["[" * 50_000, "9" * 5000, "[" * 50_000 + "]" * 50_000, "{", "nul"])
def test_a_hostile_line_is_named_and_refused(tmp_path: Path, score: Callable[..., Any], value: str) -> None:
    gold, pred = lines(tmp_path / "g.jsonl", [("a", "happy")]), tmp_path / "p.jsonl"
    pred.write_text('{"id": "a", "value": ' + value + "}\n")
    assert "p.jsonl, line 1" in score("mer2025-semi", gold, pred)

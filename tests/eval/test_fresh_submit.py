"""`omnimer submit` from outside: a run made by hand becomes a file, an own reader gives its content back, and whatever
is done to the file afterwards is found and named by `omnimer submit --validate`."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from omnimer import main
from tasks.registry import TASKS

NAMES = ("sample_00000000", "a,b", 'q"uote', "样本", "x y", "=SUM(A1)", "é", "NA", "007", "7")
TRAITS = ("extraversion", "agreeableness", "conscientiousness", "neuroticism", "openness")
HEADS = ("Extraversion", "Agreeableness", "Conscientiousnes", "Neuroticism", "Open Mindedness")
SIX = ("neutral", "angry", "happy", "sad", "worried", "surprise")
FILES = {"mer2025-semi": "submission.csv", "mer2026-cross": "answer.zip", "mer2025-fg": "our-openset.npz",
         "mer2026-fg": "answer.zip", "mer2024-ov": "ov.csv", "mer2025-pr": "pr.csv", "mer2026-prefer": "answer.zip",
         "blemore": "answer.zip", "mer2025-des": "des.npz"}  # fmt: skip
INNER = {"blemore": "submission_template.json"}
LISTS: tuple[list[str], ...] = (["happy", "sad"], [], ["can't wait", "worried"], ["joyful, calm"], ["sad;angry"],
         ["[angry]"], ["lack_of_interest", "bored"], ["开心"], ["Happy", "happy"],
         ["self-conscious", '"proud"'])  # fmt: skip
BLENDS = ((("ang", 100),), (("ang", 30), ("hap", 70)), (("disg", 50), ("sad", 50)))


def names_of(track: str) -> list[str]:
    if track == "mer2026-prefer":
        return [NAMES[place // 2] for place in range(10)]  # names stand twice
    names = {"blemore": [f"test_{i:04d}.mov" for i in range(1, 11)], "mer2025-pr": [f"{i:03d}" for i in range(1, 11)]}
    return names.get(track, list(NAMES))


def answer(track: str, place: int) -> dict[str, Any]:
    """What the model said of a candidate."""
    if track in ("mer2025-semi", "mer2026-cross"):
        return {"label": SIX[place % 6]}
    if track == "mer2026-prefer":
        return {"choice": ("a1", "a2", "same")[place % 3]}
    if track == "mer2025-pr":
        return {trait: (place * 7 + k) % 11 / 10 for k, trait in enumerate(TRAITS)}
    if track == "blemore":
        return {"emotions": [{"emotion": word, "salience": share} for word, share in BLENDS[place % 3]]}
    if track == "mer2025-des":
        return {"description": f'He smiles, "{place}";\nhe frowns', "labels": ["happy", "sad"][: place % 3]}
    return {"labels": LISTS[place]}


def texts(place: int) -> tuple[str, str]:
    return f'one {place} "x",\ny', f"two {place}\tz"


def write_run(folder: Path, track: str) -> Path:
    folder.mkdir()
    samples, replies = [], []
    for place, name in enumerate(names_of(track)):
        sample_id, meta = name, {"name": name, "split": "test"}
        if track == "mer2025-pr":
            meta = {"subject": name, "name": "clip"}
        elif track == "mer2026-prefer":
            sample_id, (one, two) = f"{place:05d}-{name}", (" ".join(text.split()) for text in texts(place))
            meta = {"name": name, "a1": one, "a2": two, "row": place, "swapped": "no"}  # type: ignore[dict-item]
        fixed: dict[str, Any] = {"gold": None, "text": "", "media": [], "language": "en", "context": []}
        samples.append({"id": sample_id, "meta": meta, **fixed})
        replies.append({"id": sample_id, "key": str(place), "text": json.dumps(answer(track, place)), "error": None})
    (folder / "run.json").write_text(json.dumps({"config": {"task": TASKS[track].full_name, "model": {"model": "m"}}}))
    for file, records in (("samples.jsonl", samples), ("replies.jsonl", replies)):
        (folder / file).write_text("".join(json.dumps(record) + "\n" for record in records))
    return folder


def table(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def write_candidates(folder: Path, track: str) -> Path:
    path = folder / ("template.json" if track == "blemore" else "candidates.csv")
    if track == "blemore":
        single = [{"emotion": "sad", "salience": 100.0}]
        path.write_text(json.dumps({"predictions": dict.fromkeys(names_of(track), single)}))
    elif track == "mer2026-prefer":
        rows = [(name, *texts(place)) for place, name in enumerate(names_of(track))]
        path.write_bytes(table([("name", "a1", "a2"), *rows]))
    else:
        path.write_bytes(table([("id" if track == "mer2025-pr" else "name",), *((name,) for name in names_of(track))]))
    return path


class Made(NamedTuple):
    """A submission as it was written, and its parts."""

    track: str
    candidates: Path
    path: Path
    content: bytes  # of the file, or of its one member


class Told(NamedTuple):
    code: int
    said: str


Command = Callable[..., Told]


@pytest.fixture
def omnimer(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.delenv("OMNIMER_DEBUG", raising=False)

    def run(*words: str | Path) -> Told:
        capsys.readouterr()
        code = main([str(word) for word in words])
        told = capsys.readouterr()
        assert "Traceback" not in told.out + told.err
        return Told(code, " ".join((told.out + told.err).split()))

    return run


@pytest.fixture
def made(tmp_path: Path, omnimer: Command) -> Callable[[str], Made]:
    """Writes the submission of a track."""

    def make(track: str) -> Made:
        run, candidates = write_run(tmp_path / "run", track), write_candidates(tmp_path, track)
        path = tmp_path / FILES[track]
        assert omnimer("submit", run, "--track", track, "--candidates", candidates, "--out", path).code == 0
        content = path.read_bytes()
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                assert archive.namelist() == [INNER.get(track, "answer.csv")]
                content = archive.read(archive.namelist()[0])
        return Made(track, candidates, path, content)

    return make


def validate(omnimer: Command, file: Made, content: bytes) -> Told:
    """The verdict on the file with another content of it, or of its one member."""
    if file.path.suffix == ".zip":
        with zipfile.ZipFile(file.path, "w") as archive:
            archive.writestr(INNER.get(file.track, "answer.csv"), content)
    else:
        file.path.write_bytes(content)
    return verdict(omnimer, file)


def verdict(omnimer: Command, file: Made) -> Told:
    return omnimer("submit", "--validate", file.path, "--track", file.track, "--candidates", file.candidates)


# --- what is written

READ_LISTS = [["happy", "sad"], [], ["cant wait", "worried"], ["joyful", "calm"], ["sad", "angry"], ["angry"],
              ["lack of interest", "bored"], ["开心"], ["happy"], ["self-conscious", "proud"]]  # fmt: skip


def split(text: str) -> list[str]:
    """The official list reader."""
    inner = text[1:] if text[0] == "[" else text
    inner = inner[:-1] if inner[-1] == "]" else inner
    return [piece.strip() for piece in inner.replace("'", ",").replace('"', ",").split(",") if piece.strip()]


def content_of(file: Made) -> list[Any]:
    """Names and values as the official scripts read them."""
    if file.track == "mer2025-fg":
        keys = np.load(file.path)  # text arrays: no pickle is needed
        return [(str(name), split(str(item))) for name, item in zip(keys["filenames"], keys["fileitems"], strict=True)]
    if file.track == "mer2025-des":
        return list(np.load(file.path, allow_pickle=True)["name2reason"].tolist().items())
    if file.track == "blemore":
        return list(json.loads(file.content)["predictions"].items())
    head, *rows = csv.reader(io.StringIO(file.content.decode(), newline=""))
    assert {tuple(head)} <= {
        ("name", "discrete"),
        ("name", "openset"),
        ("id", *HEADS),
        ("name", "a1", "a2", "preference"),
    }
    if head[-1] == "openset":
        return [(name, split(cell)) for name, cell in rows]
    return [tuple(row) for row in rows]


@pytest.mark.parametrize("track", FILES)
def test_the_file_holds_what_the_model_said(made: Callable[[str], Made], omnimer: Command, track: str) -> None:
    file = made(track)
    names = names_of(track)
    wanted: list[Any] = list(zip(names, READ_LISTS, strict=True))
    if track in ("mer2025-semi", "mer2026-cross"):
        wanted = [(name, SIX[place % 6]) for place, name in enumerate(names)]
    elif track == "mer2026-prefer":
        wanted = [(name, *texts(place), ("a1", "a2", "a1")[place % 3]) for place, name in enumerate(names)]
    elif track == "mer2025-pr":
        wanted = [(name, *(f"{v:.6f}" for v in answer(track, place).values())) for place, name in enumerate(names)]
    elif track == "blemore":
        wanted = [(name, answer(track, place)["emotions"]) for place, name in enumerate(names)]
    elif track == "mer2025-des":
        ends = ("", " Emotional state: happy.", " Emotional state: happy, sad.")
        wanted = [(name, f'He smiles, "{i}"; he frowns.{ends[i % 3]}') for i, name in enumerate(names)]
    assert content_of(file) == wanted
    assert not file.content.startswith(b"\xef\xbb\xbf")
    if file.path.suffix != ".npz":
        assert b"\r" not in file.content
        assert file.content.endswith(b"\n")
    assert verdict(omnimer, file).code == 0


@pytest.mark.parametrize("track", FILES)
def test_the_bytes_are_the_same_every_time(made: Callable[[str], Made], omnimer: Command, track: str) -> None:
    file = made(track)
    first, again = file.path.read_bytes(), file.path.with_name("again" + file.path.name)
    os.utime(file.candidates, (1e9, 1e9))
    words = ("submit", file.path.parent / "run", "--track", track, "--candidates", file.candidates, "--out", again)
    assert omnimer(*words).code == 0
    assert again.read_bytes() == first


def test_the_list_of_the_organisers_is_not_written_over(omnimer: Command, tmp_path: Path) -> None:
    run, candidates = write_run(tmp_path / "run", "mer2025-semi"), write_candidates(tmp_path, "mer2025-semi")
    before = candidates.read_bytes()
    told = omnimer("submit", run, "--track", "mer2025-semi", "--candidates", candidates, "--out", candidates)
    assert candidates.read_bytes() == before
    assert told.code == 2


# --- what is done to it afterwards


def swap(old: str, new: str) -> Callable[[bytes], bytes]:
    return lambda content: content.replace(old.encode(), new.encode(), 1)


# name: track, what is done to the content, a word of the message
TEXT: Mapping[str, tuple[str, Callable[[bytes], bytes], str]] = {
    "composed accent taken apart": ("mer2025-semi", swap("\né,", "\ne\u0301,"), "unknown name"),
    "zero-width blank in a name": ("mer2025-semi", swap("_00000000", "_00000000\u200b"), "unknown name"),
    "no-break blank in a name": ("mer2026-cross", swap("x y", "x\u00a0y"), "unknown name"),
    "NUL in a name": ("mer2025-semi", swap("x y", "x\0y"), "unknown name"),
    "lower case of a name": ("mer2025-semi", swap("sample_", "Sample_"), "'sample_00000000'"),
    "a name read as a number": ("mer2026-fg", swap("\n007,", "\n7,"), "missing name: found no row for '007'"),
    "header twice": ("mer2026-cross", lambda c: c[: c.index(b"\n") + 1] + c, "row 2"),
    "line of a spreadsheet": ("mer2025-semi", lambda c: b"sep=,\n" + c, "missing column"),
    "comment before the header": ("mer2025-semi", lambda c: b"# mine\n" + c, "missing column"),
    "row numbers of a data frame": (
        *("mer2025-semi", lambda c: b"\n".join(b"%d,%b" % (i, r) for i, r in enumerate(c.splitlines())) + b"\n"),
        "extra column",
    ),
    "semicolons": ("mer2025-semi", lambda c: c.replace(b",", b";"), "missing column"),
    "carriage returns alone": ("mer2025-semi", lambda c: c.replace(b"\n", b"\r"), "broken csv"),
    "control-Z at the end": ("mer2025-semi", lambda c: c + b"\x1a", "row 12"),
    "surrogate in bytes": ("mer2026-fg", lambda c: c.replace("样".encode(), b"\xed\xa0\x80"), "not UTF-8: "),
    "header alone": ("mer2024-ov", lambda c: c[: c.index(b"\n") + 1], "missing name"),
    "two thirds": ("mer2025-pr", lambda c: c[: len(c) * 2 // 3], "missing name"),
    "zero-width blank in a label": ("mer2025-semi", swap(",sad\n", ",sad\u200b\n"), "'sad\\u200b'"),
    "letter of another script": ("mer2026-cross", swap(",sad\n", ",s\u0430d\n"), "unknown word"),
    "index for a label": ("mer2025-semi", swap(",sad\n", ",3\n"), "unknown word: found '3'"),
    "line break in a label": ("mer2025-semi", swap(",sad\n", ',"sad\n"\n'), "spelling: sad"),
    "two labels": ("mer2025-semi", swap(",sad\n", ',"sad,happy"\n'), "'sad,happy'"),
    "blank before a list": ("mer2026-fg", swap('"[happy', '" [happy'), "unbalanced bracket"),
    "blank behind a list": ("mer2026-fg", swap('sad]"', 'sad] "'), "unbalanced bracket"),
    "a call": ("mer2026-fg", swap('"[happy, sad]"', "[__import__('os')]"), "apostrophe"),
    "a tuple": ("mer2024-ov", swap("['happy', 'sad']", "('happy', 'sad')"), "cannot be parsed"),
    "a set": ("mer2024-ov", swap("['happy', 'sad']", "{'happy', 'sad'}"), "cannot be parsed"),
    "subject as a float": ("mer2025-pr", swap("\n001,", "\n001.0,"), "unknown name: found '001.0'"),
    "trait in percent": ("mer2025-pr", swap(",0.1", ",10%"), "no number"),
    "trait in base 16": ("mer2025-pr", swap(",0.100000", ",0x0"), "no number: found '0x0'"),
    "trait a truth value": ("mer2025-pr", swap(",0.100000", ",True"), "no number: found 'True'"),
    "traits exchanged": (
        "mer2025-pr",
        swap("Extraversion,Agreeableness", "Agreeableness,Extraversion"),
        "column order",
    ),
    "preference as a number": ("mer2026-prefer", swap(",a1\n", ",1\n"), "unknown word: found '1'"),
    "descriptions left out": (
        "mer2026-prefer",
        lambda c: table([(r[0], r[-1]) for r in csv.reader(io.StringIO(c.decode(), newline=""))]),
        "missing column",
    ),
    "extension of a clip lost": ("blemore", lambda c: c.replace(b".mov", b""), "unknown name: found 'test_0001'"),
    "bare predictions": ("blemore", lambda c: json.dumps(json.loads(c)["predictions"]).encode(), "wrong key"),
    "a clip twice": ("blemore", swap('"test_0003.mov"', '"test_0003.mov": [],\n"test_0003.mov"'), "duplicate name"),
    "quotes of Python": ("blemore", lambda c: c.replace(b'"', b"'"), "no JSON"),
    "comma before the end": ("blemore", lambda c: c.rstrip()[:-1] + b",}", "no JSON"),
    "salience as text": ("blemore", swap('"salience": 100', '"salience": "100"'), "no salience: found '100'"),
    "salience a truth value": ("blemore", swap('"salience": 100', '"salience": true'), "no salience: found True"),
    "salience of nothing": ("blemore", swap('"salience": 30', '"salience": 0'), "no salience: found 0"),
    "deep nesting": ("blemore", lambda c: b'{"predictions":' + b"[" * 50_000 + b"]" * 50_000 + b"}", "no JSON"),
    "no value for a clip": ("blemore", lambda c: changed(c, None), "test_0002.mov"),
    "false for a clip": ("blemore", lambda c: changed(c, False), "test_0002.mov"),
}


def changed(content: bytes, value: Any) -> bytes:
    """The predictions with another value of the second clip."""
    predictions = json.loads(content)["predictions"]
    return json.dumps({"predictions": {**predictions, "test_0002.mov": value}}).encode()


@pytest.mark.parametrize("name", TEXT)
def test_a_damage_is_found_and_named(made: Callable[[str], Made], omnimer: Command, name: str) -> None:
    track, damage, message = TEXT[name]
    file = made(track)
    content = damage(file.content)
    assert content != file.content
    told = validate(omnimer, file, content)
    assert told.code == 1
    assert message in told.said


ARCHIVES: Mapping[str, tuple[Callable[[bytes], list[tuple[str, bytes]]], str]] = {
    "a member twice": (lambda c: [("answer.csv", c), ("answer.csv", c)], "duplicate member"),
    "a name in capitals": (lambda c: [("ANSWER.CSV", c)], "missing member"),
    "a folder beside": (lambda c: [("answer.csv", c), ("d/", b"")], "extra file"),
    "compressed twice": (lambda c: [("answer.csv.gz", gzip.compress(c))], "missing member"),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", ARCHIVES)
def test_a_wrong_archive_is_found(made: Callable[[str], Made], omnimer: Command, name: str) -> None:
    file = made("mer2026-fg")
    with zipfile.ZipFile(file.path, "w") as archive:
        for member, content in ARCHIVES[name][0](file.content):
            archive.writestr(member, content)
    told = verdict(omnimer, file)
    assert told.code == 1
    assert ARCHIVES[name][1] in told.said


def items(first: Any) -> Any:
    box = np.empty(len(NAMES), dtype=object)
    box[:] = [first, *("[sad]" for _ in NAMES[1:])]
    return box


ARRAYS: Mapping[str, tuple[dict[str, Any], str]] = {
    "no value": ({"filenames": list(NAMES), "fileitems": items(None)}, "item 0"),
    "not a number": ({"filenames": list(NAMES), "fileitems": items(float("nan"))}, "item 0: no list: found nan"),
    "bytes": ({"filenames": np.char.encode(NAMES), "fileitems": items("[sad]")}, "unknown name: found b'sample"),
    "exchanged": ({"filenames": items("[sad]"), "fileitems": list(NAMES)}, "item 0: unknown name"),
    "a bracket": ({"filenames": list(NAMES), "fileitems": items("[")}, "item 0: unbalanced bracket"),
    "names of files": ({"filenames": [f"{name}.mp4" for name in NAMES], "fileitems": items("[sad]")}, "unknown name"),
    "a list in a list": ({"filenames": list(NAMES), "fileitems": items([["sad"]])}, "item 0: no list"),
    "a name twice": ({"filenames": [*NAMES[:-1], NAMES[0]], "fileitems": items("[sad]")}, "item 9: duplicate name"),
}  # fmt: skip


@pytest.mark.parametrize("name", ARRAYS)
def test_wrong_arrays_are_found(made: Callable[[str], Made], omnimer: Command, name: str) -> None:
    file = made("mer2025-fg")
    np.savez_compressed(file.path, **ARRAYS[name][0])
    told = verdict(omnimer, file)
    assert told.code == 1
    assert ARRAYS[name][1] in told.said


def test_a_description_without_value_is_found(made: Callable[[str], Made], omnimer: Command) -> None:
    file = made("mer2025-des")
    values: Any = dict.fromkeys(NAMES, "He smiles.") | {"x y": None}
    np.savez_compressed(file.path, name2reason=values)
    told = verdict(omnimer, file)
    assert told.code == 1
    assert "x y" in told.said

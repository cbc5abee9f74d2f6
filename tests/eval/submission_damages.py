"""Submission files that are wrong, one damage each, and the valid files that they are made of."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from eval.submit.tracks import track_named
from eval.submit.write import encode
from tests.eval.submissions import CONTENTS, candidates_of

SEMI = "name,discrete\nclip_b,angry\nclip_a,happy\nclip_d,neutral\nclip_c,surprise\nclip_e,worried\n"
FINE = 'name,openset\nclip_b,"[happy, calm]"\nclip_a,[sad]\nclip_d,[]\nclip_c,[not sure]\nclip_e,"a,b"\n'
PYTHON = "name,openset\nclip_a,['sad']\nclip_b,\"['happy', 'calm']\"\nclip_c,['not sure']\nclip_d,[]\nclip_e,['x']\n"
HEAD = "id,Extraversion,Agreeableness,Conscientiousnes,Neuroticism,Open Mindedness\n"
TRAITS = HEAD + "".join(f"{name},0.1,0.2,0.3,0.4,0.5\n" for name in ("001", "007", "012", "103", "104"))
NPZ_NAMES = ["clip_b", "clip_a", "clip_d", "clip_c", "clip_e"]
NPZ_ITEMS = ["[happy, calm]", "[sad]", "[]", "[not sure]", "[a]"]


def zipped(*members: tuple[str, bytes | str]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return stream.getvalue()


def answer(text: str | bytes) -> bytes:
    return zipped(("answer.csv", text))


def npz(**arrays: Any) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def prefer(old: str = "", new: str = "") -> bytes:
    """The valid file of the preference track, with a part of it replaced."""
    track = track_named("mer2026-prefer")
    data = encode(track, candidates_of(track.name), CONTENTS["choice"])
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        text = archive.read("answer.csv").decode()
    assert old in text
    return answer(text.replace(old, new, 1))


def blend(change: Callable[[dict[str, Any]], Any] | None = None, **outer: Any) -> bytes:
    """The valid BLEMORE file, with its predictions changed."""
    values = {f"test_{i:04d}.mov": [{"emotion": "ang", "salience": 100}] for i in range(1, 6)}
    values["test_0002.mov"] = [{"emotion": "hap", "salience": 70}, {"emotion": "sad", "salience": 30}]
    if change is not None:
        change(values)
    return zipped(("submission_template.json", json.dumps({"predictions": values, **outer})))


def pair(*parts: tuple[Any, Any]) -> Callable[[dict[str, Any]], None]:
    def change(values: dict[str, Any]) -> None:
        values["test_0003.mov"] = [{"emotion": name, "salience": share} for name, share in parts]

    return change


class Foreign:
    """What a hostile pickle would call."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return print, ("called",)


class Damage(NamedTuple):
    """A file that is wrong: the track, the bytes, and what one of the faults has to say."""

    track: str
    data: bytes | str
    what: str
    where: str
    found: str = ""
    legal: str = ""


DAMAGES = {
    # --- csv: names and rows
    "missing name": Damage("mer2025-semi", SEMI.replace("clip_d,neutral\n", ""), "missing name", "file", "'clip_d'"),
    "duplicate name": Damage("mer2025-semi", SEMI + "clip_a,sad\n", "duplicate name", "row 7", "clip_a", "row 3"),
    "unknown name": Damage("mer2025-semi", SEMI.replace("clip_d", "clip_x"), "unknown name", "row 4", "clip_x"),
    "wrong order": Damage(
        "mer2025-semi",
        SEMI.replace("clip_b,angry\nclip_a,happy", "clip_a,happy\nclip_b,angry"),
        *("wrong order", "row 2", "clip_a", "'clip_b' here"),
    ),
    "wrong order in a zip": Damage(
        "mer2026-cross",
        answer(SEMI.replace("clip_d,neutral\nclip_c,surprise", "clip_c,surprise\nclip_d,neutral")),
        *("wrong order", "row 4", "clip_c", "'clip_d' here"),
    ),
    "blank in a name": Damage("mer2025-semi", SEMI.replace("clip_d", " clip_d"), "white space in a name", "row 4"),
    "empty name": Damage("mer2025-semi", SEMI.replace("clip_d,", ","), "unknown name", "row 4", "''"),
    "blank last line": Damage("mer2025-semi", SEMI + "\n", "blank line", "row 7"),
    "blank line inside": Damage("mer2025-semi", SEMI.replace("clip_d", "\nclip_d"), "blank line", "row 4"),
    "short row": Damage("mer2025-semi", SEMI.replace("clip_d,neutral", "clip_d"), "ragged row", "row 4", "1 cells"),
    "long row": Damage("mer2025-semi", SEMI.replace("neutral", "neutral,x"), "ragged row", "row 4", "3 cells", "2"),
    # --- csv: header
    "no header": Damage("mer2025-semi", SEMI.replace("name,discrete\n", ""), "header missing", "row 1", "clip_b"),
    "column spelling": Damage(
        "mer2025-semi", SEMI.replace("discrete", "discret"), "column spelling", "row 1", "discret", "name,discrete"
    ),
    "correct spelling of a misspelt column": Damage(
        "mer2025-pr",
        TRAITS.replace("Conscientiousnes", "Conscientiousness"),
        *("column spelling", "row 1", "Conscientiousness", "for 'Conscientiousnes'"),
    ),
    "another name of a column": Damage("mer2025-semi", SEMI.replace("discrete", "xyz"), "missing column", "row 1"),
    "extra column": Damage("mer2025-semi", SEMI.replace("\n", ",1\n"), "extra column", "row 1", "'1'"),
    "column order": Damage(
        "mer2025-semi",
        "\n".join(",".join(line.split(",")[::-1]) for line in SEMI.splitlines()),
        *("column order", "row 1", "discrete,name"),
    ),
    "duplicate column": Damage(
        "mer2025-semi", SEMI.replace("\n", ",\n").replace("te,", "te,name"), "duplicate column", "row 1"
    ),
    "lower-case traits": Damage("mer2025-pr", TRAITS.replace("Neuroticism", "neuroticism"), "column spelling", "row 1"),
    # --- csv: bytes
    "byte order mark": Damage("mer2025-semi", b"\xef\xbb\xbf" + SEMI.encode(), "byte order mark", "row 1"),
    "carriage returns": Damage("mer2025-semi", SEMI.replace("\n", "\r\n"), "line ends", "row 1", "6 rows"),
    "one carriage return": Damage("mer2025-semi", SEMI.replace("neutral\n", "neutral\r\n"), "line ends", "row 4"),
    "not UTF-8": Damage("mer2025-semi", SEMI.encode().replace(b"neutral", b"neutr\xe4l"), "not UTF-8", "row 4", "xe4"),
    "UTF-16": Damage("mer2025-semi", SEMI.encode("utf-16"), "not UTF-8", "row 1"),
    "open quote": Damage("mer2025-semi", SEMI.replace("neutral", '"neutral'), "broken csv", "row 4"),
    "empty file": Damage("mer2025-semi", b"", "file size", "file", "0 bytes"),
    # --- labels
    "unknown label": Damage("mer2025-semi", SEMI.replace("neutral", "joy"), "unknown word", "row 4", "joy", "angry"),
    "label case": Damage(
        "mer2025-semi", SEMI.replace("neutral", "Neutral"), "unknown word", "row 4", "", "spelling: neutral"
    ),
    "label of another challenge": Damage(
        "mer2025-semi", SEMI.replace("surprise", "surprised"), "unknown word", "row 5"
    ),
    "empty label": Damage("mer2025-semi", SEMI.replace("neutral", ""), "empty cell", "row 4"),
    "NaN label": Damage("mer2025-semi", SEMI.replace("neutral", "nan"), "unknown word", "row 4", "nan"),
    # --- lists
    "empty list cell": Damage("mer2026-fg", answer(FINE.replace("[sad]", "")), "empty cell", "row 3", "''", "[]"),
    "NaN list": Damage(
        "mer2026-fg", answer(FINE.replace("[sad]", "NaN")), "empty cell", "row 3", "NaN", "missing value"
    ),
    "None list": Damage("mer2026-fg", answer(FINE.replace("[sad]", "None")), "empty cell", "row 3", "None"),
    "open bracket": Damage("mer2026-fg", answer(FINE.replace("[sad]", "[sad")), "unbalanced bracket", "row 3", "[sad"),
    "bracket alone": Damage("mer2026-fg", answer(FINE.replace("[sad]", "[")), "unbalanced bracket", "row 3", "'['"),
    "text after the list": Damage("mer2026-fg", answer(FINE.replace("[sad]", "[sad].")), "unbalanced bracket", "row 3"),
    "semicolon": Damage(
        "mer2026-fg", answer(FINE.replace("[sad]", "[sad; hurt]")), "does not survive", "row 3", "sad; hurt"
    ),
    "slash": Damage("mer2026-fg", answer(FINE.replace("[sad]", "[sad/hurt]")), "does not survive", "row 3", "sad/hurt"),
    "underscore": Damage("mer2026-fg", answer(FINE.replace("[sad]", "[well_being]")), "does not survive", "row 3"),
    "Chinese comma": Damage("mer2026-fg", answer(FINE.replace("[sad]", "[sad，hurt]")), "does not survive", "row 3"),
    "two lists": Damage(
        "mer2026-fg", answer(FINE.replace("[sad]", '"[sad], [hurt]"')), "does not survive", "row 3", "sad]"
    ),
    "apostrophe": Damage(
        "mer2026-fg", answer(FINE.replace("[sad]", "[can't wait]")), "quotation mark or apostrophe", "row 3", "can't"
    ),
    "comma inside a label": Damage(
        "mer2026-fg", answer(FINE.replace("[sad]", "\"['sad, hurt']\"")), "does not survive", "row 3", "sad, hurt"
    ),
    "double comma": Damage("mer2026-fg", answer(FINE.replace("[sad]", '"[sad,,hurt]"')), "empty label", "row 3"),
    "JSON object": Damage("mer2026-fg", answer(FINE.replace("[sad]", '"{""labels"": [1]}"')), "apostrophe", "row 3"),
    "sentence before the list": Damage(
        "mer2026-fg", answer(FINE.replace("[sad]", "Output: [sad]")), "unbalanced", "row 3"
    ),
    "list without quotes": Damage(
        "mer2024-ov", PYTHON.replace("['sad']", "[sad]"), "cannot be parsed", "row 2", "[sad]"
    ),
    "cut list": Damage("mer2024-ov", PYTHON.replace("['sad']", "['sad'"), "cannot be parsed", "row 2"),
    "numbers in a list": Damage("mer2024-ov", PYTHON.replace("['sad']", "[1]"), "cannot be parsed", "row 2"),
    "apostrophe in Python text": Damage(
        "mer2024-ov", PYTHON.replace("['sad']", '"[""can\'t wait""]"'), "does not survive", "row 2", "can't wait"
    ),
    "deep nesting": Damage("mer2024-ov", PYTHON.replace("['sad']", "[" * 9000), "cannot be parsed", "row 2"),
    "an endless list": Damage("mer2024-ov", PYTHON.replace("['sad']", "a" * 30_000), "no list", "row 2", "30,000"),
    "NUL in a label": Damage(
        "mer2026-fg", answer(FINE.replace("[sad]", "[s\0ad]")), "cannot be printed", "row 3", "s\\x00ad"
    ),
    "no-break blank in a label": Damage(
        "mer2026-fg", answer(FINE.replace("[sad]", "[at\u00a0ease]")), "cannot be printed", "row 3", "xa0"
    ),
    "lone surrogate in an npz": Damage(
        "mer2025-fg",
        npz(filenames=NPZ_NAMES, fileitems=["[a\ud800]", *NPZ_ITEMS[1:]]),
        *("cannot be printed", "item 0", "ud800"),
    ),
    "escape in a list of an npz": Damage(
        "mer2025-fg",
        npz(filenames=NPZ_NAMES, fileitems=np.array([["\x1b[1m"], [], ["a"], [], ["a", "b"]], dtype=object)),
        *("cannot be printed", "item 0", "x1b"),
    ),
    "an endless label": Damage(
        "mer2026-fg", answer(FINE.replace("[sad]", f"[{'a' * 101}]")), "label too long", "row 3", "101", "100"
    ),
    "a sentence": Damage(
        "mer2026-fg",
        answer(FINE.replace("[sad]", '"He smiles at her, so he is happy."')),
        *("sentence in place of a list", "row 3", "He smiles"),
    ),
    "a sentence in brackets": Damage(
        "mer2025-fg",
        npz(filenames=NPZ_NAMES, fileitems=["[The man is very happy today.]", *NPZ_ITEMS[1:]]),
        *("sentence in place of a label", "item 0", "The man"),
    ),
    # --- numbers
    "trait in full-width digits": Damage(
        "mer2025-pr", TRAITS.replace("012,0.1", "012,０.１"), "no number", "row 4, column 'Extr"
    ),
    "trait above 1": Damage(
        "mer2025-pr", TRAITS.replace("012,0.1", "012,1.5"), "out of range", "row 4", "1.5", "0 to 1"
    ),
    "trait below 0": Damage("mer2025-pr", TRAITS.replace("012,0.1", "012,-0.1"), "out of range", "row 4, column 'Extr"),
    "trait NaN": Damage(
        "mer2025-pr", TRAITS.replace("012,0.1,0.2", "012,0.1,nan"), "no number", "row 4, column 'Agree"
    ),
    "trait infinite": Damage("mer2025-pr", TRAITS.replace("012,0.1", "012,inf"), "no number", "row 4"),
    "trait with underscore": Damage("mer2025-pr", TRAITS.replace("012,0.1", "012,0_1"), "no number", "row 4"),
    "trait with comma": Damage("mer2025-pr", TRAITS.replace("012,0.1", '012,"0,1"'), "no number", "row 4"),
    "subject twice": Damage("mer2025-pr", TRAITS + "012,0.1,0.2,0.3,0.4,0.5\n", "duplicate name", "row 7", "012"),
    "subject as a number": Damage("mer2025-pr", TRAITS.replace("007,", "7,"), "unknown name", "row 3", "'7'"),
    # --- zip
    "no zip": Damage("mer2026-cross", SEMI, "no zip", "file"),
    "cut zip": Damage("mer2026-cross", answer(SEMI)[:-30], "no zip", "file"),
    "cut inside": Damage("mer2026-cross", answer(SEMI)[:40] + answer(SEMI)[60:], "damaged member", "'answer.csv'"),
    "member name": Damage(
        "mer2026-cross", zipped(("submission.csv", SEMI)), "missing member", "file", "submission.csv"
    ),
    "member in a folder": Damage("mer2026-cross", zipped(("out/answer.csv", SEMI)), "extra file", "'out/answer.csv'"),
    "extra member": Damage("mer2026-cross", zipped(("answer.csv", SEMI), ("x.txt", "x")), "extra file", "'x.txt'"),
    "finder rubbish": Damage(
        "mer2026-cross", zipped(("answer.csv", SEMI), ("__MACOSX/._answer.csv", "x")), "extra file", "__MACOSX"
    ),
    "absolute member": Damage("mer2026-cross", zipped(("/etc/answer.csv", SEMI)), "extra file", "/etc/answer.csv"),
    "climbing member": Damage("mer2026-cross", zipped(("../answer.csv", SEMI)), "extra file", "../answer.csv"),
    # --- preference
    "preference same": Damage("mer2026-prefer", prefer(",a2\n", ",same\n"), "unknown word", "row 3", "same", "a1, a2"),
    "preference word": Damage(
        "mer2026-prefer", prefer(",a2\n", ",A2\n"), "unknown word", "row 3", "A2", "spelling: a2"
    ),
    "description changed": Damage(
        "mer2026-prefer",
        prefer("They argue", "They argued"),
        "description changed",
        "row 4, column 'a1'",
        "They argued",
    ),
    "line break lost": Damage(
        "mer2026-prefer", prefer("frowns.\n", "frowns. "), "description changed", "row 2, column 'a2'"
    ),
    "descriptions swapped": Damage(
        "mer2026-prefer", prefer("They argue,They agree", "They agree,They argue"), "description changed", "row 4"
    ),
    "preference rows swapped": Damage(
        "mer2026-prefer",
        prefer("clip_b,They argue,They agree,a1\nclip_c", "clip_c,They argue,They agree,a1\nclip_b"),
        *("wrong order", "row 5", "clip_c", "clip_b"),
    ),
    "preference row lost": Damage(
        "mer2026-prefer", prefer("clip_b,They argue,They agree,a1\n"), "missing name", "file", "4 rows", "5"
    ),
    # --- npz
    "csv for an npz": Damage("mer2025-fg", FINE, "no zip", "file"),
    "wrong keys": Damage("mer2025-fg", npz(names=NPZ_NAMES, items=NPZ_ITEMS), "missing member", "file", "items.npy"),
    "extra key": Damage(
        "mer2025-fg", npz(filenames=NPZ_NAMES, fileitems=NPZ_ITEMS, more=[1]), "extra file", "'more.npy'"
    ),
    "ragged lengths": Damage(
        "mer2025-fg", npz(filenames=NPZ_NAMES, fileitems=NPZ_ITEMS[:4]), "ragged", "file", "5 filen"
    ),
    "npz label": Damage(
        "mer2025-fg", npz(filenames=NPZ_NAMES, fileitems=[*NPZ_ITEMS[:4], "[a/b]"]), "does not survive", "item 4", "a/b"
    ),
    "npz name": Damage(
        "mer2025-fg", npz(filenames=[*NPZ_NAMES[:4], "x"], fileitems=NPZ_ITEMS), "unknown name", "item 4"
    ),
    "npz list items": Damage(
        "mer2025-fg",
        npz(filenames=NPZ_NAMES, fileitems=np.array([["a"], ["a, b"], [], ["a"], ["a"]], dtype=object)),
        *("does not survive", "item 1", "a, b"),
    ),
    "npz numbers": Damage("mer2025-fg", npz(filenames=NPZ_NAMES, fileitems=[1, 2, 3, 4, 5]), "no list", "item 0"),
    "npz scalar": Damage("mer2025-fg", npz(filenames="clip_a", fileitems="[a]"), "no list", "'filenames'"),
    "foreign pickle": Damage(
        "mer2025-fg",
        npz(filenames=NPZ_NAMES, fileitems=np.array([Foreign()] * 5, dtype=object)),
        *("unreadable npz", "file", "builtins.print"),
    ),
    "foreign pickle in a dict": Damage(
        "mer2025-des", npz(name2reason=np.array({"clip_a": Foreign()}, dtype=object)), "unreadable npz", "file", "print"
    ),
    "no dict": Damage("mer2025-des", npz(name2reason=["a"]), "no dict", "'name2reason'"),
    "no description": Damage(
        "mer2025-des", npz(name2reason=np.array({"clip_a": " "}, dtype=object)), "no description", "'clip_a'"
    ),
    "member that is no array": Damage(
        "mer2025-fg", zipped(("filenames.npy", b"x"), ("fileitems.npy", b"x")), "no npy", "'filenames.npy'"
    ),
    # --- blends
    "three items": Damage(
        "blemore", blend(pair(("ang", 30), ("hap", 30), ("sad", 40))), "number of emotions", "_0003", "3"
    ),
    "no item": Damage("blemore", blend(pair()), "number of emotions", "_0003", "0 items"),
    "salience sum": Damage("blemore", blend(pair(("ang", 70), ("hap", 50))), "sum of saliences", "_0003", "120", "100"),
    "single salience": Damage("blemore", blend(pair(("ang", 70))), "sum of saliences", "_0003", "70"),
    "salience off the grid": Damage("blemore", blend(pair(("ang", 60), ("hap", 40))), "off the grid", "_0003", "60"),
    "shares as fractions": Damage("blemore", blend(pair(("ang", 0.7), ("hap", 0.3))), "sum of saliences", "_0003"),
    "neu in a blend": Damage("blemore", blend(pair(("neu", 50), ("hap", 50))), "neu in a blend", "_0003", "neu"),
    "the same emotion twice": Damage("blemore", blend(pair(("ang", 50), ("ang", 50))), "duplicate emotion", "_0003"),
    "unknown emotion": Damage("blemore", blend(pair(("anger", 100))), "unknown word", "_0003", "anger", "ang, disg"),
    "salience as text": Damage("blemore", blend(pair(("ang", "100"))), "no salience", "_0003", "'100'"),
    "salience true": Damage("blemore", blend(pair(("ang", True))), "no salience", "_0003", "True"),
    "item key": Damage(
        "blemore", blend(lambda v: v.update({"test_0003.mov": [{"label": "ang"}]})), "wrong key", "_0003", "label"
    ),
    "missing clip": Damage("blemore", blend(lambda v: v.pop("test_0003.mov")), "missing name", "file", "test_0003.mov"),
    "clip without extension": Damage(
        "blemore", blend(lambda v: v.update({"test_0003": v.pop("test_0003.mov")})), "unknown name", "'test_0003'"
    ),
    "wrong outer key": Damage(
        "blemore", zipped(("submission_template.json", '{"prediction": {}}')), "wrong key", "file", "prediction"
    ),
    "extra outer key": Damage("blemore", blend(None, team="x"), "extra key", "'team'"),
    "key twice": Damage(
        "blemore",
        zipped(("submission_template.json", '{"predictions": {"test_0001.mov": [], "test_0001.mov": []}}')),
        *("duplicate name", "'test_0001.mov'", "2 times"),
    ),
    "NaN in JSON": Damage("blemore", blend(pair(("ang", float("nan")))), "no number", "file", "NaN"),
    "broken JSON": Damage("blemore", zipped(("submission_template.json", '{"predictions": {')), "no JSON", "file"),
    "deep JSON": Damage("blemore", zipped(("submission_template.json", "[" * 200_000)), "no JSON", "file"),
    "JSON name": Damage("blemore", zipped(("predictions.json", "{}")), "missing member", "file", "predictions.json"),
}


VALID: dict[str, bytes | str] = {
    "mer2025-semi": SEMI,
    "mer2026-cross": answer(SEMI),
    "mer2026-fg": answer(FINE),
    "mer2024-ov": PYTHON,
    "mer2025-pr": TRAITS,
    "mer2026-prefer": prefer(),
    "mer2025-fg": npz(filenames=NPZ_NAMES, fileitems=NPZ_ITEMS),
    "mer2025-des": npz(name2reason=np.array(dict.fromkeys(NPZ_NAMES, "Calm."), dtype=object)),
    "blemore": blend(),
}

"""The validator against files that are wrong: each damage is named with its row, what was found and what is legal."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eval.submit import containers
from eval.submit.findings import SHOWN, Fault, lines
from eval.submit.run import SubmitConfig, run
from eval.submit.tracks import TRACKS, track_named
from eval.submit.validate import Verdict, validate
from tests.eval.submission_damages import (
    DAMAGES,
    FINE,
    NPZ_ITEMS,
    NPZ_NAMES,
    PYTHON,
    SEMI,
    TRAITS,
    VALID,
    Damage,
    Foreign,
    answer,
    blend,
    npz,
    pair,
    zipped,
)
from tests.eval.submissions import candidates_of, write_candidates


def judged(track: str, data: bytes | str, folder: Path, name: str = "") -> Verdict:
    """The verdict over a file with these bytes, under the track's own name or another."""
    path = folder / (name or "made-elsewhere" + TRACKS[track].suffix)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return validate(path, track_named(track), candidates_of(track))


@pytest.mark.parametrize("case", DAMAGES.values(), ids=list(DAMAGES))
def test_a_damage_is_named_with_its_place(case: Damage, tmp_path: Path) -> None:
    faults = judged(case.track, case.data, tmp_path).faults
    assert any(
        case.what in fault.what
        and case.where in fault.where
        and case.found in fault.found
        and case.legal in fault.legal
        for fault in faults
    ), "\n".join(map(str, faults)) or "no fault"


@pytest.mark.parametrize("name", TRACKS)
def test_what_the_damages_are_made_of_is_valid(name: str, tmp_path: Path) -> None:
    assert judged(name, VALID[name], tmp_path).faults == []


OTHERS: list[tuple[str, bytes | str]] = [
    ("mer2025-fg", npz(filenames=NPZ_NAMES[::-1], fileitems=NPZ_ITEMS)),  # keyed by name
    (
        "mer2025-fg",
        npz(filenames=NPZ_NAMES, fileitems=np.array([["a", "b"], [], ["c"], ["d"], ["e"]], dtype=object)),
    ),
    ("mer2026-fg", answer(FINE.replace("[sad]", "sad"))),
    ("mer2026-fg", answer(FINE.replace("[sad]", "['sad']"))),
    ("mer2026-fg", answer(FINE.removesuffix("\n"))),
    ("mer2024-ov", PYTHON.replace("['sad']", "[]")),
    ("mer2025-pr", TRAITS.replace("0.1", "1e-1").replace("0.5", "1")),
    ("blemore", blend(pair(("sad", 30.0), ("ang", 70.0)))),
]


@pytest.mark.parametrize(("name", "data"), OTHERS)
def test_other_legal_forms_pass(name: str, data: bytes | str, tmp_path: Path) -> None:
    assert judged(name, data, tmp_path).faults == []


def test_the_file_name_is_checked(tmp_path: Path) -> None:
    (fault,) = judged("mer2025-fg", VALID["mer2025-fg"], tmp_path, "labels.npz").faults
    assert (fault.what, fault.legal) == ("file name", "a name that ends with -openset.npz")


def test_every_fault_is_said_and_not_only_the_first(tmp_path: Path) -> None:
    text = SEMI.replace("angry", "joy").replace("clip_d", "clip_x").replace("surprise", "").replace("discrete", "label")
    faults = judged("mer2025-semi", b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode(), tmp_path).faults
    assert {(fault.what, fault.where.partition(",")[0]) for fault in faults} == {
        *{("byte order mark", "row 1"), ("line ends", "row 1"), ("extra column", "row 1"), ("missing column", "row 1")},
        *{("unknown word", "row 2"), ("unknown name", "row 4"), ("empty cell", "row 5"), ("missing name", "file")},
    }


def test_many_faults_of_one_sort_are_counted(tmp_path: Path) -> None:
    faults = [Fault("unknown name", f"row {row}", "x", "y") for row in range(SHOWN + 7)]
    shown = list(lines(faults))
    assert len(shown) == SHOWN + 1
    assert shown[-1] == "and 7 more: unknown name"


# --- hostile archives


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "MAX_BYTES", 1 << 16)
    (fault,) = judged("mer2026-cross", answer(b"\0" * (1 << 20)), tmp_path).faults
    assert (fault.what, fault.where) == ("zip bomb", "member 'answer.csv'")


def test_a_member_that_lies_about_its_size_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "MAX_BYTES", 1 << 16)
    data = bytearray(answer(b"\0" * (1 << 20)))
    for place in (22, data.rfind(b"PK\x01\x02") + 24):  # the size, in the local header and in the table of contents
        data[place : place + 4] = (100).to_bytes(4, "little")
    faults = judged("mer2026-cross", bytes(data), tmp_path).faults
    assert faults
    assert "answer.csv" in faults[0].where


def test_a_zip_of_countless_members_is_not_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "MAX_DIRECTORY", 1000)
    data = zipped(*((f"{number}.txt", "") for number in range(100)))
    (fault,) = judged("mer2026-cross", data, tmp_path).faults
    assert fault.what == "zip bomb"
    assert "table of contents" in fault.found


def test_a_csv_of_countless_rows_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "MAX_ROWS", 50)
    faults = judged("mer2025-semi", SEMI + "\n" * 1000, tmp_path).faults
    assert (faults[-1].what, faults[-1].where) == ("too many rows", "row 51")
    assert len(faults) == 45  # 44 blank lines before that


def test_an_array_that_claims_to_be_huge_is_not_allocated(tmp_path: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<U10", "fortran_order": False, "shape": (10**12,)})  # type: ignore[no-untyped-call]
    data = zipped(("filenames.npy", header.getvalue()), ("fileitems.npy", header.getvalue()))
    faults = judged("mer2025-fg", data, tmp_path).faults
    assert [fault.what for fault in faults] == ["no npy", "no npy"]
    assert "1000000000000" in faults[0].found


def test_nothing_that_a_pickle_asks_for_is_called(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert pickle.loads(pickle.dumps(Foreign())) is None  # noqa: S301 - so it would be called
    assert capsys.readouterr().out == "called\n"
    case = DAMAGES["foreign pickle"]
    assert judged(case.track, case.data, tmp_path).faults
    assert capsys.readouterr().out == ""


def test_an_encrypted_member_is_a_fault(tmp_path: Path) -> None:
    data = bytearray(answer(SEMI))
    for place in (6, data.rfind(b"PK\x01\x02") + 8):
        data[place] |= 1
    (fault,) = judged("mer2026-cross", bytes(data), tmp_path).faults
    assert fault.what == "damaged member"
    assert "encrypted" in fault.found


edits = st.lists(
    st.tuples(st.floats(0, 1), st.sampled_from(["flip", "cut", "put", "drop"]), st.binary(max_size=6)), max_size=4
)


@pytest.mark.parametrize("name", TRACKS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=60)
@given(changes=edits)
def test_no_damaged_file_gets_past_as_an_exception(name: str, changes: list[Any], tmp_path: Path) -> None:
    valid = VALID[name]
    data = bytearray(valid.encode() if isinstance(valid, str) else valid)
    for share, what, more in changes:
        place = int(share * len(data))
        if what == "flip":
            data[place : place + 1] = bytes(byte ^ (more[0] if more else 255) for byte in data[place : place + 1])
        elif what == "cut":
            del data[place:]
        elif what == "put":
            data[place:place] = more
        else:
            del data[place : place + len(more)]
    verdict = judged(name, bytes(data), tmp_path)
    assert verdict.faults or None not in verdict.contents
    assert all(str(fault) for fault in verdict.faults)


# --- the command


def test_the_command_prints_the_faults_and_their_number(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "made.csv"
    path.write_text(SEMI.replace("angry", "joy"))
    config = SubmitConfig(track="mer2025-semi", candidates=write_candidates(tmp_path, "mer2025-semi"), validate=path)
    assert run(config) == 1
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("row 2, column 'discrete': unknown word: found 'joy'; legal: one of neutral, angry")
    assert out[1].endswith("faults: 1, rows: 5; this is no valid mer2025-semi file")
    path.write_text(SEMI)
    assert run(config) == 0


def test_a_file_that_is_not_there_is_a_mistake_of_the_user(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no file there"):
        validate(tmp_path / "nothing.csv", TRACKS["mer2025-semi"], candidates_of("mer2025-semi"))

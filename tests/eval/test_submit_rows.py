"""`omnimer submit`: what stands in a row: fallbacks, shards, matching of names, repaired labels; and the card."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.submit.cells import check
from eval.submit.content import BARED, LONG, SENTENCE, SPLIT, TWICE, labels
from eval.submit.findings import Findings
from eval.submit.tracks import TRACKS, TRAITS, track_named
from eval.submit.validate import validate
from eval.submit.write import list_text
from infer.feed import digest
from prompts.parsing.official import mer_list
from tasks.registry import TASKS
from tasks.task import Official
from tests.eval.submissions import (
    CONTENTS,
    REPLIES,
    SUBJECTS,
    TASKS_BY_TRACK,
    candidates_of,
    card_of,
    sample,
    samples_of,
    submitted,
    table,
    write_run,
)

every_track = pytest.mark.parametrize("name", TRACKS)


# --- what is missing


BROKEN: tuple[Any, ...] = (None, ..., "I cannot say anything about this.")


@every_track
def test_missing_answers_are_the_fallback_and_are_counted(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = REPLIES[TRACKS[name].shape]
    run_ = write_run(tmp_path / "run", name, [good[0], *BROKEN, good[4]])
    out = submitted(tmp_path, name, run_, code=1)
    counts = card_of(out)["counts"]
    assert (counts["answered"], counts["fallbacks"]) == (2, 3)
    reasons = list(counts["fallbacks by reason"])
    assert sum("no reply is stored" in reason for reason in reasons) == 1
    assert sum("the request failed: media" in reason for reason in reasons) == 1
    assert sum("cannot be read" in reason for reason in reasons) == 1
    shown = capsys.readouterr()
    assert "3 of 5 rows are the fallback" in shown.out
    assert TRACKS[name].fallback in shown.err
    assert "Fallbacks by reason" in out.with_name(out.name + ".card.md").read_text(encoding="utf-8")


@every_track
def test_strict_refuses_and_writes_nothing(name: str, tmp_path: Path) -> None:
    run_ = write_run(tmp_path / "run", name, [None, *REPLIES[TRACKS[name].shape][1:]])
    with pytest.raises(ValueError, match=r"--strict.*\n.*1 x the request failed"):
        submitted(tmp_path, name, run_, strict=True)
    assert not list(tmp_path.glob("out*"))


def test_a_candidate_without_sample_is_a_fallback_with_that_reason(tmp_path: Path) -> None:
    name = "mer2025-fg"
    run_ = write_run(tmp_path / "run", name, REPLIES["labels"][:4], samples_of(name)[:4])
    out = submitted(tmp_path, name, run_, code=1)
    assert card_of(out)["counts"]["fallbacks by reason"] == {"no sample of the runs has this name": 1}


@pytest.mark.parametrize(
    ("name", "given", "content"),
    [
        ("mer2026-cross", "happy", "happy"),
        ("mer2026-fg", "[worried, sad]", ("worried", "sad")),
        ("mer2026-fg", "worried, sad", ("worried", "sad")),
        ("mer2025-des", "Nothing is known.", "Nothing is known."),
        ("mer2025-pr", "0.25", (0.25,) * 5),
        ("mer2025-pr", "0,0.25,0.5,0.75,1", (0, 0.25, 0.5, 0.75, 1)),
        ("mer2026-prefer", "a2", "a2"),
        ("blemore", "hap", (("hap", 100),)),
        ("blemore", "hap:70,sad:30", (("hap", 70), ("sad", 30))),
    ],
)
def test_the_fallback_can_be_named(name: str, given: str, content: Any, tmp_path: Path) -> None:
    good = REPLIES[TRACKS[name].shape]
    out = submitted(tmp_path, name, write_run(tmp_path / "run", name, [*good[:4], None]), code=1, fallback=given)
    assert validate(out, TRACKS[name], candidates_of(name)).contents[4] == content


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("mer2026-cross", "joy"),
        ("mer2026-fg", "[sad"),
        ("mer2026-fg", "can't say"),
        ("mer2025-des", " "),
        ("mer2025-pr", "1.5"),
        ("mer2025-pr", "0.5,0.5"),
        ("mer2025-pr", "nan"),
        ("mer2026-prefer", "same"),
        ("blemore", "joy"),
        ("blemore", "hap:60,sad:40"),
        ("blemore", "hap:70,neu:30"),
        ("blemore", "hap:70,sad:30,fea:30"),
    ],
)
def test_a_fallback_that_is_not_legal_is_refused(name: str, given: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"--fallback .* is none for track .*default"):
        submitted(tmp_path, name, write_run(tmp_path / "run", name), fallback=given)


# --- several runs, names


def test_shards_cover_the_candidates_together_and_the_first_answer_counts(tmp_path: Path) -> None:
    name, good = "mer2025-semi", REPLIES["label"]
    records = samples_of(name)
    first = write_run(tmp_path / "first", name, [good[0], None, good[2]], records[:3])
    second = write_run(tmp_path / "second", name, [good[1], good[0], good[3], good[4]], records[1:])
    out = submitted(tmp_path, name, first, second)
    assert validate(out, TRACKS[name], candidates_of(name)).contents == CONTENTS["label"]
    record = card_of(out)
    assert [part["folder"] for part in record["runs"]] == [str(first), str(second)]
    assert record["counts"]["candidates in several runs (the first with an answer counts)"] == 2


def test_one_run_given_twice_is_refused(tmp_path: Path) -> None:
    run_ = write_run(tmp_path / "run", "mer2025-fg")
    with pytest.raises(ValueError, match="given twice"):
        submitted(tmp_path, "mer2025-fg", run_, run_)


def test_samples_that_are_no_candidate_are_left_out_and_counted(tmp_path: Path) -> None:
    name = "mer2026-fg"
    records = [*samples_of(name), sample("x", {"name": "stranger"})]
    out = submitted(tmp_path, name, write_run(tmp_path / "run", name, [*REPLIES["labels"], {"labels": []}], records))
    assert card_of(out)["counts"]["samples that are no candidate"] == 1


def test_the_name_of_a_sample_is_its_id_where_meta_has_none(tmp_path: Path) -> None:
    records = [sample(candidate.name, {}) for candidate in candidates_of("mer2026-fg")]
    submitted(tmp_path, "mer2026-fg", write_run(tmp_path / "run", "mer2026-fg", samples=records))


def test_two_samples_of_one_name_are_refused(tmp_path: Path) -> None:
    records = samples_of("mer2026-fg")
    records[3] = {**records[3], "meta": records[0]["meta"]}
    with pytest.raises(ValueError, match=r"'clip_b', 'clip_c' have the name 'clip_b'"):
        submitted(tmp_path, "mer2026-fg", write_run(tmp_path / "run", "mer2026-fg", samples=records))


def test_preference_rows_are_matched_by_their_descriptions_wherever_they_stand(tmp_path: Path) -> None:
    name = "mer2026-prefer"
    order = [4, 2, 0, 3, 1]  # the two equal rows keep their order
    records = [samples_of(name)[place] for place in order]
    replies = [REPLIES["choice"][place] for place in order]
    out = submitted(tmp_path, name, write_run(tmp_path / "run", name, replies, records))
    assert validate(out, TRACKS[name], candidates_of(name)).contents == CONTENTS["choice"]


def test_answers_about_swapped_descriptions_are_swapped_back(tmp_path: Path) -> None:
    name = "mer2026-prefer"
    records = samples_of(name)
    for record in records:
        meta = record["meta"]
        meta["a1"], meta["a2"], meta["swapped"] = meta["a2"], meta["a1"], "yes"
    out = submitted(tmp_path, name, write_run(tmp_path / "run", name, samples=records))
    assert validate(out, TRACKS[name], candidates_of(name)).contents == ["a2", "a1", "a1", "a2", "a1"]


def test_the_files_of_a_subject_are_averaged_over_those_that_tell_a_trait(tmp_path: Path) -> None:
    name = "mer2025-pr"
    none = dict.fromkeys(TRAITS, None)
    parts = [{**none, "extraversion": 0.2}, {**dict.fromkeys(TRAITS, 0.5), "extraversion": 0.4}, "no idea"]
    records = [sample(f"001/{place}", {"subject": "1", "name": str(place)}) for place in range(3)] + samples_of(name)[
        1:
    ]
    out = submitted(
        tmp_path, name, write_run(tmp_path / "run", name, [*parts, *REPLIES["traits"][1:4], none], records), code=1
    )
    contents = validate(out, TRACKS[name], candidates_of(name)).contents
    assert contents[0] == (0.3, 0.5, 0.5, 0.5, 0.5)
    assert contents[4] == (0.5,) * 5
    counts = card_of(out)["counts"]
    assert counts["fallbacks"] == 1
    assert counts["changes"] == {"subjects with samples that lack a trait": 1}
    assert [row["id"] for row in table(out.read_bytes())] == list(SUBJECTS)


# --- labels that do not survive as they are


@pytest.mark.parametrize(
    ("said", "kept", "rule"),
    [
        (["sad, angry"], ("sad", "angry"), SPLIT),
        (["sad/angry"], ("sad", "angry"), SPLIT),
        (["开心、难过"], ("开心", "难过"), SPLIT),
        (["sad\nangry"], ("sad", "angry"), SPLIT),
        (["can't wait"], ("cant wait",), BARED),
        (['"sad"'], ("sad",), BARED),
        (["[sad"], ("sad",), BARED),
        (["sad\\"], ("sad",), BARED),
        (["well_being"], ("well being",), "underscores"),
        (["sad", "Sad", "happy"], ("sad", "happy"), TWICE),
        (["a" * 101, "sad"], ("sad",), LONG),
        (["The man is very happy today.", "sad."], ("sad.",), SENTENCE),
        (["'", " ", "sad"], ("sad",), BARED),
    ],
)
def test_labels_are_repaired_by_stated_rules(said: list[str], kept: tuple[str, ...], rule: str) -> None:
    changes: Counter[str] = Counter()
    assert labels(said, changes) == kept
    assert [name for name, count in changes.items() if count and rule in name]


def test_repairs_of_labels_are_counted_on_the_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = dataclasses.replace(TASKS_BY_TRACK["mer2026-fg"], name="raw", answer=Official("mer_list"))
    monkeypatch.setitem(TASKS, "raw", raw)
    replies = ["[happy/content, can't wait]", "[sad]", "[]", "happy, happy", "[calm]"]
    run_ = write_run(tmp_path / "run", "mer2026-fg", replies, task=raw)
    out = submitted(tmp_path, "mer2026-fg", run_)
    assert validate(out, TRACKS["mer2026-fg"], candidates_of("mer2026-fg")).contents[0] == (
        "happy",
        "content",
        "can",
        "t wait",
    )
    assert card_of(out)["counts"]["labels changed"] == 2


texts = st.lists(st.text(max_size=120), max_size=6)


@pytest.mark.parametrize("name", ["mer2025-fg", "mer2026-fg", "mer2024-ov"])
@given(said=texts)
def test_whatever_a_model_says_survives_the_official_reader(name: str, said: list[str]) -> None:
    track = track_named(name)
    kept = labels(said, Counter())
    text = list_text(kept, track)
    findings = Findings()
    assert check(text, track, "row 2", findings) == kept
    assert findings.faults == []
    assert tuple(mer_list(text)) == kept
    assert text.encode().decode() == text
    changes: Counter[str] = Counter()
    assert labels(kept, changes) == kept
    assert not changes.total()


# --- the card


def test_the_card_tells_weights_prompt_seed_keys_and_hash(tmp_path: Path) -> None:
    import hashlib

    out = submitted(tmp_path, "mer2026-fg", write_run(tmp_path / "run", "mer2026-fg"))
    record = card_of(out)
    assert record["submission"]["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    (part,) = record["runs"]
    assert part["weights"] == {"model": "tiny", "family": "qwen2_5_omni", "content": "ab" * 32}
    assert part["adapter"] == {"adapter": "lora|x"}
    assert part["prompt"]["first"] == "<|im_start|>user\nWhat?"
    assert part["prompt"]["template"]["text"] == "cd" * 32
    assert (part["seed"], part["command"]) == (3, ["infer", "--task", "x"])
    keys = sorted(f"key of {candidate.name}" for candidate in candidates_of("mer2026-fg"))
    assert part["sha256 of the sorted reply keys"] == digest(keys)
    text = out.with_name(out.name + ".card.md").read_text(encoding="utf-8")
    for told in (record["submission"]["sha256"], "ab" * 32, "cd" * 32, digest(keys), "lora\\|x", "What?"):
        assert told in text


def test_the_card_of_an_unofficial_container_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = submitted(tmp_path, "mer2025-des", write_run(tmp_path / "run", "mer2025-des"))
    assert "not described in public" in card_of(out)["submission"]["container"]
    assert "not described in public" in capsys.readouterr().out

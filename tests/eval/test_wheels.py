"""Wheel tables: how words are mapped, where tables are looked for, what is refused, what is fetched."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eval.wheels import wordmap
from eval.wheels.editions import COMMIT, EDITIONS, REPOSITORY, TABLES, Edition, check_tables, edition_named
from eval.wheels.places import VARIABLE, cache_folder, fetch, find_tables
from eval.wheels.wordmap import COLUMNS, build, load_words, read_forms, read_synonyms, read_wheel
from tests.eval.wheel_set import REAL, write_wheels

needs_tables = pytest.mark.skipif(not REAL.is_dir(), reason=f"needs the wheel tables in {REAL}")


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache, nothing loaded, no variable and no network."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(wordmap, "_LOADED", {})

    def refuse(address: str, **_: object) -> None:
        raise urllib.error.URLError("no network in this test")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_wheels(tmp_path / "wheels")


# --- the tables, by hand


def test_forms_keep_all_their_bases_and_a_base_is_its_own_form(folder: Path) -> None:
    forms = read_forms(folder / "format.csv")
    assert forms["cheer"] == {"glad", "proud"}
    assert forms["glad"] == {"glad"}
    assert forms["down"] == {"blue"}
    assert forms["no words"] == {"no words"}
    assert "" not in forms


def test_synonyms_are_united_over_the_runs(folder: Path) -> None:
    found = read_synonyms(folder / "synonym.xlsx")
    assert found["glad"] == {"glad"}
    assert found["proud"] == {"glad", "proud"}
    assert found["calm"] == {"bold", "calm"}
    assert found["low"] == {"blue"}
    assert "stray" not in found


def test_blank_cells_repeat_and_the_later_place_of_a_word_counts(folder: Path) -> None:
    first, second = read_wheel(folder / "wheel1.xlsx")
    assert first == {
        **dict.fromkeys(("glad", "proud", "great", "calm", "mild"), "glad"),
        **dict.fromkeys(("low", "blue", "grey", "bold"), "low"),
    }
    assert second["bold"] == "blue"
    assert second["great"] == "proud"
    assert second["glad"] == "calm", "the first word around it, by the alphabet"
    assert read_wheel(folder / "wheel3.xlsx")[0]["furious"] == "mad", "blanks around a cell do not count"


@pytest.mark.parametrize(
    ("label", "column", "cluster"),
    [
        ("cheer", "case1", "glad"),
        ("cheer", "case2", "glad"),
        ("proud", "case2", "glad"),  # the alphabet decides, not the meaning
        ("calm", "case2", "bold"),
        ("calm", "w1_l1", "low"),  # by way of bold, whose later place is there
        ("calm", "w1_l2", "blue"),
        ("calm", "w3_l1", "glad"),  # bold is not on this wheel, calm is
        ("glad", "w1_l2", "calm"),
        (" GLAD\t", "w4_l1", "glad"),
        ("blue", "w3_l1", ""),
        ("stray", "case1", "stray"),
        ("stray", "case2", ""),
        ("stray", "w1_l1", ""),
        ("neutral", "case1", ""),
        ("", "case1", ""),
    ],
)
def test_words_are_led_to_clusters(folder: Path, label: str, column: str, cluster: str) -> None:
    assert build(folder, "mer2025").cluster(label, column) == cluster


def test_unknown_words_have_the_last_row_and_written_words_their_own_case(folder: Path) -> None:
    words = build(folder, "mer2026")
    assert words.rows(["zzz", "Glad"]).tolist() == [len(words.known), words.known["glad"]]
    assert words.exact_rows(["Glad", "glad"]).tolist() == [len(words.known), words.known["glad"]]
    assert words.rows([]).shape == (0,)
    assert (words.codes[-1] == -1).all()
    assert words.codes.shape == (len(words.known) + 1, len(COLUMNS))


@pytest.mark.parametrize("label", [3, None, b"glad", float("nan")])
def test_labels_that_are_no_text_are_refused(folder: Path, label: Any) -> None:
    with pytest.raises(ValueError, match="is no text"):
        build(folder, "mer2025").rows(["glad", label])


# --- editions


@pytest.mark.parametrize("name", ["", "mer2024", "MER2025"])
def test_editions_have_to_be_named(name: str) -> None:
    with pytest.raises(ValueError, match=r"mer2025, mer2026.*not comparable"):
        edition_named(name)


def test_addresses_are_those_of_the_pinned_commit() -> None:
    for edition in EDITIONS.values():
        for name in TABLES:
            address = edition.address(name)
            assert address.startswith("https://raw.githubusercontent.com/zeroQiaoba/MERTools/" + COMMIT)
            assert address.endswith(f"/emotion_wheel/{name}")
    assert edition_named("mer2025").address("format.csv") != edition_named("mer2026").address("format.csv")


def test_made_up_tables_need_a_parameter(folder: Path) -> None:
    assert load_words("mer2025", folder, checked=False).zero is False
    assert load_words("mer2026", folder, checked=False).zero is True
    with pytest.raises(ValueError, match=r"format.csv, synonym.xlsx.*not the published file"):
        load_words("mer2025", folder)
    with pytest.raises(ValueError, match="named by their folder"):
        load_words("mer2025", checked=False)


def test_made_up_tables_that_change_are_read_again(folder: Path) -> None:
    assert load_words("mer2025", folder, checked=False).cluster("merry", "case1") == ""
    with (folder / "format.csv").open("a", encoding="utf-8") as stream:
        stream.write('glad,"merry"\n')
    assert load_words("mer2025", folder, checked=False).cluster("merry", "w4_l1") == "glad"


@needs_tables
@pytest.mark.parametrize("name", EDITIONS)
def test_the_published_tables_are_recognised(name: str) -> None:
    assert len(check_tables(REAL / name, edition_named(name))) == 64


@needs_tables
@pytest.mark.parametrize(("name", "forms"), [("mer2025", 7386), ("mer2026", 7356)])
def test_the_published_tables_have_their_published_sizes(name: str, forms: int) -> None:
    words = load_words(name, REAL)
    assert len(words.known) == forms
    inner = [len(words.clusters[COLUMNS.index(f"w{wheel}_l1")]) for wheel in range(1, 6)]
    outer = [len(words.clusters[COLUMNS.index(f"w{wheel}_l2")]) for wheel in range(1, 6)]
    assert (inner, outer) == ([6, 7, 6, 6, 6], [36, 41, 36, 48, 36])
    mapped = [int((words.codes[:, COLUMNS.index(f"w{wheel}_l1")] >= 0).sum()) for wheel in range(1, 6)]
    assert mapped == ([4053, 4400, 3240, 4074, 3055] if name == "mer2025" else [4023, 4369, 3219, 4058, 3034])


# --- where tables are looked for


@needs_tables
@pytest.mark.parametrize("inner", ["", "mer2025", "emotion_wheel", "emotion_wheel/mer2025", EDITIONS["mer2025"].path])
def test_tables_are_found_below_the_folder(tmp_path: Path, inner: str) -> None:
    shutil.copytree(REAL / "mer2025", tmp_path / "given" / inner, dirs_exist_ok=True)
    place, mark = find_tables(EDITIONS["mer2025"], tmp_path / "given")
    assert place == tmp_path / "given" / inner
    assert mark == check_tables(REAL / "mer2025", EDITIONS["mer2025"])


@needs_tables
def test_the_folder_comes_before_the_variable_and_the_variable_before_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = {name: tmp_path / name for name in ("folder", "variable", "cache/omnimer/wheels/mer2026")}
    for place in places.values():
        shutil.copytree(REAL / "mer2026", place)
    edition = EDITIONS["mer2026"]
    assert find_tables(edition)[0] == cache_folder() / "mer2026"
    monkeypatch.setenv(VARIABLE, str(places["variable"]))
    assert find_tables(edition)[0] == places["variable"]
    assert find_tables(edition, places["folder"])[0] == places["folder"]


@needs_tables
def test_the_tables_of_the_other_edition_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"holds the tables of mer2025; the scores of mer2026 need MER2026/"):
        find_tables(EDITIONS["mer2026"], REAL / "mer2025")


@needs_tables
def test_a_changed_table_is_refused_by_name(tmp_path: Path) -> None:
    shutil.copytree(REAL / "mer2025", tmp_path / "given")
    with (tmp_path / "given" / "format.csv").open("ab") as stream:
        stream.write(b"\n")
    with pytest.raises(ValueError, match=r"given: format\.csv: not the published file"):
        find_tables(EDITIONS["mer2025"], tmp_path / "given")


def test_missing_tables_are_named(folder: Path) -> None:
    (folder / "wheel4.xlsx").unlink()
    with pytest.raises(ValueError, match=r"wheel4\.xlsx is missing"):
        load_words("mer2025", folder, checked=False)
    with pytest.raises(ValueError, match=r"wheel4\.xlsx is missing"):
        load_words("mer2025", folder)


def test_a_folder_without_tables_is_refused_and_nothing_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        ValueError, match=r"--wheels .*no format\.csv there\. Copy format\.csv, synonym\.xlsx"
    ) as caught:
        find_tables(EDITIONS["mer2025"], tmp_path)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "absent"))
    with pytest.raises(ValueError, match=rf"{VARIABLE} .*absent: no format\.csv there"):
        find_tables(EDITIONS["mer2025"])
    for word in (REPOSITORY, COMMIT, EDITIONS["mer2025"].path, "--wheels", VARIABLE, str(cache_folder() / "mer2025")):
        assert word in str(caught.value)


def test_offline_the_message_says_how_to_get_the_tables() -> None:
    with pytest.raises(ValueError, match="could not be fetched") as caught:
        load_words("mer2026")
    for word in ("no network", REPOSITORY, COMMIT, EDITIONS["mer2026"].path, "--wheels", VARIABLE, str(cache_folder())):
        assert word in str(caught.value)


# --- fetching


@pytest.fixture
def served(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """Serves the made-up tables at the addresses of mer2025, as its published files; returns what was asked for."""
    content = {name: (folder / name).read_bytes() for name in TABLES}
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in content.items()}
    edition = Edition("mer2025", EDITIONS["mer2025"].path, sums, zero=False)
    monkeypatch.setitem(EDITIONS, "mer2025", edition)
    asked: list[str] = []

    def answer(address: str, timeout: float) -> io.BytesIO:
        assert timeout <= 60
        asked.append(address)
        return io.BytesIO(content[address.rsplit("/", 1)[1]])

    monkeypatch.setattr(urllib.request, "urlopen", answer)
    return lambda: asked


def test_missing_tables_are_fetched_once(served: Callable[[], list[str]]) -> None:
    assert load_words("mer2025").cluster("cheer", "w4_l1") == "glad"
    assert served() == [EDITIONS["mer2025"].address(name) for name in TABLES]
    wordmap._LOADED.clear()
    assert load_words("mer2025").cluster("cheer", "w4_l1") == "glad"
    assert len(served()) == len(TABLES)
    assert sorted(path.name for path in (cache_folder() / "mer2025").iterdir()) == sorted(TABLES), "nothing else"


def test_a_broken_fetch_goes_on_where_it_stopped(served: Callable[[], list[str]]) -> None:
    load_words("mer2025")
    (cache_folder() / "mer2025" / "wheel2.xlsx").unlink()
    (cache_folder() / "mer2025" / "wheel3.xlsx").write_bytes(b"half")
    find_tables(EDITIONS["mer2025"])
    assert [address.rsplit("/", 1)[1] for address in served()[len(TABLES) :]] == ["wheel2.xlsx", "wheel3.xlsx"]


def test_another_file_than_the_published_one_is_not_kept(
    served: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: io.BytesIO(b"<html>log in</html>"))
    with pytest.raises(ValueError, match=r"answered with another file\. Copy format\.csv"):
        load_words("mer2025")
    assert not list((cache_folder() / "mer2025").iterdir())
    assert not served()


def test_a_folder_that_cannot_be_written_to_is_a_plain_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="could not be fetched"):
        fetch(EDITIONS["mer2025"], tmp_path / "file" / "inside")


# --- the stored word map


def test_a_stored_map_equals_the_parsed_one(served: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = load_words("mer2025")
    assert len(served()) == len(TABLES)
    wordmap._LOADED.clear()

    def refuse(*_: object) -> None:
        raise AssertionError("parsed again")

    monkeypatch.setattr(wordmap, "build", refuse)
    stored = load_words("mer2025")
    assert stored is not parsed
    assert (stored.known, stored.clusters, stored.zero) == (parsed.known, parsed.clusters, parsed.zero)
    assert np.array_equal(stored.codes, parsed.codes)
    assert stored.codes.dtype == parsed.codes.dtype


@pytest.mark.parametrize(
    "damage", ["", "{}", "[1]", "null", '{"words": [], "clusters": [], "codes": 3}', "short", "code"]
)
def test_a_damaged_stored_map_is_made_again(served: Callable[[], list[str]], damage: str) -> None:
    load_words("mer2025")
    (path,) = cache_folder().glob("words-*.json")
    record = json.loads(path.read_text(encoding="utf-8"))
    if damage == "short":
        record["codes"].pop()
    if damage == "code":
        record["codes"][0][0] = 999
    path.write_text(json.dumps(record) if damage in ("short", "code") else damage, encoding="utf-8")
    wordmap._LOADED.clear()
    assert load_words("mer2025").cluster("cheer", "w4_l1") == "glad"
    assert json.loads(path.read_text(encoding="utf-8"))["codes"][0][0] != 999
    assert len(served()) == len(TABLES)


def test_a_cache_that_cannot_be_written_to_costs_nothing_but_time(
    served: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("read-only")

    monkeypatch.setattr(wordmap, "write_atomic", refuse)
    assert load_words("mer2025").cluster("cheer", "w4_l1") == "glad"
    assert not list(cache_folder().glob("words-*"))
    assert len(served()) == len(TABLES)

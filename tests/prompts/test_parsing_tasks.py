"""What a task may set beyond the named kinds: option texts, the cap of an open list, the grid of a blend, labels."""

from __future__ import annotations

import pytest

from prompts.parsing import Parsed, Unparsed, parse
from prompts.schema import dump, schema
from tasks.task import AnyOf, Blend, Dims, Official, OneOf, Pick

MOODS = Pick(("A", "B", "C"), texts=("happy", "very sad", "angry and tired"))


@pytest.mark.parametrize(
    ("reply", "choice", "repairs"),
    [
        ("B", "B", ()),
        ("Very sad.", "B", ("alias",)),
        ("B. very sad", "B", ("option_text",)),
        ("B. he weeps", "B", ("option_text",)),
        ("Answer: (A) happy", "A", ("option_text", "key_alias")),
        ('{"choice": "angry and tired"}', "C", ("alias",)),
        ("option c", "C", ("alias",)),
    ],
)
def test_option_texts(reply: str, choice: str, repairs: tuple[str, ...]) -> None:
    rule = parse(reply, MOODS)
    assert isinstance(rule, Parsed)
    assert (rule.value, rule.repairs) == ({"choice": choice}, repairs)


@pytest.mark.parametrize("reply", ["A. very sad", "A: angry and tired", "happy / very sad", '{"choice": "B) happy"}'])
def test_text_of_another_option_is_ambiguous(reply: str) -> None:
    assert parse(reply, MOODS) == Unparsed("ambiguous")


def test_options_that_are_no_letters_have_no_letter_aliases() -> None:
    assert parse("option yes", Pick(("yes", "no"))) == Unparsed("outside_label_set")


def test_cap_of_an_open_list() -> None:
    kind = AnyOf(cap=2)
    assert parse("[happy, calm, tired, Tired]", kind) == Parsed(
        {"labels": ["happy", "calm"]},
        "json",
        ("unquoted", "shape", "capped"),
        ("tired", "tired"),
    )
    assert parse('{"labels": ["a b", "c", "d"]}', kind) != Parsed({"labels": ["a b", "c", "d"]}, "schema")
    assert schema(kind)["properties"]["labels"]["maxItems"] == 2


def test_grid_of_a_blend() -> None:
    kind = Blend(("x", "y"), (), (20, 40, 60, 80))
    result = parse("x 90%, y 10%", kind)
    assert isinstance(result, Parsed)
    assert result.value == {"emotions": [{"emotion": "x", "salience": 80}, {"emotion": "y", "salience": 20}]}
    assert result.repairs == ("snapped",)
    assert parse(dump(result.value, kind), kind) == Parsed(result.value, "schema")


def test_other_dimensions_and_labels() -> None:
    kind = Dims(("Power level", "valence"), 1, 9)
    assert parse("power_level: 3; Valence: 10", kind) == Parsed(
        {"Power level": 3.0, "valence": None}, "fields", ("key_alias", "bad_field")
    )
    tricky = OneOf(("not sure", "yes/no", "Joy (mild)"))
    assert parse("yes/no", tricky) == Parsed({"label": "yes/no", "confidence": None}, "label")
    assert parse("not sure\nHe frowns.", tricky) == Unparsed("no_answer")  # an empty word, also where it is a label
    assert parse("joy (mild)", tricky) == Parsed({"label": "Joy (mild)", "confidence": None}, "label", ("label_form",))


@pytest.mark.parametrize(
    ("reply", "choice"),
    [
        ("x" * 9_999 + "same", "same"),
        ("x" * 10_000 + "same", "a1"),  # no better than a key that does not occur, and a1 comes first
        ("x" * 10_000 + "a2 a1", "a2"),
        ("SAME", "same"),
        ("not a1, a2", "a1"),
    ],
)
def test_official_preference_counts_an_absent_key_at_10000(reply: str, choice: str) -> None:
    assert parse(reply, Official("preference")) == Parsed({"choice": choice}, "official")

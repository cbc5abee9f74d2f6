"""Mending misspelt labels and transcripts of the EmoS release."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.emos_repair import MISSPELT, labels_of, repair_transcript, tokens
from tasks.labels import label_space

VOCABULARY = (*label_space("goemotions28").labels, "unsure")

# as released | mended
TRANSCRIPTS = """
I?m here.                          | I'm here.
i?m here                           | i'm here
She isn?t, they?re, we?ve, he?ll   | She isn't, they're, we've, he'll
DON?T!                             | DON'T!
Bob?s car, what?d you do           | Bob's car, what'd you do
Y?know it?s five o?clock           | Y'know it's five o'clock
C?mon, ma?am, y?all                | C'mon, ma'am, y'all
?Cause I told ?em ?til six         | 'Cause I told 'em 'til six
Why? ?Cause.                       | Why? 'Cause.
I?m-I?m not sure                   | I'm-I'm not sure
walkin? or talkin? about it        | walkin? or talkin' about it
How you doin??                     | How you doin'?
It?s nothin?.                      | It's nothin'.
Goin? out?                         | Goin' out?
It隆炉s me隆颅 at the caf篓娄隆陋now | It's me… at the café—now
  blanks outside go                | blanks outside go
Is it me?                          | Is it me?
Me? Sure.                          | Me? Sure.
Come in? and sit                   | Come in? and sit
Again? no.                         | Again? no.
What are you doin? Tell me         | What are you doin? Tell me
What?Tell me                       | What?Tell me
just?I mean                        | just?I mean
we?we go                           | we?we go
She said ?Hello? to me             | She said ?Hello? to me
the boys? room                     | the boys? room
What??                             | What??
24? s                              | 24? s
"""
CASES = [tuple(part.strip() for part in line.split("|")) for line in TRANSCRIPTS.strip("\n").splitlines()]


@pytest.mark.parametrize(("released", "mended"), CASES, ids=[case[0] for case in CASES])
def test_transcripts(released: str, mended: str) -> None:
    assert repair_transcript(released) == mended


@given(st.text(alphabet="abdeIilmnorstv '?.!-", max_size=40))
def test_only_question_marks_change_and_only_to_apostrophes(text: str) -> None:
    repaired = repair_transcript(text)
    stripped = text.strip()
    assert len(repaired) == len(stripped)
    assert all(new == old or (old, new) == ("?", "'") for old, new in zip(stripped, repaired, strict=True))


@given(st.text(alphabet="abdeIilmnorstv '?.!-", max_size=40))
def test_mending_twice_changes_nothing_more(text: str) -> None:
    once = repair_transcript(text)
    assert repair_transcript(once) == once


@given(st.lists(st.sampled_from(["Me", "Sure", "in", "so", "do", "I", "it"]), min_size=1, max_size=6))
def test_question_marks_before_a_blank_and_a_capital_stay(words: list[str]) -> None:
    text = "? ".join(word.title() for word in words) + "?"
    assert repair_transcript(text) == text


def test_misspelt_labels_lead_into_the_vocabulary() -> None:
    for word, labels in MISSPELT.items():
        assert word not in VOCABULARY
        assert set(labels) <= set(VOCABULARY)


@pytest.mark.parametrize(
    ("cell", "labels"),
    [
        ("joy;love", {"joy", "love"}),
        (" joy ; love;", {"joy", "love"}),
        ("", set()),
        (";;", set()),
        ("joy;jou", {"joy"}),
        ("lovedesire", {"love", "desire"}),
        ("realization" + " " * 1700 + "re", {"realization"}),
        ("unsure", {"unsure"}),
    ],
)
def test_labels_of_a_cell(cell: str, labels: set[str]) -> None:
    assert labels_of(cell, VOCABULARY) == labels


def test_tokens_keep_unknown_words() -> None:
    assert tokens("joy; blah  blah ;") == ["joy", "blah blah"]


@pytest.mark.parametrize("cell", ["blah", "joy;Joy", "joy,love"])
def test_an_unknown_word_is_refused(cell: str) -> None:
    with pytest.raises(ValueError, match="is no GoEmotions label and no known misspelling of one"):
        labels_of(cell, VOCABULARY)

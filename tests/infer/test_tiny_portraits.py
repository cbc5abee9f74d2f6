"""What the tiny checkpoint is pretrained on: faces and voices in words, and no emotion in them."""

from __future__ import annotations

import numpy as np
import pytest

from infer.tiny_portraits import FEATURES, LOOKS, SIZE, SOUNDS, Portrait, description_words, portraits
from tasks.labels import label_space, label_space_names


@pytest.fixture(scope="module")
def drawn() -> list[Portrait]:
    rng = np.random.default_rng(5)
    return [portrait for _ in range(30) for portrait in portraits(8, rng)]


def test_no_word_is_a_label_of_any_task() -> None:
    labels = {label.lower() for name in label_space_names() for label in label_space(name).labels}
    aliases = {word.lower() for name in label_space_names() for word, _ in label_space(name).aliases}
    words = set(" ".join(description_words()).split())
    assert not words & (labels | aliases)


def test_every_word_stands_for_one_feature() -> None:
    words = " ".join(description_words()).split()
    assert len(words) == len(set(words))


def test_portraits_of_one_batch_have_one_duration(drawn: list[Portrait]) -> None:
    for start in range(0, len(drawn), 8):
        batch = drawn[start : start + 8]
        assert len({(one.frames.shape, one.sound.shape, one.fps) for one in batch}) == 1
    for one in drawn:
        assert one.frames.shape[1:] == (SIZE, SIZE, 3)
        assert len(one.frames) in (4, 6)
        assert len(one.frames) / one.fps == pytest.approx(len(one.sound) / 16_000)
        assert one.looks.shape == (len(one.frames) // 2, len(LOOKS))
        assert one.sounds.shape == (len(SOUNDS),)


def test_the_same_seed_draws_the_same_portraits() -> None:
    first, again, other = (portraits(2, np.random.default_rng(seed)) for seed in (1, 1, 2))
    for one, two in zip(first, again, strict=True):
        assert (one.words, one.fps) == (two.words, two.fps)
        for name in ("frames", "sound", "looks", "sounds"):
            assert np.array_equal(getattr(one, name), getattr(two, name))
    assert [one.words for one in first] != [one.words for one in other]


def test_every_word_is_used_and_no_feature_tells_another(drawn: list[Portrait]) -> None:
    table = np.array(
        [
            [FEATURES[name][0].index(word) for name, word in zip(FEATURES, one.words.split(), strict=True)]
            for one in drawn
        ]
    )
    for place, (words, _) in enumerate(FEATURES.values()):
        shares = np.bincount(table[:, place], minlength=len(words)) / len(drawn)
        assert shares.min() > 0.1, dict(zip(words, shares, strict=True))
    related = np.corrcoef(table.T) - np.eye(len(FEATURES))
    assert np.abs(related).max() < 0.3  # 240 draws: 0.3 is more than four standard deviations of chance


def test_measures_are_about_minus_one_to_one(drawn: list[Portrait]) -> None:
    for values in (np.concatenate([one.looks for one in drawn]), np.stack([one.sounds for one in drawn])):
        assert (np.abs(values).max(axis=0) < 3.5).all()
        assert ((values.std(axis=0) > 0.25) & (values.std(axis=0) < 1.1)).all()


def test_what_is_measured_is_what_is_drawn(drawn: list[Portrait]) -> None:
    """A mouth that brightens is measured brighter at the end than at first, and a loud voice is louder."""
    turn, curve = LOOKS.index("mouth_turn"), LOOKS.index("mouth_curve")
    word, loud = list(FEATURES).index("mouth_turn"), list(FEATURES).index("loud")
    for one in drawn:
        if one.words.split()[word] == "brightening":
            assert one.looks[-1, curve] > one.looks[0, curve]
            assert one.looks[:, turn].sum() > 0
    power = {
        name: np.mean([one.sound.std() for one in drawn if one.words.split()[loud] == name])
        for name in ("quiet", "normal", "loud")
    }
    assert power["quiet"] < power["normal"] < power["loud"]

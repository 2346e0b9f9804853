"""The speaking model: letters find their sounds, the shipped model is as wrong as its card says, any name will do."""

import itertools
import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib import datasets, speaker
from course_lib.layers import softmax
from course_lib.metrics import ErrorRates, error_rates
from course_lib.seq2seq import EncoderDecoder, teacher_forcing
from course_lib.speaker import alignment, training
from course_lib.speaker import train as command

phonemes = st.sampled_from(sorted(speaker.SOUNDS))
PAIRS_BEGIN = 1 + len(speaker.SOUNDS)


@pytest.fixture(scope="module")
def shipped():
    return speaker.load_speaker()


# ---------------------------------------------------------------------------------------------------------------------
# The shipped model
# ---------------------------------------------------------------------------------------------------------------------
def test_the_card_says_how_often_the_shipped_model_is_wrong(shipped):
    card = speaker.model_card()
    rates = training.measure(shipped.model, "test")
    # another order of the same sums may turn a word that hangs in the balance
    assert rates.words == pytest.approx(card["word_error_rate"], abs=5e-4)
    assert rates.phonemes == pytest.approx(card["phoneme_error_rate"], abs=2e-4)
    assert card["test_words"] == len(datasets.load_spellings("test")[0]) == 5899
    assert card["parameters"] == sum(w.size for w in shipped.model.weights)
    assert card["word_error_rate"] < 0.33


def test_it_is_small():
    assert (training.FOLDER / "speaker.npz").stat().st_size < 3_000_000


def test_the_card_is_what_the_training_code_writes(shipped, tmp_path):
    card = speaker.model_card()
    written = training.write_card(shipped.model, *alignment.training_data(), tmp_path)
    assert written == json.loads((tmp_path / "speaker.json").read_text(encoding="utf-8"))
    assert written.keys() == card.keys()
    for key in ("what", "data", "training", "test_words", "parameters", "alone", "windows"):
        assert written[key] == card[key]
    assert written["word_error_rate"] == pytest.approx(card["word_error_rate"], abs=5e-4)
    by_letters = written["what_goes_wrong"]["by_letters"]
    assert by_letters == pytest.approx(card["what_goes_wrong"]["by_letters"], abs=3e-3)


def test_training_makes_such_a_model_and_its_rate_falls(monkeypatch, capsys):
    monkeypatch.setattr(training, "EPOCHS", 2)
    monkeypatch.setattr(training, "UNITS", 16)
    monkeypatch.setattr(training, "measure", lambda model, part: ErrorRates(1.0, 1.0))
    rates = []
    update = training.Adam.update
    monkeypatch.setattr(
        training.Adam, "update", lambda self, *how: (rates.append(self.learning_rate), update(self, *how))
    )
    model = training.train(training.spelling_pairs("validation")[:640])
    assert len(rates) == 20
    np.testing.assert_allclose(rates[:11], training.RATE)
    np.testing.assert_allclose(rates[11:], training.RATE * np.arange(0.9, 0, -0.1))
    assert "epoch 2: loss" in capsys.readouterr().out
    assert [w.shape for w in model.weights] != []
    assert len(speaker.Speaker(model).say("phone").probabilities) <= speaker.MOST_SOUNDS + 1


def test_what_goes_wrong_is_counted():
    def said(word, *phonemes):
        return speaker.Spoken(word, phonemes, np.zeros((len(phonemes), len(word))), np.ones(len(phonemes) + 1))

    spoken = [
        said("go", "G", "OW"),
        said("to", "T", "OW"),
        said("tomato", "T", "AH", "M", "AA", "T", "OW"),
        said("rhythms", "R", "IH"),
        said("strengths", "S"),
        said("characterise", "K"),
    ]
    accepted = [
        [("G", "OW")],
        [("T", "UW"), ("T", "AH")],
        [("T", "AH", "M", "EY", "T", "OW")],
        [("R", "IH", "DH")],
        [("S",)],
        [("K",)],
    ]
    found = training.what_goes_wrong(spoken, accepted)
    assert found["by_letters"] == {"1-4": 0.5, "5-6": 1.0, "7-8": 1.0, "9-10": 0.0, "11-40": 0.0}
    assert found["by_one_sound"] == 1.0
    assert sorted(map(tuple, found["exchanges"])) == [("AH", "OW", 1), ("EY", "AA", 1)]


def test_a_word_is_said_alike_alone_and_in_company(shipped):
    words = ["phone", "a", "concierge", "xylophone", "pacific", "go"]
    together = shipped.say_all(words)
    for word, spoken in zip(words, together, strict=True):
        alone = shipped.say(word)
        assert spoken.word == word
        assert alone.phonemes == spoken.phonemes
        np.testing.assert_allclose(alone.probabilities, spoken.probabilities, atol=1e-5)
        np.testing.assert_allclose(alone.attention_weights, spoken.attention_weights, atol=1e-5)
        assert spoken.attention_weights.shape == (len(spoken.phonemes), len(word))
        np.testing.assert_allclose(spoken.attention_weights.sum(axis=1), 1, atol=1e-5)
        assert len(spoken.probabilities) == len(spoken.phonemes) + 1
    assert together[0].phonemes == ("F", "OW", "N")
    assert [s.phonemes for s in shipped.say_all(words, batch_size=2)] == [s.phonemes for s in together]


def test_any_model_says_words_by_greedy_decoding_whatever_the_batches(shipped):
    words = ["knight", "a", "phone", "extraordinary", "wicked"]
    said = speaker.say_words(shipped.model, words)
    assert said == [spoken.phonemes for spoken in shipped.say_all(words)]
    assert said == speaker.say_words(shipped.model, words, batch_size=2)
    assert said[:3] == [("N", "AY", "T"), ("AH",), ("F", "OW", "N")]


def test_a_start_symbol_among_the_sounds_is_left_out():
    model = EncoderDecoder(26, 41, 4, attention="dot", rng=np.random.default_rng(0))
    model.output_layer.bias[speaker.START] = 100  # nothing else is ever predicted
    assert speaker.say_words(model, ["a", "ab"]) == [(), ()]
    spoken = speaker.Speaker(model).say("ab")
    assert spoken.phonemes == ()
    assert spoken.probabilities.shape == (1,)


def test_what_cannot_be_said_is_named(shipped):
    with pytest.raises(ValueError, match="1 to 40 letters, but got '' with 0"):
        shipped.say("")
    with pytest.raises(ValueError, match="with 41"):
        shipped.say("a" * 41)
    with pytest.raises(ValueError, match="'é' at position 3"):
        shipped.say("josé")
    assert len(shipped.say("a" * 40).phonemes) <= speaker.MOST_SOUNDS


def test_certainty_is_the_probability_of_what_is_said_and_then_of_the_end(shipped):
    spoken = shipped.say("phone")
    sounds = [speaker.PHONEMES.index(sound) for sound in spoken.phonemes]
    pairs = teacher_forcing([speaker.LETTERS.encode("phone")], [sounds], speaker.START, speaker.STOP)
    p = softmax(shipped.model.forward(pairs))[0]
    for sound, certainty, row in zip([*sounds, speaker.STOP], spoken.probabilities, p, strict=True):
        assert row[sound] == pytest.approx(certainty, abs=1e-5)
        assert row[sound] == row.max()


# ---------------------------------------------------------------------------------------------------------------------
# Any name
# ---------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Jean—Luc Ǿrsted", ["jean", "luc", "orsted"]),
        ("a" * 40, ["a" * 40]),
        ("Ada Lovelace", ["ada", "lovelace"]),
        ("José O'Brien", ["jose", "obrien"]),
        ("Mary-Jane", ["mary", "jane"]),
        ("Łukasz Größe", ["lukasz", "grosse"]),
        ("Søren Ærø", ["soren", "aero"]),
        ("  X Æ A-12 ", ["x", "ae", "a"]),
        ("Nguyễn", ["nguyen"]),
        ("Nguye\u0302\u0303n", ["nguyen"]),
        ("ʻIolani ʿAlī", ["iolani", "ali"]),
        ("Għaxaq Ŋgũgĩ", ["ghaxaq", "nggugi"]),
        ("Əliyev Ɗanladi", ["aliyev", "danladi"]),
    ],
)
def test_a_name_becomes_words_of_letters(text, words):
    assert speaker.words_of(text) == words


def test_a_name_without_latin_letters_is_answered():
    for text in ("李雷", "", "42", "Hɑnna", "Li 雷"):
        with pytest.raises(ValueError, match="Latin letters, such as Li Lei"):
            speaker.words_of(text)
    with pytest.raises(ValueError, match="got one of 41"):
        speaker.words_of("a" * 41)


@given(st.text(max_size=60))
def test_whatever_is_typed_is_read_or_answered(text):
    try:
        words, answer = speaker.words_of(text), ""
    except ValueError as error:
        words, answer = [], str(error)
    assert bool(words) != answer.startswith("The network takes")
    assert all(re.fullmatch("[a-z]{1,40}", word) for word in words)


# ---------------------------------------------------------------------------------------------------------------------
# Sounds on paper
# ---------------------------------------------------------------------------------------------------------------------
def test_there_is_a_spelling_for_each_phoneme_of_the_dictionary():
    dictionary = datasets.load_pronunciations()
    known = {p for rights in dictionary.values() for right in rights for p in datasets.without_stress(right)}
    assert known == set(speaker.SOUNDS)
    assert known >= speaker.VOWELS
    assert len({spelling for spelling, _ in speaker.SOUNDS.values()}) >= 38  # th as in this and as in thin
    for phoneme, (_, example) in speaker.SOUNDS.items():
        assert re.search("[A-Z]", example), phoneme
        said = [p for right in dictionary[example.lower()] for p in datasets.without_stress(right)]
        assert phoneme in said, f"{example} has no {phoneme}: {said}"


@pytest.mark.parametrize(
    ("word", "written"),
    [
        ("singer", "sing-ur"),
        ("strengths", "strengkths"),
        ("banana", "buh-na-nuh"),
        ("pastry", "pay-stree"),
        ("bathrobe", "ba-throhb"),
        ("asquith", "a-skwith"),
        ("finger", "fing-gur"),
        ("abstract", "ab-strakt"),
        ("idea", "eye-dee-uh"),
        ("shh", "sh"),
    ],
)
def test_respelling(word, written):
    sounds = {"shh": ("SH",)}.get(word) or datasets.without_stress(datasets.load_pronunciations()[word][0])
    assert speaker.respell(sounds) == written


@given(st.lists(phonemes, max_size=12))
def test_syllables_keep_the_sounds_and_have_one_vowel_each(sounds):
    parts = speaker.syllables(tuple(sounds))
    assert [p for part in parts for p in part] == sounds
    assert parts == speaker.syllables(sounds)  # a list as well as a tuple
    vowels = [sum(p in speaker.VOWELS for p in part) for part in parts]
    assert vowels == [1] * len(parts) or (len(parts) == 1 and vowels == [0])


def test_stressed_phonemes_are_refused():
    with pytest.raises(ValueError, match=r"39 phonemes.*got 'OW1'"):
        speaker.respell(("G", "OW1"))


# ---------------------------------------------------------------------------------------------------------------------
# Errors
# ---------------------------------------------------------------------------------------------------------------------
def test_without_memory_a_letter_always_sounds_the_same():
    assert speaker.letter_by_letter(["taxe", "e"], {"t": "T", "a": "AE", "x": "K S", "e": ""}) == [
        ("T", "AE", "K", "S"),
        (),
    ]


# ---------------------------------------------------------------------------------------------------------------------
# Alignment
# ---------------------------------------------------------------------------------------------------------------------
def all_alignments(letters, count):
    """Every way to share ``count`` phonemes among the letters, 0 to 2 each."""
    return [sizes for sizes in itertools.product(range(3), repeat=letters) if sum(sizes) == count]


def chunk_number(chunk):
    """The column of (), (a,) or (a, b) in the table."""
    ids = [speaker.PHONEMES.index(p) for p in chunk]
    if len(ids) == 2:
        return PAIRS_BEGIN + ids[0] * len(speaker.SOUNDS) + ids[1]
    return 1 + ids[0] if ids else 0


def probability(word, sounds, sizes, table):
    """Of a word with its sounds, aligned so; and the (letter, chunk) cells that it uses."""
    ends = np.cumsum(sizes)
    cells = [
        (ord(letter) - ord("a"), chunk_number(sounds[end - size : end]))
        for letter, size, end in zip(word, sizes, ends, strict=True)
    ]
    return float(np.prod([table[cell] for cell in cells])), cells


words_with_sounds = st.tuples(
    st.text("abc", min_size=1, max_size=4),
    st.lists(st.sampled_from(["AA", "B", "K"]), min_size=1, max_size=5).map(tuple),
)


@given(st.lists(words_with_sounds, min_size=1, max_size=4), st.integers(0, 1000))
def test_counts_and_alignments_equal_those_of_trying_all(pairs, seed):
    table = np.random.default_rng(seed).dirichlet(np.ones(PAIRS_BEGIN + 39**2), 26)
    expected = np.zeros_like(table)
    best = []
    for word, sounds in pairs:
        ways = [probability(word, sounds, sizes, table) for sizes in all_alignments(len(word), len(sounds))]
        total = sum(p for p, _ in ways)
        for p, cells in ways:
            for cell in cells:
                expected[cell] += p / total
        best.append(max((p for p, _ in ways), default=None))
    counts = alignment._expected_counts(table, alignment._same_sizes(pairs))
    np.testing.assert_allclose(counts, expected, atol=1e-12)
    for (word, sounds), sizes, p in zip(pairs, alignment.align(pairs, table), best, strict=True):
        if p is None:
            assert sizes is None
        else:
            assert probability(word, sounds, sizes, table)[0] == pytest.approx(p)


def test_a_hidden_table_is_found():
    truth = {"a": ("AE",), "b": ("B",), "e": (), "g": ("G",), "o": ("AA",), "t": ("T",), "x": ("K", "S")}
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list(truth), rng.integers(3, 8))) for _ in range(300)]
    pairs = [(word, tuple(p for letter in word for p in truth[letter])) for word in words]
    pairs = [(word, sounds) for word, sounds in pairs if sounds]
    table = alignment.letter_table(pairs, rounds=20)
    np.testing.assert_allclose(table.sum(axis=1)[[ord(c) - ord("a") for c in truth]], 1)
    for letter, chunk in truth.items():
        assert table[ord(letter) - ord("a")].argmax() == chunk_number(chunk), letter
    for (word, sounds), sizes in zip(pairs, alignment.align(pairs, table), strict=True):
        assert alignment.chunked(sounds, sizes) == [" ".join(truth[letter]) for letter in word]


def test_words_that_cannot_be_aligned_are_passed_over():
    pairs = [("a", ("AE",)), ("w", ("D", "AH", "B", "AH"))]
    table = alignment.letter_table(pairs)
    sizes = alignment.align(pairs, table)
    assert sizes[0].tolist() == [1]
    assert sizes[1] is None


def test_a_window_sees_so_many_letters_and_asks_a_narrower_one_when_lost():
    def ids(text):
        return np.array([ord(letter) - ord("a") for letter in text])

    rows = [(ids("ab"), [1, 2]), (ids("cb"), [3, 4]), (ids("cb"), [3, 4]), (ids("abc"), [1, 5, 0])]
    narrow, wide = alignment.WindowTable(rows, 1), alignment.WindowTable(rows, 3)
    assert narrow.say(ids("ab")) == [1, 4]  # b is 4 twice, 2 and 5 once each
    assert wide.say(ids("ab")) == [1, 2]
    assert wide.say(ids("abc")) == [1, 5, 0]
    assert wide.say(ids("bb")) == [4, 4]  # neither window was met, so b alone is asked


def test_windows_of_one_letter_are_the_table_of_letters():
    card = speaker.model_card()
    words, accepted = datasets.load_spellings("test")
    rates = error_rates(speaker.letter_by_letter(words, card["alone"]), accepted)
    assert card["windows"]["1"] == [round(rates.words, 4), round(rates.phonemes, 4)]


def test_the_command_trains_measures_and_writes(tmp_path, monkeypatch, capsys):
    real = datasets.load_spellings

    def few(part):
        words, accepted = real(part)
        return words[::40], accepted[::40]

    monkeypatch.setattr(datasets, "load_spellings", few)
    monkeypatch.setattr(training, "EPOCHS", 1)
    monkeypatch.setattr(training, "UNITS", 16)
    command.main(tmp_path / "models")
    printed = capsys.readouterr().out
    assert "epoch 1: loss" in printed
    card = json.loads((tmp_path / "models" / "speaker.json").read_text(encoding="utf-8"))
    assert f"test words wrong: {card['word_error_rate']:.1%}" in printed
    assert 0 < card["word_error_rate"] <= 1
    trained = EncoderDecoder.load(tmp_path / "models" / "speaker.npz")
    assert speaker.Speaker(trained).say("go").word == "go"

"""The data of the course: small real files that come with it, and text from elsewhere.

=======================  ====================================================================
`load_pronunciations`    spelling -> sound, the CMU Pronouncing Dictionary
`load_words`             the dictionary's plain English words, to imitate
`load_spellings`         words and their sounds, parted for training, validation and the test
`load_digits`            handwritten digits, 8 x 8 pixels
`load_sunspots`          one real series, yearly from 1700 to 2008
`load_python_manual`     English prose that every Python installation carries
`load_text`              any UTF-8 file of your own
`load_classic`           a well-known text, by download; no lesson needs one
=======================  ====================================================================

Where each file comes from, under which licence and how it was made: ``datasets/README.md``.
"""

from __future__ import annotations

import bz2
import hashlib
import os
import re
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import numpy as np

from course_lib.user_files import read_user_file, user_folder


def _folder() -> Path:
    """``datasets/`` in a copy of the course; ``course_lib/_data`` where a wheel was installed."""
    packed = Path(str(resources.files("course_lib"))) / "_data"
    return packed if packed.is_dir() else Path(__file__).resolve().parents[1] / "datasets"


FOLDER = _folder()

Phonemes = tuple[str, ...]
PARTS = ("train", "validation", "test")


# --- the files in datasets/ ----------------------------------------------------------------------------------------


def checksums() -> dict[str, str]:
    """Read the list of data files and their checksums.

    Returns
    -------
    dict of str to str
        File name -> sha256 in hexadecimal, from ``datasets/SHA256SUMS``.

    Raises
    ------
    FileNotFoundError
        If the list, or the whole folder, is missing.
    ValueError
        If the list is not one.
    """
    path = FOLDER / "SHA256SUMS"
    if not path.is_file():
        raise FileNotFoundError(
            f"Expected the course's data in {FOLDER}, with the list SHA256SUMS, but it is not there. Get a whole "
            "copy of the course and install it again, with `pip install --editable .` from there."
        )
    entries = re.findall(r"^([0-9a-f]{64})  (\S+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    if not entries:
        raise ValueError(
            f"Expected lines of a checksum and a file name in {path}, but there is none. "
            "`git checkout -- datasets/SHA256SUMS` brings the original back."
        )
    return {name: digest for digest, name in entries}


def verify() -> list[str]:
    """Check every data file against its checksum.

    Returns
    -------
    list of str
        One sentence per problem, with what mends it; empty if all is well.
    """
    try:
        names = list(checksums())
    except (OSError, ValueError) as error:
        return [str(error)]
    problems = []
    for name in names:
        try:
            _read(name)
        except (OSError, ValueError) as error:
            problems.append(str(error))
    return problems


def _read(name: str) -> bytes:
    """Return the content of one data file after comparing it with its checksum."""
    expected, path = checksums()[name], FOLDER / name
    mend = f"`git checkout -- datasets/{name}` brings the original back."
    if not path.is_file():
        raise FileNotFoundError(f"Expected the data file {path}, but it is missing. {mend}")
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise ValueError(
            f"The data file {path} was changed or damaged: expected a file with sha256 {expected[:12]}..., "
            f"got {len(content):,} bytes with {found[:12]}.... {mend}"
        )
    return content


# --- words and how they sound --------------------------------------------------------------------------------------


def load_pronunciations() -> dict[str, list[Phonemes]]:
    """Load the CMU Pronouncing Dictionary, whole.

    Returns
    -------
    dict of str to list of tuple of str
        Word in lower case -> its pronunciations, in the dictionary's order, as ARPAbet phonemes. A vowel ends in its
        stress: 0 none, 1 primary, 2 secondary. Words with apostrophes, hyphens and full stops are in it too; for plain
        ones see `load_words`. Only the dictionary's 22 remarks ("place, danish") are left out. Two words have the same
        pronunciation twice, as in the dictionary.

    Raises
    ------
    FileNotFoundError, ValueError
        If the file is missing or damaged; the message says how to mend it.

    References
    ----------
    Carnegie Mellon University, The CMU Pronouncing Dictionary. See ``datasets/README.md``.

    Examples
    --------
    >>> load_pronunciations()["tomato"]
    [('T', 'AH0', 'M', 'EY1', 'T', 'OW2'), ('T', 'AH0', 'M', 'AA1', 'T', 'OW2')]
    """
    pronunciations: dict[str, list[Phonemes]] = {}
    for line in bz2.decompress(_read("cmudict.dict.bz2")).decode("ascii").splitlines():
        entry, *phonemes = line.partition("#")[0].split()
        word = entry.partition("(")[0]  # a second way to say "read" stands under "read(2)"
        pronunciations.setdefault(word, []).append(tuple(phonemes))
    return pronunciations


def load_words(part: str | None = None) -> list[str]:
    """Load the words of the dictionary that are spelled with the letters a to z only.

    Parameters
    ----------
    part : {"train", "validation", "test"}, optional
        Only those that `split_of` puts there; by default all.

    Returns
    -------
    list of str
        In alphabetical order, each once: common words, rare words and many surnames.

    Raises
    ------
    ValueError
        For an unknown part.
    FileNotFoundError, ValueError
        If the file is missing or damaged; the message says how to mend it.
    """
    if part not in (None, *PARTS):
        raise ValueError(f"Expected a part of the dictionary, 'train', 'validation' or 'test', got {part!r}.")
    words = sorted(word for word in load_pronunciations() if re.fullmatch("[a-z]+", word))
    return words if part is None else [word for word in words if split_of(word) == part]


def without_stress(phonemes: Phonemes) -> Phonemes:
    """Remove the stress marks: 69 different phonemes become 39.

    Parameters
    ----------
    phonemes : tuple of str
        As in the dictionary.

    Returns
    -------
    tuple of str
        The same without digits.

    Examples
    --------
    >>> without_stress(("R", "IY1", "D"))
    ('R', 'IY', 'D')
    """
    return tuple(phoneme.rstrip("012") for phoneme in phonemes)


def split_of(word: str) -> str:
    """Say whether a word is for training, validation or the test.

    The side depends on the word alone: the first eight bytes of the sha256 of its UTF-8 spelling, read as a big-endian
    integer modulo 100, are below 90 for training, below 95 for validation. So the split is the same on every machine,
    needs no file, and keeps all pronunciations of a word on one side. Relatives ("read", "reader") may be parted.

    Parameters
    ----------
    word : str
        Any word; its split never changes.

    Returns
    -------
    {"train", "validation", "test"}
        90, 5 and 5 per cent of all words.
    """
    percentile = int.from_bytes(hashlib.sha256(word.encode("utf-8")).digest()[:8], "big") % 100
    if percentile < 90:
        return "train"
    return "validation" if percentile < 95 else "test"


def load_spellings(part: str) -> tuple[list[str], list[list[Phonemes]]]:
    """Load the plain words of one part of the dictionary with the ways to say them, stress removed.

    Parameters
    ----------
    part : {"train", "validation", "test"}
        As `split_of` divides the words.

    Returns
    -------
    words : list of str
        In alphabetical order, letters a to z only.
    accepted : list of list of tuple of str
        The different pronunciations of each word.

    Raises
    ------
    ValueError
        For an unknown part.
    FileNotFoundError, ValueError
        If the file is missing or damaged; the message says how to mend it.
    """
    if part not in PARTS:
        raise ValueError(f"Expected a part of the dictionary, 'train', 'validation' or 'test', got {part!r}.")
    known, words = load_pronunciations(), load_words(part)
    return words, [list(dict.fromkeys(map(without_stress, known[word]))) for word in words]


# --- numbers -------------------------------------------------------------------------------------------------------


def load_digits() -> tuple[np.ndarray, np.ndarray]:
    """Load 1,797 handwritten digits.

    Returns
    -------
    images : ndarray of float32, shape (1797, 8, 8)
        Row, column; 0 (paper) to 16 (ink): each pixel counts the dark ones among 4 x 4 of the original scan.
    labels : ndarray of int64, shape (1797,)
        The digit, 0 to 9.

    Raises
    ------
    FileNotFoundError, ValueError
        If the file is missing or damaged; the message says how to mend it.

    References
    ----------
    Alpaydin and Kaynak 1998, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository,
    https://doi.org/10.24432/C50P49 (its test set, as scikit-learn ships it).
    """
    rows = np.loadtxt(_read("digits.csv").decode("ascii").splitlines(), delimiter=",", skiprows=1, dtype=np.int64)
    return rows[:, 1:].reshape(-1, 8, 8).astype(np.float32), rows[:, 0]


def load_sunspots() -> tuple[np.ndarray, np.ndarray]:
    """Load the yearly mean sunspot numbers of 1700 to 2008.

    Returns
    -------
    years : ndarray of int64, shape (309,)
        1700 to 2008.
    numbers : ndarray of float64, shape (309,)
        Wolf's relative sunspot number, yearly mean: larger is a more active sun. It has no unit.

    Raises
    ------
    FileNotFoundError, ValueError
        If the file is missing or damaged; the message says how to mend it.

    References
    ----------
    U.S. National Geophysical Data Center, as statsmodels ships it. The numbers were recalibrated in 2015; these are
    the ones from before, on which the older literature rests.
    """
    rows = np.loadtxt(_read("sunspots.csv").decode("ascii").splitlines(), delimiter=",", skiprows=1)
    return rows[:, 0].astype(np.int64), rows[:, 1]


# --- the Python manual ---------------------------------------------------------------------------------------------


class Manual(NamedTuple):
    """Text of the Python manual, and how much of it this Python has.

    Attributes
    ----------
    text : str
        One paragraph a line.
    found, expected : int
        Paragraphs in `text`, and paragraphs that a complete text has.
    """

    text: str
    found: int
    expected: int

    def __repr__(self) -> str:
        return f"<Python manual: {self.found:,} of {self.expected:,} paragraphs, {len(self.text):,} characters>"


def manual_paragraphs(topics: dict[str, str]) -> list[str]:
    """Cut the manual's topics into paragraphs that look the same in every version of Python.

    A paragraph ends at a blank line. Inside it every run of spaces and line ends becomes one space, because a changed
    word makes the manual's next edition break its lines elsewhere; lines that only draw (underlines of headings,
    borders of tables) go, because predicting the next dash is no achievement. A paragraph that several topics share
    counts once, or a test text could repeat the training text.

    Parameters
    ----------
    topics : dict of str to str
        ``pydoc_data.topics.topics``: name -> text.

    Returns
    -------
    list of str
        Topics in alphabetical order, paragraphs in reading order.
    """
    drawing = re.compile(r"[\s|+]*([*=~-])\1{2,}[\s|+*=~-]*")
    paragraphs: dict[str, None] = {}  # a set that keeps the order
    for name in sorted(topics):
        for block in re.split(r"\n\s*\n", topics[name]):
            words = " ".join(line for line in block.splitlines() if not drawing.fullmatch(line)).split()
            if words:
                paragraphs[" ".join(words)] = None
    return list(paragraphs)


def paragraph_hash(paragraph: str) -> str:
    """Hash a paragraph.

    Parameters
    ----------
    paragraph : str
        Its text.

    Returns
    -------
    str
        The first 16 hexadecimal digits of its sha256.
    """
    return hashlib.sha256(paragraph.encode("utf-8")).hexdigest()[:16]


def load_python_manual() -> Manual:
    """Load the part of the Python manual that Python 3.11, 3.12 and 3.13 share.

    Nothing is downloaded and the course does not carry the text: Python does, for its ``help()``. The course carries
    the hashes of the shared paragraphs, in a fixed order, so that readers with different versions of Python train on
    the same text. An early or late patch release may lack some paragraphs: see `found`.

    Returns
    -------
    Manual
        `text`, one paragraph a line, about 282,000 characters; `found` and `expected` paragraphs.

    Raises
    ------
    ModuleNotFoundError
        If this Python was installed without ``pydoc_data``.
    RuntimeError
        If it has none of the shared paragraphs.
    FileNotFoundError, ValueError
        If the list of hashes is missing or damaged.

    References
    ----------
    The Python Language Reference, Python Software Foundation; ``pydoc_data.topics`` of the running Python.
    """
    instead = "Until then take another text: load_words(), or load_text(path) with a UTF-8 file of your own."
    try:
        from pydoc_data.topics import topics
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "Expected the module pydoc_data.topics, a part of Python's standard library, but this Python is without "
            "it, as some minimal packages do (Debian's python3-minimal, the embeddable zip for Windows). Install a "
            f"full Python. {instead}"
        ) from error
    here = {paragraph_hash(paragraph): paragraph for paragraph in manual_paragraphs(topics)}
    shared = _read("python_manual_hashes.txt").decode("ascii").split()
    paragraphs = [here[digest] for digest in shared if digest in here]
    if not paragraphs:
        raise RuntimeError(
            f"Expected up to {len(shared):,} paragraphs of the manual in pydoc_data.topics, but this Python has none "
            f"of them, so its manual is not that of Python 3.11, 3.12 or 3.13. Run the course with one of these. "
            f"{instead}"
        )
    return Manual("\n".join(paragraphs), len(paragraphs), len(shared))


# --- text from elsewhere -------------------------------------------------------------------------------------------


def load_text(path: str | os.PathLike, at_least: int = 1_000) -> str:
    """Load a text file of your own.

    Parameters
    ----------
    path : str or path
        A plain text file in UTF-8, in any language. A byte-order mark is dropped; line ends become ``"\\n"``.
    at_least : int
        Fewest characters to accept.

    Returns
    -------
    str
        The text.

    Raises
    ------
    TypeError, FileNotFoundError, IsADirectoryError, PermissionError
        If `path` is no path, if there is no such file, or if it cannot be opened.
    ValueError
        If it is something else than a path, such as an address on the web or the text itself; or if the file is empty,
        is not text, is not UTF-8, or has fewer than `at_least` characters.
    """
    content, path = read_user_file(path), Path(path)
    text = _decode(content, path).replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise ValueError(f"Expected text in {path}, but the file is empty. Was it saved?")
    if len(text) < at_least:
        raise ValueError(
            f"Expected at least {at_least:,} characters in {path}, but there are {len(text):,}: too few to learn "
            "from and be tested on. Join several files, or pass a smaller at_least."
        )
    return text


def _decode(content: bytes, path: Path) -> str:
    """Return UTF-8 bytes as a string, or say what the bytes are instead."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise ValueError(
            f"Expected UTF-8 in {path}, but it begins with the mark of UTF-16, which Windows programs call "
            "'Unicode'. Open it in an editor and save it with the encoding UTF-8."
        )
    if b"\0" in content:
        raise ValueError(
            f"Expected plain text in {path}, but byte {content.index(0):,} is zero, as in a document, a picture or a "
            "program. Save or export it as plain text (.txt, UTF-8) first."
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # With a byte-order mark error.start counts from behind it, and error.object holds the bytes it counts in.
        start = error.start + len(content) - len(error.object)
        line = content.count(b"\n", 0, start) + 1
        raise ValueError(
            f"Expected UTF-8 in {path}, but byte {start:,} (0x{content[start]:02x}, in line {line:,}) does not fit "
            f"({error.reason}). Most likely the file has an older encoding: open it in an editor that shows it right "
            "and save it with the encoding UTF-8. If you know the encoding, say cp1252 or gbk, Python converts it: "
            "`Path(new).write_text(Path(old).read_text(encoding='cp1252'), encoding='utf-8')`."
        ) from error


class Classic(NamedTuple):
    """A well-known text that can be downloaded.

    Attributes
    ----------
    title, url : str
        What it is, and its address.
    checksum : str
        The published checksum of the file there.
    """

    title: str
    url: str
    checksum: str


CLASSICS = {
    # size and sha256 as in TensorFlow Datasets, url_checksums/tiny_shakespeare.txt
    "tiny_shakespeare": Classic(
        "40,000 lines of Shakespeare, as in Karpathy's char-rnn",
        "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
        "sha256:86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
    ),
    # sha256 as for alice29.txt of the Canterbury Corpus, with which compression libraries are tested
    "alice": Classic(
        "Lewis Carroll, Alice's Adventures in Wonderland, 1865",
        "https://raw.githubusercontent.com/google/brotli/v1.2.0/tests/testdata/alice29.txt",
        "sha256:7467306ee0feed4971260f3c87421154a05be571d944e9cb021a5713700c38f0",
    ),
    # address and sha1 as in Dive into Deep Learning, class TimeMachine
    "time_machine": Classic(
        "H. G. Wells, The Time Machine, 1895",
        "http://d2l-data.s3-accelerate.amazonaws.com/timemachine.txt",
        "sha1:090b5e7e70c295757f55df93cb0a180b9691891a",
    ),
}


def load_classic(name: str) -> str:
    """Load a well-known text, downloading it the first time.

    The file is kept in ``downloads`` in :func:`~course_lib.user_files.user_folder` and compared with its checksum at
    every call. No lesson needs a download.

    Parameters
    ----------
    name : str
        A key of `CLASSICS`.

    Returns
    -------
    str
        The text.

    Raises
    ------
    KeyError
        If there is no classic of that name.
    ConnectionError
        If the file is not there yet and cannot be fetched.
    ValueError
        If what was fetched is another file than the published one.
    OSError
        If the file cannot be stored.
    """
    if name not in CLASSICS:
        raise KeyError(f"Expected one of {', '.join(sorted(CLASSICS))}, got {name!r}. For other texts see load_text.")
    import pooch  # here, because most readers never download anything
    import requests

    pooch.get_logger().setLevel("WARNING")  # it reports each download on stderr
    classic = CLASSICS[name]
    folder = user_folder() / "downloads"
    instead = "Without it, load_python_manual() gives a text of similar use that is on this machine already."
    try:
        path = pooch.retrieve(
            classic.url,
            known_hash=classic.checksum,
            fname=f"{name}.txt",
            path=folder,
            downloader=pooch.HTTPDownloader(timeout=20),
        )
    except requests.RequestException as error:
        raise ConnectionError(
            f"Expected to download {name!r} from {classic.url}, but the transfer failed "
            f"({type(error).__name__}). Check the network and try again; nothing half-finished was kept. {instead}"
        ) from error
    except ValueError as error:
        raise ValueError(
            f"Expected the file with {classic.checksum[:20]}... at {classic.url}, but got another one: it was changed "
            f"there, or something on the way (a login page of the network, say) answered instead. It was not kept. "
            f"{instead}"
        ) from error
    except OSError as error:
        raise OSError(
            f"Expected to store {name!r} in {folder}, but that failed ({error}). Make room or set COURSE_HOME to a "
            f"folder you may write to. {instead}"
        ) from error
    return load_text(path)

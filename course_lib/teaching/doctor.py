"""Says in plain words what is wrong with an environment, and how to mend it.

It is asked when something is broken, so it needs nothing but Python: whatever else it uses is imported where
it is used, and its absence is one more finding. Each check returns a list of :class:`Finding`.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements.lock"

PYTHONS = ((3, 11), (3, 13))  # the oldest and the newest version, both included
MEMORY = 2.0  # GiB that the largest lesson needs, with TensorFlow, a browser beside it
DISK = 1.0  # GiB, for figures, pages and what notebooks leave behind

# What lessons import. TensorFlow has a check of its own, which takes longer than all others together.
IMPORTED = ("numpy", "matplotlib", "IPython", "ipykernel", "ipywidgets", "jupyterlab", "tqdm", "pooch")

_NO_LIMIT = float("inf")

REBUILD = "Delete the folder .venv and run `make lab` (or `python make.py lab`), which builds it anew."


class Finding(NamedTuple):
    """What a check found out about one thing.

    Attributes
    ----------
    text : str
        What it is.
    mend : str
        What to do about it; empty if all is well.
    """

    text: str
    mend: str = ""


def check_python(version: tuple = sys.version_info) -> list[Finding]:
    """Check the version of Python.

    Parameters
    ----------
    version : tuple
        Begins with major and minor number.

    Returns
    -------
    list of Finding
        One, with the version and where this Python is.
    """
    text = f"Python {'.'.join(map(str, version[:3]))} at {sys.executable}"
    oldest, newest = PYTHONS
    if oldest <= tuple(version[:2]) <= newest:
        return [Finding(text)]
    span = f"{oldest[0]}.{oldest[1]} to {newest[0]}.{newest[1]}"
    text += f"; the course runs on {span}."
    return [Finding(text, "Install one of these and run `make lab`, which looks for it.")]


def check_checkout() -> list[Finding]:
    """Check that a notebook, wherever it is, imports this copy of course_lib and no other."""
    mend = f"In {ROOT}: `{sys.executable} -m pip install --no-deps --no-build-isolation --editable .`"
    code = "import importlib.util as u; s = u.find_spec('course_lib'); print(s.origin if s else '')"
    with tempfile.TemporaryDirectory() as elsewhere:
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=elsewhere, capture_output=True, encoding="utf-8", check=False,
            env=os.environ | {"PYTHONUTF8": "1"},
        )  # fmt: skip
    origin = done.stdout.strip()
    own = ROOT / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not origin and own.exists() and own.parent != Path(sys.executable).parent:
        text = f"The course was not installed for {sys.executable}, but there is an environment in .venv."
        return [Finding(text, f"Ask about that one: `{own} -m course_lib doctor`")]
    if not origin:
        return [Finding("course_lib is not installed, so lessons cannot import it.", mend)]
    found = Path(origin).resolve().parents[1]
    if found != ROOT:
        return [Finding(f"Lessons import course_lib from {found}, not from {ROOT}.", mend)]
    return [Finding(f"course_lib is imported from {ROOT}")]


def locked_packages(lock_text: str, environment: dict[str, str] | None = None) -> dict[str, str]:
    """Read from a lock which packages, and which version of each, a machine needs.

    Parameters
    ----------
    lock_text : str
        Content of requirements.lock.
    environment : dict of str, optional
        The machine, as values of the markers of PEP 508 such as ``sys_platform``; by default, this one.

    Returns
    -------
    dict of str to str
        The version of each package, by its name.

    Raises
    ------
    ImportError
        If the package ``packaging`` is missing.
    ValueError
        If a line is not a requirement with an exact version.
    """
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    packages = {}
    for line in lock_text.splitlines():
        line = line.partition("#")[0].strip()
        if not line:
            continue
        requirement = Requirement(line)
        exact = re.fullmatch(r"==([^*,]+)", str(requirement.specifier))
        if not exact:
            raise ValueError(f"Expected lines like name==1.2.3 in the lock, got {line!r}; `make lock` writes it anew.")
        if requirement.marker is None or requirement.marker.evaluate(environment):
            packages[canonicalize_name(requirement.name)] = exact[1]
    return packages


def check_packages(lock: Path = LOCK) -> list[Finding]:
    """Compare the installed packages with the lock. What else is installed does no harm and is not mentioned.

    Parameters
    ----------
    lock : Path
        File such as requirements.lock.

    Returns
    -------
    list of Finding
        One for each package that is missing or of another version, or one for all if they are many or none.
    """
    try:
        packages = locked_packages(Path(lock).read_text(encoding="utf-8"))
    except ImportError as error:
        return [Finding(f"The packages cannot be compared with the lock: {error}.", REBUILD)]
    except OSError as error:
        return [Finding(f"The list of packages cannot be read: {error}.", restored("requirements.lock"))]
    findings = []
    for name, version in packages.items():
        try:
            found = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found = None
        if found is None:
            findings.append(Finding(f"{name} is missing.", f"`{sys.executable} -m pip install {name}=={version}`"))
        elif found != version:
            findings.append(
                Finding(
                    f"{name} is version {found}, the course was checked with {version}.",
                    f"`{sys.executable} -m pip install {name}=={version}`",
                )
            )
    if len(findings) > 5:
        few = " ".join(finding.text for finding in findings[:3])
        return [Finding(f"{len(findings)} of {len(packages)} packages are not as in the lock: {few} ...", REBUILD)]
    return findings or [Finding(f"{len(packages)} packages, each as in requirements.lock")]


def check_imports(names: Sequence[str] = IMPORTED) -> list[Finding]:
    """Import what lessons import, in another process, because a broken package may end the one that imports it.

    Parameters
    ----------
    names : sequence of str
        Modules, imported in this order.

    Returns
    -------
    list of Finding
        One: all is well, or the first module that fails and why.
    """
    code = "import sys\nfor name in sys.argv[1:]:\n    print(name, flush=True)\n    __import__(name)"
    done = subprocess.run(
        [sys.executable, "-c", code, *names], cwd=ROOT, capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode == 0:
        return [Finding("the packages that lessons use can be imported")]
    name = (done.stdout.split() or ["Python"])[-1]
    reason = (done.stderr.strip().splitlines() or [f"the process ended with code {done.returncode}"])[-1]
    return [Finding(f"{name} is installed but cannot be imported: {reason}", REBUILD)]


def check_tensorflow() -> list[Finding]:
    """Import TensorFlow and Keras as the lessons do, in another process, because a wrong build may end it.

    Returns
    -------
    list of Finding
        One: their versions, or why they cannot be imported.
    """
    code = "from course_lib.keras_models import keras, tf; print(tf.__version__, keras.__version__)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode == 0:
        tensorflow, keras = done.stdout.split()[-2:]
        return [Finding(f"TensorFlow {tensorflow} and Keras {keras} can be imported")]
    reason = (done.stderr.strip().splitlines() or [f"the process ended with code {done.returncode}"])[-1]
    if done.returncode in (-4, 132, 3221225501):  # SIGILL, in a shell's words, in Windows' words
        return [
            Finding(
                "TensorFlow ends the process: this processor lacks instructions (AVX) that its builds need.",
                "Lessons without Keras run. For the others use another machine, or Binder.",
            )
        ]
    return [Finding(f"TensorFlow cannot be imported: {reason}", REBUILD)]


def memory_limits(cgroups: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> dict[str, float]:
    """Find how much memory this process may still take, by each limit that is set.

    Parameters
    ----------
    cgroups, own : Path
        Where Linux shows its control groups, and to which ones this process belongs.

    Returns
    -------
    dict of str to float
        What sets the limit -> GiB that are left.

    Raises
    ------
    ImportError
        If the package ``psutil`` is missing.
    """
    import psutil

    left = {"this machine": psutil.virtual_memory().available / 2**30}
    names = (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes"))
    try:
        groups = [line.split(":", 2) for line in own.read_text(encoding="utf-8").splitlines()]
    except OSError:
        groups = []
    for _, controllers, path in groups:
        top = cgroups / "memory" if controllers else cgroups
        folder = top / path.lstrip("/")
        for place in (folder, *folder.parents):
            for limit, used in names:
                try:
                    room = int((place / limit).read_text()) - int((place / used).read_text())
                except (OSError, ValueError):  # no such file, or "max": no limit
                    continue
                left["the container or service"] = min(room / 2**30, left.get("the container or service", _NO_LIMIT))
            if place == top:
                break
    try:
        import resource

        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        if limit != resource.RLIM_INFINITY:
            left["ulimit -v"] = (limit - psutil.Process().memory_info().vms) / 2**30
    except ImportError:  # Windows
        pass
    return left


def check_memory(available: float | None = None) -> list[Finding]:
    """Check the memory that this process may still take.

    Parameters
    ----------
    available : float, optional
        In GiB; by default, the smallest of what :func:`memory_limits` finds.

    Returns
    -------
    list of Finding
        One, with the amount.
    """
    limit = "this machine"
    if available is None:
        try:
            left = memory_limits()
        except ImportError as error:
            return [Finding(f"The free memory cannot be measured: {error}.", REBUILD)]
        limit = min(left, key=left.get)
        available = left[limit]
    text = f"{available:.1f} GiB of memory free" + (f" within the limit of {limit}" if limit != "this machine" else "")
    if available >= MEMORY:
        return [Finding(text)]
    mend = "Close other programs and unused notebooks."
    if limit != "this machine":
        mend = "Close unused notebooks, or ask whoever runs this machine for a higher limit."
    return [Finding(f"{text}; the largest lessons need {MEMORY:g}.", mend)]


def check_folders() -> list[Finding]:
    """Check that Jupyter's folders and the course's own can be written.

    Returns
    -------
    list of Finding
        One for each folder that cannot, or one if all can.
    """
    try:
        from jupyter_core import paths

        from course_lib.user_files import user_folder

        folders = {"Jupyter keeps its files": paths.jupyter_data_dir(), "your progress is kept": user_folder()}
        folders["Jupyter notes what runs"] = paths.jupyter_runtime_dir()
    except (ImportError, RuntimeError) as error:
        return [Finding(f"The folders of this account cannot be found: {error}.", REBUILD)]
    findings = []
    for use, folder in folders.items():
        place = Path(folder)
        while not place.exists() and place != place.parent:
            place = place.parent
        if not os.access(place, os.W_OK | os.X_OK):
            mend = "Set HOME (on Windows USERPROFILE) to a folder that you may write to."
            if "progress" in use:
                mend = "Set COURSE_HOME to a folder that you may write to."
            findings.append(Finding(f"{folder}, where {use}, cannot be written.", mend))
    return findings or [Finding("the folders of Jupyter and of the course can be written")]


def check_surroundings(
    variables: Mapping[str, str] = os.environ, lessons: Path = ROOT / "my_notebooks"
) -> list[Finding]:
    """Check for what reaches into the lessons from outside: variables, and files that hide a package.

    Parameters
    ----------
    variables : mapping of str to str
        The environment.
    lessons : Path
        The folder of the reader's copies.

    Returns
    -------
    list of Finding
        One for each, or one if there is none.
    """
    findings = []
    effects = {
        "PYTHONPATH": "packages from there are imported in place of the course's",
        "PYTHONHOME": "Python looks for its own library there",
        "COURSE_STATIC": "panels show a picture without controls",
    }
    for name, effect in effects.items():
        if variables.get(name):
            findings.append(
                Finding(f"{name} is set to {variables[name]!r}: {effect}.", f"Unset {name}, then start anew.")
            )
    hidden = sys.stdlib_module_names | set(IMPORTED) | {"tensorflow", "keras", "course_lib", "scipy", "pandas"}
    for file in sorted(lessons.glob("*.py")):
        if file.stem in hidden:
            findings.append(
                Finding(f"{file} hides the package {file.stem} from every lesson beside it.", "Give it another name.")
            )
    return findings or [Finding("nothing reaches into the lessons from outside")]


def check_originals() -> list[Finding]:
    """Check that nobody edited the lessons in ``notebooks/``, where edits stop the next update.

    Returns
    -------
    list of Finding
        One; without git it cannot be asked, and says so.
    """
    if not (ROOT / ".git").exists():
        return [Finding("the course is an archive, without git: whether lessons were edited is not known")]
    specification = importlib.util.spec_from_file_location("course_make", ROOT / "make.py")
    make = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(make)
    names = make.edited_originals()
    if not names:
        return [Finding("the lessons in notebooks/ are as the course has them")]
    mend = (
        f"Copy it into my_notebooks/ under another name to keep your work; then `git checkout -- notebooks/{names[0]}`."
    )
    return [Finding(f"Edited in notebooks/, where the next `git pull` stops at it: {', '.join(names)}.", mend)]


def restored(path: str) -> str:
    """Say how to get a file of the course back.

    Parameters
    ----------
    path : str
        From the course's folder.

    Returns
    -------
    str
        A command where there is git, else what to do with the archive.
    """
    if (ROOT / ".git").exists():
        return f"`git checkout -- {path}`"
    return f"Take {path} from a fresh copy of the course's archive."


def check_disk(free: float | None = None) -> list[Finding]:
    """Check the free disk space where the course is.

    Parameters
    ----------
    free : float, optional
        In GiB; by default, this machine's at this moment.

    Returns
    -------
    list of Finding
        One, with the amount.
    """
    if free is None:
        free = shutil.disk_usage(ROOT).free / 2**30
    text = f"{free:.1f} GiB of disk free"
    if free >= DISK:
        return [Finding(text)]
    return [Finding(f"{text}; {DISK:g} is needed.", "Empty the wastebasket or delete what you no longer need.")]


def check_kernel() -> list[Finding]:
    """Check that a notebook's Python is this one."""
    try:
        from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
    except ImportError as error:
        return [Finding(f"Notebooks cannot start a kernel: {error}.", REBUILD)]
    try:
        program = KernelSpecManager().get_kernel_spec("python3").argv[0]
    except NoSuchKernel:
        return [Finding("There is no kernel for notebooks to run on: ipykernel is missing or broken.", REBUILD)]
    # A bare "python" means the Python that serves the notebooks. Links are not followed: two environments may
    # share one interpreter and differ in their packages.
    if os.path.isabs(program) and Path(program).parent != Path(sys.executable).parent:
        mend = f"`{sys.executable} -m ipykernel install --sys-prefix`"
        return [Finding(f"Notebooks would run on {program} instead of {sys.executable}.", mend)]
    return [Finding("the notebooks' kernel is registered and runs on this Python")]


def check_datasets() -> list[Finding]:
    """Check the data files against their checksums."""
    try:
        from course_lib import datasets
    except ImportError as error:
        return [Finding(f"The data files cannot be checked: {error}.", "Mend the packages first.")]
    problems = datasets.verify()
    if not problems:
        return [Finding("the data files are intact")]
    return [Finding(problem, f"For all of them: {restored('datasets')}") for problem in problems]


Check = Callable[[], list[Finding]]
FIRST = (check_python, check_checkout)
# What a lesson may ask: quick, and about nothing that a maintainer's work or a test's settings decide.
QUICK = (check_packages, check_imports, check_memory, check_disk, check_kernel, check_folders, check_datasets)
THEN = (*QUICK, check_surroundings, check_originals, check_tensorflow)


def examine(first: Sequence[Check] = FIRST, then: Sequence[Check] = THEN) -> list[Finding]:
    """Run all checks. One that fails itself is a finding too: the doctor never leaves with a traceback.

    Parameters
    ----------
    first, then : sequence of functions
        Checks; those in ``then`` are made only if ``first`` finds nothing, because in a wrong place they mislead.

    Returns
    -------
    list of Finding
        What all checks found, in their order.
    """
    findings = []
    for checks in (first, then):
        for check in checks:
            try:
                findings += check()
            except Exception as error:  # whatever a broken environment raises
                text = f"{check.__name__} could not be done: {type(error).__name__}: {error}"
                findings.append(Finding(text, REBUILD))
        if any(finding.mend for finding in findings):
            break
    return findings


def report(findings: list[Finding]) -> str:
    """Write findings down: one line for what is well, and for the rest what is wrong and what mends it.

    Parameters
    ----------
    findings : list of Finding
        As :func:`examine` returns them.

    Returns
    -------
    str
        The text, which ends in the number of problems.
    """
    lines = []
    for text, mend in findings:
        lines += [f"PROBLEM  {text}", f"         To mend it: {mend}"] if mend else [f"ok       {text}"]
    problems = sum(bool(finding.mend) for finding in findings)
    plural = "" if problems == 1 else "s"
    advice = f"{problems} problem{plural}. Begin with the first, then ask again: it may explain others."
    lines.append("\n" + (advice if problems else "This environment is fine."))
    return "\n".join(lines)


def main() -> int:
    """Print the report; return 0 if the environment is fine, else 1."""
    findings = examine()
    print(report(findings))
    return int(any(finding.mend for finding in findings))

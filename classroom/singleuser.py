"""A learner's server, run by the learner's account: first the copies of the lessons, then JupyterLab.

The learner's home gets a folder ``course`` with ``my_notebooks/``, the learner's own, and links to what the lessons
link to. What a learner wrote is never overwritten; what the learner did not change follows the course.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LINKED = ("README.md", "datasets", "docs", "notebooks")
ANEW = "rename or delete your copy in the list of files, then File, Hub Control Panel, Stop My Server, and start again"
NEWS = "what_is_new.txt"


def prepare(course: Path) -> None:
    """Make or update a learner's folder.

    Parameters
    ----------
    course : Path
        The folder, such as ``~/course``.
    """
    import make  # of the course's root

    course.mkdir(exist_ok=True)
    for name in LINKED:
        link = course / name
        if link.is_symlink() and link.readlink() != ROOT / name:  # the course was moved
            link.unlink()
        if not os.path.lexists(link):
            link.symlink_to(ROOT / name)
    messages = make.update_copies(ROOT / "notebooks", course / "my_notebooks", anew=ANEW)
    news = course / "my_notebooks" / NEWS
    if messages:
        news.write_text("\n\n".join(messages) + "\n", encoding="utf-8")
    else:
        news.unlink(missing_ok=True)


def main(arguments: list[str]) -> None:
    """Prepare the folder and become the learner's server."""
    os.umask(0o077)
    os.nice(5)  # and so its kernels: when all work at once, the hub still answers
    sys.path.insert(0, str(ROOT))
    course = Path.home() / "course"
    prepare(course)
    command = [sys.executable, "-m", "jupyterhub.singleuser", f"--ServerApp.root_dir={course}", "--log-level=WARN"]
    command += ["--LabApp.log_level=WARN"]
    command += ["--ServerApp.default_url=/lab/tree/my_notebooks/00_start_here.ipynb"]
    command += ["--FileContentsManager.pre_save_hook=course_lib.teaching.originals.refuse"]
    if os.getuid() == 0:  # a trial in a container; a learner's account never is
        command.append("--allow-root")
    os.execv(sys.executable, [*command, *arguments])


if __name__ == "__main__":
    main(sys.argv[1:])

"""``python -m course_lib doctor`` and ``python -m course_lib progress``."""

from __future__ import annotations

import sys

USAGE = """\
python -m course_lib doctor      what is wrong with this environment, if anything, and how to mend it
python -m course_lib progress    the exercises you have done
"""


def main(arguments: list[str]) -> int:
    """Run one command and return its exit code; 2 for an unknown one."""
    # Each is imported where it is used: the doctor must come even if what `progress` needs is broken.
    if arguments == ["doctor"]:
        from course_lib.teaching import doctor

        return doctor.main()
    if arguments == ["progress"]:
        from course_lib.teaching.exercise import progress_report

        print(progress_report())
        return 0
    if arguments in ([], ["help"], ["-h"], ["--help"]):
        print(USAGE, end="")
        return 0
    print(f"Expected `doctor` or `progress`, got {' '.join(arguments)!r}.\n{USAGE}", end="", file=sys.stderr)
    return 2


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

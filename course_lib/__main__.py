"""``python -m course_lib doctor``, ``... progress`` and ``... checkpoint``."""

from __future__ import annotations

import sys

USAGE = """\
python -m course_lib doctor      what is wrong with this environment, if anything, and how to mend it
python -m course_lib progress    the exercises you have done
python -m course_lib checkpoint 06 3    a copy of lesson 06 with the exercises of sections 1 to 3 solved
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
    if arguments[:1] == ["checkpoint"] and len(arguments) == 3 and arguments[2].isdecimal():
        from course_lib.teaching import checkpoint

        try:
            path = checkpoint.write(arguments[1], int(arguments[2]))
        except FileExistsError as error:
            print(f"{error.filename} is there already: open it, or rename it and ask again.", file=sys.stderr)
            return 1
        except (ValueError, FileNotFoundError) as error:
            print(error, file=sys.stderr)
            return 1
        print(f"{path.name} is beside your copies. Open it, and choose Run All Above Selected Cell at its checkpoint.")
        return 0
    if arguments in ([], ["help"], ["-h"], ["--help"]):
        print(USAGE, end="")
        return 0
    print(
        f"Expected `doctor`, `progress` or `checkpoint 06 3`, got {' '.join(arguments)!r}.\n{USAGE}",
        end="",
        file=sys.stderr,
    )
    return 2


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

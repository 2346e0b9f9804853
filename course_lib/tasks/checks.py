"""What the generators of tasks refuse."""

from __future__ import annotations


def _at_least(least: int, **sizes: int) -> None:
    """Refuse sizes that are too small, by name."""
    for name, value in sizes.items():
        if value < least:
            raise ValueError(f"{name} is a whole number of at least {least} here, but got {value}.")

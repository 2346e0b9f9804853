"""Three exercises that belong to no lesson, to test what is said about attempts: write a line, a loop, mend one."""

from __future__ import annotations

import inspect

import numpy as np

from course_lib.teaching.exercise import Exercise, bank
from course_lib.teaching.running import NotAttempted, array_of_shape, first_match, function_from


def step_back(dh, h, recurrent_kernel):
    """Gradient at h_t -> gradient at h_{t-1}, both (batch, units)."""
    return (dh * (1 - h**2)) @ recurrent_kernel.T


def without_slope(dh, h, recurrent_kernel):
    return dh @ recurrent_kernel.T


def without_transpose(dh, h, recurrent_kernel):
    return (dh * (1 - h**2)) @ recurrent_kernel


WRONG_STEPS = ((without_slope, "The slope of tanh is missing."), (without_transpose, "The matrix is not transposed."))


def _check_step_back(attempt):
    rng = np.random.default_rng(0)
    dh, kernel, h = rng.normal(size=(3, 4)), rng.normal(size=(4, 4)), np.tanh(rng.normal(size=(3, 4)))
    got = array_of_shape(attempt(dh, h, kernel), (3, 4), "the gradient at h_{t-1}, (batch, units)")
    if np.allclose(got, step_back(dh, h, kernel)):
        return None
    return first_match(got, (dh, h, kernel), WRONG_STEPS) or "Not the gradient at h_{t-1}."


def total(numbers):
    """The sum of a list of numbers.

    It has a docstring of more than one line.
    """
    result = 0
    for number in numbers:
        result += number
    return result


def largest(numbers):
    return max(numbers)


def mean(numbers):
    return sum(numbers) / len(numbers)


WRONG_TOTALS = ((largest, "The largest alone."), (mean, "Divided by how many they are."))


def _check_total(attempt):
    got = array_of_shape(attempt([1, 2, 4]), (), "the sum, one number")
    return None if got == 7 else first_match(got, ([1, 2, 4],), WRONG_TOTALS) or f"Of 1, 2 and 4 it is 7, not {got:g}."


def doubled(numbers):
    """Each number twice as large."""
    return [2 * number for number in numbers]


FAULTY = inspect.getsource(doubled).replace("2 * number", "3 * number")
WRONG_DOUBLES = (
    (lambda numbers: numbers, "Not changed."),
    (lambda numbers: [4 * n for n in numbers], "Doubled twice."),
)


def _check_doubled(attempt):
    got = array_of_shape(attempt([1, 2]), (2,), "as many numbers")
    if np.array_equal(got, function_from(FAULTY)([1, 2])):
        raise NotAttempted("It is as you got it.")
    return None if np.array_equal(got, [2, 4]) else first_match(got, ([1, 2],), WRONG_DOUBLES) or "Not twice as large."


EXERCISES = [
    Exercise(
        number="90.1",
        title="One step back",
        prompt="Write the line.",
        hints=("First hint.", "Second hint.", "Third hint."),
        solution=step_back,
        why="Slope, then matrix.",
        check=_check_step_back,
        misconceptions=WRONG_STEPS,
    ),
    Exercise(
        number="90.2",
        title="A sum",
        prompt="Write the loop.",
        hints=("First hint.", "Second hint."),
        solution=total,
        why="One after the other.",
        check=_check_total,
        misconceptions=WRONG_TOTALS,
    ),
    Exercise(
        number="90.3",
        title="One number too large",
        prompt="Mend the line.",
        hints=("First hint.", "Second hint."),
        solution=doubled,
        why="Twice is two times.",
        check=_check_doubled,
        misconceptions=WRONG_DOUBLES,
        code_to_mend=FAULTY,
    ),
]
check, hint, solution = bank(EXERCISES)

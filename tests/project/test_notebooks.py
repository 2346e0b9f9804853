"""Each stored lesson, read from its file, is in order: see lesson_guard for what that means."""

import pytest
from lesson_guard import problems
from lessons import find


@pytest.mark.parametrize("notebook", find([]), ids=lambda notebook: notebook.stem)
def test_lesson_is_in_order(notebook):
    found = problems(notebook)
    assert not found, "\n".join(found)

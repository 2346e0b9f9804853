"""Which packages a wheel holds: the course's own, and the folder of data under the name ``course_lib._data``.

All else stands in pyproject.toml. There a list that is found by itself cannot be joined with a folder of another name.
"""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["course_lib*"]), "course_lib._data"], package_dir={"course_lib._data": "datasets"}
)

"""Loaded for tests and lessons alike: brings in the comparison of the lessons' outputs."""

pytest_plugins = ["nbval_hook"]

"""Lesson 15, looking inside: what belongs to it and to no other lesson."""

title = "looking inside"
question = "What has it learned?"
minutes = 60  # to read and run; the exercises take most of that again
part = "beyond"
form = 2
live_seconds = 25  # of the last `make run`

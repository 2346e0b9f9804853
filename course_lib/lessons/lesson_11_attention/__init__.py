"""Lesson 11, attention: what belongs to it and to no other lesson."""

title = "attention"
question = "What if it could look back?"
minutes = 60  # to read and run; the exercises take most of that again
part = "reading and writing"
form = 2
live_seconds = 45  # of the last `make run`

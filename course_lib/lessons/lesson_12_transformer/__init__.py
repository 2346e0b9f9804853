"""Lesson 12, Transformer: what belongs to it and to no other lesson."""

title = "Transformer"
question = "What if there is no recurrence at all?"
minutes = 60  # to read and run; the exercises take most of that again
part = "reading and writing"
form = 2
live_seconds = 46  # of the last `make run`

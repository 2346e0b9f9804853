"""Lesson 16, choosing: what belongs to it and to no other lesson."""

title = "choosing, and what came after"
question = "Which one for my sequence?"
minutes = 50  # to read and run; the exercises take most of that again
part = "beyond"
form = 2
live_seconds = 8  # of the last `make run`

"""Lesson 06, LSTM: what belongs to it and to no other lesson."""

title = "LSTM"
question = "What would a memory that keeps look like?"
minutes = 60  # to read and run; the exercises take most of that again
part = "memory that lasts"
form = 2
live_seconds = 55  # of the last `make run`

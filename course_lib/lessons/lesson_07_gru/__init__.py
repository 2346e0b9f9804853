"""Lesson 07, GRU: what belongs to it and to no other lesson."""

title = "GRU"
question = "How little is enough?"
minutes = 45  # to read and run; the exercises take most of that again
part = "memory that lasts"

"""Lesson 05, long memory: what belongs to it and to no other lesson."""

title = "long memory"
question = "Why do they forget?"
minutes = 55  # to read and run; the exercises take most of that again
part = "memory that lasts"

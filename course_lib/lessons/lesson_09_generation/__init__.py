"""Lesson 09, generation: what belongs to it and to no other lesson."""

title = "generation"
question = "How does it write?"
minutes = 60  # to read and run; the exercises take most of that again
part = "reading and writing"

"""Lesson 10, encoder-decoder: what belongs to it and to no other lesson."""

title = "encoder-decoder"
question = "How does one sequence become another?"
minutes = 55  # to read and run; the exercises take most of that again
part = "reading and writing"

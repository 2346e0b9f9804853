"""Lesson 00, start here: what belongs to it and to no other lesson."""

title = "start here"
question = "What will I be able to build?"
minutes = 20  # to read and run; the exercises take most of that again
part = "start"

"""Lesson 08, Keras: what belongs to it and to no other lesson."""

title = "Keras"
question = "How do professionals write this?"
minutes = 60  # to read and run; the exercises take most of that again
part = "memory that lasts"

"""Lesson 13, generator and discriminator: what belongs to it and to no other lesson."""

title = "generator and discriminator"
question = "Can a critic teach a writer?"
minutes = 60  # to read and run; the exercises take most of that again
part = "beyond"
form = 2
live_seconds = 38  # of the last `make run`

"""Lesson 14, mixtures: what belongs to it and to no other lesson."""

title = "mixtures"
question = "What if the sequence is an image, a sound, or both?"
minutes = 60  # to read and run; the exercises take most of that again
part = "beyond"
form = 2
live_seconds = 40  # process seconds, on a busy machine

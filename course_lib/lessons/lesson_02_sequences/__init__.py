"""Lesson 02, sequences: what belongs to it and to no other lesson."""

title = "sequences"
question = "How do I turn a sequence into numbers, and how well could anyone predict it?"
minutes = 60  # to read and run; the exercises take most of that again
part = "from a neuron to a memory"

"""Lesson 04, backpropagation through time: what belongs to it and to no other lesson."""

title = "backpropagation through time"
question = "How does blame travel back in time?"
minutes = 60  # to read and run; the exercises take most of that again
part = "from a neuron to a memory"

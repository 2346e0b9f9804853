"""Lesson 01, neurons: what belongs to it and to no other lesson."""

title = "neurons"
question = "What did we borrow from the brain, and what did we leave behind?"
minutes = 60  # to read and run; the exercises take most of that again
part = "from a neuron to a memory"

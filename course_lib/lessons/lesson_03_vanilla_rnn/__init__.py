"""Lesson 03, vanilla RNN: what belongs to it and to no other lesson."""

title = "vanilla RNN"
question = "How does a network remember?"
minutes = 60  # to read and run; the exercises take most of that again
part = "from a neuron to a memory"

"""The course at a glance: its lessons in order, for the map in lesson 00 and for whoever wants to list them."""
from __future__ import annotations

from typing import NamedTuple


class Lesson(NamedTuple):
    """One lesson of the course.

    Attributes
    ----------
    number : str
        Two digits.
    title, question : str
    minutes : int
        To read and run; the exercises take most of that again.
    part : str
        Which part of the walk it belongs to.
    """

    number: str
    title: str
    question: str
    minutes: int
    part: str


PARTS = {
    "start": ("00",),
    "from a neuron to a memory": ("01", "02", "03", "04"),
    "memory that lasts": ("05", "06", "07", "08"),
    "reading and writing": ("09", "10", "11", "12"),
    "beyond": ("13", "14", "15"),
}

_PART_OF = {number: part for part, numbers in PARTS.items() for number in numbers}

LESSONS = tuple(Lesson(number, title, question, minutes, _PART_OF[number]) for number, title, question, minutes in (
    ("00", "start here", "What will I be able to build?", 20),
    ("01", "neurons", "What did we borrow from the brain, and what did we leave behind?", 60),
    ("02", "sequences", "How do I turn a sequence into numbers, and how well could anyone predict it?", 60),
    ("03", "vanilla RNN", "How does a network remember?", 60),
    ("04", "backpropagation through time", "How does blame travel back in time?", 60),
    ("05", "long memory", "Why do they forget?", 55),
    ("06", "LSTM", "What would a memory that keeps look like?", 60),
    ("07", "GRU", "How little is enough?", 45),
    ("08", "Keras", "How do professionals write this?", 60),
    ("09", "generation", "How does it write?", 60),
    ("10", "encoder-decoder", "How does one sequence become another?", 55),
    ("11", "attention", "What if it could look back?", 60),
    ("12", "generator and discriminator", "Can a critic teach a writer?", 45),
    ("13", "mixtures", "What if the sequence is an image, a sound, or both?", 45),
    ("14", "looking inside", "What has it learned?", 45),
    ("15", "choosing, and what came after", "Which one for my sequence?", 60),
))

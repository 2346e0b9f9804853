"""Interactive panels: knobs beside a picture. Without a live kernel, the same idea as one static picture.

A lesson writes ``widgets.bptt_panel()``. There is one module a lesson; :mod:`course_lib.widgets.controls` has what they
share.
"""
from course_lib.widgets.attention import attention_panel, load_reader
from course_lib.widgets.bptt import bptt_panel, scalar_blame
from course_lib.widgets.controls import Choice, Slider, TextBox, is_live, panel
from course_lib.widgets.encoder_decoder import beam_panel
from course_lib.widgets.generation import generation_panel
from course_lib.widgets.gru import gru_panel
from course_lib.widgets.long_memory import long_memory_panel
from course_lib.widgets.lstm import till_panel
from course_lib.widgets.neurons import neuron_panel
from course_lib.widgets.sequences import ngram_panel
from course_lib.widgets.start import course_map, say, speaker_panel
from course_lib.widgets.vanilla_rnn import saturation_panel

__all__ = [
    "Choice", "Slider", "TextBox", "attention_panel", "beam_panel", "bptt_panel", "course_map", "generation_panel",
    "gru_panel", "is_live", "load_reader", "long_memory_panel", "neuron_panel", "ngram_panel", "panel",
    "saturation_panel", "say", "scalar_blame", "speaker_panel", "till_panel",
]

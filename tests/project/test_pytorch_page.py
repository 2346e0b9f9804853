"""The page for PyTorch users: its code runs from top to bottom, and its table and blocks are where they should be."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "pytorch.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def test_the_page_has_code_for_every_part():
    code = "\n".join(BLOCKS)
    for name in (
        "nn.RNN",
        "nn.LSTM",
        "nn.GRU",
        "nn.Embedding",
        "nn.Linear",
        "nn.CrossEntropyLoss",
        "nn.CTCLoss",
        "nn.MultiheadAttention",
        "pack_padded_sequence",
        "clip_grad_norm_",
        "optim.Adam",
    ):
        assert name in code, name
    for place, block in enumerate(BLOCKS):
        compile(block, f"block {place + 1} of docs/pytorch.md", "exec")


def test_the_code_of_the_page_runs():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    names: dict = {}
    for place, block in enumerate(BLOCKS):
        exec(compile(block, f"block {place + 1} of docs/pytorch.md", "exec"), names)

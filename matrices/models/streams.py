"""A recurrent network whose states go in and come out, so that it can be asked step by step."""

import torch
from torch import nn

SEED = 20260501
ROWS, STEPS = 4, 12


class Stream(nn.Module):
    """Two layers of LSTM over a series, from the states that it is given."""

    def __init__(self):
        super().__init__()
        self.recurrent = nn.LSTM(6, 16, num_layers=2, batch_first=True)
        self.head = nn.Linear(16, 3)

    def forward(self, series, hidden, memory):
        found, (hidden, memory) = self.recurrent(series, (hidden, memory))
        return self.head(found), hidden, memory


def _random(shape, number):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(SEED + number))


def stream():
    """The network; rows and steps are free."""
    torch.manual_seed(SEED)
    return {
        "model": Stream(),
        "inputs": lambda number: {
            "series": _random((ROWS, STEPS, 6), number),
            "hidden": 0.3 * _random((2, ROWS, 16), number + 100),
            "memory": 0.3 * _random((2, ROWS, 16), number + 200),
        },
        "outputs": ["scores", "next_hidden", "next_memory"],
        "dynamic": {
            "series": {0: "rows", 1: "steps"},
            "hidden": {1: "rows"},
            "memory": {1: "rows"},
        },
    }

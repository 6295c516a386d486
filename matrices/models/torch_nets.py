"""A small image classifier, a transformer encoder and an LSTM in torch, with fixed seeds."""

import torch
from torch import nn

SEED = 20260501


class Residual(nn.Module):
    """Two convolutions and a way around them."""

    def __init__(self, before, after, stride):
        super().__init__()
        self.one = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.two = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(after), nn.BatchNorm2d(after)])
        self.around = nn.Conv2d(before, after, 1, stride, bias=False)

    def forward(self, x):
        found = torch.relu(self.norms[0](self.one(x)))
        return torch.relu(self.norms[1](self.two(found)) + self.around(x))


class Images(nn.Module):
    """A residual network for 32 x 32 images."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3, 1, 1), nn.ReLU(), Residual(8, 16, 2), Residual(16, 32, 2)
        )
        self.head = nn.Linear(32, 10)

    def forward(self, image):
        return self.head(self.body(image).mean(dim=(2, 3)))


class Attention(nn.Module):
    """Self-attention written out, so that it is the same graph in every release."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.size = heads, width // heads
        self.three = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x):
        batch, length, width = x.shape
        parts = self.three(x).reshape(batch, length, 3, self.heads, self.size)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
        weights = torch.softmax(query @ key.transpose(-1, -2) / self.size**0.5, dim=-1)
        return self.out((weights @ value).transpose(1, 2).reshape(batch, length, width))


class Layer(nn.Module):
    """A layer of an encoder, normalized before each half."""

    def __init__(self, width, heads):
        super().__init__()
        self.attention = Attention(width, heads)
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.feed = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x):
        x = x + self.attention(self.norms[0](x))
        return x + self.feed(self.norms[1](x))


class Words(nn.Module):
    """An encoder of token ids."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(100, 32)
        self.places = nn.Parameter(torch.randn(1, 12, 32) * 0.1)
        self.layers = nn.Sequential(Layer(32, 4), Layer(32, 4))
        self.norm = nn.LayerNorm(32)

    def forward(self, tokens):
        return self.norm(self.layers(self.words(tokens) + self.places))


class Sequence(nn.Module):
    """Two layers of LSTM, with their last state as a second output."""

    def __init__(self):
        super().__init__()
        self.recurrent = nn.LSTM(6, 16, num_layers=2, batch_first=True)
        self.head = nn.Linear(16, 3)

    def forward(self, series):
        found, (hidden, _) = self.recurrent(series)
        return self.head(found), hidden


def _random(shape, number):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(SEED + number))


def images():
    """The image classifier."""
    torch.manual_seed(SEED)
    return Images(), lambda number: {"image": _random((2, 3, 32, 32), number)}


def transformer():
    """The encoder."""
    torch.manual_seed(SEED)
    return Words(), lambda number: {
        "tokens": torch.randint(
            0, 100, (2, 12), generator=torch.Generator().manual_seed(SEED + number)
        )
    }


def lstm():
    """The recurrent network."""
    torch.manual_seed(SEED)
    return {
        "model": Sequence(),
        "inputs": lambda number: {"series": _random((2, 20, 6), number)},
        "outputs": ["scores", "hidden"],
    }

"""PointNet++ in plain torch: single- and multi-scale grouping, small, with fixed seeds.

Farthest-point sampling, ball query and grouping are written with what every exporter has to know:
`argmax`, `sort`, `gather`, comparisons. The loop of the sampling is unrolled by tracing. Weights
are random; what is compared is whether they give the same numbers elsewhere.
"""

import torch
from torch import nn

POINTS = 64
SEED = 20260501


def sample_farthest(xyz, count):
    """Indexes (B, count) of points that are far from each other; begins with the first one."""
    batch, points, _ = xyz.shape
    distance = torch.full((batch, points), 1e10, dtype=xyz.dtype)
    farthest = torch.zeros((batch, 1), dtype=torch.int64)
    chosen = []
    for _ in range(count):
        chosen.append(farthest)
        centre = torch.gather(xyz, 1, farthest.unsqueeze(-1).expand(-1, -1, 3))
        distance = torch.minimum(distance, ((xyz - centre) ** 2).sum(-1))
        farthest = distance.argmax(dim=1, keepdim=True)
    return torch.cat(chosen, dim=1)


def take(values, index):
    """Values (B, N, C) at index (B, S) or (B, S, K)."""
    channels = values.shape[-1]
    flat = index.reshape(index.shape[0], -1)
    found = torch.gather(values, 1, flat.unsqueeze(-1).expand(-1, -1, channels))
    return found.reshape(*index.shape, channels)


def ball(radius, count, xyz, centres):
    """Indexes (B, S, count) of points within a radius; the first one again where there are few."""
    points = xyz.shape[1]
    distance = ((centres.unsqueeze(2) - xyz.unsqueeze(1)) ** 2).sum(-1)
    index = torch.arange(points, dtype=torch.int64).reshape(1, 1, points)
    index = index.expand(distance.shape[0], distance.shape[1], points)
    far = torch.full_like(index, points)
    index = torch.where(distance > radius * radius, far, index)
    index = torch.sort(index, dim=-1)[0][:, :, :count]
    first = index[:, :, :1].expand(-1, -1, count)
    return torch.where(index == points, first, index)


def perceptron(*widths):
    """Layers shared by all points."""
    layers = []
    for before, after in zip(widths, widths[1:]):
        layers += [nn.Conv2d(before, after, 1), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers)


class Abstraction(nn.Module):
    """One level: sample centres, group their neighbours at one or several radii, pool."""

    def __init__(self, count, scales, before, widths):
        super().__init__()
        self.count = count
        self.scales = scales
        self.perceptrons = nn.ModuleList(perceptron(before + 3, *widths) for _ in scales)

    def forward(self, xyz, features):
        centres = take(xyz, sample_farthest(xyz, self.count))
        found = []
        for (radius, count), layers in zip(self.scales, self.perceptrons):
            index = ball(radius, count, xyz, centres)
            grouped = take(xyz, index) - centres.unsqueeze(2)
            if features is not None:
                grouped = torch.cat([grouped, take(features, index)], dim=-1)
            pooled = layers(grouped.permute(0, 3, 2, 1)).amax(dim=2)
            found.append(pooled.permute(0, 2, 1))
        return centres, torch.cat(found, dim=-1)


class PointNet2(nn.Module):
    """Two levels, and a classifier over what is left."""

    def __init__(self, first, second):
        super().__init__()
        self.first = Abstraction(16, first, 0, (16, 32))
        self.second = Abstraction(4, second, 32 * len(first), (32, 64))
        self.head = nn.Sequential(nn.Linear(64 * len(second), 32), nn.ReLU(), nn.Linear(32, 10))

    def forward(self, points):
        xyz, features = self.first(points, None)
        _, features = self.second(xyz, features)
        return self.head(features.amax(dim=1)).log_softmax(dim=-1)


def cloud(number):
    """Two clouds of points in the unit ball, from a seed."""
    generator = torch.Generator().manual_seed(SEED + number)
    points = torch.rand(2, POINTS, 3, generator=generator) * 2 - 1
    return {"points": points / points.norm(dim=-1, keepdim=True).amax(dim=1, keepdim=True)}


def build():
    """Single-scale grouping."""
    torch.manual_seed(SEED)
    return PointNet2([(0.4, 8)], [(0.8, 8)]), cloud


def build_msg():
    """Multi-scale grouping: two radii a level."""
    torch.manual_seed(SEED)
    return PointNet2([(0.3, 4), (0.6, 8)], [(0.6, 4), (1.0, 8)]), cloud

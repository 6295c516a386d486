"""A matrix as its file declares it: parsed and checked, not yet multiplied out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from pytest_modelcompat.matrix.model import Framework, Image, Limits, Matcher

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_modelcompat.matrix.model import CheckEntry, KnownIssue

__all__ = ["Adjust", "AxisValue", "Declared", "Exclude", "Include", "Providers"]

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class AxisValue:
    """One value of one axis.

    Attributes:
        axis: its name outside the file.
        value: what matchers and outputs show.
        id: what tells it from the axis' other values; the value itself where none is given.
        packages, env, options: what the long form adds to its cells.
        framework, image: what the value means, on these two axes.
        plain: whether it was written as a text, without a long form.
        line, column: where it stands; 0 for a default.
    """

    axis: str
    value: str
    id: str
    packages: tuple[str, ...] = ()
    env: Pairs = ()
    options: Pairs = ()
    framework: Framework | None = None
    image: Image | None = None
    plain: bool = True
    line: int = 0
    column: int = 0


@dataclass(frozen=True, kw_only=True)
class Providers:
    """What `axes.provider` says: one list for all, or one per distribution, or nothing."""

    flat: tuple[AxisValue, ...] = ()
    per_distribution: tuple[tuple[str, tuple[AxisValue, ...]], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Exclude:
    """Cells to take out."""

    match: Matcher
    name: str  # "exclude[0] (line 20)"
    line: int
    column: int


@dataclass(frozen=True, kw_only=True)
class Include:
    """One cell to put in; axes that it does not name are absent or take their default."""

    values: tuple[AxisValue, ...]
    name: str
    line: int
    column: int


@dataclass(frozen=True, kw_only=True)
class Adjust:
    """What changes in the cells that match."""

    match: Matcher
    name: str
    line: int
    column: int
    packages: tuple[str, ...] = ()
    env: Pairs = ()
    options: Pairs = ()
    limits: tuple[tuple[str, float], ...] = ()
    skip: str | None = None


@dataclass(frozen=True, kw_only=True)
class Declared:
    """A whole file.

    `others` holds the axes packages.*, env.* and options.*, in the file's order. An empty
    `pythons` or `images` means the default.
    """

    name: str
    file: Path
    axis_names: tuple[str, ...]
    frameworks: tuple[AxisValue, ...] = ()
    pythons: tuple[AxisValue, ...] = ()
    images: tuple[AxisValue, ...] = ()
    providers: Providers = field(default_factory=Providers)
    others: tuple[tuple[str, tuple[AxisValue, ...]], ...] = ()
    packages: tuple[str, ...] = ()
    adjust: tuple[Adjust, ...] = ()
    exclude: tuple[Exclude, ...] = ()
    include: tuple[Include, ...] = ()
    exclude_newer: str | None = None
    limits: Limits = field(default_factory=Limits)
    checks: tuple[CheckEntry, ...] = ()
    on_unsupported: Literal["record", "fail"] = "record"
    known_issues: tuple[KnownIssue, ...] = ()
    notes: tuple[str, ...] = ()
    base: tuple[str, ...] = ()  # requirements, where the matrix does not name the package itself

"""Cells in lanes: the same target over the versions of one distribution.

"Can I move from this version to that one, here?" is a question along a lane. What "here" is
(Python, image, provider, packages, options) is the lane's target; the versions are its stops.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from pytest_modelcompat.words import join

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pytest_modelcompat.report.data import Cell

__all__ = [
    "Lane",
    "axis_face",
    "axis_name",
    "lanes",
    "natural",
    "split_framework",
    "targets_text",
    "version_key",
]

_HOST = "host"


def split_framework(value: str) -> tuple[str, str]:
    """`onnxruntime==1.31.1` as distribution and version."""
    distribution, _, version = value.partition("==")
    return distribution, version


def version_key(text: str) -> tuple[int, Version | str]:
    """Sorts versions as versions; words (`installed`) come after them, by name."""
    try:
        return (0, Version(text))
    except InvalidVersion:
        return (1, text)


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """Sorts `2` before `10`, whatever stands around the numbers."""
    parts = re.split(r"([0-9]+)", text)
    return tuple((0, int(p[:400]), "") if p.isdecimal() else (1, 0, p) for p in parts if p)


def axis_name(axis: str) -> str:
    """The axis as a reader says it: `numpy` for `packages.numpy`."""
    return axis.partition(".")[2] or axis


def axis_face(axis: str, value: str) -> str:
    """An axis value as it stands in a sentence: `Python 3.11`, `CPU`, `threads=4`."""
    if axis == "framework":
        return value.replace("==", " ", 1)
    if axis == "python":
        return f"Python {value}" if value[:1].isdigit() else f"Python of {value}"
    if axis == "provider":
        return value.removesuffix("ExecutionProvider") or value
    if axis.startswith("packages."):
        return f"{axis_name(axis)} {value}"
    if axis.startswith(("env.", "options.")):
        return f"{axis_name(axis)}={value}"
    return value


@dataclass(frozen=True, kw_only=True)
class Lane:
    """One target over versions.

    Attributes:
        matrix: its matrix's name.
        distribution: whose versions are the stops.
        axis: the axis that is walked along: `framework`, or the first other one that has versions
            where the framework has only one.
        target: the other axes and their values, in the matrix's order.
        stops: (version, position of the cell), oldest first.
    """

    matrix: str
    distribution: str
    axis: str
    target: tuple[tuple[str, str], ...]
    stops: tuple[tuple[str, int], ...]


def _walked(cells: Sequence[Cell], positions: Sequence[int]) -> str:
    """Along which axis a distribution's cells are compared."""
    axes: dict[str, set[str]] = {}
    for position in positions:
        for axis, value in cells[position].axes.items():
            axes.setdefault(axis, set()).add(value)
    if len(axes.get("framework", ())) > 1:
        return "framework"
    for axis, values in axes.items():
        ordered = axis == "python" or axis.startswith("packages.")
        if ordered and len(values) > 1 and all(version_key(v)[0] == 0 for v in values):
            return axis
    return "framework"


def lanes(cells: Sequence[Cell]) -> tuple[Lane, ...]:
    """Every lane of a run, in the order in which the cells come."""
    families: dict[tuple[str, str], list[int]] = {}
    for position, cell in enumerate(cells):
        distribution = split_framework(cell.axes.get("framework", ""))[0]
        families.setdefault((cell.matrix, distribution), []).append(position)
    found: list[Lane] = []
    for (matrix, distribution), positions in families.items():
        axis = _walked(cells, positions)
        stops: dict[tuple[tuple[str, str], ...], list[tuple[str, int]]] = {}
        for position in positions:
            axes = cells[position].axes
            target = tuple((name, value) for name, value in axes.items() if name != axis)
            if axis == "framework":
                version = split_framework(axes.get(axis, ""))[1]
            else:
                version = axes.get(axis, "")
            stops.setdefault(target, []).append((version, position))
        found += [
            Lane(
                matrix=matrix,
                distribution=distribution,
                axis=axis,
                target=target,
                stops=tuple(sorted(where, key=lambda stop: version_key(stop[0]))),
            )
            for target, where in stops.items()
        ]
    return tuple(found)


def targets_text(
    targets: Sequence[tuple[tuple[str, str], ...]],
    face: Callable[[str, str], str] = axis_face,
    *,
    hide: Iterable[str] = (),
) -> str:
    """Several targets in few words: `Python 3.11 and 3.12, host, CPU`.

    Targets that form a full product of axis values are told axis by axis, others one by one.
    """
    hidden = set(hide)
    rows = [tuple((a, v) for a, v in target if a not in hidden) for target in targets]
    return "; ".join(_product_text(list(dict.fromkeys(rows)), face))


def _product_text(
    rows: list[tuple[tuple[str, str], ...]], face: Callable[[str, str], str]
) -> list[str]:
    """Splits the targets into full products, on the axis that has the fewest values."""
    values: dict[str, list[str]] = {}
    for row in rows:
        for axis, value in row:
            if value not in values.setdefault(axis, []):
                values[axis].append(value)
    size = 1
    for known in values.values():
        size *= len(known)
    if size == len(rows) and all(len(row) == len(values) for row in rows):
        return [", ".join(_values_text(axis, known, face) for axis, known in values.items())]
    split = [axis for axis, known in values.items() if len(known) > 1]
    if not split:  # targets with different axes: nothing to factor
        return [", ".join(face(axis, value) for axis, value in row) for row in rows]
    axis = min(split, key=lambda name: len(values[name]))
    texts: list[str] = []
    for wanted in (*values[axis], None):
        part = [row for row in rows if dict(row).get(axis) == wanted]
        if part and len(part) < len(rows):
            texts += _product_text(part, face)
    return texts


def _values_text(axis: str, values: list[str], face: Callable[[str, str], str]) -> str:
    ordered = sorted(values, key=natural)
    faces = [face(axis, value) for value in ordered]
    # "Python 3.11 and 3.12": the word only once.
    sold = f"{split_framework(ordered[0])[0]} " if axis == "framework" else "Python "
    for word in (sold, f"{axis_name(axis)} ", f"{axis_name(axis)}="):
        if all(text.startswith(word) for text in faces):
            return word + join([text.removeprefix(word) for text in faces])
    return join(faces)


def varying(cells: Sequence[Cell]) -> Mapping[str, tuple[str, ...]]:
    """Every axis and its values over the run, in natural order."""
    axes: dict[str, set[str]] = {}
    for cell in cells:
        for axis, value in cell.axes.items():
            axes.setdefault(axis, set()).add(value)
    return {axis: tuple(sorted(values, key=natural)) for axis, values in axes.items()}

"""Which cells can run in a pod, and what keeps the others out: told for all of them at once."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pytest_modelcompat.errors import kubernetes as words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_modelcompat.errors import Problem
    from pytest_modelcompat.matrix.model import Image, Matrix

__all__ = ["refused"]

_NEVER = {"docker", "ssh"}
_OWN = {"nox", "tox", "python"}  # environments that exist already: where the matrix lies


def refused(matrix: Matrix, *, moved: bool) -> list[Problem]:
    """Why Jobs cannot run all cells of a matrix; empty where they can.

    Args:
        matrix: its selected cells are looked at.
        moved: the matrix is taken to the pods from here, so that nothing else of here is there.
    """
    problems = []
    cells = Counter(cell.image for cell in matrix.cells)
    for image, number in cells.items():
        if not _fits(image, moved=moved):
            problems.append(words.not_in_a_pod(matrix.file, image.kind, image.value, number))
    producers = Counter(image for _, image in set(_producers(matrix)))
    for image, number in producers.items():
        if not _fits(image, moved=moved):
            problem = words.not_in_a_pod(
                matrix.file, image.kind, image.value, 0, producers=number
            )  # fmt: skip
            problems.append(problem)
    problems += [
        words.needs_other_cells(matrix.file, line, model, reference)
        for line, model, reference in dict.fromkeys(_references(matrix))
    ]
    if matrix.python_assumed and any(cell.image.kind == "host" for cell in matrix.cells):
        problems.append(words.python_assumed(matrix.file))
    return problems


def _fits(image: Image, *, moved: bool) -> bool:
    return image.kind not in _NEVER and not (moved and image.kind in _OWN)


def _producers(matrix: Matrix) -> Iterator[tuple[str, Image]]:
    for cell in matrix.cells:
        for entry in cell.checks:
            for model in entry.models:
                for producer in model.producers:
                    yield model.name, producer.image


def _references(matrix: Matrix) -> Iterator[tuple[int, str, str]]:
    """(line, model, reference) of models that are judged by other cells."""
    for cell in matrix.cells:
        for entry in cell.checks:
            for model in entry.models:
                reference = model.reference or ""
                if reference == "consensus" or reference.startswith("cell:"):
                    yield model.line, model.name, reference

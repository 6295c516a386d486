"""Sentences about manifests for a cluster: what cannot run in a pod, and what cannot be written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_modelcompat.errors import Problem
from pytest_modelcompat.errors.yaml_file import shown
from pytest_modelcompat.words import plural

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_WHY_NOT = {
    "docker": (
        "they start containers of an engine, and a pod has none",
        (
            "Give that image, with pytest-modelcompat installed in it, as --image, and write "
            "`host` or `current` in its place."
        ),
    ),
    "ssh": (
        "their machine is reached over ssh, and a pod has no key of yours",
        "Run them from a machine that has.",
    ),
}
_ELSEWHERE = (
    "what they use is on this machine, and not in the pod",
    (
        "Put it into the image or onto the volume, with the matrix, and name that one with "
        "--matrix-in-image or --matrix-on-volume."
    ),
)


def not_in_a_pod(matrix: Path, kind: str, value: str, cells: int, *, producers: int = 0) -> Problem:
    """An image of the matrix whose cells, or producers, no Job can run."""
    why, hint = _WHY_NOT.get(kind, _ELSEWHERE)
    who = f"{plural(cells, 'cell')} of"
    if producers:
        who = f"The producers of {plural(producers, 'model')} in"
    return Problem(
        message=f"{who} the image {shown(value)} ({kind}) cannot run in a pod: {why}.",
        hint=f"{hint} --select leaves cells out." if not producers else hint,
        file=matrix,
    )


def needs_other_cells(matrix: Path, line: int, model: str, reference: str) -> Problem:
    """A reference that one cell alone cannot have."""
    return Problem(
        message=f"The model {shown(model)} is judged by other cells (reference: {reference}), and "
        "each Job runs one cell alone.",
        hint="Give its expected outputs, or run this matrix on one machine.",
        file=matrix,
        line=line or None,
    )


def python_assumed(matrix: Path) -> Problem:
    """A matrix whose Python is that of whoever loads it."""
    return Problem(
        message="The matrix names no Python for some of its cells, so that they would have another "
        "one in a pod than here.",
        hint='Name it: `python: ["3.12"]` under `axes`.',
        file=matrix,
    )


def too_large(matrix: Path, size: int, most: int, files: int) -> Problem:
    """A matrix that no ConfigMap holds."""
    return Problem(
        message=f"The matrix and what it names ({plural(files, 'file')}) have {size:,} bytes; a "
        f"ConfigMap holds {most:,}.",
        hint="Put their folder onto the volume, or into the image, and say where the matrix is "
        "then with --matrix-on-volume or --matrix-in-image.",
        file=matrix,
    )


def not_moved(matrix: Path, paths: Sequence[str]) -> Problem:
    """Files that would not be found elsewhere under the name that the matrix has for them."""
    more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""  # noqa: PLR2004 - a line
    return Problem(
        message=f"Elsewhere than here the matrix does not find {', '.join(paths[:3])}{more}.",
        hint="Name files relative to the matrix; or put all of it into the image, or onto the "
        "volume, and name the matrix there with --matrix-in-image or --matrix-on-volume.",
        file=matrix,
    )


def not_loaded_elsewhere(matrix: Path, problem: Problem) -> Problem:
    """A copy of the matrix and its files that cannot be loaded."""
    return Problem(
        message=f"Elsewhere than here the matrix cannot be loaded: {problem.message}",
        hint="Put all of it into the image, or onto the volume, and name the matrix there with "
        "--matrix-in-image or --matrix-on-volume.",
        file=matrix,
        line=problem.line,
    )


def other_cells_elsewhere(matrix: Path) -> Problem:
    """A copy of the matrix that has other cells than itself."""
    return Problem(
        message="Elsewhere than here the matrix has other cells.",
        hint="Name what decides them in the file: versions in place of `latest` and ranges, "
        "`exclude_newer`, no variables of this machine's environment.",
        file=matrix,
    )


def unreadable(matrix: Path, path: str, why: str) -> Problem:
    """A file that the matrix names."""
    return Problem(message=f"{path} cannot be read: {why}.", file=matrix)


def odd_name(matrix: Path, path: str) -> Problem:
    """A file whose name is no text, which a manifest is."""
    return Problem(
        message=f"The name {shown(path)} cannot stand in a manifest.",
        hint="Rename the file; manifests are UTF-8.",
        file=matrix,
    )


def too_many_cells(matrix: Path, cells: int) -> Problem:
    """More cells than the list of them may have."""
    return Problem(
        message=f"{cells:,} cells are more than one run in a cluster can have.",
        hint="Share them out with --select.",
        file=matrix,
    )


def bad_word(option: str, text: str, what: str, example: str) -> Problem:
    """A value of the command line that the API would refuse.

    Args:
        option: that it was given to.
        text: as given.
        what: what it must be.
        example: one that is right.
    """
    return Problem(
        message=f"{option} takes {what}, not {shown(text)}.", hint=f"For example {example}."
    )


def image_template(text: str, python: str) -> Problem:
    """`{python}` in the image, and a cell whose Python is no version."""
    return Problem(
        message=f"--image {shown(text)} wants a version for {{python}}, and a cell's Python is "
        f"{shown(python)}.",
        hint="Name one image for all cells, or leave such cells out with --select.",
    )


def foreign_file(path: Path) -> Problem:
    """A file under the name of a manifest that this command has not written."""
    return Problem(
        message="This file is not a manifest of ours and would be replaced.",
        hint="Name another folder with --output.",
        file=path,
    )

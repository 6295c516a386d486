"""What is said about a matrix or a selection that cannot be used: its shape, axes and rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_modelcompat.errors import suggest
from pytest_modelcompat.errors.yaml_file import Sentence, listed, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Sentence", "listed", "shown"]  # what other areas make their sentences with

# Shape --------------------------------------------------------------------------------------------


def unknown_key(key: str, what: str, known: Iterable[str]) -> Sentence:
    """A key that means nothing there."""
    return Sentence(f"{what} has no key {shown(key)}.", suggest(key, known))


def missing_key(key: str, what: str, example: str) -> Sentence:
    """A key that cannot be left out."""
    return Sentence(f"{what} needs {key!r}.", f"Write for example `{example}`.")


def wants(what: str, wanted: str, got: str, example: str) -> Sentence:
    """The wrong kind of value."""
    hint = f"Write for example `{example}`." if example else "Quote it if it is meant as text."
    return Sentence(f"{what} is {wanted}, not {got}.", hint)


def no_value(what: str) -> Sentence:
    """`key:` with nothing after it."""
    return Sentence(
        f"{what} has no value.",
        'Give it one, or remove the key; quote it if the word "null" is meant.',
    )


def no_values(what: str) -> Sentence:
    """An empty list where each entry makes cells."""
    return Sentence(f"{what} has no values.", "Give it at least one, or remove it.")


def empty_text(what: str) -> Sentence:
    """An empty string where a word is needed."""
    return Sentence(f"{what} is empty.", "Write a word, or remove it.")


def not_a_number(what: str, text: str, wanted: str) -> Sentence:
    """Text where a number was wanted, or a number out of bounds."""
    return Sentence(f"{what} is {wanted}, not {shown(text)}.")


def one_of(what: str, text: str, known: Sequence[str]) -> Sentence:
    """A word outside of a fixed list."""
    return Sentence(f"{what} cannot be {shown(text)}.", suggest(text, known))


def newer_schema(text: str, known: int) -> Sentence:
    """Written for another version of this tool."""
    return Sentence(
        f"This matrix has schema {shown(text)}; this version reads schema {known}.",
        f"Write `schema: {known}`, or install a newer pytest-modelcompat.",
    )


def duplicate(what: str, text: str, line: int) -> Sentence:
    """The same thing twice in a list."""
    return Sentence(f"{what} {shown(text)} stands here twice, first in line {line}.", "Keep one.")


def same_version(text: str, other: str, line: int) -> Sentence:
    """Two spellings of one version."""
    return Sentence(
        f"The version {shown(text)} is the same as {shown(other)} in line {line}.", "Keep one."
    )


def is_a_list() -> Sentence:
    """A known-issues file named as a matrix."""
    return Sentence(
        "A matrix is a mapping, and this file is a list.",
        "A known-issues file is named under `known_issues:` of a matrix.",
    )


# Axes ---------------------------------------------------------------------------------------------


def unknown_axis(name: str, known: Iterable[str]) -> Sentence:
    """A matcher, include or selection names an axis that the matrix does not declare."""
    known = tuple(known)
    group = [axis for axis in known if axis.startswith(name + ".")]
    if group:
        hint = f"Each key is an axis of its own: write {listed(map(repr, group[:4]))}."
    else:
        hint = suggest(name, known)
    return Sentence(f"This matrix has no axis {shown(name)}.", hint)


def unknown_framework(name: str, known: Iterable[str]) -> Sentence:
    """A distribution without an adapter."""
    near = suggest(name, known)
    own = 'ame its adapter: `{value: "1.0", runtime: backend, module: package.module}`.'
    return Sentence(
        f"No adapter is known for the distribution {shown(name)}.",
        f"{near} Or n{own}" if near.startswith("Did") else f"N{own}",
    )


def module_without_backend() -> Sentence:
    """`module` with another runtime."""
    return Sentence("`module` belongs to `runtime: backend`.", "Remove it, or write both.")


def backend_without_module() -> Sentence:
    """`runtime: backend` alone."""
    return Sentence(
        "`runtime: backend` needs the module of an onnx.backend.base.Backend.",
        "Write for example `{value: ..., runtime: backend, module: package.module}`.",
    )


def unlisted_distribution(name: str, known: Iterable[str]) -> Sentence:
    """Providers for a framework that the matrix does not have."""
    return Sentence(
        f"There are providers for {shown(name)}, which is not a framework of this matrix.",
        suggest(name, known),
    )


def unknown_provider(name: str, owner: str | None, known: Iterable[str]) -> Sentence:
    """A provider that the framework's adapter does not know."""
    missing = f"{owner} has no" if owner else "No framework of this matrix has the"
    return Sentence(
        f"{missing} provider {shown(name)}.",
        suggest(name, known)
        or "A plug-in's own provider is given under its distribution, as `{value: NAME}`.",
    )


def installed_on_host(text: str) -> Sentence:
    """`installed` in an environment that is made for the cell."""
    return Sentence(
        f"{text} takes what an environment of your own has, and `host` makes a new one.",
        "Name an image of kind nox, tox, python, ssh or docker, or exclude this combination.",
    )


def image_python_on_host() -> Sentence:
    """Python `image` without an image."""
    return Sentence(
        "Python `image` means the image's own, and `host` is no image.",
        "Name a version, or exclude this combination: `{python: image, image: host}`.",
    )


def template_without_version(template: str, python: str) -> Sentence:
    """`{python}` in an image's name, but the Python is a path or `image`."""
    return Sentence(
        f"{shown(template)} needs a version of Python, not {shown(python)}.",
        "Name a version, or exclude this combination.",
    )


def too_many_cells(count: int, limit: int, variable: str) -> Sentence:
    """The cross product is out of hand."""
    hint = f"Split the matrix, or set {variable}={count} if that is meant."
    return Sentence(
        f"These axes make {count:,} cells; the limit is {limit:,}.",
        hint if count < 100 * limit else "Is each of these values needed with each other?",
    )


def too_many_rules(rules: int, cells: int) -> Sentence:
    """Each cell is held against each rule, and that would take minutes."""
    return Sentence(
        f"{rules:,} rules for {cells:,} cells are too many.",
        "Say the same with fewer: a pattern matches many values.",
    )


def bad_cell_limit(variable: str, text: str) -> Sentence:
    """The environment variable that raises the limit does not hold a number."""
    return Sentence(f"{variable} is a number of cells, not {shown(text)}.")


def no_cells() -> Sentence:
    """Rules that take everything out, or no axes at all."""
    return Sentence(
        "No cell is left in this matrix.",
        "Give axes.framework at least one version that no exclude takes out.",
    )


# Rules --------------------------------------------------------------------------------------------


def empty_matcher(what: str) -> Sentence:
    """A rule that would match every cell."""
    return Sentence(f"{what} names no axis, so it would hold for every cell.", "Name one.")


def adjust_sets_axis(name: str) -> Sentence:
    """Adjust (or a long value) cannot change an axis."""
    return Sentence(
        f"{name!r} is an axis, and only the axes set it.",
        "Take the combination out by `exclude` and put another one in by `include`.",
    )


def adjust_does_nothing() -> Sentence:
    """Only a match."""
    return Sentence("This rule changes nothing.", "Give it packages, env, options, limits or skip.")


def duplicate_include(cell: str) -> Sentence:
    """The cell is there already."""
    return Sentence(
        f"This cell is in the matrix already: {cell}.", "Remove the entry, or exclude the other."
    )


def bad_selection(token: str) -> Sentence:
    """`--compat-select` with a word that is not axis:pattern."""
    return Sentence(
        f"--compat-select is made of axis:pattern, not {shown(token)}.",
        'For example --compat-select "framework:onnxruntime>=1.25 python:3.12"; '
        "no spaces inside a pattern.",
    )


def bad_pattern(axis: str, text: str, wanted: str) -> Sentence:
    """A pattern that cannot be read."""
    return Sentence(f"{shown(text)} cannot be matched with {axis}.", f"Write {wanted}.")


# Several matrices ---------------------------------------------------------------------------------


def no_matrices() -> Sentence:
    """A folder without any."""
    return Sentence(
        "There is no matrix in this folder.", "A matrix is a .yaml file; `modelcompat init`."
    )


def same_name(name: str, other: str) -> Sentence:
    """Two matrices of one name in one run."""
    return Sentence(
        f"The matrix {shown(name)} has the name of {other}.", "Give one of them another `name:`."
    )

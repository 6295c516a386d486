"""What is said about a word that does not fit its grammar."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_modelcompat.errors.yaml_file import Sentence, listed, shown

if TYPE_CHECKING:
    from collections.abc import Sequence


def bad_distribution(text: str) -> Sentence:
    """Not a PEP 508 name."""
    return Sentence(
        f"{shown(text)} is not the name of a package.",
        "A name has letters, digits and . _ - only, and begins and ends with a letter or digit.",
    )


def bad_version(text: str) -> Sentence:
    """Not a PEP 440 version."""
    return Sentence(
        f"{shown(text)} is not a version.",
        "Write one full version such as 1.20.1; ranges belong into `packages` or a matcher.",
    )


def bad_python(text: str) -> Sentence:
    """Neither a version, nor a path, nor `image`."""
    return Sentence(
        f"{shown(text)} is not a Python.",
        'Write a version such as "3.12" or "3.12.1", the path of an interpreter, or `image`.',
    )


def bad_pin(text: str) -> Sentence:
    """Not `name==version`."""
    return Sentence(
        f"{shown(text)} is not one version of one package.",
        "Write `name==version`, for example `onnxruntime==1.31.1`.",
    )


def bad_requirement(text: str, reason: str) -> Sentence:
    """Not a name with specifiers."""
    return Sentence(
        f"{shown(text)} is not a requirement: {reason}.",
        "Write a name with specifiers, such as `numpy<2`.",
    )


def option_as_requirement(text: str) -> Sentence:
    """`--index-url ...` smuggled into a list of packages."""
    return Sentence(
        f"{shown(text)} is an option, not a requirement.",
        "Indexes and options come from uv's own configuration and environment.",
    )


def located_requirement(text: str, kind: str) -> Sentence:
    """A URL, a path, a VCS reference."""
    return Sentence(
        f"{shown(text)} is {kind}; requirements are names with specifiers.",
        "Put the wheel into a folder and name that folder in UV_FIND_LINKS.",
    )


def bad_image(text: str) -> Sentence:
    """Not an image reference."""
    return Sentence(
        f"{shown(text)} is not the name of an image.",
        "Write `host`, or a reference such as debian:bookworm or ghcr.io/name/image:tag.",
    )


def bad_template(text: str) -> Sentence:
    """Braces that mean nothing."""
    return Sentence(
        f"{shown(text)} holds braces that mean nothing here.", "Only {python} is filled in."
    )


def option_like(what: str, text: str) -> Sentence:
    """A leading dash where a program would read an option."""
    return Sentence(f"{what} {shown(text)} would be read as an option.", "Remove the leading dash.")


def bad_word(what: str, text: str, allowed: str) -> Sentence:
    """A name outside of its grammar."""
    return Sentence(f"{what} cannot be {shown(text)}.", f"Use {allowed}.")


def too_long(what: str, text: str, most: int) -> Sentence:
    """A name that no line and no file name could hold."""
    return Sentence(
        f"{what} cannot have {len(text)} characters: {shown(text)}.", f"It may have {most}."
    )


def bad_text(what: str, code: int) -> Sentence:
    """A control character in a value."""
    return Sentence(f"{what} holds the control character U+{code:04X}.", "Remove it.")


def bad_limit(what: str, text: str, units: Sequence[str], example: str) -> Sentence:
    """Not an integer with a unit."""
    return Sentence(
        f"{what} cannot be {shown(text)}.",
        f"Write an integer from 1 on with {listed(units)}, for example `{example}`.",
    )


def limit_out_of_range(what: str, text: str, most: str) -> Sentence:
    """More than any machine has."""
    return Sentence(f"{what} cannot be {shown(text)}.", f"It is at most {most}.")


def bad_date(what: str, text: str) -> Sentence:
    """Not YYYY-MM-DD, or no such day."""
    return Sentence(f"{what} {shown(text)} is not a date.", "Write YYYY-MM-DD, as in 2026-11-01.")


def bad_regex(what: str, text: str, reason: str) -> Sentence:
    """The regular expression does not compile."""
    return Sentence(
        f"{what} {shown(text)} is not a regular expression: {reason}.",
        "Put a backslash before characters that are meant as they are.",
    )


def bad_link(text: str) -> Sentence:
    """An issue that is neither an https address nor a plain reference."""
    return Sentence(
        f"The issue {shown(text)} is not an address that can be linked.",
        "Write an https address, or a reference such as ABC-123.",
    )

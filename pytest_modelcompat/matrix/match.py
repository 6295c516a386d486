"""Matchers: one small language for exclude, adjust, when, known issues and --compat-select.

A matcher maps axes to patterns. All axes must match, any pattern of an axis is enough, and an axis
that a cell does not have never matches. Patterns are shell patterns, case-sensitive; `framework`
takes a distribution with optional version specifiers, `python` and `packages.*` take specifiers or
patterns. Pre-releases count as the versions they are.

Answers are remembered per (axis, pattern, value): a run asks the same few questions for every case
of every cell.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TYPE_CHECKING

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from pytest_modelcompat.errors import Problem, UsageProblem
from pytest_modelcompat.errors import matrix as words
from pytest_modelcompat.matrix import grammar
from pytest_modelcompat.matrix.model import Matcher

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from pytest_modelcompat.errors.yaml_file import Sentence

__all__ = ["check_pattern", "matches", "parse_select", "pattern_matches"]

_FRAMEWORK = re.compile(r"([A-Za-z0-9*?\[][A-Za-z0-9._*?\[\]-]*)\s*([<>=!~].*)?", re.DOTALL)
_OPERATORS = ("<", ">", "=", "!", "~")
_LONGEST = 500


def matches(matcher: Matcher, axes: Mapping[str, str] | Iterable[tuple[str, str]]) -> bool:
    """Whether a cell fits.

    Args:
        matcher: an empty one fits every cell.
        axes: of the cell, `cell.axes` or a mapping made of it.
    """
    if not matcher.patterns:
        return True
    values = axes if isinstance(axes, Mapping) else dict(axes)
    for axis, patterns in matcher.patterns:
        value = values.get(axis)
        if value is None or not any(pattern_matches(axis, each, value) for each in patterns):
            return False
    return True


@lru_cache(maxsize=2**18)
def pattern_matches(axis: str, pattern: str, value: str) -> bool:
    """Whether one value of an axis fits one pattern.

    Args:
        axis: its name outside the file, as in `packages.numpy`.
        pattern: must have passed `check_pattern`; specifiers that have not fit nothing.
        value: text, for `framework` as `onnxruntime==1.31.1`.
    """
    return _fits(axis, pattern, value)


# What is remembered stands in functions of their own: mutation testing passes decorated ones over.


def _fits(axis: str, pattern: str, value: str) -> bool:
    if axis == "framework":
        return _framework_matches(pattern, value)
    if _takes_versions(axis) and pattern.lstrip()[:1] in _OPERATORS:
        specifiers = _specifiers(pattern)
        version = _version(value)
        if specifiers is None or version is None:
            return False
        return specifiers.contains(version, prereleases=True)
    return fnmatchcase(value, pattern)


def _framework_matches(pattern: str, value: str) -> bool:
    parts = _FRAMEWORK.fullmatch(pattern.strip())
    if not parts:
        return False
    name, _, text = value.partition("==")
    wanted, specifier = parts.group(1), parts.group(2)
    if not fnmatchcase(canonicalize_name(name), _canonical_pattern(wanted)):
        return False
    if specifier is None:
        return True
    if specifier.replace(" ", "") == "==installed":
        return text == "installed"
    specifiers, version = _specifiers(specifier), _version(text)
    if specifiers is None or version is None:
        return False
    return specifiers.contains(version, prereleases=True)


def _canonical_pattern(text: str) -> str:
    if "[" in text:
        return text.lower()
    return re.sub(r"[-_.]+", "-", text).lower()


def _takes_versions(axis: str) -> bool:
    return axis == "python" or axis.startswith("packages.")


def _read_specifiers(text: str) -> SpecifierSet | None:
    try:
        return SpecifierSet(text)
    except InvalidSpecifier:
        return None


def _read_version(text: str) -> Version | None:
    try:
        return Version(text.removesuffix("t"))  # 3.13t is a 3.13
    except InvalidVersion:
        return None


_specifiers = lru_cache(maxsize=4096)(_read_specifiers)
_version = lru_cache(maxsize=4096)(_read_version)


def check_pattern(axis: str, pattern: str) -> Sentence | None:
    """What is wrong with a pattern, or None."""
    odd = grammar.printable("A pattern", pattern)
    if odd:
        return odd
    if len(pattern) > _LONGEST:  # packaging turns digits into integers, which have a limit
        return words.bad_pattern(axis, pattern, f"at most {_LONGEST} characters")
    if axis == "framework":
        parts = _FRAMEWORK.fullmatch(pattern.strip())
        specifier = parts.group(2) if parts else None
        if not parts or not (
            specifier is None
            or specifier.replace(" ", "") == "==installed"
            or _specifiers(specifier) is not None
        ):
            return words.bad_pattern(
                axis, pattern, "a distribution with specifiers, such as `onnxruntime>=1.20,<1.25`"
            )
    elif (
        _takes_versions(axis)
        and pattern.lstrip()[:1] in _OPERATORS
        and _specifiers(pattern) is None
    ):
        return words.bad_pattern(axis, pattern, "specifiers such as `>=3.10` or `==3.12.*`")
    return None


def parse_select(text: str, axes: Collection[str]) -> Matcher:
    """The matcher that `--compat-select` writes as `axis:pattern axis:pattern`.

    Args:
        text: words with spaces between; all must match, a repeated axis is or. Quotes as in a
            shell keep a space in a pattern.
        axes: the names that a word may have.

    Raises:
        UsageProblem: a word is not `axis:pattern`, names no axis, or its pattern cannot be read.
    """
    try:
        tokens = shlex.split(text)
    except ValueError:  # a quote is left open
        raise UsageProblem(_problem(words.bad_selection(text))) from None
    patterns: dict[str, list[str]] = {}
    problems = []
    for token in tokens:
        axis, colon, pattern = token.partition(":")
        if not colon or not axis or not pattern:
            problems.append(_problem(words.bad_selection(token)))
        elif axis not in axes:
            problems.append(_problem(words.unknown_axis(axis, axes)))
        else:
            sentence = check_pattern(axis, pattern)
            if sentence:
                problems.append(_problem(sentence))
            patterns.setdefault(axis, []).append(pattern)
    if problems:
        raise UsageProblem(problems)
    return Matcher(patterns=tuple((axis, tuple(each)) for axis, each in patterns.items()))


def _problem(sentence: Sentence) -> Problem:
    return Problem(message=sentence.message, hint=sentence.hint)
